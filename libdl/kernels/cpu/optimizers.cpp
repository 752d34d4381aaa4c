// Optimiser updates: one pass over a parameter, its gradient and its state by a rule of update_rules.h. Outputs may be the
// inputs' memory. With a scale of 0 they are the inputs as they were.
#include "kernels/kernel.h"
#include "kernels/update_rules.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;

void plan(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

// One position of a tensor: a whole vector, or the first n lanes of it.
struct Place {
  int64_t at, n;
  DL_INLINE vf get(const Arg& a) const { return n == DL_VLEN ? load(a.f() + at) : load_n(a.f() + at, n); }
  DL_INLINE void put(const Arg& a, vf v) const {
    if (n == DL_VLEN)
      store(a.f() + at, v);
    else
      store_n(a.f() + at, v, n);
  }
};

template <class F>
DL_INLINE void each_place(const Call& c, int64_t chunk, F f) {
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  int64_t i = chunk * kChunk;
  for (; i + DL_VLEN <= end; i += DL_VLEN) f(Place{i, DL_VLEN});
  if (i < end) f(Place{i, end - i});
}

// A step that is left out, for a scale of 0: the gradient is not looked at, it may be NaN.
template <class R>
void keep_all(const Call& c, int64_t chunk) {
  each_place(c, chunk, [&](Place k) {
    k.put(c.out[0], R::kDirection ? vf{} : k.get(c.in[0]));
    for (int i = 0; i < R::kStates; ++i) k.put(c.out[1 + i], k.get(c.in[UpdateLayout<R>::state(i)]));
  });
}

template <class R>
StepNumbers numbers_of(const Call& c) {
  using L = UpdateLayout<R>;
  const auto& a = *static_cast<const typename R::Attrs*>(c.attrs);
  StepNumbers n;
  if constexpr (R::kRate) n.rate = static_cast<double>(c.in[L::kLr].f()[0]) * a.lr_scale;
  if constexpr (R::kCounts) n.count = static_cast<const int64_t*>(c.in[L::kStep].data)[0];
  for (int i = 0; i < R::kPowers; ++i) n.powers[i] = power(R::base(a, i), n.count);
  if (R::kExtra && c.n_in > L::kExtra && c.in[L::kExtra].present()) n.extra = c.in[L::kExtra].f();
  return n;
}

template <class R>
void run(const Call& c, int, int64_t chunk, float*) {
  using L = UpdateLayout<R>;
  const bool scaled = c.n_in > L::kScale && c.in[L::kScale].present();
  const float scale = scaled ? c.in[L::kScale].f()[0] : 1;
  if (scale == 0) return keep_all<R>(c, chunk);
  typename R::Attrs a = *static_cast<const typename R::Attrs*>(c.attrs);
  const StepNumbers n = numbers_of<R>(c);
  const R rule = R::make(a, n);
  if constexpr (R::kOwnDecay) a.weight_decay = a.l1 = 0;
  const UpdateStep u(a, n.rate, scale);
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        vf p = k.get(c.in[0]), s[R::kStates + 1];
        const vf g = u.gradient(p, k.get(c.in[1]));
        for (int i = 0; i < R::kStates; ++i) s[i] = k.get(c.in[L::state(i)]);
        rule(u, p, g, s);
        for (int i = 0; i < R::kStates; ++i) k.put(c.out[1 + i], s[i]);
        k.put(c.out[0], p);
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

extern const Kernel sgd{&plan, &run<SgdRule>};
extern const Kernel momentum{&plan, &run<MomentumRule>};
extern const Kernel adagrad{&plan, &run<AdagradRule>};
extern const Kernel adadelta{&plan, &run<AdadeltaRule>};
extern const Kernel rmsprop{&plan, &run_rmsprop};
extern const Kernel rprop{&plan, &run<RpropRule>};
extern const Kernel ftrl{&plan, &run<FtrlRule>};
extern const Kernel adam{&plan, &run_adam};
extern const Kernel adamax{&plan, &run<AdamaxRule>};
extern const Kernel nadam{&plan, &run<NadamRule>};
extern const Kernel radam{&plan, &run<RadamRule>};
extern const Kernel lion{&plan, &run<LionRule>};
extern const Kernel lamb{&plan, &run<LambRule>};

}  // namespace dl::DL_ISA
