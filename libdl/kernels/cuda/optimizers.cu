// Optimiser updates: one launch over a parameter, its gradient and its state. Rates, steps and scales are read from
// device memory, for they change between launches of a graph.
#include "kernels/optimizer_attrs.h"

#include "kernels/cuda/items.h"

namespace dl::DL_ISA {
namespace {

constexpr int kItems = 4;
constexpr int kStates = 3;  // the most an update has

// What all updates share (cpu/optimizers.cpp: Common), with where the numbers of the step stand.
struct Common {
  const float *lr, *scale;  // scale: null where there is none
  double lr_scale, weight_decay;
  float l1, clip;
  bool decoupled;
  Common(const Call& c, const UpdateAttrs& a, int lr_input, int scale_input)
      : lr(c.in[lr_input].f()),
        scale(c.n_in > scale_input && c.in[scale_input].present() ? c.in[scale_input].f() : nullptr),
        lr_scale(a.lr_scale),
        weight_decay(a.weight_decay),
        l1(static_cast<float>(a.l1)),
        clip(static_cast<float>(a.clip_value)),
        decoupled(a.decoupled) {}
};
// The same in a thread.
struct Step {
  double rate;
  float lr, scale, decay, keep, l1, clip;
  __device__ explicit Step(const Common& u)
      : rate(static_cast<double>(*u.lr) * u.lr_scale),
        lr(static_cast<float>(rate)),
        scale(u.scale ? *u.scale : 1.f),
        decay(u.decoupled ? 0.f : static_cast<float>(u.weight_decay)),
        keep(u.decoupled ? static_cast<float>(1 - rate * u.weight_decay) : 1.f),
        l1(u.l1),
        clip(u.clip) {}
  __device__ float gradient(float p, float g) const {
    g *= scale;
    if (clip > 0) {  // NaN stays
      g = g < -clip ? -clip : g;
      g = g > clip ? clip : g;
    }
    if (decay != 0) g = fmaf(decay, p, g);
    if (l1 != 0) g += p > 0 ? l1 : p < 0 ? -l1 : 0.f;
    return g;
  }
};

// ---- The rules. numbers(n) is called by all threads of a block first, and keeps what the step decides. operator()
// takes p, g and the states s[] to their new values. ----

struct SgdRule {
  static constexpr int kCount = 0;
  __device__ void numbers(const Step&) {}
  __device__ void operator()(const Step& u, float& p, float g, float (&)[kStates]) const {
    p = fmaf(-u.lr, g, u.keep * p);
  }
};

struct MomentumRule {
  static constexpr int kCount = 1;
  float mu, fresh;
  bool nesterov;
  __device__ void numbers(const Step&) {}
  __device__ void operator()(const Step& u, float& p, float g, float (&s)[kStates]) const {
    s[0] = fmaf(mu, s[0], fresh * g);
    p = fmaf(-u.lr, nesterov ? fmaf(mu, s[0], g) : s[0], u.keep * p);
  }
};

struct AdagradRule {
  static constexpr int kCount = 1;
  float eps;
  __device__ void numbers(const Step&) {}
  __device__ void operator()(const Step& u, float& p, float g, float (&s)[kStates]) const {
    s[0] = fmaf(g, g, s[0]);
    p = fmaf(-u.lr, g / (sqrtf(s[0]) + eps), u.keep * p);
  }
};

// States: mean square, velocity (kVelocity), mean (kCentered).
template <bool kVelocity, bool kCentered>
struct RmspropRule {
  static constexpr int kCount = 1 + kVelocity + kCentered;
  float alpha, rest, eps, mu;
  __device__ void numbers(const Step&) {}
  __device__ void operator()(const Step& u, float& p, float g, float (&s)[kStates]) const {
    s[0] = fmaf(alpha, s[0], rest * g * g);
    float variance = s[0];
    if constexpr (kCentered) {
      s[2] = fmaf(alpha, s[2], rest * g);
      const float v = s[0] - s[2] * s[2];
      variance = v < 0 ? 0 : v;
    }
    float step = g / (sqrtf(variance) + eps);
    if constexpr (kVelocity) step = s[1] = fmaf(mu, s[1], step);
    p = fmaf(-u.lr, step, u.keep * p);
  }
};

__device__ double power(double x, int64_t n) {
  double y = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) y *= x;
  return y;
}

struct AdamRule {
  static constexpr int kCount = 2;
  const int64_t* count;  // of steps, from 1 on
  double beta1, beta2;
  float b1, r1, b2, r2, eps;
  float step = 0, unbias = 0;
  __device__ void numbers(const Step& u) {
    __shared__ double powers[2];
    if (threadIdx.x % kWarpLanes == 0 && threadIdx.x < 2 * kWarpLanes)
      powers[threadIdx.x / kWarpLanes] = power(threadIdx.x == 0 ? beta1 : beta2, *count);
    __syncthreads();
    step = static_cast<float>(-u.rate / (1 - powers[0]));
    unbias = static_cast<float>(1 / (1 - powers[1]));
  }
  __device__ void operator()(const Step& u, float& p, float g, float (&s)[kStates]) const {
    s[0] = fmaf(b1, s[0], r1 * g);
    s[1] = fmaf(b2, s[1], r2 * g * g);
    p = fmaf(step, s[0] / (sqrtf(s[1] * unbias) + eps), u.keep * p);
  }
};

// ---- The pass. An input may be the memory of its output. ----

struct Tensors {
  const float* in[1 + kStates];  // the parameter, its states
  float* out[1 + kStates];
  const void* grad;
  int64_t n;
};

// kItems elements from i on, or one.
template <class R, class G, int N>
__device__ __forceinline__ void update_items(const Tensors& t, const R& rule, const Step& u, int64_t i) {
  const Items<float, N> p = load_items<float, N>(t.in[0] + i);
  const Items<G, N> g = load_items<G, N>(static_cast<const G*>(t.grad) + i);
  Items<float, N> s[kStates], q;
#pragma unroll
  for (int j = 0; j < R::kCount; ++j) s[j] = load_items<float, N>(t.in[1 + j] + i);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    float state[kStates];
#pragma unroll
    for (int j = 0; j < R::kCount; ++j) state[j] = s[j].v[k];
    q.v[k] = p.v[k];
    rule(u, q.v[k], u.gradient(p.v[k], to_float(g.v[k])), state);
#pragma unroll
    for (int j = 0; j < R::kCount; ++j) s[j].v[k] = state[j];
  }
  store_items<float, N>(t.out[0] + i, q);
#pragma unroll
  for (int j = 0; j < R::kCount; ++j) store_items<float, N>(t.out[1 + j] + i, s[j]);
}

// A step that is left out: the gradient is not looked at.
template <int kCount>
__device__ void keep_all(const Tensors& t) {
#pragma unroll
  for (int j = 0; j <= kCount; ++j)
    if (t.in[j] != t.out[j])
      for (int64_t i = thread_index(); i < t.n; i += thread_count()) t.out[j][i] = t.in[j][i];
}

template <class R, class G>
__global__ void update_kernel(Tensors t, R rule, Common common) {
  if (common.scale && *common.scale == 0) return keep_all<R::kCount>(t);
  const Step u(common);
  rule.numbers(u);
  for (int64_t i = thread_index(); i < t.n / kItems; i += thread_count())
    update_items<R, G, kItems>(t, rule, u, i * kItems);
  for (int64_t i = t.n / kItems * kItems + thread_index(); i < t.n; i += thread_count())
    update_items<R, G, 1>(t, rule, u, i);
}

// states: inputs of the states that outputs 1, 2, ... are the new ones of.
template <class R>
void update(const Call& c, const R& rule, const Common& common, const int (&states)[kStates]) {
  Tensors t = {};
  t.n = c.out[0].size();
  t.grad = c.in[1].data;
  t.in[0] = c.in[0].f();
  t.out[0] = c.out[0].f();
  for (int j = 0; j < R::kCount; ++j) {
    t.in[1 + j] = c.in[states[j]].f();
    t.out[1 + j] = c.out[1 + j].f();
  }
  with_float_type(c.in[1].type, [&](auto zero) {
    launch(c, update_kernel<R, decltype(zero)>, blocks_for(c, ceil_div(t.n, kItems)), kThreads, 0, t, rule,
           common);
  });
}

template <class A>
const A& attrs_of(const Call& c) {
  return *static_cast<const A*>(c.attrs);
}
float number(double v) { return static_cast<float>(v); }

// param grad lr scale?
void run_sgd(const Call& c, int, int64_t, float*) {
  update(c, SgdRule{}, Common(c, attrs_of<SgdAttrs>(c), 2, 3), {});
}

// param grad velocity lr scale?
void run_momentum(const Call& c, int, int64_t, float*) {
  const auto& a = attrs_of<MomentumAttrs>(c);
  update(c, MomentumRule{number(a.momentum), number(1 - a.dampening), a.nesterov}, Common(c, a, 3, 4), {2});
}

// param grad sum lr scale?
void run_adagrad(const Call& c, int, int64_t, float*) {
  const auto& a = attrs_of<AdagradAttrs>(c);
  update(c, AdagradRule{number(a.epsilon)}, Common(c, a, 3, 4), {2});
}

// param grad square lr scale? velocity? mean?
template <bool kVelocity, bool kCentered>
void run_rmsprop_form(const Call& c) {
  const auto& a = attrs_of<RmspropAttrs>(c);
  const RmspropRule<kVelocity, kCentered> rule{number(a.alpha), number(1 - a.alpha), number(a.epsilon),
                                               number(a.momentum)};
  update(c, rule, Common(c, a, 3, 4), {2, 5, 6});
}
void run_rmsprop(const Call& c, int, int64_t, float*) {
  if (c.n_out > 3)
    run_rmsprop_form<true, true>(c);
  else if (c.n_out > 2)
    run_rmsprop_form<true, false>(c);
  else
    run_rmsprop_form<false, false>(c);
}

// param grad m v lr step scale?
void run_adam(const Call& c, int, int64_t, float*) {
  const auto& a = attrs_of<AdamAttrs>(c);
  const AdamRule rule{static_cast<const int64_t*>(c.in[5].data),
                      a.beta1,
                      a.beta2,
                      number(a.beta1),
                      number(1 - a.beta1),
                      number(a.beta2),
                      number(1 - a.beta2),
                      number(a.epsilon)};
  update(c, rule, Common(c, a, 4, 6), {2, 3});
}

}  // namespace

extern const Kernel sgd{&plan_nothing, &run_sgd};
extern const Kernel momentum{&plan_nothing, &run_momentum};
extern const Kernel adagrad{&plan_nothing, &run_adagrad};
extern const Kernel rmsprop{&plan_nothing, &run_rmsprop};
extern const Kernel adam{&plan_nothing, &run_adam};

}  // namespace dl::DL_ISA
