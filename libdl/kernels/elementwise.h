#pragma once
// Formulas of the elementwise operators, each written once: V is a vector of floats on the CPU (cpu/elementwise.cpp,
// cpu/broadcast.cpp) and a float in a CUDA thread. Comparisons and select() work on both; constants stand as floats.
// A functor whose operator has attributes names their struct: `using Attrs = LeakyReluAttrs; Attrs a;`.
#include "kernels/elementwise_attrs.h"
#include "kernels/kernel.h"
#ifdef DL_DEVICE_CODE
#include "kernels/cuda/math.h"
#else
#include "kernels/cpu/math.h"
#endif

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

template <class F>
DL_HD F make_fn(const void* attrs) {
  if constexpr (requires { typename F::Attrs; })
    return F{*static_cast<const typename F::Attrs*>(attrs)};
  else
    return F{};
}

}  // namespace dl::DL_ISA
