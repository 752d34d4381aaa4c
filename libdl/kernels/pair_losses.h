#pragma once
// Formulas of the losses that compare x with t element by element, each written once (kernels/functor.h).
// value: the loss of an element; slope: its derivative by x.
#include "kernels/functor.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {

struct mse_fn {
  template <class V>
  DL_HD V value(V x, V t) const {
    return (x - t) * (x - t);
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return 2.f * (x - t);
  }
};

struct l1_fn {
  template <class V>
  DL_HD V value(V x, V t) const {
    return math::abs(x - t);
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return select(x > t, V{} + 1.f, select(x < t, V{} - 1.f, V{}));
  }
};

struct huber_fn {  // d^2 / 2 up to delta, delta (|d| - delta / 2) beyond
  using Attrs = HuberAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    const V d = math::abs(x - t);
    return select(d <= a.delta, 0.5f * d * d, a.delta * (d - 0.5f * a.delta));
  }
  template <class V>
  DL_HD V slope(V x, V t) const {  // NaN stays
    const V d = x - t;
    return select(d < -a.delta, V{} - a.delta, select(d > a.delta, V{} + a.delta, d));
  }
};

// softplus(x) and softplus(-x) without overflow.
template <class V>
struct Softplus {
  V of_x, of_minus_x;
  DL_HD explicit Softplus(V x) {
    const V tail = math::log1p_unit(math::exp_neg(-math::abs(x)));
    of_x = select(x > 0.f, x, V{}) + tail;
    of_minus_x = select(x < 0.f, -x, V{}) + tail;
  }
};

struct bce_with_logits_fn {  // w t softplus(-x) + (1 - t) softplus(x)
  using Attrs = BceAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    const Softplus<V> s(x);
    return a.pos_weight * t * s.of_minus_x + (1.f - t) * s.of_x;
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    const V s = math::sigmoid(x);
    return (1.f - t) * s - a.pos_weight * t * (1.f - s);
  }
};

// a t (1 - p)^g (-log p) + (1 - a) (1 - t) p^g (-log(1 - p)), p = sigmoid(x); -log p = softplus(-x).
struct focal_with_logits_fn {
  using Attrs = FocalAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    const Softplus<V> s(x);
    const float w1 = a.alpha < 0 ? 1.f : a.alpha, w0 = a.alpha < 0 ? 1.f : 1.f - a.alpha;
    return w1 * t * math::exp_neg(-a.gamma * s.of_x) * s.of_minus_x +
           w0 * (1.f - t) * math::exp_neg(-a.gamma * s.of_minus_x) * s.of_x;
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    const Softplus<V> s(x);
    const V p = math::sigmoid(x), q = math::sigmoid(-x);
    const float w1 = a.alpha < 0 ? 1.f : a.alpha, w0 = a.alpha < 0 ? 1.f : 1.f - a.alpha;
    return w0 * (1.f - t) * math::exp_neg(-a.gamma * s.of_minus_x) * (a.gamma * q * s.of_x + p) -
           w1 * t * math::exp_neg(-a.gamma * s.of_x) * (a.gamma * p * s.of_minus_x + q);
  }
};

struct log_cosh_fn {  // log cosh d = |d| + log(1 + e^-2|d|) - log 2
  template <class V>
  DL_HD V value(V x, V t) const {
    const V d = math::abs(x - t);
    return d + (math::log1p_unit(math::exp_neg(-2.f * d)) - 0.693147181f);
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return math::tanh(x - t);
  }
};

struct quantile_fn {  // q (t - x) where x is too low, (1 - q) (x - t) where it is too high
  using Attrs = QuantileAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    return select(x < t, a.q * (t - x), (1.f - a.q) * (x - t));
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return select(x < t, V{} - a.q, select(x > t, V{} + (1.f - a.q), V{}));
  }
};

struct hinge_fn {  // max(0, margin - t x), or its square
  using Attrs = HingeAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    const V m = a.margin - t * x;
    return select(m > 0.f, a.squared ? m * m : m, V{});
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    const V m = a.margin - t * x;
    return select(m > 0.f, a.squared ? -2.f * t * m : -t, V{});
  }
};

struct exponential_fn {
  template <class V>
  DL_HD V value(V x, V t) const {
    return math::exp(-t * x);
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return -t * math::exp(-t * x);
  }
};

// e^x - t x; in full plus log t! for t > 1, approximately t log t - t + log(2 pi t) / 2.
struct poisson_nll_fn {
  using Attrs = PoissonNllAttrs;
  Attrs a;
  template <class V>
  DL_HD V value(V x, V t) const {
    const V loss = math::exp(x) - t * x;
    if (!a.full) return loss;
    const V log_t = math::log(t);
    return select(t > 1.f, loss + (t * log_t - t + 0.5f * (log_t + 1.83787707f)), loss);
  }
  template <class V>
  DL_HD V slope(V x, V t) const {
    return math::exp(x) - t;
  }
};

}  // namespace dl::DL_ISA
