#pragma once
// The micro-kernel of the weight gradients: one 16c x 16k square
//   dw[c][k] (+)= sum over images n, rows i, pixels j of  a[n*a_img + i*a_row + j*a_pix + c] * b[n*b_img + i*b_row +
//   j*16 + k]
// The square stays in registers while pixels stream by (AVX-512: 16 accumulators, one load and 16 broadcasts per pixel);
// fewer registers take it in parts. Pixels are a loop at run time: padding is skipped by shrinking it per tap.
#include "kernels/cpu/conv_block.h"

namespace dl::DL_ISA {

struct WTileArgs {
  const float* a;
  int64_t a_img, a_row, a_pix;
  const float* b;
  int64_t b_img, b_row;
  int64_t images, rows, pixels;
  float* dw;
  bool accumulate;
  int64_t a_ahead = 0, b_ahead = 0;  // to what the next pass over the blocks reads: it goes to L2 meanwhile
};

template <int R>
DL_INLINE void wtile_part(const WTileArgs& t, int c0) {
  vf acc[R][kVpb];
  DL_UNROLL for (int r = 0; r < R; ++r) DL_UNROLL for (int v = 0; v < kVpb; ++v) acc[r][v] =
      t.accumulate ? load(t.dw + (c0 + r) * kBlock + v * DL_VLEN) : vf{};
  for (int64_t n = 0; n < t.images; ++n)
    for (int64_t i = 0; i < t.rows; ++i) {
      const float *a = t.a + n * t.a_img + i * t.a_row + c0, *b = t.b + n * t.b_img + i * t.b_row;
      for (int64_t j = 0; j < t.pixels; ++j, a += t.a_pix, b += kBlock) {
        __builtin_prefetch(a + t.a_ahead, 0, 2);
        __builtin_prefetch(b + t.b_ahead, 0, 2);
        vf bv[kVpb];
        DL_UNROLL for (int v = 0; v < kVpb; ++v) bv[v] = load(b + v * DL_VLEN);
        DL_UNROLL for (int r = 0; r < R; ++r) {
          const vf av = splat(a[r]);
          DL_UNROLL for (int v = 0; v < kVpb; ++v) acc[r][v] = fma(av, bv[v], acc[r][v]);
        }
      }
    }
  DL_UNROLL for (int r = 0; r < R; ++r) DL_UNROLL for (int v = 0; v < kVpb; ++v)
      store(t.dw + (c0 + r) * kBlock + v * DL_VLEN, acc[r][v]);
}

inline void wtile(const WTileArgs& t) {
  if constexpr (DL_VLEN == 16) {
    wtile_part<16>(t, 0);
  } else if constexpr (DL_VLEN == 8) {
    wtile_part<6>(t, 0);
    wtile_part<5>(t, 6);
    wtile_part<5>(t, 11);
  } else {
    for (int c = 0; c < kBlock; c += 2) wtile_part<2>(t, c);
  }
}

}  // namespace dl::DL_ISA
