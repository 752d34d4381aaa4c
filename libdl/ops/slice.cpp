// concat, slice, slice_grad and transpose.
#include "kernels/slice.h"

#include <algorithm>

#include "ops/dims_field.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const ConcatAttrs*) {
  return std::tuple{
      field("axis", &ConcatAttrs::axis, "Axis to join along; negative counts from the end.").onnx("axis")};
}
constexpr auto fields(const SliceAttrs*) {
  return std::tuple{
      field("axis", &SliceAttrs::axis, "Axis to cut; negative counts from the end."),
      field("begin", &SliceAttrs::begin, "First index taken; negative counts from the end."),
      field("end", &SliceAttrs::end, "Index after the last one taken; negative counts from the end."),
  };
}
constexpr auto fields(const SliceGradAttrs*) {
  return std::tuple{
      field("axis", &SliceGradAttrs::axis, "Axis that was cut; negative counts from the end."),
      field("begin", &SliceGradAttrs::begin, "First index that was taken.").at_least(0),
      field("shape", &SliceGradAttrs::shape, "Extents of the input that was cut.").at_least(0).required(),
  };
}
constexpr auto fields(const TransposeAttrs*) {
  return std::tuple{field("perm", &TransposeAttrs::perm, "Axis i of the output is axis perm[i] of the input.")
                        .at_least(0)
                        .onnx("perm")
                        .required()};
}

namespace {

int axis_of(const InferCtx& c, int64_t axis, const TensorType& t) {
  const int rank = t.shape.rank();
  c.require(axis >= -rank && axis < rank,
            str("axis ", axis, " is not one of the ", rank, " axes of ", t.text()));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

void infer_concat(InferCtx& c) {
  TensorType y = c.x(0);
  const int axis = axis_of(c, c.as<ConcatAttrs>().axis, y);
  for (size_t i = 1; i < c.in.size(); ++i) {
    Shape s = c.x(i).shape;
    const int64_t extent = axis < s.rank() ? s[axis] : 0;
    if (axis < s.rank()) s[axis] = y.shape[axis];
    c.require(c.x(i).dtype == y.dtype && s == y.shape, str("inputs ", c.x(0).text(), " and ", c.x(i).text(),
                                                           " must differ along axis ", axis, " only"));
    y.shape[axis] += extent;
  }
  c.out = {y};
}

// [begin, end) as indices that exist.
std::pair<int64_t, int64_t> range_of(const SliceAttrs& a, int64_t extent) {
  const auto at = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + extent : i, 0, extent); };
  return {at(a.begin), std::max(at(a.begin), at(a.end))};
}

void infer_slice(InferCtx& c) {
  const auto& a = c.as<SliceAttrs>();
  TensorType y = c.x(0);
  const int axis = axis_of(c, a.axis, y);
  const auto [begin, end] = range_of(a, y.shape[axis]);
  y.shape[axis] = end - begin;
  c.out = {y};
}

void infer_slice_grad(InferCtx& c) {
  const auto& a = c.as<SliceGradAttrs>();
  TensorType x{c.x(0).dtype, Shape(std::span(a.shape.d, static_cast<size_t>(a.shape.n)))};
  Shape part = x.shape;
  const int axis = axis_of(c, a.axis, x);
  c.require(c.x(0).shape.rank() == part.rank(),
            str("dy is ", c.x(0).text(), ", which no slice of [", part.text(), "] is"));
  part[axis] = c.x(0).shape[axis];
  c.require(c.x(0).shape == part && a.begin + part[axis] <= x.shape[axis],
            str("dy is ", c.x(0).text(), ", which no slice of [", x.shape.text(), "] from ", a.begin, " is"));
  c.out = {x};
}

void infer_transpose(InferCtx& c) {
  const Dims& perm = c.as<TransposeAttrs>().perm;
  const Shape& x = c.x(0).shape;
  c.require(perm.n == x.rank(), str("perm has ", perm.n, " axes, input ", c.x(0).text(), " has ", x.rank()));
  bool seen[Dims::kMost] = {};
  Shape y;
  for (int64_t i = 0; i < perm.n; ++i) {
    const int64_t axis = perm.d[i];
    c.require(axis < x.rank() && !seen[axis],
              str("perm must name each axis from 0 to ", x.rank() - 1, " once"));
    seen[axis] = true;
    y.push_back(x[static_cast<int>(axis)]);
  }
  c.out = {{c.x(0).dtype, y}};
}

void grad_concat(GradCtx& c) {
  const int64_t axis = c.as<ConcatAttrs>().axis;
  int64_t first = 0;
  for (size_t i = 0; i < c.node.in.size(); ++i) {
    const Shape& x = c.type(c.x(i)).shape;
    const int64_t end = first + x[static_cast<int>(axis < 0 ? axis + x.rank() : axis)];
    if (c.needs(i)) c.dx[i] = c.emit(op::slice, {c.dy[0]}, make_attrs(SliceAttrs{axis, first, end}));
    first = end;
  }
}

void grad_slice(GradCtx& c) {
  const auto& a = c.as<SliceAttrs>();
  const Shape& x = c.type(c.x(0)).shape;
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  SliceGradAttrs g{.axis = axis, .begin = range_of(a, x[axis]).first, .shape = {}};
  for (int64_t extent : x) g.shape.d[g.shape.n++] = extent;
  c.dx[0] = c.emit(op::slice_grad, {c.dy[0]}, make_attrs(g));
}

void grad_transpose(GradCtx& c) {
  const Dims& perm = c.as<TransposeAttrs>().perm;
  TransposeAttrs back{.perm = {.n = perm.n, .d = {}}};
  for (int64_t i = 0; i < perm.n; ++i) back.perm.d[perm.d[i]] = i;
  c.dx[0] = c.emit(op::transpose, {c.dy[0]}, make_attrs(back));
}

int64_t no_flops(const InferCtx&) { return 0; }

}  // namespace

namespace op {

const OpDef concat{
    .name = "concat",
    .doc = "Inputs joined along one axis.",
    .args = "x...",
    .attrs = &attr_ops<ConcatAttrs>,
    .onnx = {"Concat", 13},
    .infer = infer_concat,
    .grad = grad_concat,
    .flops = no_flops,
};

const OpDef slice{
    .name = "slice",
    .doc = "Part of the input from index begin to index end of one axis.",
    .attrs = &attr_ops<SliceAttrs>,
    .infer = infer_slice,
    .grad = grad_slice,
    .flops = no_flops,
};

const OpDef slice_grad{
    .name = "slice_grad",
    .doc = "Gradient of slice: dy where it was taken from, zeros elsewhere.",
    .args = "dy",
    .results = "dx",
    .attrs = &attr_ops<SliceGradAttrs>,
    .infer = infer_slice_grad,
    .flops = no_flops,
};

const OpDef transpose{
    .name = "transpose",
    .doc = "Axes of the input in another order.",
    .attrs = &attr_ops<TransposeAttrs>,
    .onnx = {"Transpose", 13},
    .infer = infer_transpose,
    .grad = grad_transpose,
    .flops = no_flops,
};

}  // namespace op
}  // namespace dl
