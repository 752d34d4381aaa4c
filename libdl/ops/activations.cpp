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
constexpr auto fields(const CeluAttrs*) {
  return std::tuple{field("alpha", &CeluAttrs::alpha, "The limit towards minus infinity is -alpha.")
                        .onnx("alpha")
                        .at_least(1e-6)};
}
constexpr auto fields(const HardSigmoidAttrs*) {
  return std::tuple{
      field("slope", &HardSigmoidAttrs::slope, "Slope of the middle part.").onnx("alpha").at_least(0),
      field("shift", &HardSigmoidAttrs::shift, "Value at 0.").onnx("beta")};
}
constexpr auto fields(const ThresholdAttrs*) {
  return std::tuple{
      field("threshold", &ThresholdAttrs::threshold, "What x must be larger than.").onnx("alpha")};
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

// The scale and alpha of the paper are those of ONNX's Selu.
const OpDef selu =
    activation("selu",
               "Scaled elu that keeps mean 0 and variance 1: 1.0507 (x where x > 0, else 1.67326 (e^x - 1)) "
               "(Klambauer et al. 2017).",
               {"Selu", 6}, grad_by_y<selu_grad>);
const OpDef selu_grad =
    gradient("selu_grad", "Gradient of selu: 1.0507 dy where y > 0, else dy (y + 1.0507 1.67326).", "y dy");

const OpDef celu =
    activation("celu", "Elu with a continuous slope: x where x > 0, else alpha (e^(x / alpha) - 1).",
               {"Celu", 12}, grad_by_y<celu_grad>, &attr_ops<CeluAttrs>);
const OpDef celu_grad = gradient("celu_grad", "Gradient of celu: dy where y > 0, else dy (y / alpha + 1).",
                                 "y dy", &attr_ops<CeluAttrs>);

const OpDef hard_sigmoid =
    activation("hard_sigmoid", "slope x + shift held between 0 and 1.", {"HardSigmoid", 6},
               grad_by_y<hard_sigmoid_grad>, &attr_ops<HardSigmoidAttrs>);
const OpDef hard_sigmoid_grad =
    gradient("hard_sigmoid_grad", "Gradient of hard_sigmoid: slope dy where 0 < y < 1, else 0.", "y dy",
             &attr_ops<HardSigmoidAttrs>);

// HardSwish is of opset 14; exchange/ writes the product.
const OpDef hard_swish =
    activation("hard_swish", "x times (x + 3) / 6 held between 0 and 1 (Howard et al. 2019).", {},
               grad_by_x<hard_swish_grad>);
const OpDef hard_swish_grad = gradient(
    "hard_swish_grad", "Gradient of hard_swish: 0 below -3, dy above 3, dy (x / 3 + 1 / 2) between.", "x dy");

const OpDef mish = activation("mish", "x tanh(softplus(x)) (Misra 2019).", {}, grad_by_x<mish_grad>);
const OpDef mish_grad = gradient(
    "mish_grad", "Gradient of mish: dy (t + x sigmoid(x) (1 - t^2)), t = tanh(softplus(x)).", "x dy");

const OpDef log_sigmoid =
    activation("log_sigmoid", "Logarithm of the logistic function.", {}, grad_by_x<log_sigmoid_grad>);
const OpDef log_sigmoid_grad =
    gradient("log_sigmoid_grad", "Gradient of log_sigmoid: dy sigmoid(-x).", "x dy");

const OpDef thresholded_relu =
    activation("thresholded_relu", "x where x > threshold, else 0.", {"ThresholdedRelu", 10},
               grad_by_x<thresholded_relu_grad>, &attr_ops<ThresholdAttrs>);
const OpDef thresholded_relu_grad =
    gradient("thresholded_relu_grad", "Gradient of thresholded_relu: dy where x > threshold, else 0.", "x dy",
             &attr_ops<ThresholdAttrs>);

const OpDef step = activation("step", "1 where x > threshold, else 0; has no gradient.", {}, nullptr,
                              &attr_ops<ThresholdAttrs>);

}  // namespace op
}  // namespace dl
