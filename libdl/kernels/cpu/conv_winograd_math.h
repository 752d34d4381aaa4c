#pragma once
// The one-dimensional transforms of Winograd's F(4,3) (Lavin & Gray 2015, "Fast algorithms for convolutional neural
// networks"; Toom-Cook), at the points 0, +-a, +-b, infinity; the two-dimensional transform applies them to columns, then
// to rows. Lavin & Gray take a = 1, b = 2. With a = 1/sqrt(2), b = sqrt(2) two multiplications vanish (a b = 1) and the
// rounding error halves: about twice that of direct convolution.
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA::winograd {

constexpr float kA = 0.70710678f, kB = 1.41421356f, kA2 = 0.5f, kB2 = 2, kA3 = 0.35355339f, kB3 = 2.82842712f;
// The Lagrange denominators 1 / prod(p_j - p_l), which stand in the transform of the weights: those of 0, a and b.
constexpr float kN0 = 1, kNa = -2 / 3.f, kNb = 1 / 6.f;

DL_INLINE vf fma(float a, vf b, vf c) { return DL_ISA::fma(splat(a), b, c); }

DL_INLINE void input(const vf (&d)[6], vf (&o)[6]) {  // B^T d
  const vf t1 = fma(-kB2, d[2], d[4]), u1 = fma(-kB2, d[1], d[3]);
  const vf t2 = fma(-kA2, d[2], d[4]), u2 = fma(-kA2, d[1], d[3]);
  o[0] = d[0] + fma(-(kA2 + kB2), d[2], d[4]);
  o[1] = fma(kA, u1, t1);
  o[2] = fma(-kA, u1, t1);
  o[3] = fma(kB, u2, t2);
  o[4] = fma(-kB, u2, t2);
  o[5] = d[1] + fma(-(kA2 + kB2), d[3], d[5]);
}

DL_INLINE void output(const vf (&m)[6], vf (&y)[4]) {  // A^T m
  const vf s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
  y[0] = (m[0] + s1) + s2;
  y[1] = fma(kA, d1, kB * d2);
  y[2] = fma(kA2, s1, kB2 * s2);
  y[3] = fma(kB3, d2, fma(kA3, d1, m[5]));
}

DL_INLINE void output_t(const vf (&y)[4],
                        vf (&o)[6]) {  // A y, its transpose: for the gradient of the weights
  const vf e1 = fma(kA2, y[2], y[0]), u1 = fma(kA2, y[3], y[1]);
  const vf e2 = fma(kB2, y[2], y[0]), u2 = fma(kB2, y[3], y[1]);
  o[0] = y[0];
  o[1] = fma(kA, u1, e1);
  o[2] = fma(-kA, u1, e1);
  o[3] = fma(kB, u2, e2);
  o[4] = fma(-kB, u2, e2);
  o[5] = y[3];
}

DL_INLINE void weight(const vf (&g)[3], vf (&o)[6]) {  // G g
  const vf ea = fma(kNa * kA2, g[2], kNa * g[0]), eb = fma(kNb * kB2, g[2], kNb * g[0]);
  o[0] = kN0 * g[0];
  o[1] = fma(kNa * kA, g[1], ea);
  o[2] = fma(-kNa * kA, g[1], ea);
  o[3] = fma(kNb * kB, g[1], eb);
  o[4] = fma(-kNb * kB, g[1], eb);
  o[5] = g[2];
}

DL_INLINE void weight_t(const vf (&u)[6], vf (&g)[3]) {  // G^T u
  const vf sa = kNa * (u[1] + u[2]), da = (kNa * kA) * (u[1] - u[2]);
  const vf sb = kNb * (u[3] + u[4]), db = (kNb * kB) * (u[3] - u[4]);
  g[0] = fma(kN0, u[0], sa) + sb;
  g[1] = da + db;
  g[2] = fma(kB2, sb, fma(kA2, sa, u[5]));
}

}  // namespace dl::DL_ISA::winograd
