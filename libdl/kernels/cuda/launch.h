#pragma once
// What every CUDA kernel file needs: the queue of a call, launching, the element types, and grids.
// The files hold host functions that enqueue work for one call, and the device functions beside them. Kernel::run() is
// called once for each phase (chunk 0) and returns at once. Results must not depend on the number of processors.
// Tests build these files for the CPU as well, against an emulation of the toolkit's headers (tests/emulation).
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#include "kernels/device.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

// Call::queue points to one.
struct Queue {
  cudaStream_t stream = nullptr;
  int processors = 1;    // streaming multiprocessors
  void* blas = nullptr;  // of blas.h
  bool tf32 = false;     // f32 products may round their factors to tf32 (10 bits of mantissa)
};
inline const Queue& queue_of(const Call& c) { return *static_cast<const Queue*>(c.queue); }

constexpr unsigned kWarpLanes = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline unsigned as_unsigned(int64_t n) { return static_cast<unsigned>(n); }

// Enqueues kernel(args...). `shared`: bytes of dynamic shared memory, read with shared_memory<T>(). A grid without blocks
// is no launch. Errors are kept by the runtime and found by whoever asks after the call.
template <class... P, class... A>
void launch(const Call& c, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared > (48u << 10))
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = queue_of(c).stream;
  cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...);
}

// Dynamic shared memory of the block, 128-byte aligned.
#ifdef __CUDACC__
template <class T>
__device__ __forceinline__ T* shared_memory() {
  extern __shared__ __align__(128) char dl_shared[];
  return reinterpret_cast<T*>(dl_shared);
}
#else
template <class T>
T* shared_memory() {
  return static_cast<T*>(emulation::dynamic_shared());
}
#endif

// Threads of a grid-stride loop over n items: enough to fill the device, no more than there is work for.
constexpr unsigned kThreads = 256;
inline unsigned blocks_for(const Call& c, int64_t n) {
  const int64_t most = int64_t{queue_of(c).processors} * 16, want = ceil_div(n, kThreads);
  return as_unsigned(want < most ? want : most);
}
__device__ __forceinline__ int64_t thread_index() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64_t thread_count() { return int64_t{gridDim.x} * blockDim.x; }

// ---- element types ---------------------------------------------------------------------------------------------------

using bf16 = __nv_bfloat16;
using f16 = __half;

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(bf16 v) { return __bfloat162float(v); }
__device__ __forceinline__ float to_float(f16 v) { return __half2float(v); }
template <class T>
__device__ __forceinline__ T from_float(float v) {
  if constexpr (sizeof(T) == sizeof(float))
    return v;
  else if constexpr (__is_same(T, bf16))
    return __float2bfloat16(v);
  else
    return __float2half(v);
}

// Calls f with a value of the type that a floating operand has: f32, bf16 or f16.
template <class F>
void with_float_type(Elem type, F&& f) {
  if (type == Elem::bf16)
    f(bf16{});
  else if (type == Elem::f16)
    f(f16{});
  else
    f(float{});
}
template <class T>
T* data(const Arg& a) {
  return static_cast<T*>(a.data);
}

// Elements of 16 bytes in one access; p is 16-byte aligned.
template <class T>
struct alignas(16) Pack {
  static constexpr int kCount = 16 / sizeof(T);
  T v[kCount];
};
template <class T>
__device__ __forceinline__ Pack<T> load_pack(const T* p) {
  Pack<T> r;
  *reinterpret_cast<uint4*>(r.v) = *reinterpret_cast<const uint4*>(p);
  return r;
}
template <class T>
__device__ __forceinline__ void store_pack(T* p, const Pack<T>& v) {
  *reinterpret_cast<uint4*>(p) = *reinterpret_cast<const uint4*>(v.v);
}
// How many elements of a type 16 bytes hold.
inline int pack_of(Elem type) { return type == Elem::f32 ? 4 : 8; }

template <int N>
struct Count {
  static constexpr int value = N;
};

// Calls f(zero of the type, Count<N>), where N elements are 16 bytes if runs of n elements have them whole, else 1.
template <class F>
void with_items(Elem type, int64_t n, F&& f) {
  with_float_type(type, [&](auto zero) {
    constexpr int kCount = Pack<decltype(zero)>::kCount;
    if (n % kCount == 0)
      f(zero, Count<kCount>{});
    else
      f(zero, Count<1>{});
  });
}

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// 16 bytes (4, for the other) from global to shared memory behind the thread's back (cuda_pipeline.h waits), or zeros.
__device__ __forceinline__ void copy_async16(void* to, const void* from, bool present) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(present ? 16 : 0));
#else
  __pipeline_memcpy_async(to, from, 16, present ? 0 : 16);
#endif
}
__device__ __forceinline__ void copy_async4(void* to, const void* from, bool present) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(present ? 4 : 0));
#else
  __pipeline_memcpy_async(to, from, 4, present ? 0 : 4);
#endif
}

// For kernels without scratch.
inline void plan_nothing(const Call&, Work&) {}

}  // namespace dl::DL_ISA
