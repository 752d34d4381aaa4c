#pragma once
// Optimisers: {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/model.h"

namespace dl {

struct OptimizerFamily {
  static constexpr std::string_view what = "optimizer";
  DL_API static std::span<const Variant> variants();
};
using Optimizer = Typed<OptimizerFamily>;  // default-constructed: sgd

DL_API double base_lr(const Optimizer& optimizer);

// Values of the parameters that are trained, in the model's order: what autodiff is asked for.
DL_API std::vector<ValueId> trainable(const Model& model);

// The scale of a loss whose gradients pass through f16: state leaves.
struct LossScale {
  ValueId scale = kNone;  // f32 []
  ValueId good = kNone;   // i64 []: steps without overflow since the scale changed
};
// Adds such leaves, "loss_scale" and "loss_scale/good", to a model.
DL_API LossScale add_loss_scale(Model& model);

// Adds the update of each trained parameter and, in graph.updates and model.states, what the optimiser
// remembers: state leaves "<parameter>/momentum" and the like. `gradients` belong to trainable(model), in
// that order; kNone where the loss does not depend on the parameter (it stays as it is, decay included). Adds
// the input leaf "learning_rate" (f32 []) and, where the rule needs it, "step" (i64 [], 1 for the first).
// With "clip_norm" the graph gets the output "gradient_norm". With a loss scale the gradients are those of the scaled loss:
// a step in which one of them is not finite changes nothing but the scale.
DL_API void add_optimizer(Model& model, const Optimizer& optimizer, std::span<const ValueId> gradients,
                          const LossScale& scaled = {});

}  // namespace dl
