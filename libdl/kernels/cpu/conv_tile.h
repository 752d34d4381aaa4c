#pragma once
// The register-tiled micro-kernel behind direct convolution and the matrix products of Winograd's:
//   y[kb][r][16k] = sum over cb, taps, c of  a[cb][tap.a + r*AS + c] * b[kb][cb][tap.b + c*16 + 16k]
// R pixels times KB channel blocks stay in registers for the whole sum. Each step loads the weight vectors and
// broadcasts R input scalars straight from memory (an embedded broadcast on AVX-512).
#include "kernels/cpu/conv_write.h"

namespace dl::DL_ISA {

struct Tap {
  int64_t a, b;  // offsets of the input pixel and of the weights, in floats
};

struct TileArgs {
  const float* a;
  int64_t a_cb, ncb;
  const float* b;
  int64_t b_cb, b_kb;
  const Tap* taps;
  int64_t ntaps;
  float* y;
  int64_t y_kb;
  int64_t a_pix = 0;                                 // used where AS == 0
  int64_t y_pix = kBlock;                            // distance of output pixels
  const float* bias = nullptr;                       // (kb, 16)
  const float *residual = nullptr, *mask = nullptr;  // like y
  int64_t last = kBlock;            // channels of the last input block, even: lanes behind them are not read
  bool cuts = false, past = false;  // past: write past the caches
  int64_t ahead = 0;                // from a to the pixels of the tile after this one
  float most = 0;                   // with cuts: y between 0 and this
};

// AS, the distance of two pixels, is 16 or 32 floats: with a distance known at run time the R row addresses no longer
// fit into displacements and need R registers. AS = 0 is that case, for few rows: image columns and batches.
using TileFn = void (*)(const TileArgs&);
// The kernel for r pixels, 1..max_rows(kb, as), and kb blocks, 1; 2 and 4 on AVX-512.
TileFn tile_fn(int64_t r, int64_t kb, int64_t as);

// Accumulators, weight vectors and one broadcast must fit the register file.
constexpr int max_rows(int64_t kb, int64_t as = kBlock) {
  return DL_VLEN == 4 ? 2 : as == 0 || DL_VLEN == 8 ? 6 : kb == 1 ? 28 : kb == 2 ? 14 : 7;
}
// The rows that are fastest for sums of so many terms.
constexpr int64_t best_rows(int64_t terms, int64_t kb, int64_t as = kBlock) {
  const int most = max_rows(kb, as);
  const bool half = short_sum(kb == 1 ? 0 : terms) && as && kb <= 2;
  return half ? (most + 1) / 2 : most;
}

}  // namespace dl::DL_ISA
