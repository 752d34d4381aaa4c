// Kernels of the operators that ops.def lists as DL_BROADCAST (pairs with numpy's stretching), and broadcast_to.
#include "kernels/broadcast.h"

#include "kernels/cuda/launch.h"
#include "kernels/elementwise.h"
#include "kernels/reduce_attrs.h"

namespace dl::DL_ISA {
namespace {

// One output element a turn: rows are short or stretched.
template <class F, class T>
__global__ void pair_kernel(const T* a, const T* b, T* y, int64_t n, Rows<2> rows, F f) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t r = i / rows.inner, j = i - r * rows.inner;
    const auto p = rows.position(r);
    y[i] = from_float<T>(f(to_float(a[p.at[0] + rows.step[0] * j]), to_float(b[p.at[1] + rows.step[1] * j])));
  }
}

// Rows of whole packs: 16 bytes of each operand a turn, one element where it is stretched.
template <class F, class T>
__global__ void pair_pack_kernel(const T* a, const T* b, T* y, int64_t packs, Rows<2> rows, F f) {
  constexpr int kCount = Pack<T>::kCount;
  const int64_t inner = rows.inner / kCount;
  for (int64_t i = thread_index(); i < packs; i += thread_count()) {
    const int64_t r = i / inner, j = (i - r * inner) * kCount;
    const auto p = rows.position(r);
    const T *pa = a + p.at[0] + rows.step[0] * j, *pb = b + p.at[1] + rows.step[1] * j;
    Pack<T> u, v;
    if (rows.step[0])
      u = load_pack(pa);
    else
      for (int k = 0; k < kCount; ++k) u.v[k] = *pa;
    if (rows.step[1])
      v = load_pack(pb);
    else
      for (int k = 0; k < kCount; ++k) v.v[k] = *pb;
#pragma unroll
    for (int k = 0; k < kCount; ++k) u.v[k] = from_float<T>(f(to_float(u.v[k]), to_float(v.v[k])));
    store_pack(y + i * kCount, u);
  }
}

template <class F>
void pair(const Call& c, int, int64_t, float*) {
  const Arg* const in[2] = {&c.in[0], &c.in[1]};
  const Rows<2> rows = fold_rows<2>(c.out[0], in);
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    const T *a = data<T>(c.in[0]), *b = data<T>(c.in[1]);
    T* y = data<T>(c.out[0]);
    constexpr int kCount = Pack<T>::kCount;
    bool packs = rows.inner % kCount == 0 && aligned16(a) && aligned16(b) && aligned16(y);
    for (int i = 0; i < rows.rank; ++i)
      for (int k = 0; k < 2; ++k) packs = packs && (rows.stride[i][k] % kCount == 0 || !rows.step[k]);
    if (packs)
      launch(c, pair_pack_kernel<F, T>, blocks_for(c, n / kCount), kThreads, 0, a, b, y, n / kCount, rows,
             F{});
    else
      launch(c, pair_kernel<F, T>, blocks_for(c, n), kThreads, 0, a, b, y, n, rows, F{});
  });
}

template <class T>
__global__ void stretch_kernel(const T* x, T* y, int64_t n, Rows<1> rows) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t r = i / rows.inner, j = i - r * rows.inner;
    y[i] = x[rows.position(r).at[0] + rows.step[0] * j];
  }
}

void stretch(const Call& c, int, int64_t, float*) {
  const Arg x = with_inserted_axes(c.in[0], c.out[0], static_cast<const BroadcastToAttrs*>(c.attrs)->axes);
  const Arg* const in[1] = {&x};
  const Rows<1> rows = fold_rows<1>(c.out[0], in);
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, stretch_kernel<T>, blocks_for(c, n), kThreads, 0, data<T>(c.in[0]), data<T>(c.out[0]), n, rows);
  });
}

}  // namespace

extern const Kernel broadcast_to{&plan_nothing, &stretch};

#define DL_OP(name)
#define DL_BROADCAST(name) extern const Kernel name{&plan_nothing, &pair<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
