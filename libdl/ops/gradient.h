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

// The gradient operator kGrad of the output and its gradient (y, dy), or of the input (x, dy), with the node's own attributes.
template <const OpDef& kGrad>
void grad_by_y(GradCtx& c) {
  c.dx[0] = c.emit(kGrad, {c.y(), c.dy[0]}, c.attrs());
}
template <const OpDef& kGrad>
void grad_by_x(GradCtx& c) {
  c.dx[0] = c.emit(kGrad, {c.x(0), c.dy[0]}, c.attrs());
}

}  // namespace dl
