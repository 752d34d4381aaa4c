// Sums, means and maxima over axes; sum_to, the adjoint of broadcasting.
#include "kernels/elementwise_attrs.h"
#include "kernels/reduce_attrs.h"
#include "ops/broadcast.h"
#include "ops/dims_field.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const ReduceAttrs*) {
  return std::tuple{
      field("axes", &ReduceAttrs::axes, "Axes to reduce, negative ones count from the end; none: all."),
      field("keepdims", &ReduceAttrs::keepdims, "Keep reduced axes with extent 1.")};
}
constexpr auto fields(const SumToAttrs*) {
  return std::tuple{field("shape", &SumToAttrs::shape, "Extents of the result.").at_least(0)};
}

namespace {

// Which axes are reduced; all of them when none is named.
std::array<bool, kMaxRank> reduced_axes(const InferCtx& c, int rank) {
  const Dims& axes = c.as<ReduceAttrs>().axes;
  std::array<bool, kMaxRank> reduced{};
  if (axes.n == 0) reduced.fill(true);
  for (int64_t i = 0; i < axes.n; ++i) {
    const int64_t k = axes.d[i] < 0 ? axes.d[i] + rank : axes.d[i];
    c.require(k >= 0 && k < rank, str("axis ", axes.d[i], " is out of range for x of rank ", rank));
    c.require(!reduced[static_cast<size_t>(k)], str("axis ", axes.d[i], " is given twice"));
    reduced[static_cast<size_t>(k)] = true;
  }
  return reduced;
}

void infer_reduce(InferCtx& c) {
  const TensorType& x = c.x(0);
  c.require(is_real(x.dtype), str("takes f32, got ", x.text()));
  const auto reduced = reduced_axes(c, x.shape.rank());
  Shape y;
  for (int i = 0; i < x.shape.rank(); ++i) {
    if (!reduced[static_cast<size_t>(i)])
      y.push_back(x.shape[i]);
    else if (c.as<ReduceAttrs>().keepdims)
      y.push_back(1);
  }
  c.out = {{DType::f32, y}};
}

void infer_reduce_max(InferCtx& c) {
  infer_reduce(c);
  c.require(c.x(0).elements() > 0 || c.out[0].elements() == 0, "has nothing to take the maximum of");
}

// dy spread over the shape of x again.
ValueId emit_spread(GradCtx& c, ValueId dy) {
  const auto& a = c.as<ReduceAttrs>();
  const Shape& shape = c.type(c.x(0)).shape;
  if (c.type(dy).shape == shape) return dy;
  BroadcastToAttrs to{dims_of(shape), {}};
  if (!a.keepdims && a.axes.n > 0) {
    to.axes = a.axes;
    for (int64_t i = 0; i < to.axes.n; ++i)
      if (to.axes.d[i] < 0) to.axes.d[i] += shape.rank();
  }
  return c.emit(op::broadcast_to, {dy}, make_attrs(to));
}

}  // namespace

ValueId emit_sum_to(GradCtx& c, ValueId v, const Shape& shape) {
  if (c.type(v).shape == shape) return v;
  return c.emit(op::sum_to, {v}, make_attrs(SumToAttrs{dims_of(shape)}));
}

namespace op {

const OpDef reduce_sum{
    .name = "reduce_sum",
    .doc = "Sum over axes.",
    .attrs = &attr_ops<ReduceAttrs>,
    .infer = infer_reduce,
    .grad = [](GradCtx& c) { c.dx[0] = emit_spread(c, c.dy[0]); },
    .flops = [](const InferCtx& c) { return c.x(0).elements(); },
};

const OpDef reduce_mean{
    .name = "reduce_mean",
    .doc = "Mean over axes; over (2, 3) it is global average pooling.",
    .attrs = &attr_ops<ReduceAttrs>,
    .infer = infer_reduce,
    .grad =
        [](GradCtx& c) {
          const int64_t terms = c.type(c.x(0)).elements(), results = c.type(c.y()).elements();
          const float scale =
              terms > 0 ? static_cast<float>(static_cast<double>(results) / static_cast<double>(terms)) : 0;
          c.dx[0] = emit_spread(c, c.emit(scale_shift, {c.dy[0]}, make_attrs(ScaleShiftAttrs{scale, 0})));
        },
    .flops = [](const InferCtx& c) { return c.x(0).elements(); },
};

const OpDef reduce_max{
    .name = "reduce_max",
    .doc = "Maximum over axes.",
    .attrs = &attr_ops<ReduceAttrs>,
    .infer = infer_reduce_max,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(reduce_max_grad, {c.x(0), c.y(), c.dy[0]}, c.attrs());
        },
    .flops = [](const InferCtx& c) { return c.x(0).elements(); },
};

const OpDef reduce_max_grad{
    .name = "reduce_max_grad",
    .doc = "Gradient of reduce_max: dy at the first of the largest elements, else 0.",
    .args = "x y dy",
    .results = "dx",
    .attrs = &attr_ops<ReduceAttrs>,
    .infer = infer_same_as_first,
};

const OpDef sum_to{
    .name = "sum_to",
    .doc = "Sums over the axes along which `shape`, aligned to the right, was stretched to the shape of x.",
    .attrs = &attr_ops<SumToAttrs>,
    .infer =
        [](InferCtx& c) {
          const Dims& d = c.as<SumToAttrs>().shape;
          const Shape to(std::span<const int64_t>(d.d, static_cast<size_t>(d.n)));
          Shape both;
          c.require(is_real(c.x(0).dtype), str("takes f32, got ", c.x(0).text()));
          c.require(broadcast_shapes(c.x(0).shape, to, both) && both == c.x(0).shape,
                    str(c.x(0).text(), " is not a stretched ", to.text()));
          c.out = {{DType::f32, to}};
        },
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(broadcast_to, {c.dy[0]},
                           make_attrs(BroadcastToAttrs{dims_of(c.type(c.x(0)).shape), {}}));
        },
    .flops = [](const InferCtx& c) { return c.x(0).elements(); },
};

}  // namespace op
}  // namespace dl
