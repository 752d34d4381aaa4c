// Pooling on the blocked form: a pixel is 16 channels, so windows are folded pixel by pixel without any shuffling.
#include "kernels/blocked.h"
#include "kernels/cpu/pool2d.h"
#include "kernels/cpu/stream.h"

namespace dl::DL_ISA {
namespace {

constexpr int kVectors = kChannelBlock / DL_VLEN;  // of a pixel

// The part of a window that lies in the image.
struct Window {
  int64_t y0, y1, x0, x1;
};
Window window_at(const PoolShape& s, int64_t oy, int64_t ox) {
  return {s.first(oy), s.end(oy), max(0, ox * s.sw - s.pl), min(s.w, ox * s.sw - s.pl + s.kw)};
}

int64_t planes_per_chunk(const PoolShape& s) { return max(1, 16384 / max(1, s.h * s.w * kChannelBlock)); }
int64_t chunks_of(const PoolShape& s) { return (s.planes + planes_per_chunk(s) - 1) / planes_per_chunk(s); }

// Calls f(plane) for the planes of a chunk.
template <class F>
DL_INLINE void each_plane(const PoolShape& s, int64_t chunk, F f) {
  const int64_t n = planes_per_chunk(s);
  for (int64_t p = chunk * n; p < min(s.planes, (chunk + 1) * n); ++p) f(p);
}

template <class F>
DL_INLINE void fold_window(const PoolShape& s, const Window& w, const float* plane, F f, vf (&v)[kVectors]) {
  for (vf& one : v) one = splat(F::kStart);
  for (int64_t y = w.y0; y < w.y1; ++y) {
    const float* p = plane + (y * s.w + w.x0) * kChannelBlock;
    for (int64_t n = w.x1 - w.x0; n > 0; --n, p += kChannelBlock)
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) v[k] = f(v[k], load(p + k * DL_VLEN));
  }
}

// Calls put(oy, ox, v, y) for every output pixel of a chunk, y being where it goes.
template <class F, class Put>
DL_INLINE void fold_chunk(const Call& c, const PoolShape& s, int64_t chunk, F f, Put put) {
  each_plane(s, chunk, [&](int64_t p) {
    const float* x = c.in[0].f() + p * s.h * s.w * kChannelBlock;
    float* y = c.out[0].f() + p * s.oh * s.ow * kChannelBlock;
    for (int64_t oy = 0; oy < s.oh; ++oy)
      for (int64_t ox = 0; ox < s.ow; ++ox, y += kChannelBlock) {
        vf v[kVectors];
        fold_window(s, window_at(s, oy, ox), x, f, v);
        put(oy, ox, v, y);
      }
  });
}

// ---- Maximum ----

PoolShape max_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.out[0].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}
void plan_max(const Call& c, Work& w) { w.chunks[0] = chunks_of(max_shape(c)); }

void run_max(const Call& c, int, int64_t chunk, float*) {
  fold_chunk(c, max_shape(c), chunk, Maximum{}, [](int64_t, int64_t, const vf(&v)[kVectors], float* y) {
    for (int k = 0; k < kVectors; ++k) store(y + k * DL_VLEN, v[k]);
  });
}

PoolShape max_grad_shape(const Call& c) {
  return shape_of(c.in[0].dims, c.in[1].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
}
void plan_max_grad(const Call& c, Work& w) { w.chunks[0] = chunks_of(max_grad_shape(c)); }

enum class Put { add, store, stream };

// dy to the first of the largest values of a window, in each channel.
template <Put kPut>
DL_INLINE void spread_maximum(const PoolShape& s, const Window& w, const float* x, const float* dy,
                              float* dx) {
  vf best[kVectors];
  fold_window(s, w, x, Maximum{}, best);
  vi open[kVectors];
  for (vi& one : open) one = ~vi{};
  for (int64_t y = w.y0; y < w.y1; ++y) {
    int64_t i = (y * s.w + w.x0) * kChannelBlock;
    for (int64_t n = w.x1 - w.x0; n > 0; --n, i += kChannelBlock)
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) {
        const int64_t at = i + k * DL_VLEN;
        const vf v = load(x + at);
        const vi hit = ((v == best[k]) | (v != v)) & open[k];
        open[k] &= ~hit;
        const vf g = select(hit, load(dy + k * DL_VLEN), vf{});
        if constexpr (kPut == Put::stream)
          store_stream(dx + at, g);
        else
          store(dx + at, kPut == Put::add ? load(dx + at) + g : g);
      }
  }
}

// Windows may overlap or leave pixels out: rows are zeroed as windows reach them. Otherwise each pixel is stored once.
template <Put kPut>
void max_grad_plane(const PoolShape& s, const float* x, const float* dy, float* dx) {
  int64_t zeroed = kPut == Put::add ? 0 : s.h;
  const auto zero_until = [&](int64_t row) {
    if (row > zeroed) {
      zero_row(dx + zeroed * s.w * kChannelBlock, (row - zeroed) * s.w * kChannelBlock);
      zeroed = row;
    }
  };
  for (int64_t oy = 0; oy < s.oh; ++oy) {
    zero_until(s.end(oy));
    for (int64_t ox = 0; ox < s.ow; ++ox, dy += kChannelBlock)
      spread_maximum<kPut>(s, window_at(s, oy, ox), x, dy, dx);
  }
  zero_until(s.h);
}

void run_max_grad(const Call& c, int, int64_t chunk, float*) {
  const PoolShape s = max_grad_shape(c);
  const bool tiled = s.sh == s.kh && s.sw == s.kw && s.oh * s.sh - s.pt >= s.h && s.ow * s.sw - s.pl >= s.w;
  const bool stream = tiled && streams(c.out[0]);
  each_plane(s, chunk, [&](int64_t p) {
    const float* x = c.in[0].f() + p * s.h * s.w * kChannelBlock;
    const float* dy = c.in[1].f() + p * s.oh * s.ow * kChannelBlock;
    float* dx = c.out[0].f() + p * s.h * s.w * kChannelBlock;
    const auto plane = stream  ? max_grad_plane<Put::stream>
                       : tiled ? max_grad_plane<Put::store>
                               : max_grad_plane<Put::add>;
    plane(s, x, dy, dx);
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
  w.local = s.ow;
}

void run_avg(const Call& c, int, int64_t chunk, float* columns) {
  const PoolShape s = avg_shape(c);
  const Shares shares{s, *static_cast<const AvgPool2dAttrs*>(c.attrs)};
  shares.columns(columns);
  fold_chunk(c, s, chunk, Sum{}, [&](int64_t oy, int64_t ox, const vf(&v)[kVectors], float* y) {
    const float part = shares.rows(oy) * columns[ox];
    for (int k = 0; k < kVectors; ++k) store(y + k * DL_VLEN, v[k] * part);
  });
}

// dx of a pixel is the sum over the windows above it: rows [oy0, oy1) and columns [ox0, ox1) of them.
PoolShape avg_grad_shape(const Call& c) {
  return shape_of(c.out[0].dims, c.in[0].dims, *static_cast<const AvgPool2dGradAttrs*>(c.attrs));
}
void plan_avg_grad(const Call& c, Work& w) {
  const PoolShape s = avg_grad_shape(c);
  w.chunks[0] = chunks_of(s);
  w.local = s.oh + s.ow;
}

// The range of the windows above position i moves on with i; start from {0, 0}.
struct Above {
  int64_t first, end;
  void move_to(int64_t i, int64_t windows, int64_t stride, int64_t kernel, int64_t before) {
    while (end < windows && end * stride - before <= i) ++end;
    while (first < end && first * stride - before + kernel <= i) ++first;
  }
};

template <bool kStream>
void avg_grad_plane(const PoolShape& s, const float* rows, const float* columns, const float* dy, float* dx) {
  Above oy{0, 0};
  for (int64_t y = 0; y < s.h; ++y) {
    oy.move_to(y, s.oh, s.sh, s.kh, s.pt);
    Above ox{0, 0};
    for (int64_t x = 0; x < s.w; ++x, dx += kChannelBlock) {
      ox.move_to(x, s.ow, s.sw, s.kw, s.pl);
      vf sum[kVectors] = {};
      for (int64_t i = oy.first; i < oy.end; ++i)
        for (int64_t j = ox.first; j < ox.end; ++j) {
          const float part = rows[i] * columns[j];
          for (int k = 0; k < kVectors; ++k)
            sum[k] += load(dy + (i * s.ow + j) * kChannelBlock + k * DL_VLEN) * part;
        }
      for (int k = 0; k < kVectors; ++k)
        kStream ? store_stream(dx + k * DL_VLEN, sum[k]) : store(dx + k * DL_VLEN, sum[k]);
    }
  }
}

void run_avg_grad(const Call& c, int, int64_t chunk, float* local) {
  const PoolShape s = avg_grad_shape(c);
  const Shares shares{s, *static_cast<const AvgPool2dGradAttrs*>(c.attrs)};
  float *rows = local, *columns = local + s.oh;
  for (int64_t oy = 0; oy < s.oh; ++oy) rows[oy] = shares.rows(oy);
  shares.columns(columns);
  const bool stream = streams(c.out[0]);
  each_plane(s, chunk, [&](int64_t p) {
    const float* dy = c.in[0].f() + p * s.oh * s.ow * kChannelBlock;
    float* dx = c.out[0].f() + p * s.h * s.w * kChannelBlock;
    (stream ? avg_grad_plane<true> : avg_grad_plane<false>)(s, rows, columns, dy, dx);
  });
  if (stream) stream_fence();
}

}  // namespace

extern const Kernel max_pool2d_blocked{&plan_max, &run_max};
extern const Kernel max_pool2d_grad_blocked{&plan_max_grad, &run_max_grad};
extern const Kernel avg_pool2d_blocked{&plan_avg, &run_avg};
extern const Kernel avg_pool2d_grad_blocked{&plan_avg_grad, &run_avg_grad};

}  // namespace dl::DL_ISA
