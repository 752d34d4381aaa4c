// Kernels of to_blocked and from_blocked: channels by pixels are turned into pixels by lanes and back, in tiles of shared
// memory. Elements keep their bits.
#include "kernels/blocked.h"

#include "kernels/cuda/copy.h"
#include "kernels/cuda/index.h"

namespace dl::DL_ISA {
namespace {

constexpr unsigned kTile = 1024;  // elements

// Images (N, channels, pixels) and (N, blocks, pixels, lanes). A tile is 1 << lane_shift lanes, 8 to 32, by
// 1 << pixel_shift pixels.
struct Shape {
  int64_t channels, pixels, lanes;
  Divisor blocks, lane_tiles, pixel_tiles;
  unsigned lane_shift, pixel_shift;
  int64_t images;

  Shape(const Arg& plain, const Arg& blocked)
      : channels(plain.dims[1]),
        pixels(plain.dims[2] * plain.dims[3]),
        lanes(blocked.dims[4]),
        blocks(blocked.dims[1]),
        lane_shift(lanes <= 8    ? 3
                   : lanes <= 16 ? 4
                                 : 5),
        pixel_shift(10 - lane_shift),
        images(blocked.dims[0]) {
    lane_tiles = Divisor(ceil_div(lanes, int64_t{1} << lane_shift));
    pixel_tiles = Divisor(ceil_div(pixels, int64_t{1} << pixel_shift));
  }
  int64_t tiles() const { return images * blocks.d * lane_tiles.d * pixel_tiles.d; }
  // Of rows of a tile, so that neither way of walking it meets a bank twice.
  __device__ __forceinline__ unsigned pitch() const {
    return (1u << pixel_shift) + (kWarpLanes >> lane_shift);
  }
};

// The tile of this block: its first lane and pixel, and where plane and block begin.
struct Tile {
  int64_t lane, pixel, plain, blocked, left;  // left: channels that the block of channels has
  __device__ explicit Tile(const Shape& s) {
    uint32_t i = blockIdx.x, q = s.pixel_tiles.divide(i);
    pixel = int64_t{i - q * s.pixel_tiles.d} << s.pixel_shift;
    i = q;
    q = s.lane_tiles.divide(i);
    lane = int64_t{i - q * s.lane_tiles.d} << s.lane_shift;
    const uint32_t image = s.blocks.divide(q);
    const int64_t first = (q - image * s.blocks.d) * s.lanes;
    left = s.channels - first;
    plain = (image * s.channels + first) * s.pixels;
    blocked = q * s.pixels * s.lanes;
  }
};

template <class U>
__global__ void to_kernel(const U* __restrict__ x, U* __restrict__ y, Shape s) {
  U* const shared = shared_memory<U>();  // (lanes, pixels)
  const Tile t(s);
  const unsigned lane_mask = (1u << s.lane_shift) - 1, pixel_mask = (1u << s.pixel_shift) - 1;
#pragma unroll
  for (unsigned e = threadIdx.x; e < kTile; e += kThreads) {
    const unsigned l = e >> s.pixel_shift, p = e & pixel_mask;
    U v{};
    if (t.lane + l < t.left && t.lane + l < s.lanes && t.pixel + p < s.pixels)
      v = x[t.plain + (t.lane + l) * s.pixels + t.pixel + p];
    shared[l * s.pitch() + p] = v;
  }
  __syncthreads();
#pragma unroll
  for (unsigned e = threadIdx.x; e < kTile; e += kThreads) {
    const unsigned p = e >> s.lane_shift, l = e & lane_mask;
    if (t.lane + l < s.lanes && t.pixel + p < s.pixels)
      y[t.blocked + (t.pixel + p) * s.lanes + t.lane + l] = shared[l * s.pitch() + p];
  }
}

template <class U>
__global__ void from_kernel(const U* __restrict__ x, U* __restrict__ y, Shape s) {
  U* const shared = shared_memory<U>();  // (lanes, pixels)
  const Tile t(s);
  const unsigned lane_mask = (1u << s.lane_shift) - 1, pixel_mask = (1u << s.pixel_shift) - 1;
#pragma unroll
  for (unsigned e = threadIdx.x; e < kTile; e += kThreads) {
    const unsigned p = e >> s.lane_shift, l = e & lane_mask;
    if (t.lane + l < s.lanes && t.pixel + p < s.pixels)
      shared[l * s.pitch() + p] = x[t.blocked + (t.pixel + p) * s.lanes + t.lane + l];
  }
  __syncthreads();
#pragma unroll
  for (unsigned e = threadIdx.x; e < kTile; e += kThreads) {
    const unsigned l = e >> s.pixel_shift, p = e & pixel_mask;
    if (t.lane + l < t.left && t.lane + l < s.lanes && t.pixel + p < s.pixels)
      y[t.plain + (t.lane + l) * s.pixels + t.pixel + p] = shared[l * s.pitch() + p];
  }
}

void run(const Call& c, const Arg& plain, const Arg& blocked, bool to) {
  if (blocked.size() == 0) return;
  const Shape s(plain, blocked);
  with_unit(elem_size(c.out[0].type), [&](auto zero) {
    using U = decltype(zero);
    const size_t shared = (kTile + kWarpLanes) * sizeof(U);  // (lanes, pitch)
    if constexpr (sizeof(U) <= 8)
      launch(c, to ? &to_kernel<U> : &from_kernel<U>, as_unsigned(s.tiles()), kThreads, shared,
             data<U>(c.in[0]), data<U>(c.out[0]), s);
  });
}

void run_to(const Call& c, int, int64_t, float*) { run(c, c.in[0], c.out[0], true); }
void run_from(const Call& c, int, int64_t, float*) { run(c, c.out[0], c.in[0], false); }

}  // namespace

extern const Kernel to_blocked{&plan_nothing, &run_to};
extern const Kernel from_blocked{&plan_nothing, &run_from};

}  // namespace dl::DL_ISA
