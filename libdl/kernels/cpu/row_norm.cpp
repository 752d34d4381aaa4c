// layer_norm, group_norm and rms_norm, and their gradients: with n elements in a row, xh = (x - mean) rstd and g = gamma dy
//   dx = rstd (g - sum(g) / n - xh sum(g xh) / n),   dgamma = sum dy xh,   dbeta = sum dy;
// rms_norm has neither mean nor beta, and its gradient no sum(g).
#include "kernels/row_norm.h"

#include "kernels/cpu/rows.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;   // elements
constexpr int64_t kMostParts = 64;  // of the rows, each with sums of its own for every channel
constexpr int64_t kColumns = 1024;  // channels whose sums are joined at once

int64_t group_of(const NormRows& r) {
  const int64_t n = r.length();
  return n > 0 && n < kChunk ? kChunk / n : 1;
}
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Stats {
  float mean, rstd;
};
template <RowForm kForm>
Stats stats_of(const float* x, const NormRows& r) {
  const int64_t n = r.length();
  const double each = 1 / static_cast<double>(n);
  const float mean = kForm == RowForm::rms ? 0
                                           : static_cast<float>(each * long_row_sum(
                                                                           n, [=
  ](int64_t j, int64_t lanes) __attribute__((always_inline)) { return load_lanes(x + j, lanes); }));
  const double squares = long_row_sum(
      n, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        const vf d = load_lanes(x + j, lanes) - mean;
        return d * d;
      });
  return {mean, 1 / __builtin_sqrtf(static_cast<float>(each * squares) + r.epsilon)};
}

template <RowForm kForm>
void plan(const Call& c, Work& w) {
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  w.chunks[0] = ceil_div(r.rows, group_of(r));
}

// x gamma beta -> y mean rstd; rms: x gamma -> y rstd
template <RowForm kForm>
void run(const Call& c, int, int64_t chunk, float*) {
  constexpr bool kRms = kForm == RowForm::rms;
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  const int64_t group = group_of(r);
  for (int64_t row = chunk * group; row < r.rows && row < (chunk + 1) * group; ++row) {
    const float *x = c.in[0].f() + row * r.length(), *gamma = c.in[1].f() + r.first(row);
    const float* beta = kRms ? nullptr : c.in[2].f() + r.first(row);
    float* y = c.out[0].f() + row * r.length();
    const Stats s = stats_of<kForm>(x, r);
    if (!kRms) c.out[1].f()[row] = s.mean;
    c.out[kRms ? 1 : 2].f()[row] = s.rstd;
    if (r.plane == 1) {
      row_each(
          r.channels, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
            vf v = (load_lanes(x + j, lanes) - s.mean) * s.rstd * load_lanes(gamma + j, lanes);
            if (!kRms) v += load_lanes(beta + j, lanes);
            store_lanes(y + j, v, lanes);
          });
      continue;
    }
    for (int64_t k = 0; k < r.channels; ++k) {
      const float factor = s.rstd * gamma[k], shift = kRms ? 0 : beta[k];
      const float* px = x + k * r.plane;
      float* py = y + k * r.plane;
      row_each(
          r.plane, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
            store_lanes(py + j, (load_lanes(px + j, lanes) - s.mean) * factor + shift, lanes);
          });
    }
  }
}

// ---- Gradients ----

// Rows of a chunk of the first phase; each chunk of channels without a plane has a part of the sums.
int64_t grad_group(const NormRows& r) {
  const int64_t group = group_of(r), most = ceil_div(r.rows, kMostParts);
  return group > most ? group : most;
}
// Sums of dy xh and dy stand in shared: with a plane for each row and channel, without for each chunk and channel.
int64_t parts_of(const NormRows& r) {
  return r.plane == 1 ? ceil_div(r.rows, grad_group(r)) : r.rows / (r.groups > 0 ? r.groups : 1);
}

template <RowForm kForm>
void plan_grad(const Call& c, Work& w) {
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  w.phases = 2;
  w.chunks[0] = ceil_div(r.rows, grad_group(r));
  w.chunks[1] = ceil_div(r.channels * r.groups, kColumns);
  w.shared = 2 * parts_of(r) * r.channels * r.groups;
}

struct GradRow {
  const float *x, *dy, *gamma;
  float* dx;
  Stats s;
};

// Adds dy xh and dy of every element to the sums of its channel.
template <RowForm kForm>
void grad_flat(const GradRow& g, const NormRows& r, float* dgamma, float* dbeta) {
  const Stats s = g.s;
  const auto normal = [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    return (load_lanes(g.x + j, lanes) - s.mean) * s.rstd;
  };
  const auto slope = [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    return load_lanes(g.dy + j, lanes) * load_lanes(g.gamma + j, lanes);
  };
  const double each = 1 / static_cast<double>(r.channels);
  const float a = kForm == RowForm::rms ? 0 : static_cast<float>(each * long_row_sum(r.channels, slope));
  const float b =
      static_cast<float>(each * long_row_sum(
                                    r.channels, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
                                      return slope(j, lanes) * normal(j, lanes);
                                    }));
  row_each(
      r.channels, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        const vf xh = normal(j, lanes), dy = load_lanes(g.dy + j, lanes), d = slope(j, lanes);
        store_lanes(dgamma + j, load_lanes(dgamma + j, lanes) + dy * xh, lanes);
        if (kForm != RowForm::rms) store_lanes(dbeta + j, load_lanes(dbeta + j, lanes) + dy, lanes);
        store_lanes(g.dx + j, s.rstd * (d - a - xh * b), lanes);
      });
}

// Writes the sums of each channel's plane.
void grad_planes(const GradRow& g, const NormRows& r, float* dgamma, float* dbeta) {
  const Stats s = g.s;
  double a = 0, b = 0;
  for (int64_t k = 0; k < r.channels; ++k) {
    const float *x = g.x + k * r.plane, *dy = g.dy + k * r.plane;
    const double sum = long_row_sum(
        r.plane, [=](int64_t j, int64_t lanes)
                     __attribute__((always_inline)) { return load_lanes(dy + j, lanes); });
    const double dot = long_row_sum(
        r.plane, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
          return load_lanes(dy + j, lanes) * ((load_lanes(x + j, lanes) - s.mean) * s.rstd);
        });
    dgamma[k] = static_cast<float>(dot);
    dbeta[k] = static_cast<float>(sum);
    a += static_cast<double>(g.gamma[k]) * sum;
    b += static_cast<double>(g.gamma[k]) * dot;
  }
  const double each = 1 / static_cast<double>(r.length());
  const float mean_a = static_cast<float>(a * each), mean_b = static_cast<float>(b * each);
  for (int64_t k = 0; k < r.channels; ++k) {
    const float *x = g.x + k * r.plane, *dy = g.dy + k * r.plane, factor = g.gamma[k];
    float* dx = g.dx + k * r.plane;
    row_each(
        r.plane, [=](int64_t j, int64_t lanes) __attribute__((always_inline)) {
          const vf xh = (load_lanes(x + j, lanes) - s.mean) * s.rstd;
          store_lanes(dx + j, s.rstd * (load_lanes(dy + j, lanes) * factor - mean_a - xh * mean_b), lanes);
        });
  }
}

// Sums of channels [from, to) over the parts, each of which holds those of dy xh for `all` channels and then those of dy.
void join_parts(const Call& c, const NormRows& r, int64_t from, int64_t to, bool has_beta) {
  const int64_t all = r.channels * r.groups, parts = parts_of(r);
  for (int64_t k = from; k < to; ++k) {
    double dgamma = 0, dbeta = 0;
    for (int64_t p = 0; p < parts; ++p) {
      dgamma += c.shared[2 * p * all + k];
      if (has_beta) dbeta += c.shared[(2 * p + 1) * all + k];
    }
    c.out[1].f()[k] = static_cast<float>(dgamma);
    if (has_beta) c.out[2].f()[k] = static_cast<float>(dbeta);
  }
}

// x dy gamma mean rstd -> dx dgamma dbeta; rms: x dy gamma rstd -> dx dgamma
template <RowForm kForm>
void run_grad(const Call& c, int phase, int64_t chunk, float*) {
  constexpr bool kRms = kForm == RowForm::rms;
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  const int64_t all = r.channels * r.groups;
  if (phase == 1) {
    const int64_t to = (chunk + 1) * kColumns;
    return join_parts(c, r, chunk * kColumns, to < all ? to : all, !kRms);
  }
  const int64_t group = grad_group(r);
  float* part = c.shared + 2 * chunk * all;
  if (r.plane == 1) __builtin_memset(part, 0, sizeof(float) * static_cast<uint64_t>(2 * all));
  for (int64_t row = chunk * group; row < r.rows && row < (chunk + 1) * group; ++row) {
    const int64_t at = row * r.length(), first = r.first(row);
    const GradRow g{c.in[0].f() + at,
                    c.in[1].f() + at,
                    c.in[2].f() + first,
                    c.out[0].f() + at,
                    {kRms ? 0 : c.in[3].f()[row], c.in[kRms ? 3 : 4].f()[row]}};
    if (r.plane == 1) {
      grad_flat<kForm>(g, r, part + first, part + all + first);
    } else {
      float* sample = c.shared + 2 * (row / r.groups) * all + first;
      grad_planes(g, r, sample, sample + all);
    }
  }
}

}  // namespace

extern const Kernel layer_norm{&plan<RowForm::layer>, &run<RowForm::layer>};
extern const Kernel group_norm{&plan<RowForm::group>, &run<RowForm::group>};
extern const Kernel rms_norm{&plan<RowForm::rms>, &run<RowForm::rms>};
extern const Kernel layer_norm_grad{&plan_grad<RowForm::layer>, &run_grad<RowForm::layer>};
extern const Kernel group_norm_grad{&plan_grad<RowForm::group>, &run_grad<RowForm::group>};
extern const Kernel rms_norm_grad{&plan_grad<RowForm::rms>, &run_grad<RowForm::rms>};

}  // namespace dl::DL_ISA
