#pragma once
// Normal random numbers, one from each word; V is a vector of floats on the CPU and a float in a CUDA thread.
#ifdef DL_DEVICE_CODE
#include "kernels/cuda/math.h"
#else
#include "kernels/cpu/math.h"
#endif

namespace dl::DL_ISA {

// The quantile of (k + 1/2) / 2^23 of the normal distribution with mean 0 and variance 1, for whole k from 0 to 2^23 - 1: by
// the polynomials for single precision of Giles, "Approximating the erfinv function", 2010. Relative error 1e-6, between
// -5.2 and 5.2.
template <class V>
DL_HD __attribute__((always_inline)) inline V normal_quantile(V k) {
  const V x = (k + 0.5f) * 2.38418579e-7f - 1.f;  // exact
  const V w = -math::log((1.f - x) * (1.f + x));
  const V a = w - 2.5f;
  V p = V{} + 2.81022636e-08f;
  p = fma(p, a, V{} + 3.43273939e-07f);
  p = fma(p, a, V{} - 3.5233877e-06f);
  p = fma(p, a, V{} - 4.39150654e-06f);
  p = fma(p, a, V{} + 0.00021858087f);
  p = fma(p, a, V{} - 0.00125372503f);
  p = fma(p, a, V{} - 0.00417768164f);
  p = fma(p, a, V{} + 0.246640727f);
  p = fma(p, a, V{} + 1.50140941f);
  const V b = math::sqrt(w) - 3.f;
  V q = V{} - 0.000200214257f;
  q = fma(q, b, V{} + 0.000100950558f);
  q = fma(q, b, V{} + 0.00134934322f);
  q = fma(q, b, V{} - 0.00367342844f);
  q = fma(q, b, V{} + 0.00573950773f);
  q = fma(q, b, V{} - 0.0076224613f);
  q = fma(q, b, V{} + 0.00943887047f);
  q = fma(q, b, V{} + 1.00167406f);
  q = fma(q, b, V{} + 2.83297682f);
  return 1.41421356f * select(w < 5.f, p, q) * x;
}

}  // namespace dl::DL_ISA
