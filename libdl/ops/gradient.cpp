#include "ops/gradient.h"

#include "base/str.h"
#include "kernels/reduce_attrs.h"
#include "kernels/reshape.h"
#include "ops/dims_field.h"
#include "ops/registry.h"

namespace dl {

ValueId reshape_to(GradCtx& c, ValueId v, const Shape& shape) {
  if (c.type(v).shape == shape) return v;
  return c.emit(op::reshape, {v}, make_attrs(ReshapeAttrs{dims_of(shape)}));
}

ValueId sum_over(GradCtx& c, ValueId v, std::initializer_list<int64_t> axes) {
  ReduceAttrs r;
  for (int64_t axis : axes) r.axes.d[r.axes.n++] = axis;
  return c.emit(op::reduce_sum, {v}, make_attrs(r));
}

void require_unfused(const GradCtx& c, bool unfused) {
  if (!unfused)
    throw Error(Exit::internal,
                str(c.node.op->name, ": fused, has no gradient, expected autodiff before fuse"));
}

}  // namespace dl
