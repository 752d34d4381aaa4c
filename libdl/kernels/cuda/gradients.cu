// What is asked of all gradients together: their norm, and for the scale of the loss whether they are finite
// (cpu/optimizers.cpp). A block for each piece of a gradient, however many there are: their addresses come with the launch.
#include "kernels/cuda/items.h"
#include "kernels/loss_scale.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kPiece = 16384;    // elements of a block
constexpr int kTensors = 128;        // of a launch
constexpr unsigned kJoiners = 1024;  // threads of the block that joins the pieces

int64_t pieces_of(const Arg& a) { return ceil_div(a.size(), kPiece); }
// Of the inputs from `first` on.
int64_t all_pieces(const Call& c, int first) {
  int64_t n = 0;
  for (int i = first; i < c.n_in; ++i) n += pieces_of(c.in[i]);
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

// What is summed up of every element.
struct Square {
  __device__ static float add(float sum, float v) { return fmaf(v, v, sum); }
};
struct NotFinite {
  __device__ static float add(float sum, float v) { return fabsf(v) < __builtin_inff() ? sum : sum + 1; }
};

// Sum of a block over n elements.
template <class F, class T>
__device__ double sum_piece(const T* __restrict__ x, int64_t n) {
  constexpr int kItems = Pack<T>::kCount, kAtOnce = 4;
  float sum = 0;
  Items<T, kItems> v[kAtOnce];
  in_turns<kAtOnce>(
      threadIdx.x, n / kItems, kThreads,
      [&](int64_t i, int u) { v[u] = load_items<T, kItems>(x + i * kItems); },
      [&](int64_t, int u) {
#pragma unroll
        for (int k = 0; k < kItems; ++k) sum = F::add(sum, to_float(v[u].v[k]));
      });
  for (int64_t i = n / kItems * kItems + threadIdx.x; i < n; i += kThreads) sum = F::add(sum, to_float(x[i]));
  return block_sum(static_cast<double>(sum));
}

// partial: a double of each piece.
template <class F>
__global__ void __launch_bounds__(kThreads) pieces_kernel(const Gradients g, double* partial) {
  const int piece = static_cast<int>(blockIdx.x), i = g.find(piece);
  const int64_t from = int64_t{piece - g.first[i]} * kPiece, left = g.size[i] - from;
  const int64_t n = left < kPiece ? left : kPiece;
  double sum = 0;
  if (g.type[i] == Elem::f32)
    sum = sum_piece<F>(static_cast<const float*>(g.data[i]) + from, n);
  else if (g.type[i] == Elem::bf16)
    sum = sum_piece<F>(static_cast<const bf16*>(g.data[i]) + from, n);
  else
    sum = sum_piece<F>(static_cast<const f16*>(g.data[i]) + from, n);
  if (threadIdx.x == 0) partial[piece] = sum;
}

__device__ double join_pieces(const double* partial, int64_t count) {
  double sum = 0;
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < count; i += kJoiners) sum += partial[i];
  return block_sum(sum);
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

// partial: the sums of all pieces of the inputs from `from` on.
template <class F>
void sum_pieces(const Call& c, int from, double* partial) {
  each_group(c, from, [&](const Gradients& g, int pieces, int64_t first) {
    launch(c, pieces_kernel<F>, as_unsigned(pieces), kThreads, 0, g, partial + first);
  });
}

template <int kFrom>
void plan(const Call& c, Work& w) {
  w.shared = 2 * all_pieces(c, kFrom);
}

__global__ void __launch_bounds__(kJoiners)
    norm_kernel(const double* partial, int64_t count, double max_norm, float* scale, float* norm) {
  const double root = ::sqrt(join_pieces(partial, count)), s = max_norm / (root + 1e-6);
  if (threadIdx.x != 0) return;
  *scale = static_cast<float>(s < 1 ? s : 1);
  *norm = static_cast<float>(root);
}

// grads... -> scale norm
void run_norm(const Call& c, int, int64_t, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  sum_pieces<Square>(c, 0, partial);
  launch(c, norm_kernel, 1, kJoiners, 0, partial, all_pieces(c, 0),
         static_cast<const GlobalNormScaleAttrs*>(c.attrs)->max_norm, c.out[0].f(), c.out[1].f());
}

// next and next_good may be the memory of scale and good.
__global__ void __launch_bounds__(kJoiners)
    loss_scale_kernel(const double* partial, int64_t count, LossScaleAttrs attrs, const float* scale,
                      const int64_t* good, float* factor, float* next, int64_t* next_good) {
  const bool finite = join_pieces(partial, count) == 0;
  if (threadIdx.x != 0) return;
  const LossScale s(attrs, *scale, *good, finite);
  *factor = s.factor;
  *next = s.next;
  *next_good = s.next_good;
}

// scale good grads... -> factor next_scale next_good
void run_loss_scale(const Call& c, int, int64_t, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  sum_pieces<NotFinite>(c, 2, partial);
  launch(c, loss_scale_kernel, 1, kJoiners, 0, partial, all_pieces(c, 2),
         *static_cast<const LossScaleAttrs*>(c.attrs), c.in[0].f(), data<int64_t>(c.in[1]), c.out[0].f(),
         c.out[1].f(), data<int64_t>(c.out[2]));
}

}  // namespace

extern const Kernel global_norm_scale{&plan<0>, &run_norm};
extern const Kernel loss_scale{&plan<2>, &run_loss_scale};

}  // namespace dl::DL_ISA
