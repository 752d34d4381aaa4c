#include <array>

#include "kernels/elementwise_attrs.h"
#include "ops/gradient.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const LeakyReluAttrs*) {
  return std::tuple{
      field("slope", &LeakyReluAttrs::slope, "Factor for negative x.").onnx("alpha").at_least(0)};
}
constexpr auto fields(const EluAttrs*) {
  return std::tuple{field("alpha", &EluAttrs::alpha, "The limit towards minus infinity is -alpha.")
                        .onnx("alpha")
                        .at_least(0)};
}
constexpr auto enum_names(const GeluForm*) { return std::array<std::string_view, 2>{"none", "tanh"}; }
constexpr auto fields(const GeluAttrs*) {
  return std::tuple{
      field("approximate", &GeluAttrs::approximate, "'none': with erf; 'tanh': the tanh formula.")};
}

namespace op {
namespace {

constexpr OpDef activation(std::string_view name, std::string_view doc, OnnxMap onnx, void (*grad)(GradCtx&),
                           const AttrOps* attrs = &attr_ops<NoAttrs>) {
  OpDef d{.name = name, .doc = doc, .attrs = attrs, .traits = kElementwise | kInPlace, .onnx = onnx};
  d.infer = infer_same_as_first;
  d.grad = grad;
  return d;
}

constexpr OpDef gradient(std::string_view name, std::string_view doc, std::string_view args,
                         const AttrOps* attrs = &attr_ops<NoAttrs>) {
  OpDef d{.name = name,
          .doc = doc,
          .args = args,
          .results = "dx",
          .attrs = attrs,
          .traits = kElementwise | kInPlace};
  d.in_place[0] = 1;
  d.infer = infer_same_as_first;
  return d;
}

}  // namespace

const OpDef relu =
    activation("relu", "Rectified linear unit: max(0, x).", {"Relu", 13}, grad_by_y<relu_grad>);
const OpDef relu_grad = gradient("relu_grad", "Gradient of relu: dy where y > 0, else 0.", "y dy");

const OpDef relu6 =
    activation("relu6", "Rectified linear unit up to 6: min(max(0, x), 6).", {}, grad_by_y<relu6_grad>);
const OpDef relu6_grad = gradient("relu6_grad", "Gradient of relu6: dy where 0 < y < 6, else 0.", "y dy");

const OpDef sigmoid =
    activation("sigmoid", "Logistic function 1 / (1 + e^-x).", {"Sigmoid", 13}, grad_by_y<sigmoid_grad>);
const OpDef sigmoid_grad = gradient("sigmoid_grad", "Gradient of sigmoid: dy y (1 - y).", "y dy");

const OpDef tanh = activation("tanh", "Hyperbolic tangent.", {"Tanh", 13}, grad_by_y<tanh_grad>);
const OpDef tanh_grad = gradient("tanh_grad", "Gradient of tanh: dy (1 - y^2).", "y dy");

const OpDef leaky_relu = activation("leaky_relu", "x where x > 0, else slope x.", {"LeakyRelu", 13},
                                    grad_by_y<leaky_relu_grad>, &attr_ops<LeakyReluAttrs>);
const OpDef leaky_relu_grad =
    gradient("leaky_relu_grad", "Gradient of leaky_relu: dy where y > 0, else slope dy.", "y dy",
             &attr_ops<LeakyReluAttrs>);

const OpDef elu = activation("elu", "Exponential linear unit: x where x > 0, else alpha (e^x - 1).",
                             {"Elu", 6}, grad_by_y<elu_grad>, &attr_ops<EluAttrs>);
const OpDef elu_grad = gradient("elu_grad", "Gradient of elu: dy where y > 0, else dy (y + alpha).", "y dy",
                                &attr_ops<EluAttrs>);

// No ONNX form of its own: Gelu is of opset 20, above what common tools read; exchange/ writes it with Erf or
// Tanh.
const OpDef gelu = activation("gelu", "Gaussian error linear unit: x Phi(x) (Hendrycks and Gimpel 2016).", {},
                              grad_by_x<gelu_grad>, &attr_ops<GeluAttrs>);
const OpDef gelu_grad =
    gradient("gelu_grad", "Gradient of gelu: dy (Phi(x) + x phi(x)).", "x dy", &attr_ops<GeluAttrs>);

const OpDef softplus =
    activation("softplus", "Smooth relu: log(1 + e^x).", {"Softplus", 1}, grad_by_x<softplus_grad>);
const OpDef softplus_grad = gradient("softplus_grad", "Gradient of softplus: dy sigmoid(x).", "x dy");

const OpDef softsign = activation("softsign", "x / (1 + |x|).", {"Softsign", 1}, grad_by_x<softsign_grad>);
const OpDef softsign_grad = gradient("softsign_grad", "Gradient of softsign: dy / (1 + |x|)^2.", "x dy");

const OpDef swish = activation("swish", "x sigmoid(x), also called SiLU.", {}, grad_by_x<swish_grad>);
const OpDef swish_grad =
    gradient("swish_grad", "Gradient of swish: dy s (1 + x (1 - s)), s = sigmoid(x).", "x dy");

}  // namespace op
}  // namespace dl
