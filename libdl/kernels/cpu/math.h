#pragma once
// Vector exp, log, tanh, sigmoid, erf, sin, cos. Coefficients: own minimax fits. Error bounds are tested over the
// floats in tests/kernels/math_test.cpp.
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA::math {

// Of one number, for what is worked out once for many elements.
DL_INLINE double pow(double x, double y) { return __builtin_pow(x, y); }
DL_INLINE double exp(double x) { return __builtin_exp(x); }
DL_INLINE double log(double x) { return __builtin_log(x); }
DL_INLINE double sqrt(double x) { return __builtin_sqrt(x); }

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
DL_INLINE vf reduce(vf x, vf& n) {  // x = n ln2 + r
  n = vround(x * splat(1.44269504f));
  return fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145752f), x));
}

DL_INLINE vf exp(vf x) {                          // inf above 88.73, subnormal down to -103.97, then 0
  x = vmin(splat(90.f), vmax(splat(-105.f), x));  // NaN stays: max/min return their second operand
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

DL_INLINE vf tanh(vf x) {  // t = e^2|x| - 1; t / (t + 2): relatively accurate at 0
  const vi sign = as_int(x) & int32_t(0x80000000);
  const vf a = as_float(as_int(x) & 0x7fffffff);
  vf n;
  const vf r = reduce(vmin(splat(20.f), a + a), n);  // min keeps NaN in its second operand
  const vf s = as_float((__builtin_convertvector(n, vi) + 127) << 23);
  const vf t = fma(expm1_poly(r), s, s - 1.f);
  return as_float(as_int(t / (t + 2.f)) | sign);
}

DL_INLINE vf sigmoid(vf x) { return 1.f / (1.f + exp(-x)); }

DL_INLINE vf erf(vf x) {  // |x| < 1: x P(x^2); above: 1 - exp(-Q(|x|)); 1 from 3.95 on
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

DL_INLINE vf abs(vf x) { return as_float(as_int(x) & 0x7fffffff); }
DL_INLINE vf sqrt(vf x) { return vsqrt(x); }

// e^x - 1 for x <= 0, relatively accurate at 0; values for x > 0 are those of 0.
DL_INLINE vf expm1_neg(vf x) {
  vf n;
  const vf r =
      reduce(vmin(vf{}, vmax(splat(-20.f), x)), n);  // max keeps NaN in its second operand, so does min
  const vf s = as_float((__builtin_convertvector(n, vi) + 127) << 23);
  return fma(expm1_poly(r), s, s - 1.f);
}

// log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1], plus k ln2: with s = f / (2 + f) it is 2 atanh(s); the series to
// s^9 leaves a relative error of 2e-9. Below 1 ulp in all.
DL_INLINE vf log_parts(vf f, vf k) {
  const vf s = f / (2.f + f), z = s * s, half = 0.5f * f * f;
  vf r = splat(0.222222222f);
  r = fma(r, z, splat(0.285714286f));
  r = fma(r, z, splat(0.4f));
  r = fma(r, z, splat(0.666666667f));
  const vf low = fma(s, fma(r, z, half), k * -2.12194440e-4f);
  return fma(k, splat(0.693359375f), f - (half - low));
}
DL_INLINE vf log(vf x) {                // -inf at 0, NaN below, exact at 1
  const vi tiny = x < 1.17549435e-38f;  // subnormals are scaled up
  const vu u =
      reinterpret_cast<vu>(select(tiny, x * 8388608.f, x)) + (0x3f800000u - 0x3f3504f3u);  // NaN wraps
  const vi i = reinterpret_cast<vi>(u);
  const vi e = (i >> 23) - 127;
  const vf k = __builtin_convertvector(e, vf) - select(tiny, splat(23.f), vf{});
  const vf y = log_parts(as_float((i & 0x7fffff) + 0x3f3504f3) - 1.f, k);
  const vf special = select(x == 0.f, splat(-__builtin_inff()), splat(__builtin_nanf("")));
  return select(x > 0.f, select(x < __builtin_inff(), y, x), select(x == x, special, x));
}
// log(1 + t) for 0 <= t <= 1, relatively accurate at 0.
DL_INLINE vf log1p_unit(vf t) {
  const vf u = 1.f + t, c = (t - (u - 1.f)) / u;  // what rounding took from 1 + t
  const vi big = u > 1.41421354f;
  const vf f = select(big, fma(splat(0.5f), u, splat(-1.f)), u - 1.f);
  return log_parts(f, select(big, splat(1.f), vf{})) + c;
}

// sin(x + quarters pi/2): x = n pi/2 + r with |r| <= pi/4, Taylor series to r^9 (sin, relative error 2e-9) and r^10 (cos).
// pi/2 in three parts, of which n times the first two is exact for |n| < 2^13: good to 1 ulp of 1 for |x| < 12000.
DL_INLINE vf sin_quarter(vf x, int32_t quarters) {
  const vf n = vround(x * splat(0.636619772f));
  vf r = fma(n, splat(-1.5703125f), x);
  r = fma(n, splat(-4.837512969970703125e-4f), r);
  r = fma(n, splat(-7.54978995489e-8f), r);
  const vf s = r * r;
  vf p = splat(2.75573192e-6f);
  p = fma(p, s, splat(-1.98412698e-4f));
  p = fma(p, s, splat(8.33333333e-3f));
  p = fma(p, s, splat(-0.166666667f));
  const vf sine = fma(p * s, r, r);
  vf q = splat(-2.75573192e-7f);
  q = fma(q, s, splat(2.48015873e-5f));
  q = fma(q, s, splat(-1.38888889e-3f));
  q = fma(q, s, splat(4.16666667e-2f));
  const vf cosine = fma(q * s, s, fma(splat(-0.5f), s, splat(1.f)));
  const vi i = __builtin_convertvector(n, vi) + quarters;
  const vf y = select((i & 1) == 0, sine, cosine);
  return as_float(as_int(y) ^ reinterpret_cast<vi>(reinterpret_cast<vu>(i & 2) << 30));
}
DL_INLINE vf sin(vf x) { return sin_quarter(x, 0); }
DL_INLINE vf cos(vf x) { return sin_quarter(x, 1); }

DL_INLINE vf gelu(vf x) { return 0.5f * x * (1.f + erf(0.70710678f * x)); }
DL_INLINE vf gelu_tanh(vf x) { return 0.5f * x * (1.f + tanh(0.7978845608f * (x + 0.044715f * x * x * x))); }

}  // namespace dl::DL_ISA::math
