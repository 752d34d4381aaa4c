#pragma once
// Where an element lies: stretches of a launch, images as planes of pixels, and a few elements side by side as floats.
#include "kernels/cuda/divide.h"

namespace dl::DL_ISA {

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Kernels of this family count the items of a launch in 32 bits. Calls f(first, count) for stretches of `planes`, which
// have `items` each, that together are at most kMostItems.
constexpr int64_t kMostItems = int64_t{1} << 30;
template <class F>
void for_stretches(int64_t planes, int64_t items, F&& f) {
  const int64_t step = most(1, kMostItems / most(1, items));
  for (int64_t first = 0; first < planes; first += step) f(first, least(step, planes - first));
}
__device__ __forceinline__ uint32_t first_item() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ uint32_t item_step() { return gridDim.x * blockDim.x; }

// store(i, load(i)) for the items below n of this thread; four loads are under way at once.
template <class I, class Load, class Store>
__device__ __forceinline__ void each_item(I n, Load load, Store store) {
  constexpr int kAtOnce = 4;
  const I step = static_cast<I>(gridDim.x) * blockDim.x;
  for (I i = static_cast<I>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += kAtOnce * step) {
    decltype(load(i)) v[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (i + u * step < n) v[u] = load(i + u * step);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u)
      if (i + u * step < n) store(i + u * step, v[u]);
  }
}

// Planes of rows x columns pixels, each of `packs` items.
struct Pixels {
  Divisor rows, columns, packs;
  Pixels(int64_t h, int64_t w, int64_t n) : rows(h), columns(w), packs(n) {}
  int64_t items() const { return int64_t{rows.d} * columns.d * packs.d; }  // of a plane
  struct Place {
    uint32_t plane, y, x, pack;
  };
  __device__ __forceinline__ Place place(uint32_t i) const {
    uint32_t pixel = packs.divide(i), line = columns.divide(pixel);
    const uint32_t plane = rows.divide(line);
    return {plane, line - plane * rows.d, pixel - line * columns.d, i - pixel * packs.d};
  }
};

// V elements of T side by side, one or those of 16 bytes: as they are in memory, and as floats.
template <class T, int V>
struct Bits {
  Pack<T> v;
};
template <class T>
struct Bits<T, 1> {
  T v;
};
template <int V, class T>
__device__ __forceinline__ Bits<T, V> load_bits(const T* p) {
  if constexpr (V == 1)
    return {*p};
  else
    return {load_pack(p)};
}
template <class T, int V>
struct Lanes {
  float v[V];
};
template <class T, int V>
__device__ __forceinline__ Lanes<T, V> lanes_of(const Bits<T, V>& bits) {
  Lanes<T, V> r;
  if constexpr (V == 1) {
    r.v[0] = to_float(bits.v);
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) r.v[k] = to_float(bits.v.v[k]);
  }
  return r;
}
template <int V, class T>
__device__ __forceinline__ Lanes<T, V> load_lanes(const T* p) {
  return lanes_of(load_bits<V>(p));
}
template <class T, int V>
__device__ __forceinline__ void store_lanes(T* p, const Lanes<T, V>& r) {
  if constexpr (V == 1) {
    *p = from_float<T>(r.v[0]);
  } else {
    Pack<T> pack;
#pragma unroll
    for (int k = 0; k < V; ++k) pack.v[k] = from_float<T>(r.v[k]);
    store_pack(p, pack);
  }
}

}  // namespace dl::DL_ISA
