// Pooling on the blocked form: a pixel is 16 channels, so windows are folded without any shuffling.
#include "kernels/blocked.h"
#include "kernels/cpu/pool2d.h"
#include "kernels/cpu/stream.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kPixel = kChannelBlock;
constexpr int kVectors = kPixel / DL_VLEN;  // of a pixel

int64_t planes_per_chunk(const PoolShape& s) { return max(1, 16384 / max(1, s.h * s.w * kPixel)); }
int64_t chunks_of(const PoolShape& s) { return (s.planes + planes_per_chunk(s) - 1) / planes_per_chunk(s); }

// Calls f(plane) for the planes of a chunk.
template <class F>
DL_INLINE void each_plane(const PoolShape& s, int64_t chunk, F f) {
  const int64_t n = planes_per_chunk(s);
  for (int64_t p = chunk * n; p < min(s.planes, (chunk + 1) * n); ++p) f(p);
}

// The part of a window that lies in the image.
struct Window {
  int64_t y0, y1, x0, x1;
};
DL_INLINE Window window_at(const PoolShape& s, int64_t oy, int64_t ox) {
  return {s.first(oy), s.end(oy), max(0, ox * s.sw - s.pl), min(s.w, ox * s.sw - s.pl + s.kw)};
}

// Fetches the rows of a plane in their order, ahead of the windows that use them side by side: what rows that take turns
// cost is in touch_row.
class RowsAhead {
 public:
  RowsAhead(const PoolShape& s, const float* plane) : s_(s), plane_(plane) { fetch(s.end(0) * s.w); }
  // Before the windows of row oy; after() after each of them.
  DL_INLINE void before(int64_t oy) {
    if (oy + 1 == s_.oh) return;
    until_ = s_.end(oy + 1) * s_.w;
    step_ = max(0, (until_ - at_ + s_.ow - 1) / s_.ow);
  }
  DL_INLINE void after() { fetch(min(until_, at_ + step_)); }

 private:
  DL_INLINE void fetch(int64_t until) {
    for (; at_ < until; ++at_) __builtin_prefetch(plane_ + at_ * kPixel);
  }
  const PoolShape& s_;
  const float* plane_;
  int64_t at_ = 0, until_ = 0, step_ = 0;  // pixels
};

// What a window gives. NaN is the largest of all; it is kept apart, so that one value waits for the next as briefly as
// can be.
struct Largest {
  vf best = splat(-__builtin_inff());
  vi nan = {};
  DL_INLINE void add(vf x) {
    best = vmax(best, x);
    nan |= x != x;
  }
  DL_INLINE vf result() const { return select(nan, splat(__builtin_nanf("")), best); }
};
struct Total {
  vf sum = {};
  DL_INLINE void add(vf x) { sum += x; }
  DL_INLINE vf result() const { return sum; }
};

template <class F>
DL_INLINE void fold_window(const PoolShape& s, const Window& w, const float* plane, vf (&v)[kVectors]) {
  F f[kVectors];
  for (int64_t y = w.y0; y < w.y1; ++y) {
    const float* p = plane + (y * s.w + w.x0) * kPixel;
    for (int64_t n = w.x1 - w.x0; n > 0; --n, p += kPixel)
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) f[k].add(load(p + k * DL_VLEN));
  }
  for (int k = 0; k < kVectors; ++k) v[k] = f[k].result();
}

// Calls put(oy, ox, v, y) for every output vector v of a chunk; y: where it goes.
template <class F, class Put>
DL_INLINE void fold_chunk(const Call& c, const PoolShape& s, int64_t chunk, Put put) {
  each_plane(s, chunk, [&](int64_t p) {
    const float* x = c.in[0].f() + p * s.h * s.w * kPixel;
    float* y = c.out[0].f() + p * s.oh * s.ow * kPixel;
    RowsAhead rows(s, x);
    for (int64_t oy = 0; oy < s.oh; ++oy) {
      rows.before(oy);
      for (int64_t ox = 0; ox < s.ow; ++ox, y += kPixel) {
        vf v[kVectors];
        fold_window<F>(s, window_at(s, oy, ox), x, v);
        rows.after();
        for (int k = 0; k < kVectors; ++k) put(oy, ox, v[k], y + k * DL_VLEN);
      }
    }
  });
}

// ---- Maximum ----

PoolShape max_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.out[0].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}
void plan_max(const Call& c, Work& w) { w.chunks[0] = chunks_of(max_shape(c)); }
void run_max(const Call& c, int, int64_t chunk, float*) {
  fold_chunk<Largest>(c, max_shape(c), chunk, [](int64_t, int64_t, vf v, float* y) { store(y, v); });
}

PoolShape max_grad_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.in[1].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}

void plan_max_grad(const Call& c, Work& w) {
  const PoolShape s = max_grad_shape(c);
  w.chunks[0] = chunks_of(s);
  w.local = s.w * min(s.kh, s.h) * kPixel;
}

// Rows of dx under the current windows, in scratch: they are written out once, when no further window reaches them.
struct OpenRows {
  const PoolShape& s;
  float *dx, *ring;
  bool stream;
  int64_t slots = min(s.kh, s.h);
  int64_t closed = 0, opened = 0;  // rows before `closed` are written, before `opened` begun
  int64_t floats() const { return s.w * kPixel; }
  float* at(int64_t y) const { return ring + y % slots * floats(); }
  void close_until(int64_t y) {
    for (; closed < y; ++closed) {
      float* to = dx + closed * floats();
      if (closed >= opened)
        zero_row(to, floats());
      else if (stream)
        for (int64_t i = 0; i < floats(); i += DL_VLEN) store_stream(to + i, load(at(closed) + i));
      else
        copy_row(to, at(closed), floats());
    }
  }
  void open_until(int64_t y) {
    for (opened = max(opened, closed); opened < y; ++opened) zero_row(at(opened), floats());
  }
};

// Gives dy to the first of the largest values of a window, in each channel: put(to, g) for each of its vectors, `to` in
// the row of dx that row(y) names.
template <class Row, class Put>
DL_INLINE void spread_maximum(const PoolShape& s, const Window& w, const float* x, const float* dy, Row row,
                              Put put) {
  vf largest[kVectors], left[kVectors];
  fold_window<Largest>(s, w, x, largest);
  for (int k = 0; k < kVectors; ++k) left[k] = load(dy + k * DL_VLEN);
  for (int64_t y = w.y0; y < w.y1; ++y) {
    const float* from = x + (y * s.w + w.x0) * kPixel;
    float* to = row(y) + w.x0 * kPixel;
    for (int64_t n = w.x1 - w.x0; n > 0; --n, from += kPixel, to += kPixel)
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) {
        const vf v = load(from + k * DL_VLEN);
        const vi hit = (v == largest[k]) | (v != v);
        put(to + k * DL_VLEN, select(hit, left[k], vf{}));
        left[k] = select(hit, vf{}, left[k]);
      }
  }
}

void run_max_grad(const Call& c, int, int64_t chunk, float* ring) {
  const PoolShape s = max_grad_shape(c);
  const bool stream = streams(c.out[0]);
  const bool tiled = s.sh == s.kh && s.sw == s.kw && s.oh * s.sh - s.pt >= s.h && s.ow * s.sw - s.pl >= s.w;
  each_plane(s, chunk, [&](int64_t p) {
    const float* x = c.in[0].f() + p * s.h * s.w * kPixel;
    const float* dy = c.in[1].f() + p * s.oh * s.ow * kPixel;
    float* dx = c.out[0].f() + p * s.h * s.w * kPixel;
    OpenRows open{s, dx, ring, stream};
    RowsAhead rows(s, x);
    for (int64_t oy = 0; oy < s.oh; ++oy) {
      rows.before(oy);
      if (tiled) {  // each pixel lies under one window
        for (int64_t ox = 0; ox < s.ow; ++ox, dy += kPixel, rows.after())
          spread_maximum(
              s, window_at(s, oy, ox), x, dy, [&](int64_t y) { return dx + y * s.w * kPixel; },
              [&](float* to, vf g) __attribute__((always_inline)) { store_either(to, g, stream); });
        continue;
      }
      open.close_until(s.first(oy));
      open.open_until(s.end(oy));
      for (int64_t ox = 0; ox < s.ow; ++ox, dy += kPixel, rows.after())
        spread_maximum(
            s, window_at(s, oy, ox), x, dy, [&](int64_t y) { return open.at(y); },
            [](float* to, vf g) __attribute__((always_inline)) { store(to, load(to) + g); });
    }
    if (!tiled) open.close_until(s.h);
  });
  if (stream) stream_fence();
}

// ---- Average ----

PoolShape avg_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.out[0].dims, *static_cast<const AvgPool2dAttrs*>(c.attrs));
}
void plan_avg(const Call& c, Work& w) {
  const PoolShape s = avg_shape(c);
  w.chunks[0] = chunks_of(s);
  w.local = s.oh + s.ow;
}
void run_avg(const Call& c, int, int64_t chunk, float* local) {
  const PoolShape s = avg_shape(c);
  const Shares shares{s, *static_cast<const AvgPool2dAttrs*>(c.attrs)};
  float *rows = local, *columns = local + s.oh;
  for (int64_t oy = 0; oy < s.oh; ++oy) rows[oy] = shares.rows(oy);
  shares.columns(columns);
  fold_chunk<Total>(c, s, chunk,
                    [&](int64_t oy, int64_t ox, vf v, float* y) { store(y, v * (rows[oy] * columns[ox])); });
}

PoolShape avg_grad_shape(const Call& c) {
  return shape_of(c.out[0].dims, c.in[0].dims, *static_cast<const AvgPool2dGradAttrs*>(c.attrs));
}
void plan_avg_grad(const Call& c, Work& w) {
  const PoolShape s = avg_grad_shape(c);
  w.chunks[0] = chunks_of(s);
  w.local = s.ow * (kPixel + 1);
}

// The range of the windows above position i, which moves on with i; starts as {0, 0}.
struct Above {
  int64_t first, end;
  void move_to(int64_t i, int64_t windows, int64_t stride, int64_t kernel, int64_t before) {
    while (end < windows && end * stride - before <= i) ++end;
    while (first < end && first * stride - before + kernel <= i) ++first;
  }
};

// One row of dx: each pixel is the sum of the windows above it, of which there is one at most where they do not overlap.
template <bool kStream>
void spread_means(const PoolShape& s, const float* means, float* dx) {
  const auto put = [&](int64_t x, int k, vf v) __attribute__((always_inline)) {
    kStream ? store_stream(dx + x * kPixel + k * DL_VLEN, v) : store(dx + x * kPixel + k * DL_VLEN, v);
  };
  if (s.kw == s.sw && s.pl == 0 && s.ow * s.sw >= s.w) {
    for (int64_t x = 0; x < s.w; means += kPixel)
      for (const int64_t end = min(s.w, x + s.kw); x < end; ++x)
        for (int k = 0; k < kVectors; ++k) put(x, k, load(means + k * DL_VLEN));
    return;
  }
  Above windows{0, 0};
  for (int64_t x = 0; x < s.w; ++x) {
    windows.move_to(x, s.ow, s.sw, s.kw, s.pl);
    vf sum[kVectors] = {};
    for (int64_t i = windows.first; i < windows.end; ++i)
      for (int k = 0; k < kVectors; ++k) sum[k] += load(means + i * kPixel + k * DL_VLEN);
    for (int k = 0; k < kVectors; ++k) put(x, k, sum[k]);
  }
}

void run_avg_grad(const Call& c, int, int64_t chunk, float* local) {
  const PoolShape s = avg_grad_shape(c);
  const Shares shares{s, *static_cast<const AvgPool2dGradAttrs*>(c.attrs)};
  float *columns = local, *means = local + s.ow;  // of a row: sum of share dy over the windows above it
  shares.columns(columns);
  const bool stream = streams(c.out[0]);
  each_plane(s, chunk, [&](int64_t p) {
    Above rows{0, 0};
    for (int64_t y = 0; y < s.h; ++y) {
      const Above old = rows;
      rows.move_to(y, s.oh, s.sh, s.kh, s.pt);
      if (y == 0 || rows.first != old.first || rows.end != old.end) {
        zero_row(means, s.ow * kPixel);
        for (int64_t oy = rows.first; oy < rows.end; ++oy) {
          const float part = shares.rows(oy), *dy = c.in[0].f() + (p * s.oh + oy) * s.ow * kPixel;
          for (int64_t i = 0; i < s.ow * kPixel; i += DL_VLEN)
            store(means + i, load(means + i) + load(dy + i) * (part * columns[i / kPixel]));
        }
      }
      float* dx = c.out[0].f() + (p * s.h + y) * s.w * kPixel;
      (stream ? spread_means<true> : spread_means<false>)(s, means, dx);
    }
  });
  if (stream) stream_fence();
}

}  // namespace

extern const Kernel max_pool2d_blocked{&plan_max, &run_max};
extern const Kernel max_pool2d_grad_blocked{&plan_max_grad, &run_max_grad};
extern const Kernel avg_pool2d_blocked{&plan_avg, &run_avg};
extern const Kernel avg_pool2d_grad_blocked{&plan_avg_grad, &run_avg_grad};

}  // namespace dl::DL_ISA
