#pragma once
// The rules of the optimisers, each written once: V is a vector of floats on the CPU (cpu/optimizers.cpp) and a float in a
// CUDA thread (cuda/optimizers.cu). A rule is made once for a step from its attributes and the numbers of the step, and
// then takes the parameter p, its gradient g and the states s[] of every element to their new values.
#include "kernels/optimizer_attrs.h"
#ifdef DL_DEVICE_CODE
#include "kernels/cuda/math.h"
#else
#include "kernels/cpu/math.h"
#endif

#define DL_RULE DL_HD inline __attribute__((always_inline))

namespace dl::DL_ISA {

// What all updates share. lr is that of the step, lr_scale included.
struct UpdateStep {
  float lr, scale, decay, keep, l1, clip;
  DL_HD UpdateStep(const UpdateAttrs& a, double rate, float factor)
      : lr(static_cast<float>(rate)),
        scale(factor),
        decay(a.decoupled ? 0.f : static_cast<float>(a.weight_decay)),
        keep(a.decoupled ? static_cast<float>(1 - rate * a.weight_decay) : 1.f),
        l1(static_cast<float>(a.l1)),
        clip(static_cast<float>(a.clip_value)) {}
  template <class V>
  DL_RULE V gradient(V p, V g) const {
    g = scale * g;
    if (clip > 0) {  // NaN stays
      g = select(g < -clip, V{} - clip, g);
      g = select(g > clip, V{} + clip, g);
    }
    if (decay != 0) g = fma(V{} + decay, p, g);
    if (l1 != 0) g += select(p > 0.f, V{} + l1, select(p < 0.f, V{} - l1, V{}));
    return g;
  }
};

// What a rule is made from beside its attributes.
struct StepNumbers {
  double rate = 0;
  int64_t count = 0;             // of steps, from 1 on
  double powers[2] = {1, 1};     // base(attrs, i)^count
  const float* extra = nullptr;  // the operand behind all others, or null
};

// Operands: param, grad, states (but for the last kLate ones), lr (with kRate), step (with kCounts), scale?, the late
// states, extra? (with kExtra). Results: param, or the direction of the step with kDirection, and the states.
template <class A, int kStateCount, int kLateCount = 0>
struct UpdateRule {
  using Attrs = A;
  static constexpr int kStates = kStateCount, kLate = kLateCount, kPowers = 0;
  static constexpr bool kCounts = false, kExtra = false, kRate = true, kDirection = false, kOwnDecay = false;
  DL_HD static double base(const A&, int) { return 1; }
};
template <class R>
struct UpdateLayout {
  static constexpr int kFirst = R::kStates - R::kLate;
  static constexpr int kLr = 2 + kFirst, kStep = kLr + R::kRate, kScale = kStep + R::kCounts;
  static constexpr int kExtra = kScale + 1 + R::kLate;
  static constexpr int state(int i) { return i < kFirst ? 2 + i : kScale + 1 + i - kFirst; }
};

DL_HD inline double power(double x, int64_t n) {
  double y = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) y *= x;
  return y;
}
DL_HD inline float single(double v) { return static_cast<float>(v); }
template <class V>
DL_RULE V larger(V a, V b) {
  return select(a > b, a, b);
}
template <class V>
DL_RULE V sign(V x) {
  return select(x > 0.f, V{} + 1.f, select(x < 0.f, V{} - 1.f, V{}));
}

// Of the squared norms of a parameter and of its step.
DL_HD inline float trust_ratio_of(const TrustRatioAttrs& a, double param, double step, float scale) {
  const double p = math::sqrt(param), d = math::sqrt(step) * (scale < 0 ? -scale : scale);
  return p > 0 && (d > 0 || d != d) ? single(a.coefficient * p / (d + a.weight_decay * p)) : 1.f;
}

struct SgdRule : UpdateRule<SgdAttrs, 0> {
  DL_HD static SgdRule make(const SgdAttrs&, const StepNumbers&) { return {}; }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V*) const {
    p = fma(V{} - u.lr, g, u.keep * p);
  }
};

struct MomentumRule : UpdateRule<MomentumAttrs, 1> {
  static constexpr bool kExtra = true;  // momentum
  float mu, fresh;
  bool nesterov, inside;
  DL_HD static MomentumRule make(const MomentumAttrs& a, const StepNumbers& n) {
    return {{}, n.extra ? *n.extra : single(a.momentum), single(1 - a.dampening), a.nesterov, a.rate_inside};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    if (inside) g = u.lr * g;
    s[0] = fma(V{} + mu, s[0], fresh * g);
    const V step = nesterov ? fma(V{} + mu, s[0], g) : s[0];
    p = inside ? u.keep * p - step : fma(V{} - u.lr, step, u.keep * p);
  }
};

struct AdagradRule : UpdateRule<AdagradAttrs, 1> {
  float eps;
  DL_HD static AdagradRule make(const AdagradAttrs& a, const StepNumbers&) { return {{}, single(a.epsilon)}; }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(g, g, s[0]);
    p = fma(V{} - u.lr, g / (math::sqrt(s[0]) + eps), u.keep * p);
  }
};

// States: mean squares of the gradient and of the step.
struct AdadeltaRule : UpdateRule<AdadeltaAttrs, 2> {
  float rho, rest, eps;
  DL_HD static AdadeltaRule make(const AdadeltaAttrs& a, const StepNumbers&) {
    return {{}, single(a.rho), single(1 - a.rho), single(a.epsilon)};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + rho, s[0], rest * g * g);
    const V step = math::sqrt(s[1] + eps) / math::sqrt(s[0] + eps) * g;
    s[1] = fma(V{} + rho, s[1], rest * step * step);
    p = fma(V{} - u.lr, step, u.keep * p);
  }
};

// States: mean square, velocity (kVelocity), mean (kCentered).
template <bool kVelocity, bool kCentered>
struct RmspropRule : UpdateRule<RmspropAttrs, 1 + kVelocity + kCentered, kVelocity + kCentered> {
  float alpha, rest, eps, mu;
  DL_HD static RmspropRule make(const RmspropAttrs& a, const StepNumbers&) {
    return {{}, single(a.alpha), single(1 - a.alpha), single(a.epsilon), single(a.momentum)};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + alpha, s[0], rest * g * g);
    V variance = s[0];
    if constexpr (kCentered) {
      s[2] = fma(V{} + alpha, s[2], rest * g);
      variance = s[0] - s[2] * s[2];
      variance = select(variance < 0.f, V{}, variance);
    }
    V step = g / (math::sqrt(variance) + eps);
    if constexpr (kVelocity) step = s[1] = fma(V{} + mu, s[1], step);
    p = fma(V{} - u.lr, step, u.keep * p);
  }
};

// States: the gradient before (0 where the sign turned), the size of the step.
struct RpropRule : UpdateRule<RpropAttrs, 2> {
  float shrink, grow, least, most, share;
  DL_HD static RpropRule make(const RpropAttrs& a, const StepNumbers& n) {
    return {{},
            single(a.shrink),
            single(a.grow),
            single(a.min_step),
            single(a.max_step),
            single(a.initial > 0 ? n.rate / a.initial : 0)};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    const V turn = sign(g) * sign(s[0]);
    V size = s[1] * select(turn > 0.f, V{} + grow, select(turn < 0.f, V{} + shrink, V{} + 1.f));
    size = select(size < least, V{} + least, select(size > most, V{} + most, size));
    g = select(turn < 0.f, V{}, g);
    s[0] = g;
    s[1] = size;
    p = u.keep * p - share * size * sign(g);
  }
};

// States: sum of squares, and z, whose first value makes the first parameter the minimum of the proximal problem.
struct FtrlRule : UpdateRule<FtrlAttrs, 2> {
  static constexpr bool kCounts = true, kOwnDecay = true;
  float alpha, inverse, beta, l1, l2;
  bool first;
  DL_HD static FtrlRule make(const FtrlAttrs& a, const StepNumbers& n) {
    return {{},
            single(n.rate),
            single(n.rate > 0 ? 1 / n.rate : 0),
            single(a.beta),
            single(a.l1),
            single(a.weight_decay),
            n.count == 1};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep&, V& p, V g, V* s) const {
    const V root = math::sqrt(s[0]);
    if (first) s[1] = -(p * fma(V{} + inverse, root + beta, V{} + l2) + l1 * sign(p));
    s[0] = fma(g, g, s[0]);
    const V next = math::sqrt(s[0]);
    s[1] += g - (next - root) * inverse * p;
    if (alpha == 0) return;
    const V moved = (l1 * sign(s[1]) - s[1]) * alpha / (next + beta + alpha * l2);
    p = select(math::abs(s[1]) > l1, moved, V{});
  }
};

// States: mean, mean square, and with kMax the largest mean square so far.
template <bool kMax>
struct AdamRule : UpdateRule<AdamAttrs, 2 + kMax, kMax> {
  static constexpr bool kCounts = true;
  static constexpr int kPowers = 2;
  DL_HD static double base(const AdamAttrs& a, int i) { return i == 0 ? a.beta1 : a.beta2; }
  float b1, r1, b2, r2, eps, step, unbias;
  DL_HD static AdamRule make(const AdamAttrs& a, const StepNumbers& n) {
    return {{},
            single(a.beta1),
            single(1 - a.beta1),
            single(a.beta2),
            single(1 - a.beta2),
            single(a.epsilon),
            single(-n.rate / (1 - n.powers[0])),
            single(1 / (1 - n.powers[1]))};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + b1, s[0], r1 * g);
    s[1] = fma(V{} + b2, s[1], r2 * g * g);
    V square = s[1];
    if constexpr (kMax) square = s[2] = larger(s[2], s[1]);
    p = fma(V{} + step, s[0] / (math::sqrt(square * unbias) + eps), u.keep * p);
  }
};

// States: mean, largest gradient with decay.
struct AdamaxRule : UpdateRule<AdamaxAttrs, 2> {
  static constexpr bool kCounts = true;
  static constexpr int kPowers = 1;
  DL_HD static double base(const AdamaxAttrs& a, int) { return a.beta1; }
  float b1, r1, b2, eps, step;
  DL_HD static AdamaxRule make(const AdamaxAttrs& a, const StepNumbers& n) {
    return {{},
            single(a.beta1),
            single(1 - a.beta1),
            single(a.beta2),
            single(a.epsilon),
            single(-n.rate / (1 - n.powers[0]))};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + b1, s[0], r1 * g);
    s[1] = larger(b2 * s[1], math::abs(g) + eps);
    p = fma(V{} + step, s[0] / s[1], u.keep * p);
  }
};

// mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), and the product of mu_1 .. mu_t. The logarithm of the product is
// t log beta1 + sum_i log(1 - q^i / 2) with q = 0.96^momentum_decay; the logarithm's series sums over i in closed form,
// and 52 of its terms, each below half of the one before, leave an error below 1e-16 t.
struct NadamMomentum {
  double now, next, product;
  DL_HD NadamMomentum(const NadamAttrs& a, double q, const StepNumbers& n) {
    const double q_now = n.powers[1], t = static_cast<double>(n.count);
    now = a.beta1 * (1 - q_now / 2);
    next = a.beta1 * (1 - q_now * q / 2);
    double sum = 0, q_k = 1, q_kt = 1, half = 1;
    for (int k = 1; k <= 52; ++k) {
      q_k *= q;
      q_kt *= q_now;
      half *= 0.5;
      sum -= half / k * (q_k < 1 ? q_k * (1 - q_kt) / (1 - q_k) : t);
    }
    product = a.beta1 > 0 ? math::exp(t * math::log(a.beta1) + sum) : 0;
  }
};
struct NadamRule : UpdateRule<NadamAttrs, 2> {
  static constexpr bool kCounts = true;
  static constexpr int kPowers = 2;
  DL_HD static double share(const NadamAttrs& a) { return math::pow(0.96, a.momentum_decay); }
  DL_HD static double base(const NadamAttrs& a, int i) { return i == 0 ? a.beta2 : share(a); }
  float b1, r1, b2, r2, eps, unbias, of_mean, of_gradient;
  DL_HD static NadamRule make(const NadamAttrs& a, const StepNumbers& n) {
    const NadamMomentum mu(a, share(a), n);
    return {{},
            single(a.beta1),
            single(1 - a.beta1),
            single(a.beta2),
            single(1 - a.beta2),
            single(a.epsilon),
            single(1 / (1 - n.powers[0])),
            single(-n.rate * mu.next / (1 - mu.product * mu.next)),
            single(-n.rate * (1 - mu.now) / (1 - mu.product))};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + b1, s[0], r1 * g);
    s[1] = fma(V{} + b2, s[1], r2 * g * g);
    p = u.keep * p + fma(V{} + of_mean, s[0], of_gradient * g) / (math::sqrt(s[1] * unbias) + eps);
  }
};

// Before the variance of the mean square is known well enough (rho <= 5) the step is that of the mean alone.
struct RadamRule : UpdateRule<RadamAttrs, 2> {
  static constexpr bool kCounts = true;
  static constexpr int kPowers = 2;
  DL_HD static double base(const RadamAttrs& a, int i) { return i == 0 ? a.beta1 : a.beta2; }
  float b1, r1, b2, r2, eps, step, unbias;
  bool rectified;
  DL_HD static RadamRule make(const RadamAttrs& a, const StepNumbers& n) {
    const double most = 2 / (1 - a.beta2) - 1;
    const double rho = most - 2 * static_cast<double>(n.count) * n.powers[1] / (1 - n.powers[1]);
    const bool known = rho > 5;
    const double r = known ? math::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) : 1;
    return {{},
            single(a.beta1),
            single(1 - a.beta1),
            single(a.beta2),
            single(1 - a.beta2),
            single(a.epsilon),
            single(-n.rate * r / (1 - n.powers[0])),
            single(1 / (1 - n.powers[1])),
            known};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    s[0] = fma(V{} + b1, s[0], r1 * g);
    s[1] = fma(V{} + b2, s[1], r2 * g * g);
    const V direction = rectified ? s[0] / (math::sqrt(s[1] * unbias) + eps) : s[0];
    p = fma(V{} + step, direction, u.keep * p);
  }
};

struct LionRule : UpdateRule<LionAttrs, 1> {
  float b1, r1, b2, r2;
  DL_HD static LionRule make(const LionAttrs& a, const StepNumbers&) {
    return {{}, single(a.beta1), single(1 - a.beta1), single(a.beta2), single(1 - a.beta2)};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep& u, V& p, V g, V* s) const {
    p = fma(V{} - u.lr, sign(fma(V{} + b1, s[0], r1 * g)), u.keep * p);
    s[0] = fma(V{} + b2, s[0], r2 * g);
  }
};

// Gives the direction of the step instead of the parameter.
struct LambRule : UpdateRule<LambAttrs, 2> {
  static constexpr bool kCounts = true, kRate = false, kDirection = true;
  static constexpr int kPowers = 2;
  DL_HD static double base(const LambAttrs& a, int i) { return i == 0 ? a.beta1 : a.beta2; }
  float b1, r1, b2, r2, eps, decay, unbias1, unbias2;
  DL_HD static LambRule make(const LambAttrs& a, const StepNumbers& n) {
    return {{},
            single(a.beta1),
            single(1 - a.beta1),
            single(a.beta2),
            single(1 - a.beta2),
            single(a.epsilon),
            a.decoupled ? single(a.weight_decay) : 0.f,
            single(1 / (1 - n.powers[0])),
            single(1 / (1 - n.powers[1]))};
  }
  template <class V>
  DL_RULE void operator()(const UpdateStep&, V& p, V g, V* s) const {
    s[0] = fma(V{} + b1, s[0], r1 * g);
    s[1] = fma(V{} + b2, s[1], r2 * g * g);
    p = fma(V{} + decay, p, s[0] * unbias1 / (math::sqrt(s[1] * unbias2) + eps));
  }
};

}  // namespace dl::DL_ISA
