// softmax and log_softmax along any axis, and their gradients (cpu/softmax.cpp).
#include "kernels/cuda/rows.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {
namespace {

enum class Form { softmax, log_softmax, softmax_grad, log_softmax_grad };
template <Form kForm>
constexpr bool kGrad = kForm == Form::softmax_grad || kForm == Form::log_softmax_grad;

// What the elements of a line share: a forward form its largest element and the factor or logarithm of its sum, a gradient
// the sum.
struct Shared {
  float max = 0, number = 0;
};

// The result for x (a gradient: y) and dy.
template <Form kForm>
__device__ __forceinline__ float result(const Shared& s, float x, float dy) {
  if constexpr (kForm == Form::softmax) return math::exp(x - s.max) * s.number;
  if constexpr (kForm == Form::log_softmax) return (x - s.max) - s.number;
  if constexpr (kForm == Form::softmax_grad) return x * (dy - s.number);
  return dy - math::exp(x) * s.number;
}
// The sum of a gradient.
template <Form kForm>
__device__ __forceinline__ float add_term(float sum, float y, float dy) {
  return kForm == Form::softmax_grad ? fmaf(y, dy, sum) : sum + dy;
}
template <Form kForm>
__device__ __forceinline__ Shared shared_of(const MaxSum& s) {
  return {s.max, kForm == Form::softmax ? 1 / s.sum : math::log(s.sum)};
}

// ---- Rows that the registers of a team hold: kHeld groups of V neighbours a thread. ----

constexpr int kHeld = 4;
constexpr unsigned kMostThreads = 512;

template <Form kForm, class T, int V>
__device__ Shared shared_of_held(const Items<T, V> (&p)[kHeld], const Items<T, V> (&q)[kHeld], int valid,
                                 unsigned team) {
  if constexpr (kGrad<kForm>) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
#pragma unroll
      for (int k = 0; k < V; ++k)
        if (i < valid) sum = add_term<kForm>(sum, to_float(p[i].v[k]), to_float(q[i].v[k]));
    return {0, team_sum(sum, team)};
  } else {
    MaxSum s = MaxSum::none();
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
#pragma unroll
      for (int k = 0; k < V; ++k)
        if (i < valid) s.max = fmaxf(s.max, to_float(p[i].v[k]));
    s.max = join_team(s.max, team, -__builtin_inff(), [](float a, float b) { return fmaxf(a, b); });
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
#pragma unroll
      for (int k = 0; k < V; ++k)
        if (i < valid) s.sum += math::exp(to_float(p[i].v[k]) - s.max);
    s.sum = team_sum(s.sum, team);
    return shared_of<kForm>(s);
  }
}

// a: x or y, b: dy, of `rows` rows of `groups` groups.
template <Form kForm, class T, int V>
__global__ void __launch_bounds__(kMostThreads)
    held_rows(const T* a, const T* b, T* out, int64_t rows, int groups, int team) {
  const int t = static_cast<int>(threadIdx.x), lane = t & (team - 1);
  const int64_t row = int64_t{blockIdx.x} * (blockDim.x / static_cast<unsigned>(team)) + t / team;
  const int valid = row < rows && lane < groups ? (groups - lane + team - 1) / team : 0;
  const int64_t first = (row * groups + lane) * V;
  Items<T, V> p[kHeld], q[kHeld];
#pragma unroll
  for (int i = 0; i < kHeld; ++i)
    if (i < valid) {
      p[i] = load_items<T, V>(a + first + int64_t{i} * team * V);
      if constexpr (kGrad<kForm>) q[i] = load_items<T, V>(b + first + int64_t{i} * team * V);
    }
  const Shared s = shared_of_held<kForm, T, V>(p, q, valid, static_cast<unsigned>(team));
#pragma unroll
  for (int i = 0; i < kHeld; ++i)
    if (i < valid) {
#pragma unroll
      for (int k = 0; k < V; ++k)
        p[i].v[k] =
            from_float<T>(result<kForm>(s, to_float(p[i].v[k]), kGrad<kForm> ? to_float(q[i].v[k]) : 0.f));
      store_items<T, V>(out + first + int64_t{i} * team * V, p[i]);
    }
}

// ---- Longer lines: two walks, load(i, x, dy) of the first taken as they come; the second finds much in the cache. ----

// Group i of V neighbours of a line stands at i step; a thread has those from `first` on, `stride` apart.
struct Walk {
  int64_t first, groups, stride, step;
};

template <Form kForm, class T, int V>
__device__ __forceinline__ Shared shared_of_line(const T* a, const T* b, const Walk& w, unsigned team) {
  constexpr int kAtOnce = 4;
  Items<T, V> p[kAtOnce], q[kAtOnce];
  MaxSum s = MaxSum::none();
  in_turns<kAtOnce>(
      w.first, w.groups, w.stride,
      [&](int64_t i, int u) {
        p[u] = load_items<T, V>(a + i * w.step);
        if constexpr (kGrad<kForm>) q[u] = load_items<T, V>(b + i * w.step);
      },
      [&](int64_t, int u) {
        float v[V];
#pragma unroll
        for (int k = 0; k < V; ++k) {
          v[k] = to_float(p[u].v[k]);
          if constexpr (kGrad<kForm>) s.sum = add_term<kForm>(s.sum, v[k], to_float(q[u].v[k]));
        }
        if constexpr (!kGrad<kForm>) s.add(v);
      });
  if constexpr (kGrad<kForm>) return {0, team_sum(s.sum, team)};
  return shared_of<kForm>(
      join_team(s, team, MaxSum::none(), [](const MaxSum& x, const MaxSum& y) { return join(x, y); }));
}

template <Form kForm, class T, int V>
__device__ __forceinline__ void write_line(const T* a, const T* b, T* out, const Walk& w, const Shared& s) {
  constexpr int kAtOnce = 2;
  Items<T, V> p[kAtOnce], q[kAtOnce];
  in_turns<kAtOnce>(
      w.first, w.groups, w.stride,
      [&](int64_t i, int u) {
        p[u] = load_items<T, V>(a + i * w.step);
        if constexpr (kGrad<kForm>) q[u] = load_items<T, V>(b + i * w.step);
      },
      [&](int64_t i, int u) {
#pragma unroll
        for (int k = 0; k < V; ++k)
          p[u].v[k] =
              from_float<T>(result<kForm>(s, to_float(p[u].v[k]), kGrad<kForm> ? to_float(q[u].v[k]) : 0.f));
        store_items<T, V>(out + i * w.step, p[u]);
      });
}

// A block for each row.
template <Form kForm, class T, int V>
__global__ void __launch_bounds__(kMostThreads) long_rows(const T* a, const T* b, T* out, int64_t groups) {
  const int64_t at = blockIdx.x * groups * V;
  const Walk w{threadIdx.x, groups, blockDim.x, V};
  const Shared s = shared_of_line<kForm, T, V>(a + at, b + at, w, blockDim.x);
  write_line<kForm, T, V>(a + at, b + at, out + at, w, s);
}

// A thread for each column of (outer, n, inner).
template <Form kForm, class T>
__global__ void columns(const T* a, const T* b, T* out, Split s) {
  const int64_t i = thread_index();
  if (i >= s.outer * s.inner) return;
  const int64_t o = i / s.inner, at = o * s.n * s.inner + i - o * s.inner;
  const Walk w{0, s.n, 1, s.inner};
  const Shared shared = shared_of_line<kForm, T, 1>(a + at, b + at, w, 1);
  write_line<kForm, T, 1>(a + at, b + at, out + at, w, shared);
}

template <Form kForm, class T, int V>
void run_rows(const Call& c, const Split& s, const T* a, const T* b, T* out) {
  const int64_t groups = s.n / V;
  if (groups > kHeld * kMostThreads)
    return launch(c, long_rows<kForm, T, V>, as_unsigned(s.outer), kMostThreads, 0, a, b, out, groups);
  const unsigned team = team_for(groups, kHeld, kMostThreads), threads = team > kWarpLanes ? team : kThreads;
  launch(c, held_rows<kForm, T, V>, as_unsigned(ceil_div(s.outer, threads / team)), threads, 0, a, b, out,
         s.outer, static_cast<int>(groups), static_cast<int>(team));
}

// x -> y, or y dy -> dx
template <Form kForm>
void run(const Call& c, int, int64_t, float*) {
  const int64_t axis = static_cast<const SoftmaxAttrs*>(c.attrs)->axis;
  const Split s = split_at(c.in[0], static_cast<int>(axis < 0 ? axis + c.in[0].rank : axis));
  if (c.in[0].size() == 0) return;
  with_items(c.in[0].type, s.n, [&](auto zero, auto items) {
    using T = decltype(zero);
    const T *a = data<T>(c.in[0]), *b = kGrad<kForm> ? data<T>(c.in[1]) : a;
    T* out = data<T>(c.out[0]);
    if (s.inner == 1)
      run_rows<kForm, T, decltype(items)::value>(c, s, a, b, out);
    else
      launch(c, columns<kForm, T>, as_unsigned(ceil_div(s.lines(), kThreads)), kThreads, 0, a, b, out, s);
  });
}

}  // namespace

extern const Kernel softmax{&plan_nothing, &run<Form::softmax>};
extern const Kernel log_softmax{&plan_nothing, &run<Form::log_softmax>};
extern const Kernel softmax_grad{&plan_nothing, &run<Form::softmax_grad>};
extern const Kernel log_softmax_grad{&plan_nothing, &run<Form::log_softmax_grad>};

}  // namespace dl::DL_ISA
