#pragma once
// A few neighbouring elements of a thread in as few accesses as there can be, loops that keep several of them under way,
// and sums over warps and blocks in an order that shapes alone decide.
#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

template <class T, int N>
struct Items {
  T v[N];
};
// Element 0 stands at a multiple of the bytes that are loaded, of 16 at most.
template <class T, int N>
__device__ __forceinline__ Items<T, N> load_items(const T* p) {
  constexpr int kBytes = N * static_cast<int>(sizeof(T));
  alignas(16) Items<T, N> r;
  if constexpr (kBytes % 16 == 0)
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i)
      reinterpret_cast<uint4*>(r.v)[i] = reinterpret_cast<const uint4*>(p)[i];
  else if constexpr (kBytes == 8)
    *reinterpret_cast<uint2*>(r.v) = *reinterpret_cast<const uint2*>(p);
  else
#pragma unroll
    for (int i = 0; i < N; ++i) r.v[i] = p[i];
  return r;
}
// __stwb is a plain store that the compiler does not take apart.
template <class T, int N>
__device__ __forceinline__ void store_items(T* p, const Items<T, N>& from) {
  constexpr int kBytes = N * static_cast<int>(sizeof(T));
  alignas(16) const Items<T, N> r = from;
  if constexpr (kBytes % 16 == 0)
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i)
      __stwb(reinterpret_cast<uint4*>(p) + i, reinterpret_cast<const uint4*>(r.v)[i]);
  else if constexpr (kBytes == 8)
    *reinterpret_cast<uint2*>(p) = *reinterpret_cast<const uint2*>(r.v);
  else
#pragma unroll
    for (int i = 0; i < N; ++i) p[i] = r.v[i];
}

// load(i, u) and then use(i, u) for i = from, from + step, ... below end, kAtOnce loads before the first use.
template <int kAtOnce, class Load, class Use>
__device__ __forceinline__ void in_turns(int64_t from, int64_t end, int64_t step, Load load, Use use) {
  int64_t i = from;
  for (; i + (kAtOnce - 1) * step < end; i += kAtOnce * step) {
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) load(i + u * step, u);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) use(i + u * step, u);
  }
  for (; i < end; i += step) {
    load(i, 0);
    use(i, 0);
  }
}

// ---- joins: every thread gets the result, and the same bits ----------------------------------------------------------

template <class T>
__device__ __forceinline__ T exchange(T v, int mask) {
  return __shfl_xor_sync(kAllLanes, v, mask);
}

// Over each group of `team` neighbouring threads: a power of two up to 32, or all threads of the block.
// join(a, b) = join(b, a), to the bit.
template <class T, class F>
__device__ __forceinline__ T join_team(T v, unsigned team, T nothing, F join) {
  for (unsigned m = (team < kWarpLanes ? team : kWarpLanes) / 2; m > 0; m /= 2)
    v = join(v, exchange(v, static_cast<int>(m)));
  if (team <= kWarpLanes) return v;
  static_assert(__is_trivial(T));  // shared memory begins undefined
  __shared__ T of_warps[kWarpLanes];
  const unsigned lane = threadIdx.x % kWarpLanes;
  if (lane == 0) of_warps[threadIdx.x / kWarpLanes] = v;
  __syncthreads();
  v = lane < blockDim.x / kWarpLanes ? of_warps[lane] : nothing;
  for (unsigned m = kWarpLanes / 2; m > 0; m /= 2) v = join(v, exchange(v, static_cast<int>(m)));
  __syncthreads();  // of_warps may be written again
  return v;
}
template <class T>
__device__ __forceinline__ T team_sum(T v, unsigned team) {
  return join_team(v, team, T{}, [](T a, T b) { return a + b; });
}
template <class T>
__device__ __forceinline__ T block_sum(T v) {
  return team_sum(v, blockDim.x);
}

}  // namespace dl::DL_ISA
