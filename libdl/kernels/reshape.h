#pragma once
// Attributes of reshape.
#include "kernels/dims.h"

namespace dl {

struct ReshapeAttrs {
  Dims shape;  // 0 keeps the extent of the input at that place, -1 (once) stands for what is left
};

}  // namespace dl
