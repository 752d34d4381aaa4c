// Batch norm (Ioffe and Szegedy 2015) in training and with running statistics.
#include <array>

#include "kernels/elementwise_attrs.h"
#include "kernels/norm_attrs.h"
#include "ops/broadcast.h"
#include "ops/gradient.h"
#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

constexpr auto enum_names(const NormActivation*) {
  return std::array<std::string_view, 3>{"none", "relu", "relu6"};
}
template <class A>
constexpr auto activation_field() {
  return field("activation", &A::activation, "Applied to the result.");
}
template <class A>
constexpr auto blocked_field() {
  return field("blocked", &A::blocked, "x is in blocked form, with as many channels as gamma.");
}

constexpr auto fields(const BatchNormAttrs*) {
  return std::tuple{
      field("epsilon", &BatchNormAttrs::epsilon, "Added to the variance.").at_least(0),
      field("momentum", &BatchNormAttrs::momentum, "Weight of this batch in the running statistics.")
          .range(0, 1),
      activation_field<BatchNormAttrs>(), blocked_field<BatchNormAttrs>()};
}
constexpr auto fields(const BatchNormGradAttrs*) {
  return std::tuple{activation_field<BatchNormGradAttrs>(), blocked_field<BatchNormGradAttrs>()};
}
constexpr auto fields(const BatchNormInferenceAttrs*) {
  return std::tuple{field("epsilon", &BatchNormInferenceAttrs::epsilon, "Added to the variance.")
                        .onnx("epsilon")
                        .at_least(0),
                    activation_field<BatchNormInferenceAttrs>(), blocked_field<BatchNormInferenceAttrs>()};
}

namespace op {
namespace {

// Inputs [from, to) are f32[C] for axis 1 of x; input r, where there is one, has the type of x.
template <class A>
void require_channels(const InferCtx& c, size_t from, size_t to, size_t r) {
  const auto& a = c.as<A>();
  const TensorType& x = c.x(0);
  c.require(is_real(x.dtype) && x.shape.rank() >= 2, str("takes f32 (N, C, ...), got ", x.text()));
  const TensorType& gamma = c.x(from);
  c.require(gamma.shape.rank() == 1, str("input ", from, " is ", gamma.text(), ", expected f32[C]"));
  if (a.blocked) image_shape(c, 0, "x", gamma.shape[0], ImageForm::any_blocked);
  const TensorType want{DType::f32, {a.blocked ? gamma.shape[0] : x.shape[1]}};
  for (size_t i = from; i < to; ++i)
    c.require(c.x(i) == want,
              str("input ", i, " is ", c.x(i).text(), ", expected ", want.text(), " for x ", x.text()));
  c.require(!c.has(r) || c.x(r) == x, str("the residual must be ", x.text()));
}

void infer_batch_norm(InferCtx& c) {
  require_channels<BatchNormAttrs>(c, 1, 5, 5);
  const TensorType& x = c.x(0);
  c.require(x.elements() > 0, str("has no elements to average in ", x.text()));
  c.out.assign(5, c.x(1));
  c.out[0] = x;
}

void grad_batch_norm(GradCtx& c) {
  require_unfused(c, c.as<BatchNormAttrs>().activation == NormActivation::none);
  if (c.dy[0] == kNone || !(c.needs(0) || c.needs(1) || c.needs(2))) return;
  const BatchNormGradAttrs form{.blocked = c.as<BatchNormAttrs>().blocked};
  const std::vector<ValueId> d =
      c.emit_all(batch_norm_grad, {c.x(0), c.dy[0], c.x(1), c.y(1), c.y(2)}, make_attrs(form));
  for (size_t i = 0; i < 3; ++i)
    if (c.needs(i)) c.dx[i] = d[i];
}

// With fixed statistics: xh = (x - mean) r, r = 1 / sqrt(var + epsilon), y = gamma xh + beta.
void grad_inference(GradCtx& c) {
  require_unfused(c, c.as<BatchNormInferenceAttrs>().activation == NormActivation::none);
  const Shape& x = c.type(c.x(0)).shape;
  const Shape channels{x[1]};
  Shape column = channels;  // (C, 1, ...): stretches over x
  for (int i = 2; i < x.rank(); ++i) column.push_back(1);
  const auto epsilon = static_cast<float>(c.as<BatchNormInferenceAttrs>().epsilon);
  const ValueId std = c.emit(sqrt, {c.emit(scale_shift, {c.x(4)}, make_attrs(ScaleShiftAttrs{1, epsilon}))});
  if (c.needs(0)) c.dx[0] = c.emit(mul, {c.dy[0], reshape_to(c, c.emit(div, {c.x(1), std}), column)});
  if (c.needs(1)) {
    const ValueId centred = c.emit(sub, {c.x(0), reshape_to(c, c.x(3), column)});
    const ValueId sum = emit_sum_to(c, c.emit(mul, {c.dy[0], centred}), column);
    c.dx[1] = c.emit(div, {reshape_to(c, sum, channels), std});
  }
  if (c.needs(2)) c.dx[2] = reshape_to(c, emit_sum_to(c, c.dy[0], column), channels);
}

}  // namespace

const OpDef batch_norm{
    .name = "batch_norm",
    .doc =
        "Each channel (axis 1) to mean 0 and variance 1 over the batch, times gamma plus beta, plus the "
        "residual "
        "r before the activation. Also gives the batch's mean and 1 / sqrt(var + epsilon), and the running "
        "statistics moved towards the batch's by momentum; the running variance takes the unbiased estimate "
        "(divisor M - 1), as PyTorch does and ONNX does not.",
    .args = "x gamma beta running_mean running_var r?",
    .results = "y mean rstd new_running_mean new_running_var",
    .attrs = &attr_ops<BatchNormAttrs>,
    .traits = kInPlace,
    .infer = infer_batch_norm,
    .grad = grad_batch_norm,
    .flops = [](const InferCtx& c) { return 8 * c.x(0).elements(); },
};

const OpDef batch_norm_grad{
    .name = "batch_norm_grad",
    .doc =
        "Gradient of batch_norm, through the statistics of the batch; beta, given with an activation, "
        "tells "
        "where nothing was cut off.",
    .args = "x dy gamma mean rstd beta?",
    .results = "dx dgamma dbeta",
    .attrs = &attr_ops<BatchNormGradAttrs>,
    .traits = kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer =
        [](InferCtx& c) {
          require_channels<BatchNormGradAttrs>(c, 2, c.has(5) ? 6 : 5, 6);
          const bool cut = c.as<BatchNormGradAttrs>().activation != NormActivation::none;
          c.require(cut == c.has(5), "beta and an activation belong together");
          c.require(c.x(0) == c.x(1), str("x is ", c.x(0).text(), ", dy ", c.x(1).text()));
          c.out = {c.x(0), c.x(2), c.x(2)};
        },
    .flops = [](const InferCtx& c) { return 10 * c.x(0).elements(); },
};

const OpDef batch_norm_inference{
    .name = "batch_norm_inference",
    .doc =
        "gamma (x - mean) / sqrt(var + epsilon) + beta for each channel (axis 1), with given statistics; "
        "plus r.",
    .args = "x gamma beta mean var r?",
    .attrs = &attr_ops<BatchNormInferenceAttrs>,
    .traits = kInPlace,
    .onnx = {"BatchNormalization", 13},
    .infer =
        [](InferCtx& c) {
          require_channels<BatchNormInferenceAttrs>(c, 1, 5, 5);
          infer_same_as_first(c);
        },
    .grad = grad_inference,
    .flops = [](const InferCtx& c) { return 3 * c.x(0).elements(); },
};

}  // namespace op
}  // namespace dl
