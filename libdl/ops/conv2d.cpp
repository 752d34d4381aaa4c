// conv2d and its gradients.
#include "ops/conv2d.h"

#include <algorithm>

#include "kernels/blocked.h"
#include "ops/dims_field.h"
#include "ops/gradient.h"

namespace dl {

constexpr auto fields(const Conv2dAttrs*) {
  return std::tuple_cat(window_fields<Conv2dAttrs>(), std::tuple{field("activation", &Conv2dAttrs::activation,
                                                                       "Activation applied to the result."),
                                                                 algorithm_field<Conv2dAttrs>()});
}
constexpr auto fields(const Conv2dGradAttrs*) {
  return std::tuple_cat(
      window_fields<Conv2dGradAttrs>(),
      std::tuple{field("shape", &Conv2dGradAttrs::shape, "Extents of what the gradient is for.").required(),
                 algorithm_field<Conv2dGradAttrs>()});
}

namespace {

// Types of a forward convolution that fit each other; returns the type of y.
template <class A>
TensorType check_conv(const InferCtx& c, const Shape& x, const Shape& w, const A& a) {
  c.require(w[0] % a.groups == 0, str(w[0], " output channels cannot be split into ", a.groups, " groups"));
  c.require(x[1] % a.groups == 0,
            str("input has ", x[1], " channels, which cannot be split into ", a.groups, " groups"));
  c.require(x[1] == w[1] * a.groups, str("input has ", x[1], " channels, weight expects ", w[1] * a.groups));
  c.require(w.elements() > 0, str("weight f32[", w.text(), "] is empty"));
  const int64_t oh = window_extent(c, "height", x[2], w[2], a.stride[0], a.dilation[0], a.pads[0], a.pads[2]);
  const int64_t ow = window_extent(c, "width", x[3], w[3], a.stride[1], a.dilation[1], a.pads[1], a.pads[3]);
  return {c.x(0).dtype, {x[0], w[0], oh, ow}};
}

void infer_conv2d(InferCtx& c) {
  const auto& a = c.as<Conv2dAttrs>();
  c.require(c.x(1).dtype == c.x(0).dtype && c.x(1).shape.rank() == 4,
            str("weight is ", c.x(1).text(), ", expected f32 (out, in/groups, height, width)"));
  const Shape& w = c.x(1).shape;
  const Shape x = image_shape(c, 0, "input", w[1] * a.groups, form_in(a));
  c.out = {in_form(check_conv(c, x, w, a), form_out(a))};
  c.require(!c.has(2) || c.x(2) == TensorType{DType::f32, {w[0]}},
            str("bias is ", c.has(2) ? c.x(2).text() : "", ", expected f32[", w[0], "]"));
  c.require(!c.has(3) || c.x(3) == c.out[0],
            str("residual is ", c.has(3) ? c.x(3).text() : "", ", expected ", c.out[0].text()));
}

Shape shape_attr(const InferCtx& c) {
  const Dims& d = c.as<Conv2dGradAttrs>().shape;
  c.require(d.n == 4, str("shape has ", d.n, " numbers, expected 4"));
  return Shape{d.d[0], d.d[1], d.d[2], d.d[3]};
}

void require_gradient(const InferCtx& c, const TensorType& dy, const TensorType& y) {
  c.require(dy == y, str("dy is ", dy.text(), ", expected ", y.text()));
}

void infer_grad_input(InferCtx& c) {
  const auto& a = c.as<Conv2dGradAttrs>();
  c.require(a.algorithm != ConvAlgorithm::planar, "planar has no gradient of the input");
  const Shape& w = require_images(c, 0, "weight");
  const Shape dy = image_shape(c, 1, "dy", w[0], form_out(a));
  const Shape x = shape_attr(c);
  require_gradient(c, {c.x(1).dtype, dy}, check_conv(c, x, w, a));
  c.out = {in_form({c.x(1).dtype, x}, form_in(a))};
  for (const size_t i : {2, 3}) {
    if (!c.has(i)) continue;
    c.require(a.algorithm == ConvAlgorithm::direct || a.algorithm == ConvAlgorithm::winograd ||
                  a.algorithm == ConvAlgorithm::channels_last,
              "only direct, winograd and channels_last take r and y");
    c.require(c.x(i) == c.out[0],
              str(i == 2 ? "r" : "y", " is ", c.x(i).text(), ", expected ", c.out[0].text()));
  }
}

void infer_grad_weight(InferCtx& c) {
  const auto& a = c.as<Conv2dGradAttrs>();
  const Shape w = shape_attr(c);
  const Shape x = image_shape(c, 0, "input", w[1] * a.groups, form_in(a));
  const Shape dy = image_shape(c, 1, "dy", w[0], form_out(a));
  require_gradient(c, {c.x(1).dtype, dy}, check_conv(c, x, w, a));
  c.out = {{DType::f32, w}};  // whatever x and dy are: it goes into f32 parameters
}

Attrs grad_attrs(const Conv2dAttrs& a, const Shape& shape, ConvAlgorithm algorithm) {
  Conv2dGradAttrs g;
  std::copy_n(a.stride, 2, g.stride);
  std::copy_n(a.pads, 4, g.pads);
  std::copy_n(a.dilation, 2, g.dilation);
  g.groups = a.groups;
  g.shape.n = 4;
  std::copy(shape.begin(), shape.end(), g.shape.d);
  g.algorithm = algorithm;
  return make_attrs(g);
}

void grad_conv2d(GradCtx& c) {
  const auto& a = c.as<Conv2dAttrs>();
  require_unfused(c, a.activation == Activation::none);
  const ValueId x = c.x(0), w = c.x(1), dy = c.dy[0];
  const bool bias = c.node.in.size() > 2 && c.needs(2);
  const Shape &ws = c.type(w).shape, &xs = c.type(x).shape;
  const Shape images{xs[0], ws[1] * a.groups, xs[2], xs[3]};
  const auto dy_images = [&] {
    return form_out(a) != ImageForm::images
               ? c.emit(op::from_blocked, {dy}, make_attrs(FromBlockedAttrs{ws[0]}))
               : dy;
  };
  if (c.needs(0) && a.algorithm == ConvAlgorithm::planar) {  // which gives no images
    c.dx[0] = c.emit(op::conv2d_grad_input, {w, dy_images()}, grad_attrs(a, images, ConvAlgorithm::im2col));
  } else if (c.needs(0)) {
    c.dx[0] = c.emit(op::conv2d_grad_input, {w, dy}, grad_attrs(a, images, a.algorithm));
  }
  if (c.needs(1)) c.dx[1] = c.emit(op::conv2d_grad_weight, {x, dy}, grad_attrs(a, ws, a.algorithm));
  if (bias) c.dx[2] = sum_over(c, dy_images(), {0, 2, 3});
}

}  // namespace

namespace op {

const OpDef conv2d{
    .name = "conv2d",
    .doc =
        "Convolution of images x (N, in, H, W) with w (out, in/groups, h, w): cross-correlation plus bias "
        "(out); plus the residual r before the activation.",
    .args = "x w b? r?",
    .attrs = &attr_ops<Conv2dAttrs>,
    .onnx = {"Conv", 11},
    .infer = infer_conv2d,
    .grad = grad_conv2d,
    .flops = [](const InferCtx& c) { return conv_flops(c.x(1).shape, c.out[0].shape); },
};

const OpDef conv2d_grad_input{
    .name = "conv2d_grad_input",
    .doc =
        "Gradient of conv2d with respect to its input. Direct or by Winograd: plus r, and zero where y is "
        "not "
        "positive, which is the gradient of the relu that made y.",
    .args = "w dy r? y?",
    .results = "dx",
    .attrs = &attr_ops<Conv2dGradAttrs>,
    .infer = infer_grad_input,
    .flops = [](const InferCtx& c) { return conv_flops(c.x(0).shape, c.x(1).shape); },
};

const OpDef conv2d_grad_weight{
    .name = "conv2d_grad_weight",
    .doc = "Gradient of conv2d with respect to its weight.",
    .args = "x dy",
    .results = "dw",
    .attrs = &attr_ops<Conv2dGradAttrs>,
    .infer = infer_grad_weight,
    .flops = [](const InferCtx& c) { return conv_flops(c.out[0].shape, c.x(1).shape); },
};

}  // namespace op
}  // namespace dl
