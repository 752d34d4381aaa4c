// Losses as one operator each: a mean over the batch, f32[], summed in double in a fixed order.
#include "kernels/loss_attrs.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const CrossEntropyAttrs*) {
  return std::tuple{
      field("label_smoothing", &CrossEntropyAttrs::label_smoothing,
            "Share of the target spread over all classes.")
          .range(0, 1),
      field("ignore_index", &CrossEntropyAttrs::ignore_index, "Labels of this value do not count.")};
}
constexpr auto fields(const HuberAttrs*) {
  return std::tuple{
      field("delta", &HuberAttrs::delta, "Where the square turns into a straight line.").at_least(1e-30)};
}
constexpr auto fields(const BceAttrs*) {
  return std::tuple{
      field("pos_weight", &BceAttrs::pos_weight, "Factor of the terms whose target is 1.").at_least(0)};
}
constexpr auto fields(const FocalAttrs*) {
  return std::tuple{
      field("gamma", &FocalAttrs::gamma, "How much less the terms that are right already count.")
          .range(0, 100),
      field("alpha", &FocalAttrs::alpha,
            "Factor of the terms whose target is 1, 1 - alpha of the others; negative: none.")
          .range(-1, 1)};
}
constexpr auto fields(const QuantileAttrs*) {
  return std::tuple{field("q", &QuantileAttrs::q, "The quantile that x is to be.").range(0, 1)};
}
constexpr auto fields(const HingeAttrs*) {
  return std::tuple{field("margin", &HingeAttrs::margin, "What t x is to reach.").at_least(0),
                    field("squared", &HingeAttrs::squared, "Square each term.")};
}
constexpr auto fields(const PoissonNllAttrs*) {
  return std::tuple{
      field("full", &PoissonNllAttrs::full, "Add Stirling's approximation of log t! where t > 1.")};
}

namespace op {
namespace {

const TensorType kNumber{DType::f32, Shape{}};

void require_labels(const InferCtx& c) {
  const TensorType &x = c.x(0), &labels = c.x(1);
  c.require(x.dtype == DType::f32 && x.shape.rank() >= 2,
            str("takes logits f32 (N, C, ...), got ", x.text()));
  c.require(labels.dtype == DType::i32 || labels.dtype == DType::u8,
            str("takes labels of i32 or u8, got ", labels.text()));
  Shape want{x.shape[0]};
  for (int i = 2; i < x.shape.rank(); ++i) want.push_back(x.shape[i]);
  c.require(labels.shape == want,
            str("labels ", labels.text(), " do not fit logits ", x.text(), ", expected shape ", want.text()));
}

void require_class_weights(const InferCtx& c, size_t i) {
  if (c.has(i))
    c.require(c.x(i) == TensorType{DType::f32, Shape{c.x(0).shape[1]}},
              str("class weights ", c.x(i).text(), " must be f32[", c.x(0).shape[1], "]"));
}

void infer_cross_entropy(InferCtx& c) {
  require_labels(c);
  require_class_weights(c, 2);
  c.out = {kNumber, {DType::f32, c.x(1).shape}, kNumber};
}

void grad_cross_entropy(GradCtx& c) {
  if (!c.needs(0) || c.dy[0] == kNone) return;
  std::vector<ValueId> in{c.x(0), c.x(1), c.y(1), c.y(2), c.dy[0]};
  if (c.x(2) != kNone) in.push_back(c.x(2));
  c.dx[0] = c.emit(cross_entropy_grad, std::move(in), c.attrs());
}

void infer_pointwise(InferCtx& c) {
  c.require(c.x(0).dtype == DType::f32 && c.x(0) == c.x(1),
            str("takes f32 of one shape, got ", c.x(0).text(), " and ", c.x(1).text()));
  c.out = {kNumber};
}

// By x, and by t where the loss depends on x - t alone.
template <const OpDef& kGrad, bool kSymmetric>
void grad_pointwise(GradCtx& c) {
  if (!c.needs(0) && !(kSymmetric && c.needs(1))) return;
  const ValueId dx = c.emit(kGrad, {c.x(0), c.x(1), c.dy[0]}, c.attrs());
  if (c.needs(0)) c.dx[0] = dx;
  if (kSymmetric && c.needs(1)) c.dx[1] = c.emit(neg, {dx});
}

constexpr OpDef pointwise(std::string_view name, std::string_view doc, void (*grad)(GradCtx&),
                          const AttrOps* attrs = &attr_ops<NoAttrs>) {
  OpDef d{.name = name, .doc = doc, .args = "x t", .results = "loss", .attrs = attrs};
  d.infer = infer_pointwise;
  d.grad = grad;
  return d;
}

constexpr OpDef pointwise_grad(std::string_view name, std::string_view doc,
                               const AttrOps* attrs = &attr_ops<NoAttrs>) {
  OpDef d{.name = name, .doc = doc, .args = "x t dloss", .results = "dx", .attrs = attrs, .traits = kInPlace};
  d.infer = infer_same_as_first;
  return d;
}

}  // namespace

const OpDef cross_entropy{
    .name = "cross_entropy",
    .doc =
        "Cross entropy of softmax(logits) along axis 1 with integer labels, weighted mean over those that "
        "count. "
        "0 when none counts. Also gives log sum e^x and the sum of weights, for the gradient.",
    .args = "logits labels class_weights?",
    .results = "loss lse weight",
    .attrs = &attr_ops<CrossEntropyAttrs>,
    .infer = infer_cross_entropy,
    .grad = grad_cross_entropy,
    .flops = [](const InferCtx& c) { return 4 * c.x(0).elements(); },
};

const OpDef cross_entropy_grad{
    .name = "cross_entropy_grad",
    .doc = "Gradient of cross_entropy: (softmax - target) dloss / weight.",
    .args = "logits labels lse weight dloss class_weights?",
    .results = "dlogits",
    .attrs = &attr_ops<CrossEntropyAttrs>,
    .traits = kInPlace,
    .infer =
        [](InferCtx& c) {
          require_labels(c);
          require_class_weights(c, 5);
          infer_same_as_first(c);
        },
    .flops = [](const InferCtx& c) { return 3 * c.x(0).elements(); },
};

const OpDef mse = pointwise("mse", "Mean of (x - t)^2.", grad_pointwise<mse_grad, true>);
const OpDef mse_grad = pointwise_grad("mse_grad", "Gradient of mse: 2 (x - t) dloss / n.");

const OpDef l1 = pointwise("l1", "Mean of |x - t|.", grad_pointwise<l1_grad, true>);
const OpDef l1_grad = pointwise_grad("l1_grad", "Gradient of l1: the sign of x - t times dloss / n.");

const OpDef huber =
    pointwise("huber", "Mean of (x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2).",
              grad_pointwise<huber_grad, true>, &attr_ops<HuberAttrs>);
const OpDef huber_grad = pointwise_grad(
    "huber_grad", "Gradient of huber: x - t held within delta, times dloss / n.", &attr_ops<HuberAttrs>);

const OpDef bce_with_logits =
    pointwise("bce_with_logits", "Binary cross entropy of sigmoid(x) with t in 0..1, mean over all elements.",
              grad_pointwise<bce_with_logits_grad, false>, &attr_ops<BceAttrs>);
const OpDef bce_with_logits_grad = pointwise_grad(
    "bce_with_logits_grad", "Gradient of bce_with_logits: ((1 - t) s - pos_weight t (1 - s)) dloss / n.",
    &attr_ops<BceAttrs>);

const OpDef focal_with_logits =
    pointwise("focal_with_logits",
              "Binary cross entropy of p = sigmoid(x) with t in 0..1, each term times (1 - p)^gamma or "
              "p^gamma: what is "
              "right already counts less (Lin et al. 2017).",
              grad_pointwise<focal_with_logits_grad, false>, &attr_ops<FocalAttrs>);
const OpDef focal_with_logits_grad =
    pointwise_grad("focal_with_logits_grad", "Gradient of focal_with_logits.", &attr_ops<FocalAttrs>);

const OpDef log_cosh =
    pointwise("log_cosh", "Mean of log cosh(x - t): like mse for small errors, like l1 for large ones.",
              grad_pointwise<log_cosh_grad, true>);
const OpDef log_cosh_grad = pointwise_grad("log_cosh_grad", "Gradient of log_cosh: tanh(x - t) dloss / n.");

const OpDef quantile = pointwise(
    "quantile", "Mean of q (t - x) where x < t, else (1 - q) (x - t): least at the quantile q of t.",
    grad_pointwise<quantile_grad, true>, &attr_ops<QuantileAttrs>);
const OpDef quantile_grad =
    pointwise_grad("quantile_grad", "Gradient of quantile: -q or 1 - q, times dloss / n; 0 at x = t.",
                   &attr_ops<QuantileAttrs>);

const OpDef hinge = pointwise("hinge", "Mean of max(0, margin - t x), or of its square, with t of 1 or -1.",
                              grad_pointwise<hinge_grad, false>, &attr_ops<HingeAttrs>);
const OpDef hinge_grad = pointwise_grad(
    "hinge_grad", "Gradient of hinge: -t, or -2 t (margin - t x), where t x < margin, times dloss / n.",
    &attr_ops<HingeAttrs>);

const OpDef exponential =
    pointwise("exponential", "Mean of e^(-t x), with t of 1 or -1.", grad_pointwise<exponential_grad, false>);
const OpDef exponential_grad =
    pointwise_grad("exponential_grad", "Gradient of exponential: -t e^(-t x) dloss / n.");

const OpDef poisson_nll = pointwise(
    "poisson_nll", "Mean of e^x - t x: minus the log likelihood of counts t of mean e^x, up to log t!.",
    grad_pointwise<poisson_nll_grad, false>, &attr_ops<PoissonNllAttrs>);
const OpDef poisson_nll_grad = pointwise_grad(
    "poisson_nll_grad", "Gradient of poisson_nll: (e^x - t) dloss / n.", &attr_ops<PoissonNllAttrs>);

}  // namespace op
}  // namespace dl
