#pragma once
// Attributes of conv2d, its gradients and conv_transpose2d. Pads are top, left, bottom, right.
#include "kernels/activation.h"
#include "kernels/dims.h"

namespace dl {

// How a convolution is computed. im2col works on images and is right for all attributes. The others give and take the
// blocked form (kernels/blocked.h); planar takes images, and channels_last (for devices) that form. What each can do is in
// conv_support.h.
enum class ConvAlgorithm : int32_t { im2col, direct, winograd, depthwise, planar, channels_last };

struct Conv2dAttrs {
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
  Activation activation = Activation::none;
  ConvAlgorithm algorithm = ConvAlgorithm::im2col;
};

struct Conv2dGradAttrs {
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
  Dims shape;  // of what the gradient is for, as images: the input or the weight
  ConvAlgorithm algorithm = ConvAlgorithm::im2col;
  Activation activation = Activation::none;  // no attribute: set where conv_transpose2d runs these kernels
};

// The gradient of the input of a convolution as a forward pass: pads are cut off the result.
struct ConvTranspose2dAttrs {
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
  int64_t output_padding[2] = {0, 0};  // rows and columns at the end that no stride reaches
  Activation activation = Activation::none;
  ConvAlgorithm algorithm = ConvAlgorithm::im2col;
};

}  // namespace dl
