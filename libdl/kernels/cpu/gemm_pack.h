#pragma once
// Packing for GEMM. A panel of op(B): [k][W] with W = 2 vectors (or 1 at the right edge), zero padded.
// A tile of op(A): [k][MR]. Transposing loads go through VLEN x VLEN register transposes (0.3 cycle per
// element).
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA {

// out[j] = column j of the VLEN x VLEN block whose rows are r[].
#if DL_VLEN == 16
DL_INLINE void transpose_square(vf* r) {
  vf t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {  // lane L of r[i + j]: rows i..i+3 of column 4L + j
      const __m512d x = _mm512_castps_pd(t[i + h]), y = _mm512_castps_pd(t[i + 2 + h]);
      r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
      r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
    }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // 4x4 transpose of 128-bit lanes
    const vf p = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x44), q = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xEE);
    const vf u = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x44),
             v = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xEE);
    t[j] = _mm512_shuffle_f32x4(p, u, 0x88);
    t[4 + j] = _mm512_shuffle_f32x4(p, u, 0xDD);
    t[8 + j] = _mm512_shuffle_f32x4(q, v, 0x88);
    t[12 + j] = _mm512_shuffle_f32x4(q, v, 0xDD);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}
#elif DL_VLEN == 8
DL_INLINE void transpose_square(vf* r) {
  vf t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      r[i + 2 * h] = _mm256_shuffle_ps(t[i + h], t[i + 2 + h], 0x44);
      r[i + 2 * h + 1] = _mm256_shuffle_ps(t[i + h], t[i + 2 + h], 0xEE);
    }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    t[j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x20);
    t[4 + j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}
#else
DL_INLINE void transpose_square(vf* r) {
  const vf a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
           b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const vf c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5),
           d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}
#endif

// dst[p*w + j] = src[j*ld + p], j < n (zero up to w; w a multiple of VLEN), p < k.
inline void pack_transposed(float* dst, int64_t w, const float* src, int64_t ld, int64_t n, int64_t k) {
  for (int64_t j = 0; j < w; j += DL_VLEN) {
    const int64_t nj = n - j < DL_VLEN ? (n - j < 0 ? 0 : n - j) : DL_VLEN;
    for (int64_t p = 0; p < k; p += DL_VLEN) {
      const int64_t np = k - p < DL_VLEN ? k - p : DL_VLEN;
      const float* s = src + j * ld + p;
      float* d = dst + p * w + j;
      vf r[DL_VLEN];
      if (nj == DL_VLEN && np == DL_VLEN) {
#pragma GCC unroll 16
        for (int i = 0; i < DL_VLEN; ++i) r[i] = load(s + i * ld);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < DL_VLEN; ++i)
          r[i] = i < nj ? np == DL_VLEN ? load(s + i * ld) : load_n(s + i * ld, np) : vf{};
      }
      transpose_square(r);
      if (np == DL_VLEN) {
#pragma GCC unroll 16
        for (int i = 0; i < DL_VLEN; ++i) store(d + i * w, r[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < DL_VLEN; ++i)
          if (i < np) store(d + i * w, r[i]);
      }
    }
  }
}

// dst[p*w + j] = src[p*ld + j], zero padded.
inline void pack_straight(float* dst, int64_t w, const float* src, int64_t ld, int64_t n, int64_t k) {
  if (n == w && w == 2 * DL_VLEN) {
    for (int64_t p = 0; p < k; ++p) {
      __builtin_prefetch(src + (p + 8) * ld);
      store(dst + p * w, load(src + p * ld));
      store(dst + p * w + DL_VLEN, load(src + p * ld + DL_VLEN));
    }
    return;
  }
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < w; j += DL_VLEN) {
      const int64_t r = n - j;
      store(dst + p * w + j, r >= DL_VLEN ? load(src + p * ld + j)
                             : r > 0      ? load_n(src + p * ld + j, r)
                                          : vf{});
    }
}

// dst[p*mr + i] = A(i, p): rows from row-major A (cs = 1), or columns from transposed A (rs = 1).
inline void pack_a_rows(float* dst, int64_t mr, const float* a, int64_t lda, int64_t k) {
  int64_t p = 0;
  for (; p + DL_VLEN <= k; p += DL_VLEN) {  // VLEN k-steps at once; rows above mr are not stored
    vf r[DL_VLEN];
#pragma GCC unroll 16
    for (int i = 0; i < DL_VLEN; ++i) r[i] = load(a + (i < mr ? i : 0) * lda + p);
    transpose_square(r);
    if (p + DL_VLEN < k) {  // full stores overlap into the next k-step, which follows
#pragma GCC unroll 16
      for (int i = 0; i < DL_VLEN; ++i) store(dst + (p + i) * mr, r[i]);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < DL_VLEN; ++i) store_n(dst + (p + i) * mr, r[i], mr);
    }
  }
  for (; p < k; ++p)
    for (int64_t i = 0; i < mr; ++i) dst[p * mr + i] = a[i * lda + p];
}
inline void pack_a_cols(float* dst, int64_t mr, const float* a, int64_t lda, int64_t k) {
  for (int64_t p = 0; p < k; ++p)
    for (int64_t i = 0; i < mr; i += DL_VLEN) {
      __builtin_prefetch(a + p * lda + mr + 15, 0,
                         2);  // the next tile's columns: rows are pages apart, no hardware prefetch
      const int64_t n = mr - i < DL_VLEN ? mr - i : DL_VLEN;
      store_n(dst + p * mr + i, load_n(a + p * lda + i, n), n);
    }
}

}  // namespace dl::DL_ISA
