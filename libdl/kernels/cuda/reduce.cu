// Kernels of reduce_sum, reduce_mean, reduce_max, reduce_max_grad and sum_to, for any axes. Where the innermost axes are
// reduced, some lanes of a warp, or a block, take an output each (rows); where they are kept, a block takes neighbouring
// outputs (columns). Few outputs with many terms are cut into pieces that a second phase combines. Sums are in float
// over 4 terms of a lane and in double beyond.
#include "kernels/fold.h"

#include "kernels/cuda/index.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kBlocks =
    2048;  // worth having; a number of the device's would change bits from one to the next
constexpr int64_t kMostPieces = 512;
constexpr int kAtOnce = 4;  // loads of a thread under way

struct SumOp {
  static constexpr float kIdentity = 0;
  template <class T>
  static __device__ __forceinline__ T both(T a, T b) {
    return a + b;
  }
};
struct MaxOp {
  static constexpr float kIdentity = -__builtin_inff();
  template <class T>
  static __device__ __forceinline__ T both(T a, T b) {
    return a > b ? a : b;
  }
};

// Outputs are written as y's type, times a factor; pieces of them as doubles, (outputs, pieces).
struct Target {
  void* y;
  Elem type;
  float factor;
  double* partial;
  uint32_t pieces;
  __device__ __forceinline__ void write(int64_t output, double total) const {
    const auto v = static_cast<float>(total * factor);
    if (type == Elem::f32)
      static_cast<float*>(y)[output] = v;
    else if (type == Elem::bf16)
      static_cast<bf16*>(y)[output] = from_float<bf16>(v);
    else
      static_cast<f16*>(y)[output] = from_float<f16>(v);
  }
  __device__ __forceinline__ void put(int64_t output, int64_t piece, double total) const {
    if (pieces == 1)
      write(output, total);
    else
      partial[output * pieces + piece] = total;
  }
};

// Where terms lie, by the number of groups of axes that are reduced besides the innermost.
enum class Groups { none, one, many };
Groups groups_of(const Fold& f) {
  const bool few = f.terms() < kMostItems;  // fit the divisor
  return f.n_reduced == 0 ? Groups::none : f.n_reduced == 1 && few ? Groups::one : Groups::many;
}
struct Terms {
  Fold f;
  int64_t stride;  // of the one group
  Divisor inner;   // in packs
  // Row r of the groups.
  template <Groups kGroups>
  __device__ __forceinline__ int64_t group(int64_t r) const {
    if constexpr (kGroups == Groups::many)
      return offset_of(r, f.reduced, f.n_reduced);
    else
      return r * stride;
  }
  // Pack t of an output whose innermost axes are reduced.
  template <Groups kGroups, int V>
  __device__ __forceinline__ int64_t in_row(int64_t t) const {
    if constexpr (kGroups == Groups::none) {
      return t * V;
    } else if constexpr (kGroups == Groups::one) {
      auto j = static_cast<uint32_t>(t);
      const uint32_t r = inner.split(j);
      return r * stride + j * V;
    } else {
      const int64_t r = t / inner.d;
      return group<kGroups>(r) + (t - r * inner.d) * V;
    }
  }
};

template <class Op, class T, int V>
__device__ __forceinline__ float across(const Lanes<T, V>& v) {
  float s = v.v[0];
#pragma unroll
  for (int k = 1; k < V; ++k) s = Op::both(s, v.v[k]);
  return s;
}

template <class Op>
__device__ __forceinline__ double across_lanes(double v, unsigned lanes) {
  for (unsigned step = lanes / 2; step > 0; step /= 2) v = Op::both(v, __shfl_xor_sync(kAllLanes, v, step));
  return v;
}

// ---- rows ----

// Packs t, t + step, ... below `end` of the output at x.
template <class Op, Groups kGroups, int V, class T>
__device__ __forceinline__ double reduce_run(const T* x, const Terms& terms, int64_t t, int64_t end,
                                             int64_t step) {
  double total = Op::kIdentity;
  for (; t + (kAtOnce - 1) * step < end; t += kAtOnce * step) {
    Lanes<T, V> v[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) v[u] = load_lanes<V>(x + terms.in_row<kGroups, V>(t + u * step));
#pragma unroll
    for (int u = 1; u < kAtOnce; ++u)
#pragma unroll
      for (int k = 0; k < V; ++k) v[0].v[k] = Op::both(v[0].v[k], v[u].v[k]);
    total = Op::both(total, static_cast<double>(across<Op>(v[0])));
  }
  for (; t < end; t += step)
    total = Op::both(total, static_cast<double>(across<Op>(load_lanes<V>(x + terms.in_row<kGroups, V>(t)))));
  return total;
}

// Terms (or packs of them) of a piece: [from, end).
struct Piece {
  int64_t length, all;
  __device__ __forceinline__ int64_t from(uint32_t piece) const { return piece * length; }
  __device__ __forceinline__ int64_t end(uint32_t piece) const {
    const int64_t e = from(piece) + length;
    return e < all ? e : all;
  }
};

// 1 << shift lanes of a warp for each output, or, with kBlock, a block for each piece of one.
template <class Op, class T, int V, Groups kGroups, bool kBlock>
__global__ void rows_kernel(const T* __restrict__ x, Terms terms, int64_t outputs, Piece packs,
                            unsigned shift, Target to) {
  const uint32_t block_output = blockIdx.x / to.pieces;
  const int64_t output = kBlock ? block_output : thread_index() >> shift;
  const uint32_t piece = kBlock ? blockIdx.x - block_output * to.pieces : 0;
  const unsigned lanes = 1u << shift, lane = kBlock ? threadIdx.x : threadIdx.x & (lanes - 1);
  double total = Op::kIdentity;
  if (output < outputs)
    total = reduce_run<Op, kGroups, V>(x + offset_of(output, terms.f.kept, terms.f.n_kept), terms,
                                       packs.from(piece) + lane, packs.end(piece), kBlock ? kThreads : lanes);
  total = across_lanes<Op>(total, kBlock ? kWarpLanes : lanes);
  if constexpr (kBlock) {
    __shared__ double warps[kThreads / kWarpLanes];
    if (threadIdx.x % kWarpLanes == 0) warps[threadIdx.x / kWarpLanes] = total;
    __syncthreads();
    total = threadIdx.x < kThreads / kWarpLanes ? warps[threadIdx.x] : double{Op::kIdentity};
    total = across_lanes<Op>(total, kThreads / kWarpLanes);
  }
  if (lane == 0 && output < outputs) to.put(output, piece, total);
}

// ---- columns ----

// Blocks of 1 << shift packs of neighbouring outputs, by kThreads >> shift threads that take turns along the terms.
struct Columns {
  int64_t packs;   // of neighbouring outputs
  Divisor blocks;  // that they make
  unsigned shift;
};

template <class Op, class T, int V, Groups kGroups>
__global__ void columns_kernel(const T* __restrict__ x, Terms terms, Piece rows, Columns s, Target to) {
  const uint32_t unit = blockIdx.x / to.pieces, piece = blockIdx.x - unit * to.pieces,
                 outer = s.blocks.divide(unit);
  const unsigned row = threadIdx.x >> s.shift, step = kThreads >> s.shift;
  const int64_t column =
      (int64_t{unit - outer * s.blocks.d} << s.shift) + (threadIdx.x & ((1u << s.shift) - 1));
  const int64_t end = rows.end(piece);
  double total[V];
#pragma unroll
  for (int k = 0; k < V; ++k) total[k] = Op::kIdentity;
  if (column < s.packs) {
    const T* from = x + offset_of(outer, terms.f.kept, terms.f.n_kept) + column * V;
    for (int64_t t = rows.from(piece) + row; t < end; t += kAtOnce * step) {
      Bits<T, V> v[kAtOnce];
#pragma unroll
      for (int u = 0; u < kAtOnce; ++u)
        if (t + u * step < end) v[u] = load_bits<V>(from + terms.group<kGroups>(t + u * step));
      Lanes<T, V> sum = lanes_of(v[0]);
#pragma unroll
      for (int u = 1; u < kAtOnce; ++u) {
        const Lanes<T, V> term = lanes_of(v[u]);
#pragma unroll
        for (int k = 0; k < V; ++k) sum.v[k] = t + u * step < end ? Op::both(sum.v[k], term.v[k]) : sum.v[k];
      }
#pragma unroll
      for (int k = 0; k < V; ++k) total[k] = Op::both(total[k], static_cast<double>(sum.v[k]));
    }
  }
  double* const shared = shared_memory<double>();  // (V, kThreads)
#pragma unroll
  for (int k = 0; k < V; ++k) shared[k * kThreads + threadIdx.x] = total[k];
  for (unsigned half = step / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half)
#pragma unroll
      for (int k = 0; k < V; ++k) {
        double* const a = shared + k * kThreads + threadIdx.x;
        *a = Op::both(*a, a[half << s.shift]);
      }
  }
  if (row == 0 && column < s.packs)
#pragma unroll
    for (int k = 0; k < V; ++k)
      to.put(outer * terms.f.inner + column * V + k, piece, shared[k * kThreads + threadIdx.x]);
}

// ---- pieces ----

// A warp for each output.
template <class Op>
__global__ void join_kernel(int64_t outputs, Target to) {
  const int64_t output = thread_index() / kWarpLanes;
  double total = Op::kIdentity;
  if (output < outputs)
    for (int64_t p = threadIdx.x % kWarpLanes; p < to.pieces; p += kWarpLanes)
      total = Op::both(total, to.partial[output * to.pieces + p]);
  total = across_lanes<Op>(total, kWarpLanes);
  if (threadIdx.x % kWarpLanes == 0 && output < outputs) to.write(output, total);
}

// How the work is cut: a function of shapes and the width of packs.
struct Cut {
  int64_t packs;  // of the terms of an output, or of neighbouring outputs
  bool by_blocks = false;
  unsigned shift = 0;  // 1 << shift: lanes for each output of rows, or packs beside each other
  int64_t units, pieces;
  Piece piece;
};
unsigned shift_for(int64_t n) {  // 1 << shift is at least n, or a warp
  unsigned s = 0;
  while (1 << s < n && 1u << s < kWarpLanes) ++s;
  return s;
}
Cut cut_up(const Fold& f, int64_t v) {
  Cut c;
  int64_t can = 1;  // pieces without idle threads
  const int64_t packs = f.inner / v, terms = f.inner_reduced ? f.reduced_outer * packs : f.reduced_outer;
  if (f.inner_reduced) {
    c.packs = terms;
    c.by_blocks = terms >= 1024;
    c.shift = shift_for(terms);
    c.units = f.kept_outer;
    if (c.by_blocks) can = terms / (kThreads * kAtOnce * 2);
  } else {
    c.packs = packs;
    c.shift = shift_for(packs);
    c.units = f.kept_outer * ceil_div(packs, 1 << c.shift);
    can = terms / ((kThreads >> c.shift) * kAtOnce * 2);
  }
  c.pieces = most(1, least(kMostPieces, least(can, ceil_div(kBlocks, most(1, c.units)))));
  c.piece = {ceil_div(terms, c.pieces), terms};
  return c;
}

int64_t pack_width(Elem type, const Fold& f) {
  const int64_t n = type == Elem::f32 ? 4 : 8;
  return f.inner % n == 0 && groups_of(f) != Groups::many ? n : 1;
}

void plan_fold(const Call& c, const Fold& f, Work& w) {
  const Cut cut = cut_up(f, pack_width(c.in[0].type, f));
  if (cut.pieces == 1) return;
  w.phases = 2;
  w.shared = 2 * cut.pieces * f.outputs();
}

template <class Op, class T, int V, Groups kGroups>
void launch_fold(const Call& c, const Fold& f, const Cut& cut, const Target& to) {
  const T* x = data<T>(c.in[0]);
  const Terms terms{f, f.n_reduced ? f.reduced[0].stride : 0, Divisor(f.inner / V)};
  if (!f.inner_reduced) {
    if constexpr (kGroups != Groups::none)
      launch(c, columns_kernel<Op, T, V, kGroups>, as_unsigned(cut.units * cut.pieces), kThreads,
             V * kThreads * sizeof(double), x, terms, cut.piece,
             Columns{cut.packs, Divisor(ceil_div(cut.packs, 1 << cut.shift)), cut.shift}, to);
  } else if (cut.by_blocks) {
    launch(c, rows_kernel<Op, T, V, kGroups, true>, as_unsigned(cut.units * cut.pieces), kThreads, 0, x,
           terms, cut.units, cut.piece, cut.shift, to);
  } else {
    launch(c, rows_kernel<Op, T, V, kGroups, false>, as_unsigned(ceil_div(cut.units << cut.shift, kThreads)),
           kThreads, 0, x, terms, cut.units, cut.piece, cut.shift, to);
  }
}

template <class Op, class T, int V>
void launch_groups(const Call& c, const Fold& f, const Cut& cut, const Target& to) {
  if (groups_of(f) == Groups::none && f.inner_reduced)
    launch_fold<Op, T, V, Groups::none>(c, f, cut, to);
  else
    launch_fold<Op, T, V, Groups::one>(c, f, cut, to);
}

template <class Op>
void run_fold(const Call& c, const Fold& f, float factor, int phase) {
  const Cut cut = cut_up(f, pack_width(c.in[0].type, f));
  const Target to{c.out[0].data, c.out[0].type, factor, reinterpret_cast<double*>(c.shared),
                  as_unsigned(cut.pieces)};
  if (phase == 1)
    return launch(c, join_kernel<Op>, as_unsigned(ceil_div(f.outputs() * kWarpLanes, kThreads)), kThreads, 0,
                  f.outputs(), to);
  if (f.outputs() == 0) return;
  with_float_type(c.in[0].type, [&](auto zero) {
    using T = decltype(zero);
    if (groups_of(f) == Groups::many)
      launch_fold<Op, T, 1, Groups::many>(c, f, cut, to);
    else if (f.inner % Pack<T>::kCount == 0)
      launch_groups<Op, T, Pack<T>::kCount>(c, f, cut, to);
    else
      launch_groups<Op, T, 1>(c, f, cut, to);
  });
}

Fold fold_of(const Call& c) { return fold_axes(c.in[0], static_cast<const ReduceAttrs*>(c.attrs)->axes); }

void plan_axes(const Call& c, Work& w) { plan_fold(c, fold_of(c), w); }
void run_sum(const Call& c, int phase, int64_t, float*) { run_fold<SumOp>(c, fold_of(c), 1, phase); }
void run_mean(const Call& c, int phase, int64_t, float*) {
  const Fold f = fold_of(c);
  run_fold<SumOp>(c, f, 1.f / static_cast<float>(f.terms()), phase);
}
void run_max(const Call& c, int phase, int64_t, float*) { run_fold<MaxOp>(c, fold_of(c), 1, phase); }

void plan_sum_to(const Call& c, Work& w) { plan_fold(c, fold_to(c.in[0], c.out[0]), w); }
void run_sum_to(const Call& c, int phase, int64_t, float*) {
  run_fold<SumOp>(c, fold_to(c.in[0], c.out[0]), 1, phase);
}

}  // namespace

extern const Kernel reduce_sum{&plan_axes, &run_sum};
extern const Kernel reduce_mean{&plan_axes, &run_mean};
extern const Kernel reduce_max{&plan_axes, &run_max};
extern const Kernel sum_to{&plan_sum_to, &run_sum_to};

}  // namespace dl::DL_ISA
