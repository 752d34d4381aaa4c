#pragma once
// Attributes of concat, slice, slice_grad and transpose. A negative axis counts from the end.
#include "kernels/dims.h"

namespace dl {

struct ConcatAttrs {
  int64_t axis = 0;
};

struct SliceAttrs {
  int64_t axis = 0;
  int64_t begin = 0, end = int64_t{1} << 62;  // negative: from the end of the axis; both are cut to it
};

struct SliceGradAttrs {
  int64_t axis = 0;
  int64_t begin = 0;  // not negative
  Dims shape;         // of the input of slice
};

struct TransposeAttrs {
  Dims perm;  // axis i of the output is axis perm[i] of the input
};

}  // namespace dl
