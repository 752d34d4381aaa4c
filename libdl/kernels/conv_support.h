#pragma once
// What the algorithms of a convolution can do and which of them is fastest, asked by the layout pass before it sets the
// attribute `algorithm`. Kernels rely on it: none of them checks again.
#include "kernels/blocked.h"
#include "kernels/conv2d.h"

namespace dl {

// A convolution of n images, c channels h x w in, k channels oh x ow out, with w (k, c / groups, kh, kw).
// Pads are top, left, bottom, right.
struct ConvGeometry {
  int64_t n, c, h, w, k, kh, kw, stride[2], pads[4], dilation[2], groups, oh, ow;
};

enum class ConvPass { forward, grad_input, grad_weight };

constexpr int64_t kConvMaxSide = 11;   // of a kernel, for all but im2col and winograd
constexpr int64_t kWinogradTiles = 8;  // the fewest that are worth it

// Whether the algorithm gives right results. Not asked here: whether the tensors are in the form it takes.
constexpr bool conv_supports(ConvAlgorithm algorithm, const ConvGeometry& g, ConvPass pass) {
  const bool small = g.kh <= kConvMaxSide && g.kw <= kConvMaxSide;
  const bool steps = g.stride[0] <= 2 && g.stride[1] <= 2;
  const bool plain = g.dilation[0] == 1 && g.dilation[1] == 1;
  switch (algorithm) {
    case ConvAlgorithm::im2col:
    case ConvAlgorithm::channels_last:
      return true;
    case ConvAlgorithm::direct:
      return small &&
             (g.groups == 1 || (g.c / g.groups % kChannelBlock == 0 && g.k / g.groups % kChannelBlock == 0));
    case ConvAlgorithm::winograd:
      return g.kh == 3 && g.kw == 3 && g.stride[0] == 1 && g.stride[1] == 1 && plain && g.groups == 1 &&
             g.pads[0] <= 2 && g.pads[1] <= 2 && g.pads[2] <= 2 && g.pads[3] <= 2;
    case ConvAlgorithm::depthwise:
      return small && g.groups == g.c && g.k == g.c;
    case ConvAlgorithm::planar:
      return pass != ConvPass::grad_input && small && steps && plain && g.groups == 1 && g.c <= kChannelBlock;
  }
  return false;
}

// The part of the work on whole blocks of channels that is not spent on padding.
constexpr double lanes_used(int64_t channels) {
  return static_cast<double>(channels) / static_cast<double>(channel_blocks(channels) * kChannelBlock);
}

// The fastest; im2col where no other works or blocks would be mostly padding. winograd: whether it may be taken, whose
// rounding error is about twice that of direct. planar takes images: it stands first where there are so few channels
// that the input is not blocked anyway.
constexpr ConvAlgorithm best_algorithm(const ConvGeometry& g, ConvPass pass, bool winograd) {
  const auto works = [&](ConvAlgorithm a) { return conv_supports(a, g, pass); };
  const double used = lanes_used(g.c / g.groups) * lanes_used(g.k / g.groups);
  if (g.c <= 8 && lanes_used(g.k) > 0.6 && works(ConvAlgorithm::planar)) return ConvAlgorithm::planar;
  if (works(ConvAlgorithm::depthwise)) return ConvAlgorithm::depthwise;
  // Tiles are 4x4: smaller images waste most of them, and few tiles do not repay the weights, which grow fourfold.
  const int64_t tiles = g.n * ((g.oh + 3) / 4) * ((g.ow + 3) / 4);
  if (winograd && used > 0.3 && g.oh >= 4 && g.ow >= 4 && g.h >= 4 && g.w >= 4 && tiles >= kWinogradTiles &&
      works(ConvAlgorithm::winograd))
    return ConvAlgorithm::winograd;
  return used > 0.5 && works(ConvAlgorithm::direct) ? ConvAlgorithm::direct : ConvAlgorithm::im2col;
}

}  // namespace dl
