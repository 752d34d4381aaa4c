#pragma once
// What a formula that stands once for the CPU and devices needs: V is a vector of floats on the CPU and a float in a CUDA
// thread. Comparisons and select() work on both; constants stand as floats. A functor whose operator has attributes names
// their struct: `using Attrs = LeakyReluAttrs; Attrs a;`.
#include "kernels/kernel.h"
#ifdef DL_DEVICE_CODE
#include "kernels/cuda/math.h"
#else
#include "kernels/cpu/math.h"
#endif

namespace dl::DL_ISA {

template <class F>
DL_HD F make_fn(const void* attrs) {
  if constexpr (requires { typename F::Attrs; })
    return F{*static_cast<const typename F::Attrs*>(attrs)};
  else
    return F{};
}

}  // namespace dl::DL_ISA
