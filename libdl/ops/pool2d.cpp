// max_pool2d, avg_pool2d and their gradients.
#include "kernels/pool2d.h"

#include <algorithm>

#include "kernels/blocked.h"
#include "ops/dims_field.h"
#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

template <class A>
constexpr auto pool_fields() {
  return std::tuple{
      field("kernel", &A::kernel, "Extents of a window: one number, or height and width.")
          .at_least(1)
          .onnx("kernel_shape")
          .required(),
      field("stride", &A::stride, "Distance between windows: one number, or vertical and horizontal.")
          .at_least(1)
          .onnx("strides"),
      field("pads", &A::pads, "Padding around the image: one number, or top, left, bottom, right.")
          .at_least(0)
          .onnx("pads"),
  };
}
template <class A>
constexpr auto ceil_field() {
  return field("ceil_mode", &A::ceil_mode, "A last window may end outside the padded image.")
      .onnx("ceil_mode");
}
template <class A>
constexpr auto include_field() {
  return field("count_include_pad", &A::count_include_pad, "The mean counts the zeros of the padding.")
      .onnx("count_include_pad");
}

constexpr auto fields(const MaxPool2dAttrs*) {
  return std::tuple_cat(pool_fields<MaxPool2dAttrs>(), std::tuple{ceil_field<MaxPool2dAttrs>()});
}
constexpr auto fields(const AvgPool2dAttrs*) {
  return std::tuple_cat(pool_fields<AvgPool2dAttrs>(),
                        std::tuple{ceil_field<AvgPool2dAttrs>(), include_field<AvgPool2dAttrs>()});
}
constexpr auto fields(const AvgPool2dGradAttrs*) {
  return std::tuple_cat(
      pool_fields<AvgPool2dGradAttrs>(),
      std::tuple{include_field<AvgPool2dGradAttrs>(),
                 field("shape", &AvgPool2dGradAttrs::shape, "Extents of the input.").required()});
}

namespace {

template <class A>
void infer_pool(InferCtx& c) {
  const auto& a = c.as<A>();
  const Shape& x = require_windowed(c, 0, "input");
  for (int i = 0; i < 4; ++i)
    c.require(a.pads[i] < a.kernel[i % 2],
              str("padding ", a.pads[i], " must be smaller than the kernel, which is ", a.kernel[i % 2],
                  i % 2 ? " wide" : " high"));
  const int64_t oh =
      window_extent(c, "height", x[2], a.kernel[0], a.stride[0], 1, a.pads[0], a.pads[2], a.ceil_mode);
  const int64_t ow =
      window_extent(c, "width", x[3], a.kernel[1], a.stride[1], 1, a.pads[1], a.pads[3], a.ceil_mode);
  c.out = {c.x(0)};
  c.out[0].shape[2] = oh;
  c.out[0].shape[3] = ow;
}

void infer_max_grad(InferCtx& c) {
  infer_pool<MaxPool2dAttrs>(c);
  c.require(c.x(1) == c.out[0], str("dy is ", c.x(1).text(), ", expected ", c.out[0].text()));
  c.out = {c.x(0)};
}

void infer_avg_grad(InferCtx& c) {
  const Shape& dy = require_windowed(c, 0, "dy");
  const Dims& d = c.as<AvgPool2dGradAttrs>().shape;
  const int64_t lanes = dy.rank() == 4 ? 1 : dy[4], planes = (d.d[1] + lanes - 1) / lanes;
  c.require(d.n == 4 && d.d[0] == dy[0] && planes == dy[1], str("shape does not fit dy ", c.x(0).text()));
  c.out = {c.x(0)};
  c.out[0].shape[2] = d.d[2];
  c.out[0].shape[3] = d.d[3];
}

void grad_avg(GradCtx& c) {
  const auto& a = c.as<AvgPool2dAttrs>();
  AvgPool2dGradAttrs g;
  std::copy_n(a.kernel, 2, g.kernel);
  std::copy_n(a.stride, 2, g.stride);
  std::copy_n(a.pads, 4, g.pads);
  g.count_include_pad = a.count_include_pad;
  const Shape& x = c.type(c.x(0)).shape;
  g.shape.n = 4;
  std::copy_n(x.begin(), 4, g.shape.d);
  if (x.rank() == 5) g.shape.d[1] *= x[4];  // channels, with those of the last block that may be unused
  c.dx[0] = c.emit(op::avg_pool2d_grad, {c.dy[0]}, make_attrs(g));
}

template <class A>
int64_t flops_pool(const InferCtx& c) {
  return c.out[0].elements() * c.as<A>().kernel[0] * c.as<A>().kernel[1];
}

}  // namespace

namespace op {

const OpDef max_pool2d{
    .name = "max_pool2d",
    .doc = "Largest value of each window of images (N, C, H, W).",
    .attrs = &attr_ops<MaxPool2dAttrs>,
    .onnx = {"MaxPool", 12},
    .infer = infer_pool<MaxPool2dAttrs>,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(max_pool2d_grad, {c.x(0), c.dy[0]}, c.attrs());
        },
    .flops = flops_pool<MaxPool2dAttrs>,
};

const OpDef max_pool2d_grad{
    .name = "max_pool2d_grad",
    .doc = "Gradient of max_pool2d: goes to the first largest value of each window.",
    .args = "x dy",
    .results = "dx",
    .attrs = &attr_ops<MaxPool2dAttrs>,
    .infer = infer_max_grad,
};

const OpDef avg_pool2d{
    .name = "avg_pool2d",
    .doc = "Mean of each window of images (N, C, H, W).",
    .attrs = &attr_ops<AvgPool2dAttrs>,
    .onnx = {"AveragePool", 11},
    .infer = infer_pool<AvgPool2dAttrs>,
    .grad = grad_avg,
    .flops = flops_pool<AvgPool2dAttrs>,
};

const OpDef avg_pool2d_grad{
    .name = "avg_pool2d_grad",
    .doc = "Gradient of avg_pool2d: spreads each value evenly over its window.",
    .args = "dy",
    .results = "dx",
    .attrs = &attr_ops<AvgPool2dGradAttrs>,
    .infer = infer_avg_grad,
};

}  // namespace op
}  // namespace dl
