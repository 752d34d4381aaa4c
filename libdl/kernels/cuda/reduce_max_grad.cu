// Kernel of reduce_max_grad: dx becomes zero, then the first of the equal largest elements of each output takes dy.
#include "kernels/cuda/index.h"
#include "kernels/fold.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kNone = int64_t{1} << 62;

// n elements; whole packs first.
template <class T>
__global__ void zero_kernel(T* y, int64_t n) {
  constexpr int kCount = Pack<T>::kCount;
  for (int64_t i = thread_index(); i < n / kCount; i += thread_count())
    *reinterpret_cast<uint4*>(y + i * kCount) = uint4{0, 0, 0, 0};
  for (int64_t i = n / kCount * kCount + thread_index(); i < n; i += thread_count()) y[i] = from_float<T>(0);
}

// Offset of term t from the first of its output.
__device__ __forceinline__ int64_t term_at(const Fold& f, int64_t t) {
  if (!f.inner_reduced) return offset_of(t, f.reduced, f.n_reduced);
  if (f.n_reduced == 0) return t;
  const int64_t r = t / f.inner;
  return offset_of(r, f.reduced, f.n_reduced) + t - r * f.inner;
}
__device__ __forceinline__ int64_t output_at(const Fold& f, int64_t o) {
  if (f.inner_reduced) return offset_of(o, f.kept, f.n_kept);
  const int64_t k = o / f.inner;
  return offset_of(k, f.kept, f.n_kept) + o - k * f.inner;
}

// A thread for each output: neighbouring outputs read side by side.
template <class T>
__global__ void columns_kernel(const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ dy,
                               T* __restrict__ dx, Fold f) {
  for (int64_t o = thread_index(); o < f.outputs(); o += thread_count()) {
    const int64_t base = output_at(f, o), count = f.terms();
    const float largest = to_float(y[o]);
    for (int64_t t = 0; t < count; ++t) {
      const int64_t at = base + term_at(f, t);
      if (to_float(x[at]) == largest) {
        dx[at] = dy[o];
        break;
      }
    }
  }
}

// A warp for each output, or the kThreads threads of a block: each finds its first, the least of those is the first of all.
template <class T, bool kBlock>
__global__ void rows_kernel(const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ dy,
                            T* __restrict__ dx, Fold f) {
  const int64_t o = kBlock ? int64_t{blockIdx.x} : thread_index() / kWarpLanes;
  const unsigned lanes = kBlock ? kThreads : kWarpLanes, lane = threadIdx.x & (lanes - 1);
  int64_t first = kNone;
  const int64_t base = o < f.outputs() ? output_at(f, o) : 0;
  if (o < f.outputs()) {
    const float largest = to_float(y[o]);
#pragma unroll 4
    for (int64_t t = lane; t < f.terms(); t += lanes)
      if (to_float(x[base + term_at(f, t)]) == largest) first = first < t ? first : t;
  }
  for (unsigned step = kWarpLanes / 2; step > 0; step /= 2) {
    const int64_t other = __shfl_xor_sync(kAllLanes, first, step);
    first = other < first ? other : first;
  }
  if constexpr (kBlock) {
    __shared__ int64_t warps[kThreads / kWarpLanes];
    if (threadIdx.x % kWarpLanes == 0) warps[threadIdx.x / kWarpLanes] = first;
    __syncthreads();
    for (unsigned i = 0; i < kThreads / kWarpLanes; ++i) first = warps[i] < first ? warps[i] : first;
  }
  if (lane == 0 && first != kNone) dx[base + term_at(f, first)] = dy[o];
}

void plan_max_grad(const Call&, Work& w) { w.phases = 2; }

void run_max_grad(const Call& c, int phase, int64_t, float*) {
  const Fold f = fold_axes(c.in[0], static_cast<const ReduceAttrs*>(c.attrs)->axes);
  const int64_t n = c.out[0].size();
  if (n == 0) return;
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    const T *x = data<T>(c.in[0]), *y = data<T>(c.in[1]), *dy = data<T>(c.in[2]);
    T* const dx = data<T>(c.out[0]);
    if (phase == 0)
      launch(c, zero_kernel<T>, blocks_for(c, ceil_div(n, Pack<T>::kCount)), kThreads, 0, dx, n);
    else if (!f.inner_reduced)
      launch(c, columns_kernel<T>, blocks_for(c, f.outputs()), kThreads, 0, x, y, dy, dx, f);
    else if (f.terms() >= 4096)
      launch(c, rows_kernel<T, true>, as_unsigned(f.outputs()), kThreads, 0, x, y, dy, dx, f);
    else
      launch(c, rows_kernel<T, false>, as_unsigned(ceil_div(f.outputs() * kWarpLanes, kThreads)), kThreads, 0,
             x, y, dy, dx, f);
  });
}

}  // namespace

extern const Kernel reduce_max_grad{&plan_max_grad, &run_max_grad};

}  // namespace dl::DL_ISA
