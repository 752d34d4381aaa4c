// Optimiser updates. lr is f32[], step i64[] counts from 1, scale f32[] multiplies the gradient (norm clipping, loss
// scaling). Where scale is 0 the step is left out: parameter and state stay as they are, whatever the gradient holds.
// Those of Adam's family are in optimizers_adam.cpp.
#include "ops/update.h"

namespace dl {

constexpr auto fields(const SgdAttrs*) { return update_fields(); }
constexpr auto fields(const MomentumAttrs*) {
  return update_fields(
      field("momentum", &MomentumAttrs::momentum, "Share of the velocity that stays.").range(0, 1),
      field("dampening", &MomentumAttrs::dampening, "Share of the gradient that is left out.").range(0, 1),
      field("nesterov", &MomentumAttrs::nesterov, "Look ahead along the velocity."),
      field("rate_inside", &MomentumAttrs::rate_inside,
            "The velocity takes up lr g, and the parameter moves by the velocity."));
}
constexpr auto fields(const AdagradAttrs*) {
  return update_fields(
      field("epsilon", &AdagradAttrs::epsilon, "Added to the root in the divisor.").at_least(0));
}
constexpr auto fields(const AdadeltaAttrs*) {
  return update_fields(
      field("rho", &AdadeltaAttrs::rho, "Share of the running mean squares that stays.").range(0, 1),
      field("epsilon", &AdadeltaAttrs::epsilon, "Added to the mean squares under both roots.").at_least(0));
}
constexpr auto fields(const RmspropAttrs*) {
  return update_fields(
      field("alpha", &RmspropAttrs::alpha, "Share of the running mean square that stays.").range(0, 1),
      field("epsilon", &RmspropAttrs::epsilon, "Added to the root in the divisor.").at_least(0),
      field("momentum", &RmspropAttrs::momentum, "Share of the velocity that stays.").range(0, 1));
}
constexpr auto fields(const RpropAttrs*) {
  return update_fields(
      field("shrink", &RpropAttrs::shrink, "Factor of the step where the gradient's sign turned.")
          .range(0, 1),
      field("grow", &RpropAttrs::grow, "Factor of the step where it did not.").at_least(1),
      field("min_step", &RpropAttrs::min_step, "Least size of a step.").at_least(0),
      field("max_step", &RpropAttrs::max_step, "Largest size of a step.").at_least(0),
      field("initial", &RpropAttrs::initial, "The rate at which steps are as large as their size.")
          .at_least(0));
}
constexpr auto fields(const FtrlAttrs*) {
  return update_fields(
      field("beta", &FtrlAttrs::beta, "Added to the root of the sum of squares.").at_least(0));
}

namespace op {

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
    .infer = [](InferCtx& c) { infer_update(c, {}); },
};

const OpDef momentum{
    .name = "momentum",
    .doc =
        "Gradient descent with momentum: v = momentum v + (1 - dampening) g; param - lr v, or with nesterov "
        "param - lr (g + momentum v). With rate_inside v = momentum v + lr g; param - v. The operand "
        "momentum (f32[]) stands in for the attribute.",
    .args = "param grad velocity lr scale? momentum?",
    .results = "param velocity",
    .attrs = &attr_ops<MomentumAttrs>,
    .traits = kStep,
    .in_place = {0, 2, -1, -1},
    .infer =
        [](InferCtx& c) {
          infer_update(c, {.states = 1});
          if (c.has(5))
            c.require(c.x(5) == TensorType{DType::f32, {}},
                      str("momentum must be f32[], got ", c.x(5).text()));
        },
};

const OpDef adagrad{
    .name = "adagrad",
    .doc = "AdaGrad (Duchi, Hazan and Singer 2011): h = h + g^2; param - lr g / (sqrt(h) + epsilon).",
    .args = "param grad sum lr scale?",
    .results = "param sum",
    .attrs = &attr_ops<AdagradAttrs>,
    .traits = kStep,
    .in_place = {0, 2, -1, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 1}); },
};

const OpDef adadelta{
    .name = "adadelta",
    .doc =
        "AdaDelta (Zeiler 2012): s = rho s + (1 - rho) g^2; d = sqrt(delta + epsilon) / sqrt(s + epsilon) g; "
        "delta = rho delta + (1 - rho) d^2; param - lr d.",
    .args = "param grad square delta lr scale?",
    .results = "param square delta",
    .attrs = &attr_ops<AdadeltaAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 2}); },
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
    .infer =
        [](InferCtx& c) {
          c.require(c.has(5) || !c.has(6), "a running mean asks for a velocity too");
          c.require(c.has(5) || c.as<RmspropAttrs>().momentum == 0, "momentum asks for a velocity");
          infer_update(c, {.states = 1, .late = 2});
        },
};

const OpDef rprop{
    .name = "rprop",
    .doc =
        "Rprop (Riedmiller and Braun 1993; where the sign turns the step is not taken back, Igel and Huesken "
        "2003): size grows by `grow` where the gradient keeps its sign, shrinks by `shrink` where it turned, "
        "which also leaves out the step; param - lr / initial size sign(g).",
    .args = "param grad previous size lr scale?",
    .results = "param previous size",
    .attrs = &attr_ops<RpropAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 2}); },
};

const OpDef ftrl{
    .name = "ftrl",
    .doc =
        "FTRL-proximal (McMahan et al. 2013): z = z + g - (sqrt(n + g^2) - sqrt(n)) / lr param, n = n + g^2; "
        "param is 0 where |z| <= l1, else -(z - l1 sign(z)) / ((beta + sqrt(n)) / lr + weight_decay). The "
        "first step "
        "starts from the z whose minimum is the parameter as it is.",
    .args = "param grad sum z lr step scale?",
    .results = "param sum z",
    .attrs = &attr_ops<FtrlAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 2, .counts = true}); },
};

}  // namespace op
}  // namespace dl
