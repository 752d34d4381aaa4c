// Optimiser updates: one launch over a parameter, its gradient and its state by a rule of update_rules.h. Rates, steps and
// scales are read from device memory, for they change between launches of a graph.
#include "kernels/cuda/items.h"
#include "kernels/update_rules.h"

namespace dl::DL_ISA {
namespace {

constexpr int kItems = 4;

// An input may be the memory of its output.
template <int kStates>
struct Tensors {
  const float* in[1 + kStates];  // the parameter, its states
  float* out[1 + kStates];
  const void* grad;
  int64_t n;
};

// Where the numbers of the step stand; null for those that the rule has not.
struct Scalars {
  const float *lr, *scale, *extra;
  const int64_t* count;
};

// kItems elements from i on, or one.
template <class R, class G, int N>
__device__ __forceinline__ void update_items(const Tensors<R::kStates>& t, const R& rule, const UpdateStep& u,
                                             int64_t i) {
  constexpr int kStates = R::kStates;
  const Items<float, N> p = load_items<float, N>(t.in[0] + i);
  const Items<G, N> g = load_items<G, N>(static_cast<const G*>(t.grad) + i);
  Items<float, N> s[kStates + 1], q;
#pragma unroll
  for (int j = 0; j < kStates; ++j) s[j] = load_items<float, N>(t.in[1 + j] + i);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    float state[kStates + 1];
#pragma unroll
    for (int j = 0; j < kStates; ++j) state[j] = s[j].v[k];
    q.v[k] = p.v[k];
    rule(u, q.v[k], u.gradient(p.v[k], to_float(g.v[k])), state);
#pragma unroll
    for (int j = 0; j < kStates; ++j) s[j].v[k] = state[j];
  }
  store_items<float, N>(t.out[0] + i, q);
#pragma unroll
  for (int j = 0; j < kStates; ++j) store_items<float, N>(t.out[1 + j] + i, s[j]);
}

// A step that is left out: the gradient is not looked at.
template <class R>
__device__ void keep_all(const Tensors<R::kStates>& t) {
  if constexpr (R::kDirection)
    for (int64_t i = thread_index(); i < t.n; i += thread_count()) t.out[0][i] = 0;
#pragma unroll
  for (int j = R::kDirection; j <= R::kStates; ++j)
    if (t.in[j] != t.out[j])
      for (int64_t i = thread_index(); i < t.n; i += thread_count()) t.out[j][i] = t.in[j][i];
}

// What is worked out in double from the count of steps is so by few threads of a block: two powers by a warp each, then the
// rule by one thread.
template <class R>
__device__ R rule_of(const typename R::Attrs& a, StepNumbers n) {
  if constexpr (!R::kCounts) {
    return R::make(a, n);
  } else {
    static_assert(__is_trivial(R));  // shared memory begins undefined
    __shared__ double powers[2];
    __shared__ R rule;
    const int warp = static_cast<int>(threadIdx.x / kWarpLanes);
    if (threadIdx.x % kWarpLanes == 0 && warp < R::kPowers) powers[warp] = power(R::base(a, warp), n.count);
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int i = 0; i < R::kPowers; ++i) n.powers[i] = powers[i];
      rule = R::make(a, n);
    }
    __syncthreads();
    return rule;
  }
}

template <class R, class G>
__global__ void update_kernel(Tensors<R::kStates> t, typename R::Attrs a, Scalars at) {
  const float scale = at.scale ? *at.scale : 1.f;
  if (scale == 0) return keep_all<R>(t);
  StepNumbers n;
  if constexpr (R::kRate) n.rate = static_cast<double>(*at.lr) * a.lr_scale;
  if constexpr (R::kCounts) n.count = *at.count;
  n.extra = at.extra;
  const R rule = rule_of<R>(a, n);
  if constexpr (R::kOwnDecay) a.weight_decay = a.l1 = 0;
  const UpdateStep u(a, n.rate, scale);
  for (int64_t i = thread_index(); i < t.n / kItems; i += thread_count())
    update_items<R, G, kItems>(t, rule, u, i * kItems);
  for (int64_t i = t.n / kItems * kItems + thread_index(); i < t.n; i += thread_count())
    update_items<R, G, 1>(t, rule, u, i);
}

const float* number_at(const Call& c, int i) {
  return c.n_in > i && c.in[i].present() ? c.in[i].f() : nullptr;
}

template <class R>
void run(const Call& c, int, int64_t, float*) {
  using L = UpdateLayout<R>;
  Tensors<R::kStates> t = {};
  t.n = c.out[0].size();
  t.grad = c.in[1].data;
  t.in[0] = c.in[0].f();
  t.out[0] = c.out[0].f();
  for (int j = 0; j < R::kStates; ++j) {
    t.in[1 + j] = c.in[L::state(j)].f();
    t.out[1 + j] = c.out[1 + j].f();
  }
  const Scalars at{R::kRate ? c.in[L::kLr].f() : nullptr, number_at(c, L::kScale),
                   R::kExtra ? number_at(c, L::kExtra) : nullptr,
                   R::kCounts ? data<int64_t>(c.in[L::kStep]) : nullptr};
  with_float_type(c.in[1].type, [&](auto zero) {
    launch(c, update_kernel<R, decltype(zero)>, blocks_for(c, ceil_div(t.n, kItems)), kThreads, 0, t,
           *static_cast<const typename R::Attrs*>(c.attrs), at);
  });
}

// By how many states there are.
void run_rmsprop(const Call& c, int phase, int64_t chunk, float* local) {
  (c.n_out > 3   ? run<RmspropRule<true, true>>
   : c.n_out > 2 ? run<RmspropRule<true, false>>
                 : run<RmspropRule<false, false>>)(c, phase, chunk, local);
}
void run_adam(const Call& c, int phase, int64_t chunk, float* local) {
  (c.n_out > 3 ? run<AdamRule<true>> : run<AdamRule<false>>)(c, phase, chunk, local);
}

}  // namespace

extern const Kernel sgd{&plan_nothing, &run<SgdRule>};
extern const Kernel momentum{&plan_nothing, &run<MomentumRule>};
extern const Kernel adagrad{&plan_nothing, &run<AdagradRule>};
extern const Kernel adadelta{&plan_nothing, &run<AdadeltaRule>};
extern const Kernel rmsprop{&plan_nothing, &run_rmsprop};
extern const Kernel rprop{&plan_nothing, &run<RpropRule>};
extern const Kernel ftrl{&plan_nothing, &run<FtrlRule>};
extern const Kernel adam{&plan_nothing, &run_adam};
extern const Kernel adamax{&plan_nothing, &run<AdamaxRule>};
extern const Kernel nadam{&plan_nothing, &run<NadamRule>};
extern const Kernel radam{&plan_nothing, &run<RadamRule>};
extern const Kernel lion{&plan_nothing, &run<LionRule>};
extern const Kernel lamb{&plan_nothing, &run<LambRule>};

}  // namespace dl::DL_ISA
