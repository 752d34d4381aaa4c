#pragma once
// Formulas of the elementwise operators, each written once: V is a vector of floats on the CPU (cpu/elementwise.cpp)
// and a float in a CUDA thread. Comparisons and select() work on both; constants stand as floats.
// A functor whose operator has attributes names their struct: `using Attrs = LeakyReluAttrs; Attrs a;`.
#include "kernels/kernel.h"
#ifdef __CUDACC__
#include "kernels/cuda/math.h"
#else
#include "kernels/cpu/math.h"
#endif

namespace dl::DL_ISA {

struct relu_fn {
  template <class V> DL_HD V operator()(V x) const { return select(x > 0.f, x, V{}); }
};
struct relu_grad_fn {
  template <class V> DL_HD V operator()(V y, V dy) const { return select(y > 0.f, dy, V{}); }
};

template <class F> DL_HD F make_fn(const void* attrs) {
  if constexpr (requires { typename F::Attrs; }) return F{*static_cast<const typename F::Attrs*>(attrs)};
  else return F{};
}

}  // namespace dl::DL_ISA
