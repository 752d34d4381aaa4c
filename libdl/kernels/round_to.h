#pragma once
// Rounding of an f32 to the nearest number of bf16 or f16, ties to even: what storing it in 16 bits and reading it back
// gives. Bits in, bits out. NaN stays NaN.
#include "kernels/kernel.h"

namespace dl {

DL_HD inline uint32_t rounded_to_bf16(uint32_t u) {
  const uint32_t nearest = (u + 0x7fffu + (u >> 16 & 1u)) & 0xffff0000u;
  return (u & 0x7fffffffu) > 0x7f800000u ? u | 0x00400000u : nearest;
}

// Infinite from 65520 on; below 2^-14 in steps of 2^-24.
DL_HD inline uint32_t rounded_to_f16(uint32_t u) {
  const uint32_t sign = u & 0x80000000u, a = u & 0x7fffffffu;
  if (a >= 0x7f800000u) return u;
  if (a < 0x38800000u) {
    float v;
    __builtin_memcpy(&v, &a, sizeof v);
    v = (v + 0.5f) - 0.5f;  // the step of floats around 1/2 is 2^-24
    uint32_t small;
    __builtin_memcpy(&small, &v, sizeof small);
    return sign | small;
  }
  const uint32_t nearest = (a + 0xfffu + (a >> 13 & 1u)) & 0xffffe000u;
  return sign | (nearest >= 0x47800000u ? 0x7f800000u : nearest);
}

DL_HD inline float rounded_to(float v, bool to_bf16) {
  uint32_t u;
  __builtin_memcpy(&u, &v, sizeof u);
  u = to_bf16 ? rounded_to_bf16(u) : rounded_to_f16(u);
  __builtin_memcpy(&v, &u, sizeof v);
  return v;
}

}  // namespace dl
