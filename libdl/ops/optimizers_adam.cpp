// Updates of Adam's family: running means of the gradient and of its square (optimizers.cpp has what they share).
#include "ops/update.h"

namespace dl {

// Of the updates with the two means: betas and epsilon, then their own.
template <class A, class... F>
constexpr auto adam_fields(F... own) {
  return update_fields(field("beta1", &A::beta1, "Share of the running mean that stays.").range(0, 1),
                       field("beta2", &A::beta2, "Share of the running mean square that stays.").range(0, 1),
                       field("epsilon", &A::epsilon, "Added to the root in the divisor.").at_least(0),
                       own...);
}
constexpr auto fields(const AdamAttrs*) { return adam_fields<AdamAttrs>(); }
constexpr auto fields(const AdamaxAttrs*) { return adam_fields<AdamaxAttrs>(); }
constexpr auto fields(const RadamAttrs*) { return adam_fields<RadamAttrs>(); }
constexpr auto fields(const LambAttrs*) { return adam_fields<LambAttrs>(); }
constexpr auto fields(const NadamAttrs*) {
  return adam_fields<NadamAttrs>(field("momentum_decay", &NadamAttrs::momentum_decay,
                                       "How fast the share of the mean grows towards beta1, from half of it.")
                                     .at_least(0));
}
constexpr auto fields(const LionAttrs*) {
  return update_fields(
      field("beta1", &LionAttrs::beta1, "Share of the running mean in the direction.").range(0, 1),
      field("beta2", &LionAttrs::beta2, "Share of the running mean that stays.").range(0, 1));
}

namespace op {
namespace {

void infer_adam(InferCtx& c) { infer_update(c, {.states = 2, .counts = true}); }

}  // namespace

const OpDef adam{
    .name = "adam",
    .doc =
        "Adam (Kingma and Ba 2015): m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, both divided "
        "by "
        "1 - beta^step; param - lr m / (sqrt(v) + epsilon). AdamW with decoupled decay; AMSGrad (Reddi, Kale "
        "and Kumar 2018) with the largest v so far, which then stands for v.",
    .args = "param grad m v lr step scale? v_max?",
    .results = "param m v v_max?",
    .attrs = &attr_ops<AdamAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, 7},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 2, .counts = true, .late = 1}); },
};

const OpDef adamax{
    .name = "adamax",
    .doc =
        "AdaMax (Kingma and Ba 2015, section 7.1): m as in Adam, u = max(beta2 u, |g| + epsilon); param - lr "
        "/ "
        "(1 - beta1^step) m / u.",
    .args = "param grad m u lr step scale?",
    .results = "param m u",
    .attrs = &attr_ops<AdamaxAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = infer_adam,
};

const OpDef nadam{
    .name = "nadam",
    .doc =
        "NAdam (Dozat 2016): m and v as in Adam, mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), P_t = mu_1 "
        "... mu_t; "
        "param - lr (mu_(t+1) m / (1 - P_(t+1)) + (1 - mu_t) g / (1 - P_t)) / (sqrt(v / (1 - beta2^t)) + "
        "epsilon).",
    .args = "param grad m v lr step scale?",
    .results = "param m v",
    .attrs = &attr_ops<NadamAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = infer_adam,
};

const OpDef radam{
    .name = "radam",
    .doc =
        "RAdam (Liu et al. 2020): with R = 2 / (1 - beta2) - 1 and r = R - 2 step beta2^step / (1 - "
        "beta2^step) the step of "
        "Adam times sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) where r > 5, else lr m / (1 - beta1^step).",
    .args = "param grad m v lr step scale?",
    .results = "param m v",
    .attrs = &attr_ops<RadamAttrs>,
    .traits = kStep,
    .in_place = {0, 2, 3, -1},
    .infer = infer_adam,
};

const OpDef lion{
    .name = "lion",
    .doc =
        "Lion (Chen et al. 2023): param - lr sign(beta1 m + (1 - beta1) g), then m = beta2 m + (1 - beta2) "
        "g.",
    .args = "param grad m lr scale?",
    .results = "param m",
    .attrs = &attr_ops<LionAttrs>,
    .traits = kStep,
    .in_place = {0, 2, -1, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 1}); },
};

const OpDef lamb{
    .name = "lamb",
    .doc =
        "Direction of LAMB (You et al. 2020): m / (sqrt(v) + epsilon) + weight_decay param with the means of "
        "Adam; sgd moves along it, scaled by trust_ratio. A scale of 0 gives 0.",
    .args = "param grad m v step scale?",
    .results = "direction m v",
    .attrs = &attr_ops<LambAttrs>,
    .traits = kStep,
    .in_place = {-1, 2, 3, -1},
    .infer = [](InferCtx& c) { infer_update(c, {.states = 2, .counts = true, .rate = false}); },
};

}  // namespace op
}  // namespace dl
