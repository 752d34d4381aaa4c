#pragma once
// The functions of kernels/elementwise.h for one float of a CUDA thread.
#include <cuda_runtime.h>

#include "kernels/kernel.h"

namespace dl::DL_ISA {

DL_HD inline float select(bool c, float a, float b) { return c ? a : b; }
DL_HD inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }

namespace math {

DL_HD inline double pow(double x, double y) { return ::pow(x, y); }
DL_HD inline double exp(double x) { return ::exp(x); }
DL_HD inline double log(double x) { return ::log(x); }
DL_HD inline double sqrt(double x) { return ::sqrt(x); }

DL_HD inline float exp(float x) { return ::expf(x); }
DL_HD inline float exp_neg(float x) { return ::expf(x); }
DL_HD inline float sin(float x) { return ::sinf(x); }
DL_HD inline float cos(float x) { return ::cosf(x); }
DL_HD inline float tanh(float x) { return ::tanhf(x); }
DL_HD inline float sigmoid(float x) { return 1.f / (1.f + ::expf(-x)); }
DL_HD inline float erf(float x) { return ::erff(x); }
DL_HD inline float abs(float x) { return ::fabsf(x); }
DL_HD inline float sqrt(float x) { return ::sqrtf(x); }
DL_HD inline float log(float x) { return ::logf(x); }
DL_HD inline float expm1_neg(float x) { return ::expm1f(x); }
DL_HD inline float log1p_unit(float t) { return ::log1pf(t); }
DL_HD inline float gelu(float x) { return 0.5f * x * (1.f + erf(0.70710678f * x)); }
DL_HD inline float gelu_tanh(float x) {
  return 0.5f * x * (1.f + tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
}

}  // namespace math
}  // namespace dl::DL_ISA
