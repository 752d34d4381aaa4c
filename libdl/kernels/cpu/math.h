#pragma once
// Vector exp, tanh, sigmoid, erf. Coefficients: own minimax fits. Error bounds are tested over the
// floats in tests/kernels/math_test.cpp.
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA::math {

// e^r - 1 = r + r^2 q(r) for |r| <= ln2/2; relative error of the fit 2.4e-10.
DL_INLINE vf expm1_poly(vf r) {
  vf q = splat(0.00019845886f);
  q = fma(q, r, splat(0.00139407197f));
  q = fma(q, r, splat(0.00833338965f));
  q = fma(q, r, splat(0.0416663587f));
  q = fma(q, r, splat(0.166666657f));
  q = fma(q, r, splat(0.5f));
  return fma(r * r, q, r);
}
DL_INLINE vf reduce(vf x, vf& n) {                      // x = n ln2 + r
  n = vround(x * splat(1.44269504f));
  return fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145752f), x));
}

DL_INLINE vf exp(vf x) {                                // inf above 88.73, subnormal down to -103.97, then 0
  x = vmin(splat(90.f), vmax(splat(-105.f), x));        // NaN stays: max/min return their second operand
  vf n;
  const vf r = reduce(x, n);
  return scale2(expm1_poly(r) + 1.f, n);
}

// e^x for x <= 0 that needs no subnormal results (softmax): below -87.3 flushes towards 1e-38.
DL_INLINE vf exp_neg(vf x) {
  vf n;
  const vf r = reduce(vmax(x, splat(-87.f)), n);
  const vf p = expm1_poly(r) + 1.f;
  return as_float(as_int(p) + (__builtin_convertvector(n, vi) << 23));
}

DL_INLINE vf tanh(vf x) {                               // t = e^2|x| - 1; t / (t + 2): relatively accurate at 0
  const vi sign = as_int(x) & int32_t(0x80000000);
  const vf a = as_float(as_int(x) & 0x7fffffff);
  vf n;
  const vf r = reduce(vmin(splat(20.f), a + a), n);     // min keeps NaN in its second operand
  const vf s = as_float((__builtin_convertvector(n, vi) + 127) << 23);
  const vf t = fma(expm1_poly(r), s, s - 1.f);
  return as_float(as_int(t / (t + 2.f)) | sign);
}

DL_INLINE vf sigmoid(vf x) { return 1.f / (1.f + exp(-x)); }

DL_INLINE vf erf(vf x) {                                // |x| < 1: x P(x^2); above: 1 - exp(-Q(|x|)); 1 from 3.95 on
  const vi sign = as_int(x) & int32_t(0x80000000);
  const vf a = as_float(as_int(x) & 0x7fffffff), s = x * x;
  vf p = splat(7.85388474e-05f);
  p = fma(p, s, splat(-0.000801020127f));
  p = fma(p, s, splat(0.00518832868f));
  p = fma(p, s, splat(-0.0268538129f));
  p = fma(p, s, splat(0.112835854f));
  p = fma(p, s, splat(-0.37612626f));
  p = fma(p, s, splat(1.12837911f));
  const vf b = vmin(splat(3.95f), a);
  vf q = splat(2.16976077e-05f);
  q = fma(q, b, splat(-0.00044147257f));
  q = fma(q, b, splat(0.00420528417f));
  q = fma(q, b, splat(-0.0252103377f));
  q = fma(q, b, splat(0.108422101f));
  q = fma(q, b, splat(0.633216381f));
  q = fma(q, b, splat(1.12958026f));
  q = fma(q, b, splat(-0.000188467602f));
  const vf big = as_float(as_int(1.f - exp_neg(-q)) | sign);
  return select(a < 1.f, p * x, select(x != x, x, big));
}

DL_INLINE vf gelu(vf x) { return 0.5f * x * (1.f + erf(0.70710678f * x)); }
DL_INLINE vf gelu_tanh(vf x) { return 0.5f * x * (1.f + tanh(0.7978845608f * (x + 0.044715f * x * x * x))); }

}  // namespace dl::DL_ISA::math
