// Pairs with broadcasting, and broadcast_to.
#include "kernels/elementwise_attrs.h"
#include "kernels/reduce_attrs.h"
#include "ops/broadcast.h"
#include "ops/dims_field.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const BroadcastToAttrs*) {
  return std::tuple{field("shape", &BroadcastToAttrs::shape, "Extents of the result.").at_least(0),
                    field("axes", &BroadcastToAttrs::axes,
                          "Axes of the result that x does not have; none: align to the right.")
                        .at_least(0)};
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape& out) {
  const Shape &longer = a.rank() >= b.rank() ? a : b, &shorter = a.rank() >= b.rank() ? b : a;
  out = longer;
  const int gap = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    int64_t& d = out[gap + i];
    if (d != shorter[i] && d != 1 && shorter[i] != 1) return false;
    if (d == 1) d = shorter[i];
  }
  return true;
}

namespace op {
namespace {

void infer_pair(InferCtx& c) {
  c.require(is_real(c.x(0).dtype) && c.x(1).dtype == c.x(0).dtype,
            str("takes f32, got ", c.x(0).text(), " and ", c.x(1).text()));
  Shape shape;
  c.require(broadcast_shapes(c.x(0).shape, c.x(1).shape, shape),
            str(c.x(0).text(), " and ", c.x(1).text(),
                " do not fit: aligned to the right, extents must be equal or 1"));
  c.out = {{c.x(0).dtype, shape}};
}

const Shape& shape_of(GradCtx& c, size_t i) { return c.type(c.x(i)).shape; }

void grad_add(GradCtx& c) {
  for (size_t i : {0u, 1u})
    if (c.needs(i)) c.dx[i] = emit_sum_to(c, c.dy[0], shape_of(c, i));
}

void grad_sub(GradCtx& c) {
  if (c.needs(0)) c.dx[0] = emit_sum_to(c, c.dy[0], shape_of(c, 0));
  if (c.needs(1)) c.dx[1] = c.emit(neg, {emit_sum_to(c, c.dy[0], shape_of(c, 1))});
}

void grad_mul(GradCtx& c) {
  for (size_t i : {0u, 1u})
    if (c.needs(i)) c.dx[i] = emit_sum_to(c, c.emit(mul, {c.dy[0], c.x(1 - i)}), shape_of(c, i));
}

void grad_div(GradCtx& c) {  // db = -dy y / b
  if (c.needs(0)) c.dx[0] = emit_sum_to(c, c.emit(div, {c.dy[0], c.x(1)}), shape_of(c, 0));
  if (!c.needs(1)) return;
  const ValueId q = c.emit(div, {c.emit(mul, {c.dy[0], c.y()}), c.x(1)});
  c.dx[1] = c.emit(neg, {emit_sum_to(c, q, shape_of(c, 1))});
}

// Of equal elements the first operand's takes dy: its mask is greater_equal, the other's is less.
void grad_extremum(GradCtx& c, size_t larger, size_t smaller) {
  if (c.needs(0)) {
    const ValueId mask = c.emit(greater_equal, {c.x(larger), c.x(smaller)});
    c.dx[0] = emit_sum_to(c, c.emit(mul, {c.dy[0], mask}), shape_of(c, 0));
  }
  if (c.needs(1)) {
    const ValueId mask = c.emit(less, {c.x(larger), c.x(smaller)});
    c.dx[1] = emit_sum_to(c, c.emit(mul, {c.dy[0], mask}), shape_of(c, 1));
  }
}

// With the slope's part below 0: dslope = dy min(x, 0).
void grad_prelu(GradCtx& c) {
  if (c.needs(0))
    c.dx[0] = emit_sum_to(c, c.emit(mul, {c.dy[0], c.emit(prelu_slope, {c.x(0), c.x(1)})}), shape_of(c, 0));
  if (!c.needs(1)) return;
  const ValueId below = c.emit(sub, {c.x(0), c.emit(relu, {c.x(0)})});
  c.dx[1] = emit_sum_to(c, c.emit(mul, {c.dy[0], below}), shape_of(c, 1));
}

constexpr OpDef pair(std::string_view name, std::string_view doc, uint32_t traits, OnnxMap onnx,
                     void (*grad)(GradCtx&)) {
  OpDef d{.name = name, .doc = doc, .args = "a b", .traits = kElementwise | kInPlace | traits, .onnx = onnx};
  d.infer = infer_pair;
  d.grad = grad;
  return d;
}

void infer_broadcast_to(InferCtx& c) {
  const auto& a = c.as<BroadcastToAttrs>();
  const TensorType& x = c.x(0);
  const Shape to(std::span<const int64_t>(a.shape.d, static_cast<size_t>(a.shape.n)));
  c.require(is_real(x.dtype), str("takes f32, got ", x.text()));
  Shape from = x.shape;
  if (a.axes.n > 0) {
    c.require(x.shape.rank() + a.axes.n == to.rank(),
              str(x.text(), " with ", a.axes.n, " more axes has not the rank of ", to.text()));
    from = to;
    bool inserted[Dims::kMost] = {};
    for (int64_t i = 0; i < a.axes.n; ++i) {
      const int64_t k = a.axes.d[i];
      c.require(k >= 0 && k < to.rank() && !inserted[k], str("axis ", k, " is out of range or given twice"));
      inserted[k] = true;
    }
    for (int i = 0, j = 0; i < to.rank(); ++i) from[i] = inserted[i] ? 1 : x.shape[j++];
  }
  Shape both;
  c.require(broadcast_shapes(from, to, both) && both == to,
            str(x.text(), " does not stretch to ", to.text()));
  c.out = {{x.dtype, to}};
}

void grad_broadcast_to(GradCtx& c) {
  const Dims& axes = c.as<BroadcastToAttrs>().axes;
  ValueId dx = c.dy[0];
  if (axes.n > 0) dx = c.emit(reduce_sum, {dx}, make_attrs(ReduceAttrs{axes, false}));
  c.dx[0] = emit_sum_to(c, dx, shape_of(c, 0));
}

}  // namespace

const OpDef add = pair("add", "a + b, with broadcasting.", kCommutative, {"Add", 13}, grad_add);
const OpDef sub = pair("sub", "a - b, with broadcasting.", 0, {"Sub", 13}, grad_sub);
const OpDef mul =
    pair("mul", "a times b element by element, with broadcasting.", kCommutative, {"Mul", 13}, grad_mul);
const OpDef div = pair("div", "a / b, with broadcasting.", 0, {"Div", 13}, grad_div);
const OpDef maximum = pair("maximum", "The larger of a and b, with broadcasting.", kCommutative, {"Max", 13},
                           [](GradCtx& c) { grad_extremum(c, 0, 1); });
const OpDef minimum = pair("minimum", "The smaller of a and b, with broadcasting.", kCommutative, {"Min", 13},
                           [](GradCtx& c) { grad_extremum(c, 1, 0); });
const OpDef greater_equal =
    pair("greater_equal", "1 where a >= b, else 0, with broadcasting.", 0, {}, nullptr);
const OpDef less = pair("less", "1 where a < b, else 0, with broadcasting.", 0, {}, nullptr);

const OpDef prelu =
    pair("prelu", "a where a > 0, else b a, with broadcasting (He et al. 2015).", 0, {}, grad_prelu);
const OpDef prelu_slope =
    pair("prelu_slope", "The slope of prelu: 1 where a > 0, else b, with broadcasting.", 0, {}, nullptr);

const OpDef broadcast_to{
    .name = "broadcast_to",
    .doc = "x repeated along its extents of 1 and along new axes to a larger shape.",
    .attrs = &attr_ops<BroadcastToAttrs>,
    .infer = infer_broadcast_to,
    .grad = grad_broadcast_to,
};

}  // namespace op
}  // namespace dl
