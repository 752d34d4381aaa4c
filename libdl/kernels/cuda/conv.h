#pragma once
// Convolutions as seen by the device: extents, forms of the images, and which taps meet where.
#include "kernels/conv_shape.h"
#include "kernels/cuda/gemm_write.h"

namespace dl::DL_ISA {

// Whether every channel is convolved with a window of its own.
inline bool is_depthwise(ConvAlgorithm algorithm, const ConvShape& s) {
  return algorithm == ConvAlgorithm::depthwise ||
         (algorithm == ConvAlgorithm::channels_last && s.groups == s.c && s.groups == s.k);
}

// Images (N, C, H, W), or blocked (N, blocks, H, W, lanes).
inline bool is_blocked(const Arg& a) { return a.rank == 5; }
inline int64_t lanes_of(const Arg& a) { return is_blocked(a) ? a.dims[4] : 1; }
inline int64_t padded_channels(const Arg& a) { return a.dims[1] * lanes_of(a); }
inline Picture picture_of(const Arg& a) {
  Picture p;
  p.lanes = static_cast<int>(lanes_of(a));
  p.blocks = static_cast<int>(a.dims[1]);
  p.by_lanes = Divisor(p.lanes);
  p.block = a.dims[2] * a.dims[3] * p.lanes;
  p.image = p.blocks * p.block;
  return p;
}

// The taps that a place of the output meets along an axis: taps first, first + step, ... of the kernel; at place i the first
// hits input i * stride + base, and each further one `reach` later.
struct Taps {
  int count, first, step, base, reach;
};

// Along one axis. Forward, the places are those of y. Transposed (the gradient of the input), they are the pixels of x with
// the same residue by the stride: r, r + stride, ...; these meet the taps a with (r + pad - a dilation) % stride == 0, which
// are `period` apart.
struct Axis {
  int kernel, stride, dilation, pad, period;
  bool transposed;
  __device__ __forceinline__ int step() const { return transposed ? 1 : stride; }  // through the input
  __device__ __forceinline__ Taps taps(int residue) const {
    if (!transposed) return {kernel, 0, 1, -pad, dilation};
    int first = 0;
    while (first < kernel && first < period && (residue + pad - first * dilation) % stride != 0) ++first;
    if (first >= kernel || first >= period) return {0, 0, 1, 0, 0};
    return {(kernel - 1 - first) / period + 1, first, period, (residue + pad - first * dilation) / stride,
            -(period * dilation / stride)};
  }
};

// How a convolution goes over its input: row m of the product is a place, its k is (tap row, tap column, channel), with the
// channels of a group padded to whole packs where they are read in packs. z: group + groups * residue.
struct Sweep {
  Axis v, l;             // rows and columns
  int h, w;              // of the input
  int groups, channels;  // input channels of a group
  int padded;            // the same in k
  int m;                 // places of all images
  int step_h, step_w;    // between places in the output
  Divisor by_places, by_columns;

  __device__ __forceinline__ Taps rows(int z) const { return v.taps(z / groups / step_w); }
  __device__ __forceinline__ Taps columns(int z) const { return l.taps(z / groups % step_w); }
  int64_t problems() const { return int64_t{groups} * step_h * step_w; }
  int64_t depth() const { return int64_t{v.kernel} * l.kernel * padded; }  // the deepest there can be
};

// The weights as the product reads them: (group, tap, padded, width).
inline int64_t weight_width(int64_t n) { return ceil_div(n, 8) * 8; }

// k as (tap row, tap column, channel), stepping through them.
struct Walk {
  int c, i, j;
  __device__ __forceinline__ void begin(int k, int padded, int columns) {
    const int tap = k / padded;
    c = k - tap * padded;
    i = columns > 0 ? tap / columns : 0;
    j = tap - i * columns;
  }
  __device__ __forceinline__ void advance(int n, int padded, int columns) {
    c += n;
    while (c >= padded) {
      c -= padded;
      if (++j == columns) j = 0, ++i;
    }
  }
};

// Arguments beyond those given are absent ones.
inline Arg operand(const Call& c, int i) { return i < c.n_in ? c.in[i] : Arg{}; }

extern const Kernel conv_depthwise_grad_weight;
// dw (groups * n, channels, taps) = the sum of `count` parts (group, tap, padded, width), whose columns are n.
struct WeightParts {
  float* parts;
  int count, groups, taps, padded, width, n, channels;
};
void sum_weight_parts(const Call& c, const WeightParts& p, const Arg& dw);

}  // namespace dl::DL_ISA
