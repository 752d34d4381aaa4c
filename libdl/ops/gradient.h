#pragma once
// Nodes that several gradients emit.
#include <initializer_list>

#include "graph/graph.h"
#include "kernels/activation.h"

namespace dl {

// v with the extents of `shape`; v itself where it has them.
ValueId reshape_to(GradCtx& c, ValueId v, const Shape& shape);
// v summed over `axes`, which disappear.
ValueId sum_over(GradCtx& c, ValueId v, std::initializer_list<int64_t> axes);
// Error (internal): autodiff runs before fuse, so no fused activation ever needs a gradient.
void require_unfused(const GradCtx& c, bool unfused);

}  // namespace dl
