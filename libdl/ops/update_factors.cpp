// What stands before an update: factors from the norms of whole tensors, the scale of the loss, noise.
#include "ops/update.h"

namespace dl {

constexpr auto fields(const GlobalNormScaleAttrs*) {
  return std::tuple{
      field("max_norm", &GlobalNormScaleAttrs::max_norm, "Largest norm of all gradients together.")
          .at_least(0)};
}
constexpr auto fields(const LossScaleAttrs*) {
  return std::tuple{
      field("growth_interval", &LossScaleAttrs::growth_interval, "Steps without overflow before scale grows.")
          .at_least(1),
      field("growth", &LossScaleAttrs::growth, "Factor of scale after that many.").at_least(1),
      field("backoff", &LossScaleAttrs::backoff, "Factor of scale after an overflow.").range(0, 1)};
}
constexpr auto fields(const TrustRatioAttrs*) {
  return std::tuple{
      field("coefficient", &TrustRatioAttrs::coefficient, "Factor of the ratio.").at_least(0),
      field("weight_decay", &TrustRatioAttrs::weight_decay, "Decay that the update adds to the step.")
          .at_least(0)};
}
constexpr auto fields(const AnnealedNoiseAttrs*) {
  return std::tuple{
      field("variance", &AnnealedNoiseAttrs::variance, "Variance in the first step.").at_least(0),
      field("decay", &AnnealedNoiseAttrs::decay, "Exponent of the step that the variance is divided by.")
          .at_least(0),
      field("stream", &AnnealedNoiseAttrs::stream, "Keys the random numbers, with the seed of the run.")};
}

namespace op {

const OpDef global_norm_scale{
    .name = "global_norm_scale",
    .doc = "min(1, max_norm / (norm + 1e-6)) of the norm of all gradients together, and that norm.",
    .args = "grads...",
    .results = "scale norm",
    .attrs = &attr_ops<GlobalNormScaleAttrs>,
    .infer =
        [](InferCtx& c) {
          for (const TensorType* t : c.in) c.require(t && t->dtype == DType::f32, "takes gradients of f32");
          c.out.assign(2, TensorType{DType::f32, {}});
        },
};

const OpDef loss_scale{
    .name = "loss_scale",
    .doc =
        "Dynamic loss scaling (Micikevicius et al. 2018). grads are those of the loss times scale: factor is "
        "1 / "
        "scale where all of them are finite, else 0, which leaves out the step. good counts such steps in a "
        "row; "
        "after growth_interval of them scale grows, after an overflow it shrinks, and stays within 1..2^24.",
    .args = "scale good grads...",
    .results = "factor next_scale next_good",
    .attrs = &attr_ops<LossScaleAttrs>,
    .traits = kStep,
    .in_place = {-1, 0, 1, -1},
    .infer =
        [](InferCtx& c) {
          const TensorType number{DType::f32, {}}, count{DType::i64, {}};
          c.require(c.x(0) == number, str("scale must be f32[], got ", c.x(0).text()));
          c.require(c.x(1) == count, str("good must be i64[], got ", c.x(1).text()));
          for (size_t i = 2; i < c.in.size(); ++i)
            c.require(c.in[i] && c.in[i]->dtype == DType::f32, "takes gradients of f32");
          c.out = {number, number, count};
        },
};

const OpDef trust_ratio{
    .name = "trust_ratio",
    .doc =
        "How far a parameter may move along a step (LARS, You, Gitman and Ginsburg 2017, eq. 6): coefficient "
        "|param| / "
        "(scale |step| + weight_decay |param|) in Euclidean norms; 1 where one of them is 0.",
    .args = "param step scale?",
    .results = "ratio",
    .attrs = &attr_ops<TrustRatioAttrs>,
    .infer =
        [](InferCtx& c) {
          const TensorType number{DType::f32, {}};
          c.require(c.x(0).dtype == DType::f32, str("takes f32 parameters, got ", c.x(0).text()));
          c.require(c.x(1) == c.x(0), str("the step is ", c.x(1).text(), ", the parameter ", c.x(0).text()));
          if (c.has(2)) c.require(c.x(2) == number, str("scale must be f32[], got ", c.x(2).text()));
          c.out = {number};
        },
};

const OpDef annealed_noise{
    .name = "annealed_noise",
    .doc =
        "x plus normal noise of mean 0 and the variance variance / step^decay, a function of seed, stream, "
        "step "
        "(i64[]) and "
        "position. Added to gradients as Neelakantan et al. 2015 do (decay 0.55), or to weights.",
    .args = "x step",
    .attrs = &attr_ops<AnnealedNoiseAttrs>,
    .traits = kInPlace | kRandom,
    .infer =
        [](InferCtx& c) {
          c.require(is_real(c.x(0).dtype), str("takes f32, got ", c.x(0).text()));
          c.require(c.x(1) == TensorType{DType::i64, {}}, str("step must be i64[], got ", c.x(1).text()));
          infer_same_as_first(c);
        },
    .grad = [](GradCtx& c) { c.dx[0] = c.dy[0]; },
};

}  // namespace op
}  // namespace dl
