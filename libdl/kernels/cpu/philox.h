#pragma once
// The random words of a node. That of element e comes from Philox4x32-10 (base/random.h) at counter 16 (e / 64) + e % 16,
// word e % 64 / 16, with the high half of the counter made of stream and step: the same on every device and instruction set.
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

DL_INLINE uint64_t random_high(int64_t stream, uint64_t step) {
  return static_cast<uint64_t>(stream) ^ (step * 0x9E3779B97F4A7C15ull);
}

// High halves of the 64-bit products a m.
#if DL_VLEN == 16
DL_INLINE vu multiply_high(vu a, uint32_t m) {
  const __m512i x = reinterpret_cast<__m512i>(a), f = _mm512_set1_epi64(m);
  const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(x, f), 32);
  return reinterpret_cast<vu>(
      _mm512_mask_blend_epi32(0xAAAA, even, _mm512_mul_epu32(_mm512_srli_epi64(x, 32), f)));
}
#elif DL_VLEN == 8
DL_INLINE vu multiply_high(vu a, uint32_t m) {
  const __m256i x = reinterpret_cast<__m256i>(a), f = _mm256_set1_epi64x(m);
  const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(x, f), 32);
  return reinterpret_cast<vu>(_mm256_blend_epi32(even, _mm256_mul_epu32(_mm256_srli_epi64(x, 32), f), 0xAA));
}
#else
DL_INLINE vu multiply_high(vu a, uint32_t m) {
  vu r;
  for (int i = 0; i < DL_VLEN; ++i) r[i] = static_cast<uint32_t>(uint64_t(a[i]) * m >> 32);
  return r;
}
#endif

struct Words {
  vu v[4];
};

// Blocks at counters first, first + 1, ... (one a lane).
DL_INLINE Words random_words(uint64_t seed, uint64_t high, uint64_t first) {
  vu lane;
  for (int i = 0; i < DL_VLEN; ++i) lane[i] = static_cast<uint32_t>(i);
  const vu zero = {};
  vu c0 = lane + static_cast<uint32_t>(first), c1 = zero + static_cast<uint32_t>(first >> 32);
  vu c2 = zero + static_cast<uint32_t>(high), c3 = zero + static_cast<uint32_t>(high >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const vu h0 = multiply_high(c0, 0xD2511F53u), h1 = multiply_high(c2, 0xCD9E8D57u);
    const vu l0 = c0 * 0xD2511F53u, l1 = c2 * 0xCD9E8D57u;
    c0 = h1 ^ c1 ^ k0;
    c2 = h0 ^ c3 ^ k1;
    c1 = l1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace dl::DL_ISA
