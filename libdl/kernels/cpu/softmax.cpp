// softmax and log_softmax along any axis, and their gradients.
#include "kernels/cpu/rows.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {
namespace {

Split split_of(const Call& c) {
  const int64_t axis = static_cast<const SoftmaxAttrs*>(c.attrs)->axis;
  return split_at(c.in[0], static_cast<int>(axis < 0 ? axis + c.in[0].rank : axis));
}

void plan(const Call& c, Work& w) { w.chunks[0] = split_of(c).chunks; }

// Calls row(offset) for rows, column(offset, lanes) for blocks of columns.
template <class Row, class Column>
DL_INLINE void each_unit(const Split& s, int64_t chunk, Row row, Column column) {
  for (int64_t u = chunk * s.group; u < s.units && u < (chunk + 1) * s.group; ++u) {
    if (s.inner == 1) {
      row(u * s.n);
      continue;
    }
    const int64_t j = u % s.blocks * DL_VLEN, left = s.inner - j;
    column(u / s.blocks * s.n * s.inner + j, left < DL_VLEN ? left : DL_VLEN);
  }
}

void softmax_row(const float* x, float* y, int64_t n) {
  const float m = row_max(x, n);
  const float sum = row_sum(
      n, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        const vf e = math::exp_neg(load_lanes(x + j, lanes) - m);
        store_lanes(y + j, e, lanes);
        return e;
      });
  const float factor = 1 / sum;
  row_each(
      n, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        store_lanes(y + j, load_lanes(y + j, lanes) * factor, lanes);
      });
}

// Largest element and logarithm of the sum of e^(x - largest), for each of the columns.
struct ColumnStats {
  vf max, sum;
};
DL_INLINE ColumnStats column_stats(const float* x, int64_t n, int64_t stride, int64_t lanes) {
  ColumnStats s{splat(-__builtin_inff()), vf{}};
  for (int64_t k = 0; k < n; ++k) s.max = vmax(s.max, load_lanes(x + k * stride, lanes));
  for (int64_t k = 0; k < n; ++k) s.sum += math::exp_neg(load_lanes(x + k * stride, lanes) - s.max);
  return s;
}

void run_softmax(const Call& c, int, int64_t chunk, float*) {
  const Split s = split_of(c);
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  each_unit(
      s, chunk, [&](int64_t at) { softmax_row(x + at, y + at, s.n); },
      [&](int64_t at, int64_t lanes) {
        const ColumnStats t = column_stats(x + at, s.n, s.inner, lanes);
        const vf factor = 1.f / t.sum;
        for (int64_t k = 0; k < s.n; ++k) {
          const vf e = math::exp_neg(load_lanes(x + at + k * s.inner, lanes) - t.max);
          store_lanes(y + at + k * s.inner, e * factor, lanes);
        }
      });
}

void run_log_softmax(const Call& c, int, int64_t chunk, float*) {
  const Split s = split_of(c);
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  each_unit(
      s, chunk,
      [&](int64_t at) {
        const float* p = x + at;
        const float m = row_max(p, s.n);
        const float log_sum = log_of(row_sum(
            s.n, [=](int64_t j, int64_t lanes)
                     __attribute__((always_inline)) { return math::exp_neg(load_lanes(p + j, lanes) - m); }));
        row_each(s.n, [&](int64_t j, int64_t lanes) {
          store_lanes(y + at + j, (load_lanes(p + j, lanes) - m) - log_sum, lanes);
        });
      },
      [&](int64_t at, int64_t lanes) {
        const ColumnStats t = column_stats(x + at, s.n, s.inner, lanes);
        const vf log_sum = math::log(t.sum);
        for (int64_t k = 0; k < s.n; ++k) {
          const int64_t i = at + k * s.inner;
          store_lanes(y + i, (load_lanes(x + i, lanes) - t.max) - log_sum, lanes);
        }
      });
}

// dx = y (dy - sum(dy y)).
void run_softmax_grad(const Call& c, int, int64_t chunk, float*) {
  const Split s = split_of(c);
  const float *y = c.in[0].f(), *dy = c.in[1].f();
  float* dx = c.out[0].f();
  each_unit(
      s, chunk,
      [&](int64_t at) {
        const float *py = y + at, *pd = dy + at;
        const float dot = row_sum(
            s.n, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
              return load_lanes(py + j, lanes) * load_lanes(pd + j, lanes);
            });
        row_each(s.n, [&](int64_t j, int64_t lanes) {
          store_lanes(dx + at + j, load_lanes(py + j, lanes) * (load_lanes(pd + j, lanes) - dot), lanes);
        });
      },
      [&](int64_t at, int64_t lanes) {
        vf dot = {};
        for (int64_t k = 0; k < s.n; ++k)
          dot += load_lanes(y + at + k * s.inner, lanes) * load_lanes(dy + at + k * s.inner, lanes);
        for (int64_t k = 0; k < s.n; ++k) {
          const int64_t i = at + k * s.inner;
          store_lanes(dx + i, load_lanes(y + i, lanes) * (load_lanes(dy + i, lanes) - dot), lanes);
        }
      });
}

// dx = dy - e^y sum(dy).
void run_log_softmax_grad(const Call& c, int, int64_t chunk, float*) {
  const Split s = split_of(c);
  const float *y = c.in[0].f(), *dy = c.in[1].f();
  float* dx = c.out[0].f();
  each_unit(
      s, chunk,
      [&](int64_t at) {
        const float* pd = dy + at;
        const float sum = row_sum(
            s.n, [=](int64_t j, int64_t lanes)
                     __attribute__((always_inline)) { return load_lanes(pd + j, lanes); });
        row_each(s.n, [&](int64_t j, int64_t lanes) {
          const vf p = math::exp_neg(load_lanes(y + at + j, lanes));
          store_lanes(dx + at + j, load_lanes(pd + j, lanes) - p * sum, lanes);
        });
      },
      [&](int64_t at, int64_t lanes) {
        vf sum = {};
        for (int64_t k = 0; k < s.n; ++k) sum += load_lanes(dy + at + k * s.inner, lanes);
        for (int64_t k = 0; k < s.n; ++k) {
          const int64_t i = at + k * s.inner;
          store_lanes(dx + i, load_lanes(dy + i, lanes) - math::exp_neg(load_lanes(y + i, lanes)) * sum,
                      lanes);
        }
      });
}

}  // namespace

extern const Kernel softmax{&plan, &run_softmax};
extern const Kernel log_softmax{&plan, &run_log_softmax};
extern const Kernel softmax_grad{&plan, &run_softmax_grad};
extern const Kernel log_softmax_grad{&plan, &run_log_softmax_grad};

}  // namespace dl::DL_ISA
