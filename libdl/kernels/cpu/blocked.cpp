// Images into the blocked form and back: transposes of DL_VLEN channels by DL_VLEN pixels.
#include "kernels/blocked.h"

#include "kernels/cpu/shuffle.h"
#include "kernels/cpu/stream.h"

namespace dl::DL_ISA {
namespace {

// One block of channels of one image.
struct Block {
  int64_t pixels, channels;  // channels: at most 16
  float *planes, *blocked;   // (channels, pixels), (pixels, 16)
};
Block block_at(const Arg& images, const Arg& blocked, int64_t chunk) {
  const int64_t pixels = images.dims[2] * images.dims[3], blocks = blocked.dims[1];
  const int64_t first = chunk % blocks * kChannelBlock, left = images.dims[1] - first;
  return {pixels, left < kChannelBlock ? left : kChannelBlock,
          images.f() + (chunk / blocks * images.dims[1] + first) * pixels,
          blocked.f() + chunk * pixels * kChannelBlock};
}

// r[i][j] becomes r[j][i]: rows i and i + DL_VLEN / 2 are zipped until every pair of lanes has met.
DL_INLINE void transpose(vf (&r)[DL_VLEN]) {
#pragma GCC unroll 4
  for (int round = 1; round < DL_VLEN; round *= 2) {
    vf t[DL_VLEN];
#pragma GCC unroll 8
    for (int i = 0; i < DL_VLEN / 2; ++i) {
      t[2 * i] = zip_low(r[i], r[i + DL_VLEN / 2]);
      t[2 * i + 1] = zip_high(r[i], r[i + DL_VLEN / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < DL_VLEN; ++i) r[i] = t[i];
  }
}

// Pixels [at, at + n), n <= DL_VLEN, of the channels [first, first + DL_VLEN); those behind the last are zero.
template <bool kStream>
DL_INLINE void tile_to_blocked(const Block& b, int64_t first, int64_t at, int64_t n) {
  vf r[DL_VLEN];
#pragma GCC unroll 16
  for (int i = 0; i < DL_VLEN; ++i)
    r[i] = first + i < b.channels ? load_upto(b.planes + (first + i) * b.pixels + at, n) : vf{};
  transpose(r);
#pragma GCC unroll 16
  for (int i = 0; i < DL_VLEN; ++i) {
    float* to = b.blocked + (at + i) * kChannelBlock + first;
    if (i < n) kStream ? store_stream(to, r[i]) : store(to, r[i]);
  }
}

template <bool kStream>
DL_INLINE void tile_from_blocked(const Block& b, int64_t first, int64_t at, int64_t n) {
  vf r[DL_VLEN];
#pragma GCC unroll 16
  for (int i = 0; i < DL_VLEN; ++i) r[i] = i < n ? load(b.blocked + (at + i) * kChannelBlock + first) : vf{};
  transpose(r);
#pragma GCC unroll 16
  for (int i = 0; i < DL_VLEN; ++i) {
    float* to = b.planes + (first + i) * b.pixels + at;
    if (first + i < b.channels) kStream&& n == DL_VLEN ? store_stream(to, r[i]) : store_upto(to, r[i], n);
  }
}

// Calls tile(first channel, pixel, pixels) for all tiles of a block.
template <class F>
DL_INLINE void each_tile(const Block& b, F tile) {
  int64_t at = 0;
  for (; at + DL_VLEN <= b.pixels; at += DL_VLEN)
    for (int64_t first = 0; first < kChannelBlock; first += DL_VLEN) tile(first, at, DL_VLEN);
  if (at < b.pixels)
    for (int64_t first = 0; first < kChannelBlock; first += DL_VLEN) tile(first, at, b.pixels - at);
}

template <bool kStream>
void to_blocked_block(const Block& b) {
  if (b.pixels <= 512) touch_row(b.planes, b.channels * b.pixels);  // several planes to a page
  each_tile(
      b, [&](int64_t first, int64_t at, int64_t n)
             __attribute__((always_inline)) { tile_to_blocked<kStream>(b, first, at, n); });
}
template <bool kStream>
void from_blocked_block(const Block& b) {
  each_tile(
      b, [&](int64_t first, int64_t at, int64_t n) __attribute__((always_inline)) {
        if (first < b.channels) tile_from_blocked<kStream>(b, first, at, n);
      });
}

// A chunk is one block of channels of one image. Stores around the cache take whole lines only.
void plan_to(const Call& c, Work& w) { w.chunks[0] = c.out[0].dims[0] * c.out[0].dims[1]; }
void run_to(const Call& c, int, int64_t chunk, float*) {
  const bool stream = DL_VLEN == kChannelBlock && streams(c.out[0]);
  (stream ? to_blocked_block<true> : to_blocked_block<false>)(block_at(c.in[0], c.out[0], chunk));
  if (stream) stream_fence();
}

void plan_from(const Call& c, Work& w) { w.chunks[0] = c.in[0].dims[0] * c.in[0].dims[1]; }
void run_from(const Call& c, int, int64_t chunk, float*) {
  const Block b = block_at(c.out[0], c.in[0], chunk);
  const bool stream = DL_VLEN == kChannelBlock && b.pixels % DL_VLEN == 0 && streams(c.out[0]);
  (stream ? from_blocked_block<true> : from_blocked_block<false>)(b);
  if (stream) stream_fence();
}

}  // namespace

extern const Kernel to_blocked{&plan_to, &run_to};
extern const Kernel from_blocked{&plan_from, &run_from};

}  // namespace dl::DL_ISA
