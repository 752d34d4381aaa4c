#include "kernels/loss_attrs.h"
#include "ops/gradient.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const SoftmaxAttrs*) {
  return std::tuple{
      field("axis", &SoftmaxAttrs::axis, "Axis that sums to 1; negative ones count from the end.")
          .onnx("axis")};
}

namespace op {
namespace {

void infer_softmax(InferCtx& c) {
  const int64_t axis = c.as<SoftmaxAttrs>().axis, rank = c.x(0).shape.rank();
  c.require(c.x(0).dtype == DType::f32, str("takes f32, got ", c.x(0).text()));
  c.require(axis >= -rank && axis < rank, str("axis ", axis, " is out of range for x of rank ", rank));
  infer_same_as_first(c);
}

}  // namespace

const OpDef softmax{
    .name = "softmax",
    .doc = "e^x divided by its sum along an axis.",
    .attrs = &attr_ops<SoftmaxAttrs>,
    .traits = kInPlace,
    .onnx = {"Softmax", 13},
    .infer = infer_softmax,
    .grad = grad_by_y<softmax_grad>,
};
const OpDef softmax_grad{
    .name = "softmax_grad",
    .doc = "Gradient of softmax: y (dy - sum(dy y)).",
    .args = "y dy",
    .results = "dx",
    .attrs = &attr_ops<SoftmaxAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_softmax,
};

const OpDef log_softmax{
    .name = "log_softmax",
    .doc = "Logarithm of softmax along an axis.",
    .attrs = &attr_ops<SoftmaxAttrs>,
    .traits = kInPlace,
    .onnx = {"LogSoftmax", 13},
    .infer = infer_softmax,
    .grad = grad_by_y<log_softmax_grad>,
};
const OpDef log_softmax_grad{
    .name = "log_softmax_grad",
    .doc = "Gradient of log_softmax: dy - e^y sum(dy).",
    .args = "y dy",
    .results = "dx",
    .attrs = &attr_ops<SoftmaxAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_softmax,
};

}  // namespace op
}  // namespace dl
