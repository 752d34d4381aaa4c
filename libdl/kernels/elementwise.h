#pragma once
// Formulas of the elementwise operators, each written once (kernels/functor.h): for cpu/elementwise.cpp, cpu/broadcast.cpp
// and a float in a CUDA thread.
#include "kernels/elementwise_attrs.h"
#include "kernels/functor.h"

namespace dl::DL_ISA {

// ---- Activations. A gradient in terms of y is chosen where that is exact: x need not be kept then. ----

struct relu_fn {  // NaN stays
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x < 0.f, V{}, x);
  }
};
struct relu_grad_fn {
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, dy, V{});
  }
};

struct relu6_fn {  // NaN stays
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x < 0.f, V{}, select(x > 6.f, V{} + 6.f, x));
  }
};
struct relu6_grad_fn {
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, select(y < 6.f, dy, V{}), V{});
  }
};

struct softsign_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return x / (1.f + math::abs(x));
  }
};
struct softsign_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    const V d = 1.f + math::abs(x);
    return dy / (d * d);
  }
};

struct sigmoid_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::sigmoid(x);
  }
};
struct sigmoid_grad_fn {
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return dy * y * (1.f - y);
  }
};

struct tanh_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::tanh(x);
  }
};
struct tanh_grad_fn {
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return dy * (1.f - y) * (1.f + y);
  }
};

struct leaky_relu_fn {
  using Attrs = LeakyReluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > 0.f, x, a.slope * x);
  }
};
struct leaky_relu_grad_fn {
  using Attrs = LeakyReluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, dy, a.slope * dy);
  }
};

struct elu_fn {
  using Attrs = EluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > 0.f, x, a.alpha * math::expm1_neg(x));
  }
};
struct elu_grad_fn {  // alpha e^x = y + alpha
  using Attrs = EluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, dy, dy * (y + a.alpha));
  }
};

struct gelu_fn {
  using Attrs = GeluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return a.approximate == GeluForm::tanh ? math::gelu_tanh(x) : math::gelu(x);
  }
};
struct gelu_grad_fn {
  using Attrs = GeluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    if (a.approximate == GeluForm::none) {  // Phi(x) + x phi(x)
      const V phi = 0.3989422804f * math::exp(-0.5f * x * x);
      return dy * (0.5f + 0.5f * math::erf(0.70710678f * x) + x * phi);
    }
    const V t = math::tanh(0.7978845608f * (x + 0.044715f * x * x * x));
    const V du = 0.7978845608f + 0.1070322243f * x * x;
    return dy * (0.5f * (1.f + t) + 0.5f * x * (1.f - t) * (1.f + t) * du);
  }
};

struct softplus_fn {  // max(x, 0) + log(1 + e^-|x|)
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > 0.f, x, V{}) + math::log1p_unit(math::exp(-math::abs(x)));
  }
};
struct softplus_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return dy * math::sigmoid(x);
  }
};

struct swish_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return x * math::sigmoid(x);
  }
};
struct swish_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    const V s = math::sigmoid(x);
    return dy * s * (1.f + x * (1.f - s));
  }
};

// The two constants make mean 0 and variance 1 a fixed point (Klambauer et al. 2017).
struct selu_fn {
  static constexpr float kScale = 1.05070098735548f, kAlpha = 1.67326324235438f;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > 0.f, kScale * x, (kScale * kAlpha) * math::expm1_neg(x));
  }
};
struct selu_grad_fn {  // scale alpha e^x = y + scale alpha
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, selu_fn::kScale * dy, dy * (y + selu_fn::kScale * selu_fn::kAlpha));
  }
};

struct celu_fn {
  using Attrs = CeluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > 0.f, x, a.alpha * math::expm1_neg(x / a.alpha));
  }
};
struct celu_grad_fn {  // e^(x / alpha) = y / alpha + 1
  using Attrs = CeluAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, dy, dy * (y / a.alpha + 1.f));
  }
};

struct hard_sigmoid_fn {  // NaN stays
  using Attrs = HardSigmoidAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    const V y = a.slope * x + a.shift;
    return select(y < 0.f, V{}, select(y > 1.f, V{} + 1.f, y));
  }
};
struct hard_sigmoid_grad_fn {
  using Attrs = HardSigmoidAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return select(y > 0.f, select(y < 1.f, a.slope * dy, V{}), V{});
  }
};

struct hard_swish_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x < -3.f, V{}, select(x > 3.f, x, x * (x + 3.f) * (1.f / 6)));
  }
};
struct hard_swish_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return select(x < -3.f, V{}, select(x > 3.f, dy, dy * (x * (1.f / 3) + 0.5f)));
  }
};

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); from x = 15 on it is 1.
struct mish_fn {
  template <class V>
  DL_HD static V gate(V x) {
    const V e = math::exp(select(x > 15.f, V{} + 15.f, x)), n = e * (e + 2.f);
    return n / (n + 2.f);
  }
  template <class V>
  DL_HD V operator()(V x) const {
    return x * gate(x);
  }
};
struct mish_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    const V t = mish_fn::gate(x);
    return dy * (t + x * math::sigmoid(x) * (1.f - t) * (1.f + t));
  }
};

struct log_sigmoid_fn {  // min(x, 0) - log(1 + e^-|x|)
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x < 0.f, x, V{}) - math::log1p_unit(math::exp(-math::abs(x)));
  }
};
struct log_sigmoid_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return dy * math::sigmoid(-x);
  }
};

struct thresholded_relu_fn {
  using Attrs = ThresholdAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > a.threshold, x, V{});
  }
};
struct thresholded_relu_grad_fn {
  using Attrs = ThresholdAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return select(x > a.threshold, dy, V{});
  }
};

struct step_fn {
  using Attrs = ThresholdAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return select(x > a.threshold, 1.f + V{}, V{});
  }
};

// ---- Mathematics ----

struct exp_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::exp(x);
  }
};
struct log_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::log(x);
  }
};
struct sqrt_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::sqrt(x);
  }
};
struct sqrt_grad_fn {
  template <class V>
  DL_HD V operator()(V y, V dy) const {
    return 0.5f * dy / y;
  }
};
struct square_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return x * x;
  }
};
struct square_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return 2.f * x * dy;
  }
};
struct abs_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::abs(x);
  }
};
struct abs_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return select(x > 0.f, dy, select(x < 0.f, -dy, V{}));
  }
};
struct neg_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return -x;
  }
};
struct sin_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::sin(x);
  }
};
struct sin_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return dy * math::cos(x);
  }
};
struct cos_fn {
  template <class V>
  DL_HD V operator()(V x) const {
    return math::cos(x);
  }
};
struct cos_grad_fn {
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return -dy * math::sin(x);
  }
};
// |x|^e with the sign that an odd e gives; NaN for negative x and fractional e.
struct pow_fn {
  using Attrs = PowAttrs;
  Attrs a;
  template <class V>
  DL_HD static V power(V x, float e) {
    if (e == 0) return V{} + 1.f;
    const V p = math::exp(e * math::log(math::abs(x)));
    const float half = 0.5f * e;
    const bool even = half >= -1e6f && half <= 1e6f && static_cast<float>(static_cast<int32_t>(half)) == half;
    if (even) return p;
    const bool integer = e >= -1e6f && e <= 1e6f && static_cast<float>(static_cast<int32_t>(e)) == e;
    return select(x < 0.f, integer ? -p : V{} + __builtin_nanf(""), p);
  }
  template <class V>
  DL_HD V operator()(V x) const {
    return power(x, a.exponent);
  }
};
struct pow_grad_fn {
  using Attrs = PowAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return a.exponent == 0 ? V{} : a.exponent * dy * pow_fn::power(x, a.exponent - 1);
  }
};
struct clip_fn {
  using Attrs = ClipAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    const V low = select(x < a.min, a.min + V{}, x);
    return select(low > a.max, a.max + V{}, low);
  }
};
struct clip_grad_fn {
  using Attrs = ClipAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x, V dy) const {
    return select(x < a.min, V{}, select(x > a.max, V{}, dy));
  }
};
struct scale_shift_fn {
  using Attrs = ScaleShiftAttrs;
  Attrs a;
  template <class V>
  DL_HD V operator()(V x) const {
    return a.scale * x + a.shift;
  }
};

// ---- Broadcasting pairs ----

struct add_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return a + b;
  }
};
struct sub_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return a - b;
  }
};
struct mul_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return a * b;
  }
};
struct div_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return a / b;
  }
};
struct maximum_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return select(a >= b, a, b);
  }
};
struct minimum_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return select(a <= b, a, b);
  }
};
struct greater_equal_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return select(a >= b, 1.f + V{}, V{});
  }
};
struct less_fn {
  template <class V>
  DL_HD V operator()(V a, V b) const {
    return select(a < b, 1.f + V{}, V{});
  }
};

struct prelu_fn {
  template <class V>
  DL_HD V operator()(V x, V slope) const {
    return select(x > 0.f, x, slope * x);
  }
};
struct prelu_slope_fn {
  template <class V>
  DL_HD V operator()(V x, V slope) const {
    return select(x > 0.f, 1.f + V{}, slope);
  }
};

}  // namespace dl::DL_ISA
