#pragma once
// Attributes of the pooling operators. Pads are top, left, bottom, right.
#include "kernels/dims.h"

namespace dl {

struct MaxPool2dAttrs {
  int64_t kernel[2] = {1, 1};
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  bool ceil_mode = false;
};

struct AvgPool2dAttrs {
  int64_t kernel[2] = {1, 1};
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  bool ceil_mode = false;
  bool count_include_pad = false;
};

struct AvgPool2dGradAttrs {
  int64_t kernel[2] = {1, 1};
  int64_t stride[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
  bool count_include_pad = false;
  Dims shape;  // of the input of the pooling
};

}  // namespace dl
