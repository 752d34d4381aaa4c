#pragma once
// numpy's stretching of extents, for type inference and gradients.
#include "graph/op.h"

namespace dl {

// Shape of a pair aligned to the right, where an extent of 1 stretches; false if they do not fit.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape& out);

// v summed over the axes along which `shape` was stretched to the shape of v; v itself where there are none.
ValueId emit_sum_to(GradCtx& c, ValueId v, const Shape& shape);

}  // namespace dl
