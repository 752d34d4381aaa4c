#pragma once
// How a tile of a convolution in registers begins and ends: R pixels of KB blocks of output channels. Each choice is one test
// outside a loop over all of them, not one for each pixel. T: the arguments of a tile, with bias, residual, mask, cuts, most,
// past, y, y_kb and y_pix.
#include "kernels/cpu/conv_block.h"

namespace dl::DL_ISA {

// Of sums of so few terms a tile should take half the rows that the registers hold: the stores of a full one would fill the
// queue of stores, and the next tile could not begin behind them.
constexpr bool short_sum(int64_t terms) { return DL_VLEN == 16 && terms <= 64; }

// f(place of pixel r of block k in y) for all of a tile.
template <int R, int KB, class T, class F>
DL_INLINE void each_pixel(const T& t, F f) {
  DL_UNROLL for (int k = 0; k < KB; ++k) {
    int64_t at = k * t.y_kb;
    DL_UNROLL for (int r = 0; r < R; ++r, at += t.y_pix) f(at, r, k);
  }
}
template <int R, int KB, class T, class F>
DL_INLINE void each_vector(const T& t, vf (&acc)[R][KB * kVpb], F f) {
  each_pixel<R, KB>(
      t, [&](int64_t at, int r, int k) __attribute__((always_inline)) {
        DL_UNROLL for (int v = 0; v < kVpb; ++v) f(acc[r][k * kVpb + v], at + v * DL_VLEN);
      });
}

// The bias in all pixels, and on their way to the cache what write_tile() will ask for.
template <int R, int KB, class T>
DL_INLINE void begin_tile(const T& t, vf (&acc)[R][KB * kVpb]) {
  DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int v = 0; v < kVpb; ++v) {
    const vf b0 = t.bias ? load(t.bias + k * kBlock + v * DL_VLEN) : vf{};
    DL_UNROLL for (int r = 0; r < R; ++r) acc[r][k * kVpb + v] = b0;
  }
  if (t.residual) each_pixel<R, KB>(t, [&](int64_t at, int, int) { __builtin_prefetch(t.residual + at); });
  if (t.mask) each_pixel<R, KB>(t, [&](int64_t at, int, int) { __builtin_prefetch(t.mask + at); });
  if (!t.past) each_pixel<R, KB>(t, [&](int64_t at, int, int) { __builtin_prefetch(t.y + at, 1); });
}

template <int R, int KB, class T>
DL_INLINE void write_tile(const T& t, vf (&acc)[R][KB * kVpb]) {
#define DL_EACH(...)  \
  each_vector<R, KB>( \
      t, acc, [&](vf & y, int64_t at) __attribute__((always_inline)) { __VA_ARGS__; })
  if (t.residual) DL_EACH(y += load(t.residual + at));
  if (t.mask) DL_EACH(y = where_positive(load(t.mask + at), y));
  if (t.cuts) DL_EACH((void)at; y = cut(y, t.most));
  if (t.past)
    DL_EACH(store(t.y + at, y, true));
  else
    DL_EACH(store(t.y + at, y));
#undef DL_EACH
}

}  // namespace dl::DL_ISA
