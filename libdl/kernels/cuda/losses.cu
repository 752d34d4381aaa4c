// Losses that compare x with t element by element, mean over all elements, and their gradients.
#include "kernels/pair_losses.h"

#include "kernels/cuda/items.h"

namespace dl::DL_ISA {
namespace {

// A block sums every kBlocks-th stretch of kThreads groups: a thread some groups in float, the rest in double.
constexpr int64_t kBlocks = 1024, kGroupsAtOnce = 4;
unsigned sum_blocks(int64_t n, int items) {
  const int64_t wanted = ceil_div(n, kThreads * items * kGroupsAtOnce);
  return as_unsigned(wanted < kBlocks ? wanted : kBlocks);
}
void plan_loss(const Call& c, Work& w) { w.shared = 2 * sum_blocks(c.in[0].size(), pack_of(c.in[0].type)); }

// partial: a double of each block. T and U are the types of x and t, N what a thread takes of both at once.
template <class F, class T, class U, int N>
__global__ void loss_kernel(const T* __restrict__ x, const U* __restrict__ t, double* partial, int64_t n,
                            F f) {
  double sum = 0;
  Items<T, N> a[kGroupsAtOnce];
  Items<U, N> b[kGroupsAtOnce];
  in_turns<kGroupsAtOnce>(
      thread_index(), n / N, thread_count(),
      [&](int64_t i, int u) {
        a[u] = load_items<T, N>(x + i * N);
        b[u] = load_items<U, N>(t + i * N);
      },
      [&](int64_t, int u) {
        float s = 0;
#pragma unroll
        for (int k = 0; k < N; ++k) s += f.value(to_float(a[u].v[k]), to_float(b[u].v[k]));
        sum += static_cast<double>(s);
      });
  for (int64_t i = n / N * N + thread_index(); i < n; i += thread_count())
    sum += static_cast<double>(f.value(to_float(x[i]), to_float(t[i])));
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void mean_kernel(const double* partial, int count, float* loss, int64_t n) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *loss = static_cast<float>(n > 0 ? sum / static_cast<double>(n) : 0);
}

template <class F, class T, class U, int N>
__global__ void slope_kernel(const T* x, const U* t, const float* dloss, T* dx, int64_t n, F f) {
  const float scale = static_cast<float>(static_cast<double>(*dloss) / static_cast<double>(n));
  for (int64_t i = thread_index(); i < n / N; i += thread_count()) {
    Items<T, N> a = load_items<T, N>(x + i * N);
    const Items<U, N> b = load_items<U, N>(t + i * N);
#pragma unroll
    for (int k = 0; k < N; ++k) a.v[k] = from_float<T>(scale * f.slope(to_float(a.v[k]), to_float(b.v[k])));
    store_items<T, N>(dx + i * N, a);
  }
  for (int64_t i = n / N * N + thread_index(); i < n; i += thread_count())
    dx[i] = from_float<T>(scale * f.slope(to_float(x[i]), to_float(t[i])));
}

// Calls f with zeros of the types of x and of t, which is x's or f32.
template <class F>
void with_types(const Call& c, F&& f) {
  with_float_type(c.in[0].type, [&](auto x) {
    if (c.in[1].type == c.in[0].type)
      f(x, x);
    else
      f(x, 0.f);
  });
}

template <class F>
void run_loss(const Call& c, int, int64_t, float*) {
  const int64_t n = c.in[0].size();
  double* partial = reinterpret_cast<double*>(c.shared);
  const unsigned blocks = sum_blocks(n, pack_of(c.in[0].type));
  with_types(c, [&](auto x, auto t) {
    using T = decltype(x);
    using U = decltype(t);
    launch(c, loss_kernel<F, T, U, Pack<T>::kCount>, blocks, kThreads, 0, data<T>(c.in[0]), data<U>(c.in[1]),
           partial, n, make_fn<F>(c.attrs));
  });
  launch(c, mean_kernel, 1, kThreads, 0, partial, static_cast<int>(blocks), c.out[0].f(), n);
}

template <class F>
void run_grad(const Call& c, int, int64_t, float*) {
  const int64_t n = c.in[0].size();
  with_types(c, [&](auto x, auto t) {
    using T = decltype(x);
    using U = decltype(t);
    launch(c, slope_kernel<F, T, U, Pack<T>::kCount>, blocks_for(c, ceil_div(n, Pack<T>::kCount)), kThreads,
           0, data<T>(c.in[0]), data<U>(c.in[1]), c.in[2].f(), data<T>(c.out[0]), n, make_fn<F>(c.attrs));
  });
}

}  // namespace

#define DL_OP(name)
#define DL_LOSS(name)                                         \
  extern const Kernel name{&plan_loss, &run_loss<name##_fn>}; \
  extern const Kernel name##_grad{&plan_nothing, &run_grad<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
