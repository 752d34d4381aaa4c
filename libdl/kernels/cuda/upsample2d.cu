// Kernels of upsample2d and its gradient, of images and of their blocked form: planes of pixels of 1 or `lanes` elements. The
// gradient gathers: every pixel of dx sums what its outputs hold of it, in their order.
#include "kernels/upsample2d.h"

#include "kernels/cuda/index.h"

namespace dl::DL_ISA {
namespace {

// One axis of `in` inputs: the two that an output lies between, and the weight of the second.
template <bool kLinear>
struct Axis {
  int scale, in;
  Divisor by_scale, by_twice;
  float part;  // 1 / (2 scale)
  Axis(int64_t s, int64_t n)
      : scale(static_cast<int>(s)),
        in(static_cast<int>(n)),
        by_scale(s),
        by_twice(2 * s),
        part(1 / static_cast<float>(2 * s)) {}
  struct Source {
    int lo, hi;
    float w;
  };
  __device__ __forceinline__ Source of(int o) const {
    if constexpr (!kLinear) {
      const auto at = static_cast<int>(by_scale.divide(static_cast<uint32_t>(o)));
      return {at, at, 0};
    }
    const int twice = 2 * o + 1 - scale;  // the position, times 2 scale
    uint32_t rest = twice > 0 ? static_cast<uint32_t>(twice) : 0;
    const auto lo = static_cast<int>(by_twice.split(rest));
    return {lo, lo + 1 < in ? lo + 1 : in - 1, static_cast<float>(rest) * part};
  }
  // The outputs that may hold something of input i.
  __device__ __forceinline__ int first(int i) const {
    return kLinear ? (i > 0 ? (i - 1) * scale : 0) : i * scale;
  }
  __device__ __forceinline__ int end(int i) const {
    const int next = kLinear ? i + 2 : i + 1;
    return (next < in ? next : in) * scale;
  }
  __device__ __forceinline__ float weight(int o, int i) const {
    const Source s = of(o);
    return (s.lo == i ? 1 - s.w : 0) + (s.hi == i ? s.w : 0);
  }
};

template <bool kLinear>
struct Images {
  Axis<kLinear> v, h;  // of the small images
  int64_t pixel;       // elements of one
};

template <int V, class T>
__device__ __forceinline__ void add_scaled(const T* p, float w, Lanes<T, V>& sum) {
  const Lanes<T, V> x = load_lanes<V>(p);
#pragma unroll
  for (int k = 0; k < V; ++k) sum.v[k] += w * x.v[k];
}

template <class T, int V, bool kLinear>
__global__ void upsample_kernel(const T* __restrict__ x, T* __restrict__ y, Images<kLinear> s, Pixels outputs,
                                uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = outputs.place(i);
    const auto r = s.v.of(static_cast<int>(p.y)), q = s.h.of(static_cast<int>(p.x));
    const T* plane = x + int64_t{p.plane} * s.v.in * s.h.in * s.pixel + p.pack * V;
    const auto at = [&](int row, int column) { return plane + (int64_t{row} * s.h.in + column) * s.pixel; };
    if constexpr (!kLinear) {
      store_lanes(y + int64_t{i} * V, load_lanes<V>(at(r.lo, q.lo)));
    } else {
      Lanes<T, V> sum{};
      add_scaled<V>(at(r.lo, q.lo), (1 - r.w) * (1 - q.w), sum);
      add_scaled<V>(at(r.lo, q.hi), (1 - r.w) * q.w, sum);
      add_scaled<V>(at(r.hi, q.lo), r.w * (1 - q.w), sum);
      add_scaled<V>(at(r.hi, q.hi), r.w * q.w, sum);
      store_lanes(y + int64_t{i} * V, sum);
    }
  }
}

template <class T, int V, bool kLinear>
__global__ void upsample_grad_kernel(const T* __restrict__ dy, T* __restrict__ dx, Images<kLinear> s,
                                     Pixels inputs, uint32_t n) {
  const int64_t row = int64_t{s.h.in} * s.h.scale * s.pixel;  // of dy
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto p = inputs.place(i);
    const int y = static_cast<int>(p.y), x = static_cast<int>(p.x), end = s.h.end(x);
    const T* plane = dy + int64_t{p.plane} * s.v.in * s.v.scale * row + p.pack * V;
    Lanes<T, V> sum{};
    for (int oy = s.v.first(y); oy < s.v.end(y); ++oy) {
      const float part = s.v.weight(oy, y);
      if (part == 0) continue;
#pragma unroll 2
      for (int ox = s.h.first(x); ox < end; ++ox)
        add_scaled<V>(plane + oy * row + ox * s.pixel, kLinear ? part * s.h.weight(ox, x) : part, sum);
    }
    store_lanes(dx + int64_t{i} * V, sum);
  }
}

// Calls f(element zero, Count<V>, Pixels of y, first plane, items) for stretches of planes of y.
template <class F>
void each_stretch(const Arg& y, F f) {
  const int64_t pixel = y.rank == 5 ? y.dims[4] : 1;
  if (y.size() == 0) return;
  with_items(y.type, pixel, [&](auto zero, auto v) {
    const Pixels pixels(y.dims[2], y.dims[3], pixel / decltype(v)::value);
    for_stretches(y.dims[0] * y.dims[1], pixels.items(),
                  [&](int64_t first, int64_t count) { f(zero, v, pixels, first, count * pixels.items()); });
  });
}

template <bool kLinear>
void run_mode(const Call& c, bool back) {
  const auto& a = *static_cast<const Upsample2dAttrs*>(c.attrs);
  const Arg &x = c.in[0], &y = c.out[0], &small = back ? y : x;
  const Images<kLinear> s{
      {a.scale[0], small.dims[2]}, {a.scale[1], small.dims[3]}, x.rank == 5 ? x.dims[4] : 1};
  each_stretch(y, [&](auto zero, auto v, const Pixels& pixels, int64_t first, int64_t n) {
    using T = decltype(zero);
    constexpr int V = decltype(v)::value;
    launch(c, back ? &upsample_grad_kernel<T, V, kLinear> : &upsample_kernel<T, V, kLinear>, blocks_for(c, n),
           kThreads, 0, data<T>(x) + first * x.size(2, x.rank), data<T>(y) + first * y.size(2, y.rank), s,
           pixels, n);
  });
}

void run_either(const Call& c, bool back) {
  if (static_cast<const Upsample2dAttrs*>(c.attrs)->mode == UpsampleMode::bilinear)
    run_mode<true>(c, back);
  else
    run_mode<false>(c, back);
}
void run(const Call& c, int, int64_t, float*) { run_either(c, false); }
void run_grad(const Call& c, int, int64_t, float*) { run_either(c, true); }

}  // namespace

extern const Kernel upsample2d{&plan_nothing, &run};
extern const Kernel upsample2d_grad{&plan_nothing, &run_grad};

}  // namespace dl::DL_ISA
