// Pooling. A window is folded first over its rows, whole rows of the image at a time, then along the row that results:
// both steps are vectors for strides 1 and 2. A row buffer holds the padding, so that columns need no cases.
#include "kernels/pool2d.h"

#include "kernels/cpu/shuffle.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {
namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// One plane: h x w in, oh x ow out, window kh x kw.
struct PoolShape {
  int64_t planes, h, w, oh, ow, kh, kw, sh, sw, pt, pl;
  int64_t row() const { return (ow - 1) * sw + kw; }      // floats under all windows of a row
  int64_t buffer() const { return row() + 3 * DL_VLEN; }  // vectors of stride 2 read past them
  int64_t first(int64_t oy) const { return max(0, oy * sh - pt); }
  int64_t end(int64_t oy) const { return min(h, oy * sh - pt + kh); }
  bool side_by_side() const {  // windows 2x2 that neither overlap nor leave the image
    return kh == 2 && kw == 2 && sh == 2 && sw == 2 && pt == 0 && pl == 0 && 2 * oh <= h && 2 * ow <= w;
  }
  int64_t per_chunk() const { return max(1, 16384 / max(1, h * w)); }
  int64_t chunks() const { return (planes + per_chunk() - 1) / per_chunk(); }
};

template <class A>
PoolShape shape_of(const int64_t* x, const int64_t* y, const A& a) {
  return {x[0] * x[1], x[2],        x[3],        y[2],      y[3],     a.kernel[0],
          a.kernel[1], a.stride[0], a.stride[1], a.pads[0], a.pads[1]};
}

DL_INLINE vf load_upto(const float* p, int64_t n) {
  return n >= DL_VLEN ? load(p) : n > 0 ? load_n(p, n) : vf{};
}
DL_INLINE void store_upto(float* p, vf v, int64_t n) {
  if (n >= DL_VLEN)
    store(p, v);
  else if (n > 0)
    store_n(p, v, n);
}

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

// 1 / number of rows (or columns) that window i counts; `after`: pad at the far end, when pads count.
float share(int64_t i, int64_t stride, int64_t kernel, int64_t extent, int64_t before, int64_t after,
            bool pads) {
  const int64_t start = i * stride - before, end = min(start + kernel, extent + (pads ? after : 0));
  return 1.f / static_cast<float>(end - (pads ? start : max(start, 0)));
}

template <class A>
struct Shares {
  const PoolShape& s;
  const A& a;
  float rows(int64_t oy) const { return share(oy, s.sh, s.kh, s.h, s.pt, a.pads[2], a.count_include_pad); }
  void columns(float* out) const {
    for (int64_t ox = 0; ox < s.ow; ++ox)
      out[ox] = share(ox, s.sw, s.kw, s.w, s.pl, a.pads[3], a.count_include_pad);
  }
};
template <class A>
Shares(const PoolShape&, const A&) -> Shares<A>;

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

}  // namespace

extern const Kernel max_pool2d{&plan_max, &run_max};
extern const Kernel max_pool2d_grad{&plan_max_grad, &run_max_grad};
extern const Kernel avg_pool2d{&plan_avg, &run_avg};
extern const Kernel avg_pool2d_grad{&plan_avg_grad, &run_avg_grad};

}  // namespace dl::DL_ISA
