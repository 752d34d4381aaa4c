// conv_transpose2d: the gradient of the input of conv2d as an operator of its own. Its gradients are convolutions.
#include <algorithm>

#include "kernels/blocked.h"
#include "ops/conv2d.h"
#include "ops/dims_field.h"
#include "ops/gradient.h"

namespace dl {

constexpr auto fields(const ConvTranspose2dAttrs*) {
  using A = ConvTranspose2dAttrs;
  return std::tuple_cat(
      window_fields<A>("Rows and columns cut off the result: one number, or top, left, bottom, right."),
      std::tuple{
          field("output_padding", &A::output_padding,
                "Rows at the bottom and columns at the right of the result that the stride leaves open.")
              .at_least(0)
              .onnx("output_padding"),
          field("activation", &A::activation, "Activation applied to the result."), algorithm_field<A>()});
}

namespace {

// Extent of the result along one axis.
int64_t spread_extent(const InferCtx& c, int axis, int64_t extent, int64_t kernel) {
  const auto& a = c.as<ConvTranspose2dAttrs>();
  const char* what = axis ? "width" : "height";
  const int64_t more = a.output_padding[axis], pads = a.pads[axis] + a.pads[axis + 2];
  c.require(more < a.stride[axis], str("output_padding of ", what, " is ", more,
                                       ", expected less than the stride ", a.stride[axis]));
  c.require(extent > 0, str("the input has no ", what));
  const int64_t y = (extent - 1) * a.stride[axis] + a.dilation[axis] * (kernel - 1) + 1 + more;
  c.require(y > pads, str("pads cut ", pads, " off a result of ", what, " ", y));
  return y - pads;
}

void infer_conv_transpose2d(InferCtx& c) {
  const auto& a = c.as<ConvTranspose2dAttrs>();
  c.require(a.algorithm != ConvAlgorithm::planar, "planar has no transpose");
  c.require(c.x(1).dtype == c.x(0).dtype && c.x(1).shape.rank() == 4,
            str("weight is ", c.x(1).text(), ", expected f32 (in, out/groups, height, width)"));
  const Shape& w = c.x(1).shape;
  c.require(w.elements() > 0, str("weight f32[", w.text(), "] is empty"));
  c.require(w[0] % a.groups == 0, str(w[0], " input channels cannot be split into ", a.groups, " groups"));
  const Shape x = image_shape(c, 0, "input", w[0], form_out(a));
  c.require(x[1] == w[0], str("input has ", x[1], " channels, weight expects ", w[0]));
  const Shape y{x[0], w[1] * a.groups, spread_extent(c, 0, x[2], w[2]), spread_extent(c, 1, x[3], w[3])};
  c.require(!c.has(2) || c.x(2) == TensorType{DType::f32, {y[1]}},
            str("bias is ", c.has(2) ? c.x(2).text() : "", ", expected f32[", y[1], "]"));
  c.out = {in_form({c.x(0).dtype, y}, form_in(a))};
}

template <class To>
To window_of(const ConvTranspose2dAttrs& a) {
  To to;
  std::copy_n(a.stride, 2, to.stride);
  std::copy_n(a.pads, 4, to.pads);
  std::copy_n(a.dilation, 2, to.dilation);
  to.groups = a.groups;
  to.algorithm = a.algorithm;
  return to;
}

void grad_conv_transpose2d(GradCtx& c) {
  const auto& a = c.as<ConvTranspose2dAttrs>();
  require_unfused(c, a.activation == Activation::none);
  const ValueId x = c.x(0), w = c.x(1), dy = c.dy[0];
  const Shape ws = c.type(w).shape;
  if (c.needs(0)) c.dx[0] = c.emit(op::conv2d, {dy, w}, make_attrs(window_of<Conv2dAttrs>(a)));
  if (c.needs(1)) {  // dy is what the convolution read, x what it would have given
    auto g = window_of<Conv2dGradAttrs>(a);
    g.shape = dims_of(ws);
    c.dx[1] = c.emit(op::conv2d_grad_weight, {dy, x}, make_attrs(g));
  }
  if (c.node.in.size() < 3 || !c.needs(2)) return;
  const FromBlockedAttrs images{ws[1] * a.groups};
  c.dx[2] =
      sum_over(c, form_in(a) != ImageForm::images ? c.emit(op::from_blocked, {dy}, make_attrs(images)) : dy,
               {0, 2, 3});
}

}  // namespace

namespace op {

const OpDef conv_transpose2d{
    .name = "conv_transpose2d",
    .doc =
        "Transposed convolution of images x (N, in, H, W) with w (in, out/groups, h, w): every pixel of x "
        "times w is added "
        "to the result at stride times its place; plus bias (out). The gradient of conv2d with respect to "
        "its input.",
    .args = "x w b?",
    .attrs = &attr_ops<ConvTranspose2dAttrs>,
    .onnx = {"ConvTranspose", 11},
    .infer = infer_conv_transpose2d,
    .grad = grad_conv_transpose2d,
    .flops = [](const InferCtx& c) { return conv_flops(c.x(1).shape, c.x(0).shape); },
};

}  // namespace op
}  // namespace dl
