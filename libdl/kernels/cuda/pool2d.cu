// Kernels of max_pool2d, avg_pool2d and their gradients, of images and of the blocked form: planes of pixels of 1 or `lanes`
// elements. Gradients gather: a pixel looks at the windows that hold it.
#include "kernels/pool2d.h"

#include "kernels/cuda/index.h"

namespace dl::DL_ISA {
namespace {

// A plane is h x w pixels in, oh x ow out. The window of output o begins at o stride - pad.
struct PoolShape {
  int64_t planes, pixel;  // elements of a pixel
  int h, w, oh, ow, kh, kw, sh, sw, pt, pl;
  int pb = 0, pr = 0;  // pads behind that count, when pads do
  bool pads = false;
  Divisor by_sh, by_sw;

  template <class A>
  PoolShape(const Arg& form, const int64_t* x, const int64_t* y, const A& a)
      : planes(form.dims[0] * form.dims[1]),
        pixel(form.rank == 5 ? form.dims[4] : 1),
        h(static_cast<int>(x[2])),
        w(static_cast<int>(x[3])),
        oh(static_cast<int>(y[2])),
        ow(static_cast<int>(y[3])),
        kh(static_cast<int>(a.kernel[0])),
        kw(static_cast<int>(a.kernel[1])),
        sh(static_cast<int>(a.stride[0])),
        sw(static_cast<int>(a.stride[1])),
        pt(static_cast<int>(a.pads[0])),
        pl(static_cast<int>(a.pads[1])),
        by_sh(a.stride[0]),
        by_sw(a.stride[1]) {}
  template <class A>
  void count_pads(const A& a) {
    pads = a.count_include_pad;
    pb = static_cast<int>(a.pads[2]);
    pr = static_cast<int>(a.pads[3]);
  }
  bool apart() const { return kh <= sh && kw <= sw; }  // no two windows share a pixel
  int64_t in_plane() const { return int64_t{h} * w * pixel; }
  int64_t out_plane() const { return int64_t{oh} * ow * pixel; }
};

struct Range {
  int begin, end;
};
__device__ __forceinline__ int lesser(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int greater(int a, int b) { return a > b ? a : b; }
// The windows that hold position i.
__device__ __forceinline__ Range windows_over(int i, const Divisor& stride, int kernel, int before,
                                              int windows) {
  const int last = i + before, past = last - kernel;  // windows begin behind `past`
  const int first = past < 0 ? 0 : static_cast<int>(stride.divide(static_cast<uint32_t>(past))) + 1;
  return {first, lesser(windows, static_cast<int>(stride.divide(static_cast<uint32_t>(last))) + 1)};
}
// 1 / number of rows (or columns) that window o counts.
__device__ __forceinline__ float share(int o, int stride, int kernel, int extent, int before, int after,
                                       bool pads) {
  const int start = o * stride - before, end = lesser(start + kernel, extent + after);
  return 1.f / static_cast<float>(end - (pads ? start : greater(start, 0)));
}
__device__ __forceinline__ float row_share(const PoolShape& s, int oy) {
  return share(oy, s.sh, s.kh, s.h, s.pt, s.pads ? s.pb : 0, s.pads);
}
__device__ __forceinline__ float column_share(const PoolShape& s, int ox) {
  return share(ox, s.sw, s.kw, s.w, s.pl, s.pads ? s.pr : 0, s.pads);
}

// Calls f(lanes, tap, inside) for the pixels of window (oy, ox); tap: the place in the window, in the order of rows. Pixels
// outside the image, which not all calls are spared, are zero. K: extent of a square window, or 0 for any.
template <int K, int V, class T, class F>
__device__ __forceinline__ void each_tap(const T* plane, const PoolShape& s, int oy, int ox, F f) {
  const int top = oy * s.sh - s.pt, left = ox * s.sw - s.pl;
  const T* window = plane + (int64_t{top} * s.w + left) * s.pixel;
  if constexpr (K == 0) {
    const int bottom = lesser(s.kh, s.h - top), right = lesser(s.kw, s.w - left);
    for (int i = greater(0, -top); i < bottom; ++i)
#pragma unroll 4
      for (int j = greater(0, -left); j < right; ++j)
        f(load_lanes<V>(window + (int64_t{i} * s.w + j) * s.pixel), i * s.kw + j, true);
  } else {
#pragma unroll
    for (int i = 0; i < K; ++i) {
      Bits<T, V> v[K];
      bool inside[K];
#pragma unroll
      for (int j = 0; j < K; ++j) {
        inside[j] = (static_cast<unsigned>(top + i) < static_cast<unsigned>(s.h)) &
                    (static_cast<unsigned>(left + j) < static_cast<unsigned>(s.w));
        v[j] = Bits<T, V>{};
        if (inside[j]) v[j] = load_bits<V>(window + (int64_t{i} * s.w + j) * s.pixel);
      }
#pragma unroll
      for (int j = 0; j < K; ++j) f(lanes_of(v[j]), i * K + j, inside[j]);
    }
  }
}

// ---- maximum ----

// The largest value of each lane, NaN above all, and the place of the first that is it.
template <class T, int V>
struct Largest {
  Lanes<T, V> best;
  int tap[V];
  __device__ __forceinline__ Largest() {
#pragma unroll
    for (int k = 0; k < V; ++k) best.v[k] = -__builtin_inff(), tap[k] = -1;
  }
  __device__ __forceinline__ void add(const Lanes<T, V>& x, int at, bool inside) {
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const float b = best.v[k], v = x.v[k];
      const bool takes = inside & ((v > b) | (tap[k] < 0) | ((v != v) & (b == b)));  // no branches
      best.v[k] = takes ? v : b;
      tap[k] = takes ? at : tap[k];
    }
  }
};

template <class T, int V, int K>
__global__ void max_kernel(const T* __restrict__ x, T* __restrict__ y, PoolShape s, Pixels outputs,
                           uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = outputs.place(i);
    Largest<T, V> largest;
    each_tap<K, V>(x + p.plane * (int64_t{s.h} * s.w * s.pixel) + p.pack * V, s, static_cast<int>(p.y),
                   static_cast<int>(p.x),
                   [&](const Lanes<T, V>& v, int tap, bool inside) { largest.add(v, tap, inside); });
    store_lanes(y + int64_t{i} * V, largest.best);
  }
}

// Windows that lie apart: each writes the pixels from its own to the next one's.
template <class T, int V, int K>
__global__ void max_grad_apart_kernel(const T* __restrict__ x, const T* __restrict__ dy, T* __restrict__ dx,
                                      PoolShape s, Pixels outputs, uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = outputs.place(i);
    const int oy = static_cast<int>(p.y), ox = static_cast<int>(p.x);
    const int64_t base = p.plane * (int64_t{s.h} * s.w * s.pixel) + p.pack * V;
    const Lanes<T, V> g = load_lanes<V>(dy + int64_t{i} * V);
    Largest<T, V> largest;
    each_tap<K, V>(x + base, s, oy, ox,
                   [&](const Lanes<T, V>& v, int tap, bool inside) { largest.add(v, tap, inside); });
    const int top = oy * s.sh - s.pt, left = ox * s.sw - s.pl, kw = K ? K : s.kw, kh = K ? K : s.kh;
    const int bottom = oy + 1 == s.oh ? s.h : lesser(s.h, top + s.sh);
    const int right = ox + 1 == s.ow ? s.w : lesser(s.w, left + s.sw);
    for (int y = greater(0, top); y < bottom; ++y)
      for (int at = greater(0, left); at < right; ++at) {
        const int tap = y - top < kh && at - left < kw ? (y - top) * kw + at - left : -2;
        Lanes<T, V> d;
#pragma unroll
        for (int k = 0; k < V; ++k) d.v[k] = tap == largest.tap[k] ? g.v[k] : 0.f;
        store_lanes(dx + base + (int64_t{y} * s.w + at) * s.pixel, d);
      }
  }
}

// Places in windows, V side by side, as bytes or words.
template <class I, int V>
struct alignas(V * sizeof(I) < 16 ? V * sizeof(I) : 16) Taps {
  I v[V];
};

template <class T, int V, int K, class I>
__global__ void taps_kernel(const T* __restrict__ x, I* __restrict__ taps, PoolShape s, Pixels outputs,
                            uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = outputs.place(i);
    Largest<T, V> largest;
    each_tap<K, V>(x + p.plane * (int64_t{s.h} * s.w * s.pixel) + p.pack * V, s, static_cast<int>(p.y),
                   static_cast<int>(p.x),
                   [&](const Lanes<T, V>& v, int tap, bool inside) { largest.add(v, tap, inside); });
    Taps<I, V> t;
#pragma unroll
    for (int k = 0; k < V; ++k) t.v[k] = static_cast<I>(largest.tap[k]);
    *reinterpret_cast<Taps<I, V>*>(taps + int64_t{i} * V) = t;
  }
}

template <class T, int V, class I>
__global__ void max_grad_kernel(const I* __restrict__ taps, const T* __restrict__ dy, T* __restrict__ dx,
                                PoolShape s, Pixels inputs, uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = inputs.place(i);
    const int y = static_cast<int>(p.y), x = static_cast<int>(p.x);
    const Range rows = windows_over(y, s.by_sh, s.kh, s.pt, s.oh),
                columns = windows_over(x, s.by_sw, s.kw, s.pl, s.ow);
    Lanes<T, V> sum{};
    for (int oy = rows.begin; oy < rows.end; ++oy)
      for (int ox = columns.begin; ox < columns.end; ++ox) {
        const int64_t at = ((int64_t{p.plane} * s.oh + oy) * s.ow + ox) * s.pixel + p.pack * V;
        const int tap = (y - (oy * s.sh - s.pt)) * s.kw + x - (ox * s.sw - s.pl);
        const Taps<I, V> t = *reinterpret_cast<const Taps<I, V>*>(taps + at);
        const Lanes<T, V> g = load_lanes<V>(dy + at);
#pragma unroll
        for (int k = 0; k < V; ++k) sum.v[k] += static_cast<int>(t.v[k]) == tap ? g.v[k] : 0.f;
      }
    store_lanes(dx + int64_t{i} * V, sum);
  }
}

// ---- average ----

template <class T, int V, int K>
__global__ void avg_kernel(const T* __restrict__ x, T* __restrict__ y, PoolShape s, Pixels outputs,
                           uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = outputs.place(i);
    const int oy = static_cast<int>(p.y), ox = static_cast<int>(p.x);
    Lanes<T, V> sum{};
    each_tap<K, V>(x + p.plane * (int64_t{s.h} * s.w * s.pixel) + p.pack * V, s, oy, ox,
                   [&](const Lanes<T, V>& v, int, bool) {
#pragma unroll
                     for (int k = 0; k < V; ++k) sum.v[k] += v.v[k];
                   });
    const float part = row_share(s, oy) * column_share(s, ox);
#pragma unroll
    for (int k = 0; k < V; ++k) sum.v[k] *= part;
    store_lanes(y + int64_t{i} * V, sum);
  }
}

template <class T, int V>
__global__ void avg_grad_kernel(const T* __restrict__ dy, T* __restrict__ dx, PoolShape s, Pixels inputs,
                                uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = inputs.place(i);
    const Range rows = windows_over(static_cast<int>(p.y), s.by_sh, s.kh, s.pt, s.oh),
                columns = windows_over(static_cast<int>(p.x), s.by_sw, s.kw, s.pl, s.ow);
    Lanes<T, V> sum{};
    for (int oy = rows.begin; oy < rows.end; ++oy) {
      const float part = row_share(s, oy);
      for (int ox = columns.begin; ox < columns.end; ++ox) {
        const float w = part * column_share(s, ox);
        const Lanes<T, V> g =
            load_lanes<V>(dy + ((int64_t{p.plane} * s.oh + oy) * s.ow + ox) * s.pixel + p.pack * V);
#pragma unroll
        for (int k = 0; k < V; ++k) sum.v[k] += g.v[k] * w;
      }
    }
    store_lanes(dx + int64_t{i} * V, sum);
  }
}

// ---- host ----

// Calls f(element zero, Count<V>, Pixels, first plane, items) for stretches of planes of h x w pixels.
template <class F>
void each_stretch(Elem type, const PoolShape& s, int h, int w, F f) {
  with_items(type, s.pixel, [&](auto zero, auto v) {
    const Pixels pixels(h, w, s.pixel / decltype(v)::value);
    if (int64_t{h} * w * s.pixel == 0) return;
    for_stretches(s.planes, pixels.items(),
                  [&](int64_t first, int64_t count) { f(zero, v, pixels, first, count * pixels.items()); });
  });
}
// Calls f with Count<K>, the extent of windows that have loops of their own, or 0.
template <class F>
void with_kernel(const PoolShape& s, F f) {
  if (s.kh == 2 && s.kw == 2)
    f(Count<2>{});
  else if (s.kh == 3 && s.kw == 3)
    f(Count<3>{});
  else
    f(Count<0>{});
}

void run_max(const Call& c, int, int64_t, float*) {
  const Arg &x = c.in[0], &y = c.out[0];
  const PoolShape s(x, x.dims, y.dims, *static_cast<const MaxPool2dAttrs*>(c.attrs));
  each_stretch(x.type, s, s.oh, s.ow, [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
    using T = decltype(zero);
    with_kernel(s, [&](auto k) {
      launch(c, max_kernel<T, decltype(v)::value, decltype(k)::value>, blocks_for(c, n), kThreads, 0,
             data<T>(x) + first * s.in_plane(), data<T>(y) + first * s.out_plane(), s, pixels, n);
    });
  });
}

PoolShape max_grad_shape(const Call& c) {
  return {c.in[0], c.in[0].dims, c.in[1].dims, *static_cast<const MaxPool2dAttrs*>(c.attrs)};
}
bool taps_fit_bytes(const PoolShape& s) { return int64_t{s.kh} * s.kw <= 256; }

void plan_max_grad(const Call& c, Work& w) {
  const PoolShape s = max_grad_shape(c);
  if (s.apart()) return;
  w.phases = 2;
  w.shared = taps_fit_bytes(s) ? ceil_div(c.in[1].size(), 4) : c.in[1].size();
}

void max_grad_apart(const Call& c, const PoolShape& s) {
  each_stretch(c.in[0].type, s, s.oh, s.ow,
               [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
                 using T = decltype(zero);
                 with_kernel(s, [&](auto k) {
                   launch(c, max_grad_apart_kernel<T, decltype(v)::value, decltype(k)::value>,
                          blocks_for(c, n), kThreads, 0, data<T>(c.in[0]) + first * s.in_plane(),
                          data<T>(c.in[1]) + first * s.out_plane(), data<T>(c.out[0]) + first * s.in_plane(),
                          s, pixels, n);
                 });
               });
}

// First the place of the largest pixel in each window, then the sums of the windows that chose a pixel.
template <class I>
void max_grad_taps(const Call& c, const PoolShape& s, int phase) {
  I* const taps = reinterpret_cast<I*>(c.shared);
  if (phase == 0)
    return each_stretch(
        c.in[0].type, s, s.oh, s.ow, [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
          using T = decltype(zero);
          with_kernel(s, [&](auto k) {
            launch(c, taps_kernel<T, decltype(v)::value, decltype(k)::value, I>, blocks_for(c, n), kThreads,
                   0, data<T>(c.in[0]) + first * s.in_plane(), taps + first * s.out_plane(), s, pixels, n);
          });
        });
  each_stretch(c.in[0].type, s, s.h, s.w,
               [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
                 using T = decltype(zero);
                 launch(c, max_grad_kernel<T, decltype(v)::value, I>, blocks_for(c, n), kThreads, 0,
                        taps + first * s.out_plane(), data<T>(c.in[1]) + first * s.out_plane(),
                        data<T>(c.out[0]) + first * s.in_plane(), s, pixels, n);
               });
}

void run_max_grad(const Call& c, int phase, int64_t, float*) {
  const PoolShape s = max_grad_shape(c);
  if (s.apart())
    max_grad_apart(c, s);
  else if (taps_fit_bytes(s))
    max_grad_taps<uint8_t>(c, s, phase);
  else
    max_grad_taps<uint32_t>(c, s, phase);
}

void run_avg(const Call& c, int, int64_t, float*) {
  const auto& a = *static_cast<const AvgPool2dAttrs*>(c.attrs);
  const Arg &x = c.in[0], &y = c.out[0];
  PoolShape s(x, x.dims, y.dims, a);
  s.count_pads(a);
  each_stretch(x.type, s, s.oh, s.ow, [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
    using T = decltype(zero);
    with_kernel(s, [&](auto k) {
      launch(c, avg_kernel<T, decltype(v)::value, decltype(k)::value>, blocks_for(c, n), kThreads, 0,
             data<T>(x) + first * s.in_plane(), data<T>(y) + first * s.out_plane(), s, pixels, n);
    });
  });
}

void run_avg_grad(const Call& c, int, int64_t, float*) {
  const auto& a = *static_cast<const AvgPool2dGradAttrs*>(c.attrs);
  const Arg &dy = c.in[0], &dx = c.out[0];
  PoolShape s(dx, dx.dims, dy.dims, a);
  s.count_pads(a);
  each_stretch(dx.type, s, s.h, s.w, [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
    using T = decltype(zero);
    launch(c, avg_grad_kernel<T, decltype(v)::value>, blocks_for(c, n), kThreads, 0,
           data<T>(dy) + first * s.out_plane(), data<T>(dx) + first * s.in_plane(), s, pixels, n);
  });
}

}  // namespace

extern const Kernel max_pool2d{&plan_nothing, &run_max};
extern const Kernel max_pool2d_grad{&plan_max_grad, &run_max_grad};
extern const Kernel avg_pool2d{&plan_nothing, &run_avg};
extern const Kernel avg_pool2d_grad{&plan_nothing, &run_avg_grad};

}  // namespace dl::DL_ISA
