// Optimiser updates. lr is f32[], step i64[] counts from 1, scale f32[] multiplies the gradient (norm clipping, loss
// scaling). Where scale is 0 the step is left out: parameter and state stay as they are, whatever the gradient holds.
#include "kernels/optimizer_attrs.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const UpdateAttrs*) {
  return std::tuple{
      field("lr_scale", &UpdateAttrs::lr_scale, "Factor of the learning rate for this parameter.")
          .at_least(0),
      field("weight_decay", &UpdateAttrs::weight_decay,
            "L2 decay: added to the gradient times the parameter.")
          .at_least(0),
      field("decoupled", &UpdateAttrs::decoupled,
            "Shrink the parameter by lr weight_decay instead (AdamW, SGDW)."),
      field("l1", &UpdateAttrs::l1, "L1 decay: added to the gradient times the parameter's sign.")
          .at_least(0),
      field("clip_value", &UpdateAttrs::clip_value, "Largest magnitude of a gradient element; 0: any.")
          .at_least(0)};
}
constexpr const UpdateAttrs* kCommon = nullptr;
constexpr auto fields(const SgdAttrs*) { return fields(kCommon); }
constexpr auto fields(const MomentumAttrs*) {
  return std::tuple_cat(
      fields(kCommon),
      std::tuple{field("momentum", &MomentumAttrs::momentum, "Share of the velocity that stays.").range(0, 1),
                 field("dampening", &MomentumAttrs::dampening, "Share of the gradient that is left out.")
                     .range(0, 1),
                 field("nesterov", &MomentumAttrs::nesterov, "Look ahead along the velocity.")});
}
constexpr auto fields(const AdagradAttrs*) {
  return std::tuple_cat(
      fields(kCommon),
      std::tuple{field("epsilon", &AdagradAttrs::epsilon, "Added to the root in the divisor.").at_least(0)});
}
constexpr auto fields(const RmspropAttrs*) {
  return std::tuple_cat(
      fields(kCommon),
      std::tuple{
          field("alpha", &RmspropAttrs::alpha, "Share of the running mean square that stays.").range(0, 1),
          field("epsilon", &RmspropAttrs::epsilon, "Added to the root in the divisor.").at_least(0),
          field("momentum", &RmspropAttrs::momentum, "Share of the velocity that stays.").range(0, 1)});
}
constexpr auto fields(const AdamAttrs*) {
  return std::tuple_cat(
      fields(kCommon),
      std::tuple{
          field("beta1", &AdamAttrs::beta1, "Share of the running mean that stays.").range(0, 1),
          field("beta2", &AdamAttrs::beta2, "Share of the running mean square that stays.").range(0, 1),
          field("epsilon", &AdamAttrs::epsilon, "Added to the root in the divisor.").at_least(0)});
}
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

namespace op {
namespace {

constexpr uint32_t kStep = kUpdate | kInPlace;

// Inputs: param, grad, `states` more of the same type, lr, [step,] scale?.
void infer_update(InferCtx& c, size_t states, bool with_step) {
  const TensorType& p = c.x(0);
  c.require(p.dtype == DType::f32, str("takes f32 parameters, got ", p.text()));
  for (size_t i = 1; i < 2 + states; ++i)
    c.require(c.x(i) == p, str("input ", i, " is ", c.x(i).text(), ", the parameter ", p.text()));
  size_t i = 2 + states;
  c.require(c.x(i) == TensorType{DType::f32, {}}, str("lr must be f32[], got ", c.x(i).text()));
  ++i;
  if (with_step) {
    c.require(c.x(i) == TensorType{DType::i64, {}}, str("step must be i64[], got ", c.x(i).text()));
    ++i;
  }
  if (c.has(i))
    c.require(c.x(i) == TensorType{DType::f32, {}}, str("scale must be f32[], got ", c.x(i).text()));
  c.out.assign(1 + states, p);
}

void infer_rmsprop(InferCtx& c) {
  infer_update(c, 1, false);
  c.require(c.has(5) || !c.has(6), "a running mean asks for a velocity too");
  c.require(c.has(5) || c.as<RmspropAttrs>().momentum == 0, "momentum asks for a velocity");
  for (size_t i : {5u, 6u})
    if (c.has(i)) {
      c.require(c.x(i) == c.x(0), str("input ", i, " is ", c.x(i).text(), ", the parameter ", c.x(0).text()));
      c.out.push_back(c.x(0));
    }
}

}  // namespace

const OpDef sgd{
    .name = "sgd",
    .doc =
        "Gradient descent: param - lr g. Here as in every update g is the gradient times scale, clipped and "
        "decayed; a "
        "scale of 0 leaves parameter and state as they are.",
    .args = "param grad lr scale?",
    .results = "param",
    .attrs = &attr_ops<SgdAttrs>,
    .traits = kStep,
    .infer = [](InferCtx& c) { infer_update(c, 0, false); },
};

const OpDef momentum{
    .name = "momentum",
    .doc =
        "Gradient descent with momentum: v = momentum v + (1 - dampening) g; param - lr v, or with nesterov "
        "param - lr (g + momentum v).",
    .args = "param grad velocity lr scale?",
    .results = "param velocity",
    .attrs = &attr_ops<MomentumAttrs>,
    .traits = kStep,
    .in_place = {0, 2, -1, -1},
    .infer = [](InferCtx& c) { infer_update(c, 1, false); },
};

const OpDef adagrad{
    .name = "adagrad",
    .doc = "AdaGrad (Duchi, Hazan and Singer 2011): h = h + g^2; param - lr g / (sqrt(h) + epsilon).",
    .args = "param grad sum lr scale?",
    .results = "param sum",
    .attrs = &attr_ops<AdagradAttrs>,
    .traits = kStep,
    .in_place = {0, 2, -1, -1},
    .infer = [](InferCtx& c) { infer_update(c, 1, false); },
};

const OpDef rmsprop{
    .name = "rmsprop",
    .doc =
        "RMSprop (Tieleman and Hinton 2012): s = alpha s + (1 - alpha) g^2; param - lr g / (sqrt(s) + "
        "epsilon). With a "
        "velocity that quotient passes through momentum; with a running mean of g its square is taken from s "
        "(centred).",
    .args = "param grad square lr scale? velocity? mean?",
    .results = "param square velocity? mean?",
    .attrs = &attr_ops<RmspropAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 5, 6},
    .infer = infer_rmsprop,
};

const OpDef adam{
    .name = "adam",
    .doc =
        "Adam (Kingma and Ba 2015): m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, both divided "
        "by "
        "1 - beta^step; param - lr m / (sqrt(v) + epsilon). AdamW with decoupled decay.",
    .args = "param grad m v lr step scale?",
    .results = "param m v",
    .attrs = &attr_ops<AdamAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = [](InferCtx& c) { infer_update(c, 2, true); },
};

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

}  // namespace op
}  // namespace dl
