// Kernels of the operators that ops.def lists as DL_UNARY and DL_BINARY: 16 bytes of each operand a thread and turn.
#include "kernels/elementwise.h"

#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {
namespace {

template <class F, class T>
__global__ void unary_kernel(const T* __restrict__ x, T* y, int64_t n, F f) {
  constexpr int kCount = Pack<T>::kCount;
  for (int64_t i = thread_index(); i < n / kCount; i += thread_count()) {
    Pack<T> v = load_pack(x + i * kCount);
#pragma unroll
    for (int k = 0; k < kCount; ++k) v.v[k] = from_float<T>(f(to_float(v.v[k])));
    store_pack(y + i * kCount, v);
  }
  for (int64_t i = n / kCount * kCount + thread_index(); i < n; i += thread_count())
    y[i] = from_float<T>(f(to_float(x[i])));
}

template <class F, class T>
__global__ void binary_kernel(const T* a, const T* b, T* y, int64_t n, F f) {
  constexpr int kCount = Pack<T>::kCount;
  for (int64_t i = thread_index(); i < n / kCount; i += thread_count()) {
    Pack<T> u = load_pack(a + i * kCount);
    const Pack<T> v = load_pack(b + i * kCount);
#pragma unroll
    for (int k = 0; k < kCount; ++k) u.v[k] = from_float<T>(f(to_float(u.v[k]), to_float(v.v[k])));
    store_pack(y + i * kCount, u);
  }
  for (int64_t i = n / kCount * kCount + thread_index(); i < n; i += thread_count())
    y[i] = from_float<T>(f(to_float(a[i]), to_float(b[i])));
}

template <class F>
void unary(const Call& c, int, int64_t, float*) {
  const F f = make_fn<F>(c.attrs);
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, unary_kernel<F, T>, blocks_for(c, ceil_div(n, Pack<T>::kCount)), kThreads, 0, data<T>(c.in[0]),
           data<T>(c.out[0]), n, f);
  });
}

template <class F>
void binary(const Call& c, int, int64_t, float*) {
  const F f = make_fn<F>(c.attrs);
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, binary_kernel<F, T>, blocks_for(c, ceil_div(n, Pack<T>::kCount)), kThreads, 0, data<T>(c.in[0]),
           data<T>(c.in[1]), data<T>(c.out[0]), n, f);
  });
}

}  // namespace

#define DL_OP(name)
#define DL_UNARY(name) extern const Kernel name{&plan_nothing, &unary<name##_fn>};
#define DL_BINARY(name) extern const Kernel name{&plan_nothing, &binary<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
