#pragma once
// GEMM micro-kernel: C[MR][NV*VLEN] (+)= A[MR][k] B[k][NV*VLEN], all accumulators in registers.
// AVX-512 has 32 registers: 14x2 or 6x4 vectors. AVX2 has 16: 6x2. Each output is one FMA chain over its k
// part in order, so its bits depend neither on the tile it falls into nor on the vector length.
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA {

// How A is read. packed: a[p*MR + i]; rows: a[i*sa + p] (A as stored, NN/NT); cols: a[p*sa + i] (A as stored,
// TN).
enum class ALay { packed, rows, cols };

using Ukr = void (*)(int64_t k, const float* a, int64_t sa, const float* b, int64_t sb, float* c, int64_t ldc,
                     int64_t nlast, bool acc, int64_t panels, int64_t bnext);

// panels: how many column panels to do; the next one is bnext floats further in B and NV vectors further in
// C. Short k (convolutions, 10 classes) would otherwise spend a tenth of its time in calls. T: vector type.
// Tail: one vector of which only the first nlast columns exist, in B and in C.
template <class T, int MR, int NV, ALay L, bool Tail>
void ukr(int64_t k, const float* a_, int64_t sa, const float* b0, int64_t sb, float* c, int64_t ldc,
         int64_t nlast, bool acc, int64_t panels, int64_t bnext) {
  constexpr int w = sizeof(T) / 4;
  static_assert(!Tail || NV == 1);
  for (const float* const first = a_; panels > 0; --panels, b0 += bnext, c += NV * w) {
    T r[MR][NV];
#pragma GCC unroll 32
    for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) {
        r[i][j] = T{};
        if (k > 64) __builtin_prefetch(c + i * ldc + j * w, 1);  // C arrives while the sums are built
      }
    const float* b = b0;
    const float* a = first;
    const float *a0 = a, *a1 = a + 4 * sa, *a2 = a + 8 * sa,
                *a3 = a + 12 * sa;  // rows: 4 rows per base register
    const auto step = [&](int64_t p) __attribute__((always_inline)) {
      T bv[NV];
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) bv[j] = Tail ? load_n_as<T>(b, nlast) : load_as<T>(b + j * w);
      b += sb;
#pragma GCC unroll 32
      for (int i = 0; i < MR; ++i) {
        const float* base = i < 4 ? a0 : i < 8 ? a1 : i < 12 ? a2 : a3;
        const T av = (L == ALay::rows   ? base[(i & 3) * sa + p]
                      : L == ALay::cols ? a[i]
                                        : a[p * MR + i]) -
                     T{};
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) r[i][j] = fma(av, bv[j], r[i][j]);
      }
      if constexpr (L == ALay::cols) a += sa;
    };
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
      step(0);
      step(1);
      step(2);
      step(3);
      if constexpr (L == ALay::packed) a += 4 * MR;
      if constexpr (L == ALay::rows) {
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
      }
    }
    for (; p < k; ++p) {
      step(0);
      if constexpr (L == ALay::packed) a += MR;
      if constexpr (L == ALay::rows) {
        ++a0;
        ++a1;
        ++a2;
        ++a3;
      }
    }
    if (acc)
#pragma GCC unroll 32
      for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j)
          r[i][j] += Tail ? load_n_as<T>(c + i * ldc, nlast) : load_as<T>(c + i * ldc + j * w);
#pragma GCC unroll 32
    for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j)
        if constexpr (Tail)
          store_n(c + i * ldc, r[i][j], nlast);
        else
          __builtin_memcpy(c + i * ldc + j * w, &r[i][j], sizeof(T));
  }
}

}  // namespace dl::DL_ISA
