#pragma once
// Numbers of 16 bits: bfloat16 (8 bits of mantissa) and IEEE half, rounded to the nearest even.
#include "cuda_runtime.h"

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 v) { return __uint_as_float(uint32_t{v.bits} << 16); }
inline __nv_bfloat16 __float2bfloat16(float v) {
  uint32_t u = __float_as_uint(v);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  u += 0x7fffu + (u >> 16 & 1u);
  return {static_cast<uint16_t>(u >> 16)};
}
