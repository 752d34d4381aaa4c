// Kernels of the operators that ops.def lists as DL_BROADCAST (pairs with numpy's stretching), and broadcast_to.
#include "kernels/broadcast.h"

#include "kernels/cuda/index.h"
#include "kernels/elementwise.h"
#include "kernels/reduce_attrs.h"

namespace dl::DL_ISA {
namespace {

// Rows<kOperands> with divisions prepared. Items are packs of V elements of a row.
template <int kOperands>
struct Walk {
  Divisor inner, dims[6];
  int rank;
  int64_t stride[6][kOperands], step[kOperands];

  // The loops of `rows` from `first` on.
  Walk(const Rows<kOperands>& rows, int first, int v) : inner(rows.inner / v), rank(rows.rank - first) {
    for (int k = 0; k < kOperands; ++k) step[k] = rows.step[k] * v;
    for (int i = 0; i < rank; ++i) {
      dims[i] = Divisor(rows.dims[first + i]);
      for (int k = 0; k < kOperands; ++k) stride[i][k] = rows.stride[first + i][k];
    }
  }
  struct Offsets {
    int64_t at[kOperands];
  };
  __device__ __forceinline__ Offsets offsets(uint32_t item) const {
    Offsets o;
    uint32_t r = inner.split(item);
#pragma unroll
    for (int k = 0; k < kOperands; ++k) o.at[k] = item * step[k];
    for (int i = rank - 1; i >= 0; --i) {
      uint32_t index = r;
      r = dims[i].split(index);
#pragma unroll
      for (int k = 0; k < kOperands; ++k) o.at[k] += index * stride[i][k];
    }
    return o;
  }
};

// Calls f(walk, offsets of the operands, offset of the output, items) for parts that have at most kMostItems.
template <int V, int kOperands, class F>
void each_part(const Rows<kOperands>& rows, F f) {
  int first = 0;
  int64_t outer = 1, items = rows.count * (rows.inner / V);
  for (; items > kMostItems && first < rows.rank; ++first)
    outer *= rows.dims[first], items /= rows.dims[first];
  const Walk<kOperands> walk(rows, first, V);
  for (int64_t o = 0; o < outer; ++o) {
    typename Walk<kOperands>::Offsets from{};
    for (int64_t i = first, rest = o; i-- > 0; rest /= rows.dims[i])
      for (int k = 0; k < kOperands; ++k) from.at[k] += rest % rows.dims[i] * rows.stride[i][k];
    f(walk, from, o * items * V, items);
  }
}

// The items of an operand: side by side, or one element again and again.
template <int V, class T>
__device__ __forceinline__ Lanes<T, V> load_either(const T* p, bool stretched) {
  if constexpr (V == 1) {
    return load_lanes<V>(p);
  } else {
    if (!stretched) return load_lanes<V>(p);
    Lanes<T, V> r;
#pragma unroll
    for (int k = 0; k < V; ++k) r.v[k] = to_float(*p);
    return r;
  }
}

// V elements a turn. y may be a or b.
template <class F, class T, int V>
__global__ void pair_kernel(const T* a, const T* b, T* y, uint32_t n, Walk<2> walk, F f) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    const auto o = walk.offsets(i);
    Lanes<T, V> u = load_either<V>(a + o.at[0], walk.step[0] == 0);
    const Lanes<T, V> v = load_either<V>(b + o.at[1], walk.step[1] == 0);
#pragma unroll
    for (int k = 0; k < V; ++k) u.v[k] = f(u.v[k], v.v[k]);
    store_lanes(y + int64_t{i} * V, u);
  }
}

template <class T, int V>
__global__ void stretch_kernel(const T* __restrict__ x, T* __restrict__ y, uint32_t n, Walk<1> walk) {
  for (uint32_t i = first_item(); i < n; i += item_step())
    store_lanes(y + int64_t{i} * V, load_either<V>(x + walk.offsets(i).at[0], walk.step[0] == 0));
}

// Calls f(element zero, Count<V>) with the widest V that all rows allow; stretched operands allow any.
template <int kOperands, class F>
void with_row_lanes(Elem type, const Rows<kOperands>& rows, F f) {
  int64_t all = rows.inner;
  for (int i = 0; i < rows.rank; ++i)
    for (int k = 0; k < kOperands; ++k)
      if (rows.step[k]) all |= rows.stride[i][k];
  with_items(type, all & -all, f);
}

template <class F>
void pair(const Call& c, int, int64_t, float*) {
  const Arg* const in[2] = {&c.in[0], &c.in[1]};
  const Rows<2> rows = fold_rows<2>(c.out[0], in);
  if (c.out[0].size() == 0) return;
  with_row_lanes(c.out[0].type, rows, [&](auto zero, auto v) {
    using T = decltype(zero);
    constexpr int V = decltype(v)::value;
    each_part<V>(rows, [&](const Walk<2>& walk, const auto& from, int64_t to, int64_t n) {
      launch(c, pair_kernel<F, T, V>, blocks_for(c, n), kThreads, 0, data<T>(c.in[0]) + from.at[0],
             data<T>(c.in[1]) + from.at[1], data<T>(c.out[0]) + to, n, walk, F{});
    });
  });
}

void stretch(const Call& c, int, int64_t, float*) {
  const Arg x = with_inserted_axes(c.in[0], c.out[0], static_cast<const BroadcastToAttrs*>(c.attrs)->axes);
  const Arg* const in[1] = {&x};
  const Rows<1> rows = fold_rows<1>(c.out[0], in);
  if (c.out[0].size() == 0) return;
  with_row_lanes(c.out[0].type, rows, [&](auto zero, auto v) {
    using T = decltype(zero);
    constexpr int V = decltype(v)::value;
    each_part<V>(rows, [&](const Walk<1>& walk, const auto& from, int64_t to, int64_t n) {
      launch(c, stretch_kernel<T, V>, blocks_for(c, n), kThreads, 0, data<T>(c.in[0]) + from.at[0],
             data<T>(c.out[0]) + to, n, walk);
    });
  });
}

}  // namespace

extern const Kernel broadcast_to{&plan_nothing, &stretch};

#define DL_OP(name)
#define DL_BROADCAST(name) extern const Kernel name{&plan_nothing, &pair<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
