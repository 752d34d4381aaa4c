// Cross entropy of logits (N, C, d...) with labels (N, d...), and its gradient: the formulas stand in
// cpu/cross_entropy.cpp. A line is the logits of one label.
#include "kernels/cuda/rows.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {
namespace {

struct Target {
  const void* labels;
  const float* weight;  // (C), null: all 1
  int64_t classes, ignore;
  float hard, soft;         // 1 - s, s / C
  const float* weight_sum;  // sum_c w_c; null: C, or not asked for
  bool bytes;               // labels are u8

  // -1 where the label does not count.
  __device__ int64_t label(int64_t i) const {
    const int64_t y = bytes ? static_cast<const uint8_t*>(labels)[i] : static_cast<const int32_t*>(labels)[i];
    return y == ignore || y < 0 || y >= classes ? -1 : y;
  }
  __device__ float of(int64_t k) const { return weight ? weight[k] : 1.f; }
  __device__ float of_all() const { return weight_sum ? *weight_sum : static_cast<float>(classes); }
};

__global__ void weight_sum_kernel(const float* weight, int64_t classes, float* out) {
  double sum = 0;
  for (int64_t k = threadIdx.x; k < classes; k += kThreads) sum += static_cast<double>(weight[k]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) *out = static_cast<float>(sum);
}

// number: a float of scratch for the sum of the weights.
Target target_of(const Call& c, const Arg* weight, float* number) {
  const auto& a = *static_cast<const CrossEntropyAttrs*>(c.attrs);
  const bool weighted = weight && weight->present();
  Target t{};
  t.labels = c.in[1].data;
  t.bytes = c.in[1].type == Elem::u8;
  t.classes = c.in[0].dims[1];
  t.ignore = a.ignore_index;
  t.hard = 1 - a.label_smoothing;
  t.soft = a.label_smoothing / static_cast<float>(t.classes);
  if (!weighted) return t;
  t.weight = weight->f();
  if (t.soft > 0) {
    t.weight_sum = number;
    launch(c, weight_sum_kernel, 1, kThreads, 0, t.weight, t.classes, number);
  }
  return t;
}

// ---- Loss. Every block gives two doubles: the sum of its losses and that of its weights. ----

constexpr int64_t kMostBlocks = 132 * 16;
constexpr int kAtOnce = 4;

// What a walk along a line gathers: first is its first logit.
struct Line {
  MaxSum s = MaxSum::none();
  float first = 0, products = 0;  // sum_c w_c (x_c - first), where there is smoothing
};
// Group i of V logits stands at x + i step; a thread has those from `from` on, `stride` apart.
template <class T, int V>
__device__ __forceinline__ void walk(const Target& t, const T* x, int64_t from, int64_t stride, int64_t step,
                                     Line& line) {
  Items<T, V> p[kAtOnce];
  line.first = t.soft > 0 ? to_float(x[0]) : 0.f;
  in_turns<kAtOnce>(
      from, t.classes / V, stride, [&](int64_t i, int u) { p[u] = load_items<T, V>(x + i * step); },
      [&](int64_t i, int u) {
        float v[V];
#pragma unroll
        for (int k = 0; k < V; ++k) v[k] = to_float(p[u].v[k]);
        line.s.add(v);
        if (t.soft > 0)
#pragma unroll
          for (int k = 0; k < V; ++k) line.products = fmaf(t.of(i * V + k), v[k] - line.first, line.products);
      });
}

// The end of line i, whose logits stand `stride` apart.
template <class T>
__device__ __forceinline__ void end_line(const Target& t, const T* x, int64_t i, int64_t stride,
                                         const Line& line, float* lse, double& loss, double& weights) {
  const float log_sum = math::log(line.s.sum);
  lse[i] = line.s.max + log_sum;
  const int64_t y = t.label(i);
  if (y < 0) return;
  const float w = t.of(y);
  weights += static_cast<double>(w);
  loss +=
      static_cast<double>(t.hard * w) * static_cast<double>((line.s.max - to_float(x[y * stride])) + log_sum);
  if (t.soft > 0) {
    const double all =
        static_cast<double>(t.of_all()) * static_cast<double>((line.s.max - line.first) + log_sum);
    loss += static_cast<double>(t.soft) * (all - static_cast<double>(line.products));
  }
}

__device__ __forceinline__ void end_block(double loss, double weights, double* partial) {
  loss = block_sum(loss);
  weights = block_sum(weights);
  if (threadIdx.x == 0) partial[2 * blockIdx.x] = loss, partial[2 * blockIdx.x + 1] = weights;
}

// x (rows, C): a team of threads for each row.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    loss_rows(const T* __restrict__ x, float* lse, double* partial, int64_t rows, int team, Target t) {
  const int number = static_cast<int>(threadIdx.x) / team, lane = static_cast<int>(threadIdx.x) % team;
  const int teams = static_cast<int>(kThreads) / team;
  double loss = 0, weights = 0;
  for (int64_t r = int64_t{blockIdx.x} * teams; r < rows; r += int64_t{gridDim.x} * teams) {
    const int64_t row = r + number;
    Line line;
    if (row < rows) walk<T, V>(t, x + row * t.classes, lane, team, V, line);
    line.s = join_team(line.s, static_cast<unsigned>(team), MaxSum::none(),
                       [](const MaxSum& a, const MaxSum& b) { return join(a, b); });
    if (t.soft > 0) line.products = team_sum(line.products, static_cast<unsigned>(team));
    if (row < rows && lane == 0) end_line(t, x + row * t.classes, row, 1, line, lse, loss, weights);
  }
  end_block(loss, weights, partial);
}

// x (outer, C, inner): a thread for each label.
template <class T>
__global__ void __launch_bounds__(kThreads)
    loss_columns(const T* __restrict__ x, float* lse, double* partial, Split s, Target t) {
  double loss = 0, weights = 0;
  for (int64_t i = thread_index(); i < s.outer * s.inner; i += thread_count()) {
    const int64_t o = i / s.inner;
    const T* p = x + o * s.n * s.inner + i - o * s.inner;
    Line line;
    walk<T, 1>(t, p, 0, 1, s.inner, line);
    end_line(t, p, i, s.inner, line, lse, loss, weights);
  }
  end_block(loss, weights, partial);
}

__global__ void total_kernel(const double* partial, int count, float* loss, float* weight) {
  double a = 0, b = 0;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads)
    a += partial[2 * i], b += partial[2 * i + 1];
  a = block_sum(a);
  b = block_sum(b);
  if (threadIdx.x != 0) return;
  *loss = static_cast<float>(b > 0 ? a / b : 0);
  *weight = static_cast<float>(b);
}

struct LossGrid {
  unsigned team, blocks;
};
LossGrid loss_grid(const Split& s, Elem type) {
  const int64_t pack = pack_of(type), groups = s.n / (s.n % pack == 0 ? pack : 1);
  LossGrid g{};
  g.team = s.inner > 1 ? 1 : groups > kWarpLanes * 16 ? kThreads : team_for(groups, kAtOnce, kWarpLanes);
  const int64_t blocks = ceil_div(s.lines(), kThreads / g.team);
  g.blocks = as_unsigned(blocks < kMostBlocks ? blocks : kMostBlocks);
  return g;
}

void plan_loss(const Call& c, Work& w) {
  w.shared = 4 * int64_t{loss_grid(split_at(c.in[0], 1), c.in[0].type).blocks} + 1;
}

// logits labels class_weights? -> loss lse weight
void run_loss(const Call& c, int, int64_t, float*) {
  const Split s = split_at(c.in[0], 1);
  const LossGrid g = loss_grid(s, c.in[0].type);
  double* partial = reinterpret_cast<double*>(c.shared);
  const Target t = target_of(c, c.n_in > 2 ? &c.in[2] : nullptr, c.shared + 4 * int64_t{g.blocks});
  with_items(c.in[0].type, s.n, [&](auto zero, auto items) {
    using T = decltype(zero);
    const T* x = data<T>(c.in[0]);
    if (s.inner == 1)
      launch(c, loss_rows<T, decltype(items)::value>, g.blocks, kThreads, 0, x, c.out[1].f(), partial,
             s.outer, static_cast<int>(g.team), t);
    else
      launch(c, loss_columns<T>, g.blocks, kThreads, 0, x, c.out[1].f(), partial, s, t);
  });
  launch(c, total_kernel, 1, kThreads, 0, partial, static_cast<int>(g.blocks), c.out[0].f(), c.out[2].f());
}

// ---- Gradient: d = all e^(x - lse) - soft w_c - (one at c = label), all zero where the label does not count. ----

struct Slope {
  float lse = 0, all = 0, soft = 0, one = 0;
  int64_t label = -1;
  // total, dloss: device scalars.
  __device__ Slope(const Target& t, int64_t i, const float* lse_of, const float* total, const float* dloss) {
    label = t.label(i);
    if (label < 0) return;
    const float scale = *total > 0 ? *dloss / *total : 0.f, w = t.of(label);
    lse = lse_of[i];
    all = scale * (t.soft > 0 ? t.hard * w + t.soft * t.of_all() : t.hard * w);
    soft = scale * t.soft;
    one = scale * t.hard * w;
  }
  __device__ float operator()(const Target& t, float x, int64_t k) const {
    if (label < 0) return 0;
    float d = all * math::exp(x - lse);
    if (t.soft > 0) d -= soft * t.of(k);
    return k == label ? d - one : d;
  }
};

// Groups of V logits at x + i step, as in walk(); dx may be the memory of x.
template <class T, int V>
__device__ __forceinline__ void write_slopes(const Target& t, const Slope& slope, const T* x, T* dx,
                                             int64_t from, int64_t stride, int64_t step) {
  Items<T, V> p[kAtOnce];
  in_turns<kAtOnce>(
      from, t.classes / V, stride, [&](int64_t i, int u) { p[u] = load_items<T, V>(x + i * step); },
      [&](int64_t i, int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) p[u].v[k] = from_float<T>(slope(t, to_float(p[u].v[k]), i * V + k));
        store_items<T, V>(dx + i * step, p[u]);
      });
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    slope_rows(const T* x, const float* lse, const float* total, const float* dloss, T* dx, int64_t rows,
               int team, Target t) {
  const int64_t row =
      int64_t{blockIdx.x} * (static_cast<int>(kThreads) / team) + static_cast<int>(threadIdx.x) / team;
  if (row >= rows) return;
  write_slopes<T, V>(t, Slope(t, row, lse, total, dloss), x + row * t.classes, dx + row * t.classes,
                     static_cast<int>(threadIdx.x) % team, team, V);
}

template <class T>
__global__ void __launch_bounds__(kThreads) slope_columns(const T* x, const float* lse, const float* total,
                                                          const float* dloss, T* dx, Split s, Target t) {
  const int64_t i = thread_index();
  if (i >= s.outer * s.inner) return;
  const int64_t o = i / s.inner, at = o * s.n * s.inner + i - o * s.inner;
  write_slopes<T, 1>(t, Slope(t, i, lse, total, dloss), x + at, dx + at, 0, 1, s.inner);
}

void plan_grad(const Call&, Work& w) { w.shared = 1; }

// logits labels lse weight dloss class_weights? -> dlogits
void run_grad(const Call& c, int, int64_t, float*) {
  const Split s = split_at(c.in[0], 1);
  if (c.in[0].size() == 0) return;
  const Target t = target_of(c, c.n_in > 5 ? &c.in[5] : nullptr, c.shared);
  const float *lse = c.in[2].f(), *total = c.in[3].f(), *dloss = c.in[4].f();
  with_items(c.in[0].type, s.n, [&](auto zero, auto items) {
    using T = decltype(zero);
    constexpr int V = decltype(items)::value;
    const T* x = data<T>(c.in[0]);
    T* dx = data<T>(c.out[0]);
    const unsigned team = team_for(s.n / V, kAtOnce, kThreads);
    if (s.inner == 1)
      launch(c, slope_rows<T, V>, as_unsigned(ceil_div(s.outer, kThreads / team)), kThreads, 0, x, lse, total,
             dloss, dx, s.outer, static_cast<int>(team), t);
    else
      launch(c, slope_columns<T>, as_unsigned(ceil_div(s.lines(), kThreads)), kThreads, 0, x, lse, total,
             dloss, dx, s, t);
  });
}

}  // namespace

extern const Kernel cross_entropy{&plan_loss, &run_loss};
extern const Kernel cross_entropy_grad{&plan_grad, &run_grad};

}  // namespace dl::DL_ISA
