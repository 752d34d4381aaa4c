#pragma once
// What the convolutions of the blocked form share: blocks of sixteen channels, weights into blocks and back, epilogues.
#include "kernels/blocked.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/shuffle.h"

#define DL_UNROLL _Pragma("GCC unroll 64")

namespace dl::DL_ISA {

constexpr int kBlock = kChannelBlock;
constexpr int kVpb = kBlock / DL_VLEN;          // vectors of a block
constexpr int64_t kSquare = kBlock * kBlock;    // floats of 16 input by 16 output channels
constexpr int64_t kWeightChunk = 64 * kSquare;  // floats of weights that a chunk puts into blocks
// Larger outputs (8 MiB, a quarter of L3) are written past the caches: saves reading their lines first.
constexpr int64_t kPast = 2 << 20;

DL_INLINE int64_t blocks_of(int64_t channels) { return (channels + kBlock - 1) / kBlock; }
DL_INLINE int64_t lanes_of(int64_t channels, int64_t block) { return min(kBlock, channels - block * kBlock); }

// Only whole lines gain: AVX2 would write them in halves.
DL_INLINE bool goes_past(const float* y, int64_t size) {
  return DL_VLEN == 16 && size > kPast && reinterpret_cast<uintptr_t>(y) % 64 == 0;
}
DL_INLINE void store(float* p, vf v, bool past) {
#if DL_VLEN == 16
  if (past) return store_stream(p, v);
#endif
  (void)past;
  store(p, v);
}
// After the last store past the caches, before another thread reads.
DL_INLINE void fence(bool past) {
#if DL_VLEN == 16
  if (past) _mm_sfence();
#endif
  (void)past;
}

// Rows of a square become its columns: log2 rounds of interleaving row i with row i + half.
DL_INLINE void transpose_square(vf (&a)[DL_VLEN]) {
  vf b[DL_VLEN];
  DL_UNROLL for (int round = 1; round < DL_VLEN; round *= 2) {
    DL_UNROLL for (int i = 0; i < DL_VLEN / 2; ++i) {
      b[2 * i] = zip_low(a[i], a[i + DL_VLEN / 2]);
      b[2 * i + 1] = zip_high(a[i], a[i + DL_VLEN / 2]);
    }
    DL_UNROLL for (int i = 0; i < DL_VLEN; ++i) a[i] = b[i];
  }
}

// w (k, c / groups, taps) in blocks (k / 16, c / groups / 16, taps, 16c, 16k); lanes behind c and k are zero.
// Does the blocks [first, last), counted in that order; to: that of the first.
void block_weights(const ConvShape& s, const float* w, int64_t first, int64_t last, float* to);
// One of these blocks with its squares transposed: (taps, 16k, 16c).
void turn_block(const ConvShape& s, const float* w, int64_t kb, int64_t cb, float* to, float* scratch);
// dw (k, c / groups, taps) = sum over `copies` in order of blocked (k / 16, c / groups / 16, taps, 16c, 16k).
// Does the blocks [first, last); from: that of the first in the first copy; copies are weight_floats apart.
void sum_weights(const ConvShape& s, const float* from, int64_t copies, int64_t first, int64_t last,
                 float* dw);
DL_INLINE int64_t weight_blocks(const ConvShape& s) { return blocks_of(s.k) * blocks_of(s.cg()); }
DL_INLINE int64_t weight_floats(const ConvShape& s) { return weight_blocks(s) * s.taps() * kSquare; }
DL_INLINE int64_t blocks_per_chunk(const ConvShape& s) { return max(1, kWeightChunk / (s.taps() * kSquare)); }
DL_INLINE int64_t weight_chunks(const ConvShape& s) {
  return ceil_div(weight_blocks(s), blocks_per_chunk(s));
}

// Weights whose rows stand alone: (k, columns) of one block as (columns, 16k), lanes behind k zero.
void block_columns(const float* w, int64_t k, int64_t columns, int64_t block, float* to);
// The way back, as the sum over `copies` in order, which are `step` floats apart.
void sum_columns(const float* from, int64_t copies, int64_t step, int64_t k, int64_t columns, int64_t block,
                 float* w);

// Between 0 and `most`: relu and relu6. NaN stays.
DL_INLINE vf cut(vf y, float most) { return vmin(splat(most), vmax(vf{}, y)); }

DL_INLINE vf where_positive(vf mask, vf y) { return select(mask > 0.f, y, vf{}); }

// y = activation(conv + bias[k] + residual), or zero where mask is not positive. Tiles apply bias, residual, mask, relu and
// relu6 as they are written; what remains is a second look at them.
struct ConvEpilogue {
  const float* bias = nullptr;      // (k / 16, 16), zero behind k
  const float* residual = nullptr;  // like y
  const float* mask = nullptr;      // like y
  Activation activation = Activation::none;
  int64_t k = 0;
  DL_INLINE bool cuts() const { return activation == Activation::relu || activation == Activation::relu6; }
  DL_INLINE float most() const { return activation == Activation::relu6 ? 6.f : __builtin_inff(); }
  // Whether finish() has work: other activations, and lanes behind k that would not be zero.
  DL_INLINE bool looks_twice() const {
    return activation > Activation::relu6 || (residual && k % kBlock != 0);
  }
};
// Of conv2d, and of conv2d_grad_input with the operands w dy r? y? and the bias with which conv_transpose2d calls it. bias:
// where the blocked bias of 16 floats for each block of output channels stands, or will.
ConvEpilogue conv_epilogue(const Call& c, const ConvShape& s, const float* bias);
ConvEpilogue grad_input_epilogue(const Call& c, const ConvShape& s, const float* bias);
// The blocks [first, last) of a bias of so many channels, if there is one.
void block_bias(const float* bias, int64_t channels, int64_t first, int64_t last, float* to);
// The rest of the epilogue for `count` pixels of block kb, `step` floats apart.
void finish(const ConvEpilogue& e, int64_t kb, float* y, int64_t step, int64_t count);

}  // namespace dl::DL_ISA
