#pragma once
// Attributes of conv2d and its gradients. Pads are top, left, bottom, right.
#include "kernels/activation.h"
#include "kernels/dims.h"

namespace dl {

struct Conv2dAttrs {
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
  Activation activation = Activation::none;
};

struct Conv2dGradAttrs {
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  int64_t dilation[2] = {1, 1};
  int64_t groups = 1;
  Dims shape;  // of what the gradient is for: the input or the weight
};

}  // namespace dl
