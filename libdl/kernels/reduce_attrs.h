#pragma once
// Attributes of the reductions and of what undoes them.
#include "kernels/dims.h"

namespace dl {

struct ReduceAttrs {
  Dims axes;  // none: all of them; negative ones count from the end
  bool keepdims = false;
};
struct SumToAttrs {
  Dims shape;
};
struct BroadcastToAttrs {
  Dims shape;
  Dims axes;  // of the result, where the input has no axis; none: align to the right
};

}  // namespace dl
