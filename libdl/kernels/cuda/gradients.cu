// The norm of all gradients together (cpu/optimizers.cpp). A block for each piece of a gradient, however many there are:
// their addresses come with the launch.
#include "kernels/cuda/items.h"
#include "kernels/optimizer_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kPiece = 16384;    // elements of a block
constexpr int kTensors = 128;        // of a launch
constexpr unsigned kJoiners = 1024;  // threads of the block that joins the pieces

int64_t pieces_of(const Arg& a) { return ceil_div(a.size(), kPiece); }
int64_t all_pieces(const Call& c) {
  int64_t n = 0;
  for (int i = 0; i < c.n_in; ++i) n += pieces_of(c.in[i]);
  return n;
}

struct Gradients {
  const void* data[kTensors];
  int64_t size[kTensors];
  int first[kTensors + 1];  // piece of each
  Elem type[kTensors];
  int count;
  __device__ int find(int piece) const {  // the last tensor that begins at this piece or before
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first[middle] <= piece ? low : high) = middle;
    }
    return low;
  }
};

// A block's share of the sum of squares of n elements.
template <class T>
__device__ double sum_squares(const T* __restrict__ x, int64_t n) {
  constexpr int kItems = Pack<T>::kCount, kAtOnce = 4;
  float sum = 0;
  Items<T, kItems> v[kAtOnce];
  in_turns<kAtOnce>(
      threadIdx.x, n / kItems, kThreads,
      [&](int64_t i, int u) { v[u] = load_items<T, kItems>(x + i * kItems); },
      [&](int64_t, int u) {
#pragma unroll
        for (int k = 0; k < kItems; ++k) sum = fmaf(to_float(v[u].v[k]), to_float(v[u].v[k]), sum);
      });
  for (int64_t i = n / kItems * kItems + threadIdx.x; i < n; i += kThreads)
    sum = fmaf(to_float(x[i]), to_float(x[i]), sum);
  return block_sum(static_cast<double>(sum));
}

// partial: a double of each piece.
__global__ void __launch_bounds__(kThreads) norm_kernel(const Gradients g, double* partial) {
  const int piece = static_cast<int>(blockIdx.x), i = g.find(piece);
  const int64_t from = int64_t{piece - g.first[i]} * kPiece, left = g.size[i] - from;
  const int64_t n = left < kPiece ? left : kPiece;
  double sum = 0;
  if (g.type[i] == Elem::f32)
    sum = sum_squares(static_cast<const float*>(g.data[i]) + from, n);
  else if (g.type[i] == Elem::bf16)
    sum = sum_squares(static_cast<const bf16*>(g.data[i]) + from, n);
  else
    sum = sum_squares(static_cast<const f16*>(g.data[i]) + from, n);
  if (threadIdx.x == 0) partial[piece] = sum;
}

__global__ void __launch_bounds__(kJoiners)
    norm_scale_kernel(const double* partial, int64_t count, double max_norm, float* scale, float* norm) {
  double sum = 0;
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < count; i += kJoiners) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  const double root = ::sqrt(sum), s = max_norm / (root + 1e-6);
  *scale = static_cast<float>(s < 1 ? s : 1);
  *norm = static_cast<float>(root);
}

// Calls f(gradients, first piece of all) for groups of the inputs [from, c.n_in).
template <class F>
void each_group(const Call& c, int from, F f) {
  int64_t piece = 0;
  for (int i = from; i < c.n_in;) {
    Gradients g = {};
    int pieces = 0;
    for (; i < c.n_in && g.count < kTensors; ++i) {
      const Arg& a = c.in[i];
      if (a.size() == 0) continue;
      g.data[g.count] = a.data;
      g.size[g.count] = a.size();
      g.type[g.count] = a.type;
      g.first[g.count++] = pieces;
      pieces += static_cast<int>(pieces_of(a));
    }
    if (pieces > 0) f(g, pieces, piece);
    piece += pieces;
  }
}

void plan_norm(const Call& c, Work& w) { w.shared = 2 * all_pieces(c); }

// grads... -> scale norm
void run_norm(const Call& c, int, int64_t, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  each_group(c, 0, [&](const Gradients& g, int pieces, int64_t first) {
    launch(c, norm_kernel, as_unsigned(pieces), kThreads, 0, g, partial + first);
  });
  launch(c, norm_scale_kernel, 1, kJoiners, 0, partial, all_pieces(c),
         static_cast<const GlobalNormScaleAttrs*>(c.attrs)->max_norm, c.out[0].f(), c.out[1].f());
}

}  // namespace

extern const Kernel global_norm_scale{&plan_norm, &run_norm};

}  // namespace dl::DL_ISA
