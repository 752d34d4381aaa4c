// What is asked of whole tensors before an update: the norm of all gradients together, for the scale of the loss whether
// they are finite, and how the norms of a parameter and of its step compare (cpu/gradients.cpp). A block for each piece of a gradient, however many there are: their addresses come with the launch.
#include "kernels/cuda/items.h"
#include "kernels/loss_scale.h"
#include "kernels/update_rules.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kPiece = 16384;    // elements of a block
constexpr int kTensors = 128;        // of a launch
constexpr unsigned kJoiners = 1024;  // threads of the block that joins the pieces

int64_t pieces_of(const Arg& a) { return ceil_div(a.size(), kPiece); }
// Of the inputs [first, end).
int64_t pieces_between(const Call& c, int first, int end) {
  int64_t n = 0;
  for (int i = first; i < end; ++i) n += pieces_of(c.in[i]);
  return n;
}
int64_t all_pieces(const Call& c, int first) { return pieces_between(c, first, c.n_in); }

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

// Calls f(gradients, first piece of all) for groups of the inputs [from, end).
template <class F>
void each_group(const Call& c, int from, int end, F f) {
  int64_t piece = 0;
  for (int i = from; i < end;) {
    Gradients g = {};
    int pieces = 0;
    for (; i < end && g.count < kTensors; ++i) {
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

// partial: the sums of all pieces of the inputs [from, end).
template <class F>
void sum_pieces(const Call& c, int from, int end, double* partial) {
  each_group(c, from, end, [&](const Gradients& g, int pieces, int64_t first) {
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
  sum_pieces<Square>(c, 0, c.n_in, partial);
  launch(c, norm_kernel, 1, kJoiners, 0, partial, all_pieces(c, 0),
         static_cast<const GlobalNormScaleAttrs*>(c.attrs)->max_norm, c.out[0].f(), c.out[1].f());
}

void plan_ratio(const Call& c, Work& w) { w.shared = 2 * pieces_between(c, 0, 2); }

__global__ void __launch_bounds__(kJoiners)
    ratio_kernel(const double* partial, int64_t of_param, int64_t of_step, TrustRatioAttrs attrs,
                 const float* scale, float* ratio) {
  const double param = join_pieces(partial, of_param), step = join_pieces(partial + of_param, of_step);
  if (threadIdx.x == 0) *ratio = trust_ratio_of(attrs, param, step, scale ? *scale : 1.f);
}

// param step scale?
void run_ratio(const Call& c, int, int64_t, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  sum_pieces<Square>(c, 0, 2, partial);
  launch(c, ratio_kernel, 1, kJoiners, 0, partial, pieces_of(c.in[0]), pieces_of(c.in[1]),
         *static_cast<const TrustRatioAttrs*>(c.attrs),
         c.n_in > 2 && c.in[2].present() ? c.in[2].f() : nullptr, c.out[0].f());
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
  sum_pieces<NotFinite>(c, 2, c.n_in, partial);
  launch(c, loss_scale_kernel, 1, kJoiners, 0, partial, all_pieces(c, 2),
         *static_cast<const LossScaleAttrs*>(c.attrs), c.in[0].f(), data<int64_t>(c.in[1]), c.out[0].f(),
         c.out[1].f(), data<int64_t>(c.out[2]));
}

}  // namespace

extern const Kernel global_norm_scale{&plan<0>, &run_norm};
extern const Kernel trust_ratio{&plan_ratio, &run_ratio};
extern const Kernel loss_scale{&plan<2>, &run_loss_scale};

}  // namespace dl::DL_ISA
