#pragma once
// Where the pixels of a channel stand in either form of images.
#include "ops/harness.h"

namespace dl::test {

// One channel of images (N, C, H, W), or of their blocked form (N, C / 16, H, W, 16): pixels are `step` apart.
struct Plane {
  int64_t first, step;
  Plane(const Array& v, int64_t channels, int64_t image, int64_t channel) {
    const int64_t pixels = v.dim(2) * v.dim(3), blocks = (channels + 15) / 16;
    const bool blocked = v.shape().rank() == 5;
    step = blocked ? 16 : 1;
    first = blocked ? (image * blocks + channel / 16) * pixels * 16 + channel % 16
                    : (image * channels + channel) * pixels;
  }
  int64_t at(int64_t pixel) const { return first + pixel * step; }
};

}  // namespace dl::test
