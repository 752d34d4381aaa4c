// Pooling. A window is folded first over its rows, whole rows of the image at a time, then along the row that results:
// both steps are vectors for strides 1 and 2. A row buffer holds the padding, so that columns need no cases.
#include "kernels/cpu/pool2d.h"

namespace dl::DL_ISA {
namespace {

// NaN wins, so that a diverged network shows it.
struct Maximum {
  static constexpr float kStart = -__builtin_inff();
  DL_INLINE vf operator()(vf best, vf x) const { return select((x > best) | (x != x), x, best); }
  DL_INLINE float operator()(float best, float x) const { return x > best || x != x ? x : best; }
};
struct Sum {
  static constexpr float kStart = 0;
  template <class T>
  DL_INLINE T operator()(T sum, T x) const {
    return sum + x;
  }
};

// row[pl + x] = fold of the rows [first, end) of a plane, the rest of the row is the start value.
template <class F>
void fold_rows(const PoolShape& s, int64_t first, int64_t end, const float* x, float* row, F f) {
  const int64_t columns = min(s.w, s.row() - s.pl), total = s.buffer();
  for (int64_t i = 0; i < min(s.pl, total); ++i) row[i] = F::kStart;
  for (int64_t i = s.pl + columns; i < total; ++i) row[i] = F::kStart;
  row += s.pl;
  for (int64_t i = 0; i < columns; i += DL_VLEN) {
    const int64_t n = min(DL_VLEN, columns - i);
    vf v = splat(F::kStart);
    for (int64_t y = first; y < end; ++y)
      v = f(v, n == DL_VLEN ? load(x + y * s.w + i) : load_n(x + y * s.w + i, n));
    n == DL_VLEN ? store(row + i, v) : store_n(row + i, v, n);
  }
}

// put(ox, value, n): n outputs from column ox on.
template <class F, class Put>
DL_INLINE void fold_columns(const PoolShape& s, const float* row, F f, Put put) {
  for (int64_t ox = 0; ox < s.ow; ox += DL_VLEN) {
    const int64_t n = min(DL_VLEN, s.ow - ox);
    vf v = splat(F::kStart);
    if (s.sw == 1) {
      for (int64_t j = 0; j < s.kw; ++j) v = f(v, load(row + ox + j));
    } else if (s.sw == 2) {
      for (int64_t j = 0; j + 1 < s.kw; j += 2) {
        const vf a = load(row + 2 * ox + j), b = load(row + 2 * ox + j + DL_VLEN);
        v = f(f(v, even(a, b)), odd(a, b));
      }
      if (s.kw % 2) v = f(v, even(load(row + 2 * ox + s.kw - 1), load(row + 2 * ox + s.kw - 1 + DL_VLEN)));
    } else {
      for (int64_t i = 0; i < n; ++i) {
        float one = F::kStart;
        for (int64_t j = 0; j < s.kw; ++j) one = f(one, row[(ox + i) * s.sw + j]);
        v[i] = one;
      }
    }
    put(ox, v, n);
  }
}

template <class F, class Put>
DL_INLINE void fold_2x2(const PoolShape& s, const float* x, F f, Put put) {
  for (int64_t ox = 0; ox < s.ow; ox += DL_VLEN, x += 2 * DL_VLEN) {
    const int64_t n = min(DL_VLEN, s.ow - ox), low = 2 * n, high = 2 * n - DL_VLEN;
    const vf a = f(load_upto(x, low), load_upto(x + s.w, low));
    const vf b = f(load_upto(x + DL_VLEN, high), load_upto(x + s.w + DL_VLEN, high));
    put(ox, f(even(a, b), odd(a, b)), n);
  }
}

// put(ox, value, n) for the n outputs of row oy from column ox on. row: scratch of buffer() floats.
template <class F, class Put>
DL_INLINE void fold_windows(const PoolShape& s, int64_t oy, const float* plane, float* row, F f, Put put) {
  if (s.side_by_side()) return fold_2x2(s, plane + 2 * oy * s.w, f, put);
  fold_rows(s, s.first(oy), s.end(oy), plane, row, f);
  fold_columns(s, row, f, put);
}

// ---- Maximum ------------------------------------------------------------------------------------------------------

PoolShape max_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.out[0].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}

void plan_max(const Call& c, Work& w) {
  const PoolShape s = max_shape(c);
  w.chunks[0] = s.chunks();
  w.local = s.buffer();
}

void run_max(const Call& c, int, int64_t chunk, float* row) {
  const PoolShape s = max_shape(c);
  for (int64_t p = chunk * s.per_chunk(); p < min(s.planes, (chunk + 1) * s.per_chunk()); ++p)
    for (int64_t oy = 0; oy < s.oh; ++oy) {
      float* y = c.out[0].f() + (p * s.oh + oy) * s.ow;
      const float* x = c.in[0].f() + p * s.h * s.w;
      fold_windows(s, oy, x, row, Maximum{}, [&](int64_t ox, vf v, int64_t n) { store_upto(y + ox, v, n); });
    }
}

PoolShape max_grad_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.in[1].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}

void plan_max_grad(const Call& c, Work& w) { w.chunks[0] = max_grad_shape(c).chunks(); }

void max_grad_plane(const PoolShape& s, const float* x, const float* dy, float* dx) {
  zero_row(dx, s.h * s.w);
  for (int64_t oy = 0; oy < s.oh; ++oy)
    for (int64_t ox = 0; ox < s.ow; ++ox) {
      const int64_t left = max(0, ox * s.sw - s.pl), right = min(s.w, ox * s.sw - s.pl + s.kw);
      int64_t best = s.first(oy) * s.w + left;
      for (int64_t y = s.first(oy); y < s.end(oy); ++y)
        for (int64_t i = y * s.w + left; i < y * s.w + right; ++i)
          if (x[i] > x[best]) best = i;
      dx[best] += dy[oy * s.ow + ox];
    }
}

// Windows 2x2 side by side: the gradient goes to the first of the four that is the maximum.
void max_grad_plane_2x2(const PoolShape& s, const float* x, const float* dy, float* dx) {
  for (int64_t oy = 0; oy < s.oh; ++oy) {
    const float *x0 = x + 2 * oy * s.w, *x1 = x0 + s.w;
    float *d0 = dx + 2 * oy * s.w, *d1 = d0 + s.w;
    for (int64_t ox = 0; ox < s.ow; ox += DL_VLEN) {
      const int64_t n = 2 * min(DL_VLEN, s.ow - ox), i = 2 * ox;
      const vf p = load_upto(x0 + i, n), q = load_upto(x0 + i + DL_VLEN, n - DL_VLEN);
      const vf r = load_upto(x1 + i, n), t = load_upto(x1 + i + DL_VLEN, n - DL_VLEN);
      const vf a = even(p, q), b = odd(p, q), e = even(r, t), f = odd(r, t);
      const vf best = vmax(vmax(a, b), vmax(e, f)), g = load_upto(dy + oy * s.ow + ox, n / 2);
      const vi ma = a == best, mb = (b == best) & ~ma, me = (e == best) & ~(ma | mb), mf = ~(ma | mb | me);
      const vf ga = select(ma, g, vf{}), gb = select(mb, g, vf{}), ge = select(me, g, vf{}),
               gf = select(mf, g, vf{});
      store_upto(d0 + i, zip_low(ga, gb), n);
      store_upto(d0 + i + DL_VLEN, zip_high(ga, gb), n - DL_VLEN);
      store_upto(d1 + i, zip_low(ge, gf), n);
      store_upto(d1 + i + DL_VLEN, zip_high(ge, gf), n - DL_VLEN);
    }
    zero_row(d0 + 2 * s.ow, s.w - 2 * s.ow);
    zero_row(d1 + 2 * s.ow, s.w - 2 * s.ow);
  }
  zero_row(dx + 2 * s.oh * s.w, (s.h - 2 * s.oh) * s.w);
}

void run_max_grad(const Call& c, int, int64_t chunk, float*) {
  const PoolShape s = max_grad_shape(c);
  for (int64_t p = chunk * s.per_chunk(); p < min(s.planes, (chunk + 1) * s.per_chunk()); ++p) {
    const float *x = c.in[0].f() + p * s.h * s.w, *dy = c.in[1].f() + p * s.oh * s.ow;
    float* dx = c.out[0].f() + p * s.h * s.w;
    s.side_by_side() ? max_grad_plane_2x2(s, x, dy, dx) : max_grad_plane(s, x, dy, dx);
  }
}

// ---- Average ------------------------------------------------------------------------------------------------------

void plan_avg(const Call& c, Work& w) {
  const PoolShape s = shape_of(c.in[0].dims, c.out[0].dims, *static_cast<const AvgPool2dAttrs*>(c.attrs));
  w.chunks[0] = s.chunks();
  w.local = s.buffer() + s.ow;
}

void run_avg(const Call& c, int, int64_t chunk, float* local) {
  const auto& a = *static_cast<const AvgPool2dAttrs*>(c.attrs);
  const PoolShape s = shape_of(c.in[0].dims, c.out[0].dims, a);
  const Shares shares{s, a};
  float *row = local, *columns = local + s.buffer();
  shares.columns(columns);
  for (int64_t p = chunk * s.per_chunk(); p < min(s.planes, (chunk + 1) * s.per_chunk()); ++p)
    for (int64_t oy = 0; oy < s.oh; ++oy) {
      float* y = c.out[0].f() + (p * s.oh + oy) * s.ow;
      const float rows = shares.rows(oy);
      fold_windows(s, oy, c.in[0].f() + p * s.h * s.w, row, Sum{}, [&](int64_t ox, vf v, int64_t n) {
        store_upto(y + ox, v * (rows * load_upto(columns + ox, n)), n);
      });
    }
}

PoolShape avg_grad_shape(const Call& c) {
  const auto& a = *static_cast<const AvgPool2dGradAttrs*>(c.attrs);
  return shape_of(a.shape.d, c.in[0].dims, a);
}

void plan_avg_grad(const Call& c, Work& w) {
  const PoolShape s = avg_grad_shape(c);
  w.chunks[0] = s.chunks();
  w.local = s.buffer() + s.ow;
}

// row[x] = sum of share * dy over the windows of one output row above column x.
void spread_row(const PoolShape& s, const float* dy, const float* columns, float rows, float* row) {
  if (s.sw == 2 && s.kw == 2) {
    for (int64_t ox = 0; ox < s.ow; ox += DL_VLEN) {
      const int64_t n = min(DL_VLEN, s.ow - ox);
      const vf g = load_upto(dy + ox, n) * (rows * load_upto(columns + ox, n));
      store(row + 2 * ox, zip_low(g, g));
      store(row + 2 * ox + DL_VLEN, zip_high(g, g));
    }
    return;
  }
  zero_row(row, s.row());
  for (int64_t ox = 0; ox < s.ow; ++ox) {
    const float g = dy[ox] * (rows * columns[ox]);
    for (int64_t j = 0; j < s.kw; ++j) row[ox * s.sw + j] += g;
  }
}

void run_avg_grad(const Call& c, int, int64_t chunk, float* local) {
  const auto& a = *static_cast<const AvgPool2dGradAttrs*>(c.attrs);
  const PoolShape s = avg_grad_shape(c);
  const Shares shares{s, a};
  const bool tiled =
      s.sh == s.kh && s.oh * s.kh == s.h && s.sw == s.kw && s.ow * s.kw == s.w && s.pt == 0 && s.pl == 0;
  const int64_t covered = min(s.w, s.row() - s.pl);
  float *row = local, *columns = local + s.buffer();
  shares.columns(columns);
  for (int64_t p = chunk * s.per_chunk(); p < min(s.planes, (chunk + 1) * s.per_chunk()); ++p) {
    float* dx = c.out[0].f() + p * s.h * s.w;
    if (!tiled) zero_row(dx, s.h * s.w);
    for (int64_t oy = 0; oy < s.oh; ++oy) {
      spread_row(s, c.in[0].f() + (p * s.oh + oy) * s.ow, columns, shares.rows(oy), row);
      for (int64_t y = s.first(oy); y < s.end(oy); ++y)
        tiled ? copy_row(dx + y * s.w, row, s.w) : add_row(dx + y * s.w, row + s.pl, covered);
    }
  }
}

// Images or, of rank 5, the blocked form.
template <const Kernel& kImages, const Kernel& kBlocked>
struct EitherForm {
  static void plan(const Call& c, Work& w) { (c.in[0].rank == 5 ? kBlocked : kImages).plan(c, w); }
  static void run(const Call& c, int phase, int64_t chunk, float* local) {
    (c.in[0].rank == 5 ? kBlocked : kImages).run(c, phase, chunk, local);
  }
  static constexpr Kernel kernel{&plan, &run};
};
constexpr Kernel kMax{&plan_max, &run_max}, kMaxGrad{&plan_max_grad, &run_max_grad};
constexpr Kernel kAvg{&plan_avg, &run_avg}, kAvgGrad{&plan_avg_grad, &run_avg_grad};

}  // namespace

extern const Kernel max_pool2d = EitherForm<kMax, max_pool2d_blocked>::kernel;
extern const Kernel max_pool2d_grad = EitherForm<kMaxGrad, max_pool2d_grad_blocked>::kernel;
extern const Kernel avg_pool2d = EitherForm<kAvg, avg_pool2d_blocked>::kernel;
extern const Kernel avg_pool2d_grad = EitherForm<kAvgGrad, avg_pool2d_grad_blocked>::kernel;

}  // namespace dl::DL_ISA
