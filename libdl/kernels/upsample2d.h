#pragma once
// Attributes of upsample2d and its gradient.
#include <cstdint>

namespace dl {

// nearest: output o is input o / scale, rounded down. bilinear: outputs stand at the centres of their pixels, (o + 1/2) /
// scale - 1/2, between the two nearest inputs; those at the border repeat outwards.
enum class UpsampleMode : int32_t { nearest, bilinear };

struct Upsample2dAttrs {
  int64_t scale[2] = {2, 2};
  UpsampleMode mode = UpsampleMode::nearest;
};

}  // namespace dl
