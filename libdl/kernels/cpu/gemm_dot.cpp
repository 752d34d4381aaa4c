#include "kernels/cpu/gemm_dot.h"
#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/gemm_pack.h"

namespace dl::DL_ISA {
namespace {

typedef float f4 __attribute__((vector_size(16)));

// {sum(a), sum(b), sum(c), sum(d)}
#if DL_VLEN == 4
DL_INLINE f4 hsum4(vf a, vf b, vf c, vf d) {
  vf r[4] = {a, b, c, d};
  transpose_square(r);
  return (r[0] + r[2]) + (r[1] + r[3]);
}
#else
DL_INLINE f4 hsum4(vf a, vf b, vf c, vf d) {
#if DL_VLEN == 16
  const __m512 s = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 t = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512 u = _mm512_add_ps(_mm512_shuffle_ps(s, t, 0x44), _mm512_shuffle_ps(s, t, 0xEE));
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(u), _mm512_extractf32x8_ps(u, 1));
#else
  const __m256 s = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const __m256 t = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  const __m256 h = _mm256_add_ps(_mm256_shuffle_ps(s, t, 0x44), _mm256_shuffle_ps(s, t, 0xEE));
#endif
  return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}
#endif

// out[q*so + r] (r < 4) or out[r*so + q] = x_r . y_q; x: nx <= 4 rows of X, y: Q rows of Y.
template <int Q>
void dots(int64_t k, const float* x, int64_t ldx, int64_t nx, const float* y, int64_t ldy, float* out,
          int64_t so, bool rows_are_y, bool acc) {
  vf s[4][Q];
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r)
#pragma GCC unroll 6
    for (int q = 0; q < Q; ++q) s[r][q] = vf{};
  const float *x0 = x, *x1 = x + (nx > 1 ? ldx : 0), *x2 = x + (nx > 2 ? 2 * ldx : 0),
              *x3 = x + (nx > 3 ? 3 * ldx : 0);
  const float* y4 = y + 4 * ldy;
  int64_t p = 0;
  for (; p + DL_VLEN <= k; p += DL_VLEN) {
    const vf xv[4] = {load(x0 + p), load(x1 + p), load(x2 + p), load(x3 + p)};
#pragma GCC unroll 6
    for (int q = 0; q < Q; ++q) {
      const vf yv = load((q < 4 ? y : y4) + (q & 3) * ldy + p);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) s[r][q] = fma(xv[r], yv, s[r][q]);
    }
  }
  if (p < k) {
    const int64_t n = k - p;
    const vf xv[4] = {load_n(x0 + p, n), load_n(x1 + p, n), load_n(x2 + p, n), load_n(x3 + p, n)};
#pragma GCC unroll 6
    for (int q = 0; q < Q; ++q) {
      const vf yv = load_n(y + q * ldy + p, n);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) s[r][q] = fma(xv[r], yv, s[r][q]);
    }
  }
#pragma GCC unroll 6
  for (int q = 0; q < Q; ++q) {
    const f4 h = hsum4(s[0][q], s[1][q], s[2][q], s[3][q]);
    if (rows_are_y && nx == 4 && !acc) {
      __builtin_memcpy(out + q * so, &h, 16);
      continue;
    }
    for (int r = 0; r < nx; ++r) {
      float& o = rows_are_y ? out[q * so + r] : out[r * so + q];
      o = acc ? o + h[r] : h[r];
    }
  }
}

constexpr int kQ = DL_VLEN == 16 ? 6 : 2;  // 4 * kQ accumulators
using Dots = void (*)(int64_t, const float*, int64_t, int64_t, const float*, int64_t, float*, int64_t, bool,
                      bool);
#if DL_VLEN == 16
constexpr Dots kDots[] = {nullptr, dots<1>, dots<2>, dots<3>, dots<4>, dots<5>, dots<6>};
#else
constexpr Dots kDots[] = {nullptr, dots<1>, dots<2>};
#endif

}  // namespace

bool dot_path(const Gemm& g) { return g.tb && !g.ta && g.k >= 4 * DL_VLEN && (g.m <= 32 || g.n <= 24); }

void dot_block(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
  const bool rows_are_y = (j1 - j0) % 4 == 0 || g.n > g.m;  // fours run along the longer side
  const int64_t q0 = rows_are_y ? i0 : j0, q1 = rows_are_y ? i1 : j1, r0 = rows_are_y ? j0 : i0,
                r1 = rows_are_y ? j1 : i1;
  const float* x = rows_are_y ? g.b : g.a;
  const int64_t ldx = rows_are_y ? g.ldb : g.lda;
  const float* y = rows_are_y ? g.a : g.b;
  const int64_t ldy = rows_are_y ? g.lda : g.ldb;
  const int64_t tiles = (q1 - q0 + kQ - 1) / kQ;
  for (int64_t r = r0; r < r1; r += 4)
    for (int64_t t = 0, q = q0; t < tiles; ++t) {
      const int64_t nq = (q1 - q0) / tiles + (t < (q1 - q0) % tiles);
      float* out = rows_are_y ? g.c + q * g.ldc + r : g.c + r * g.ldc + q;
      kDots[nq](g.k, x + r * ldx, ldx, r1 - r < 4 ? r1 - r : 4, y + q * ldy, ldy, out, g.ldc, rows_are_y,
                g.acc);
      q += nq;
    }
  epilogue(g, i0, j0, i1 - i0, j1 - j0);
}

}  // namespace dl::DL_ISA
