#pragma once
// Optimisers: {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}. What each of them does to a parameter is
// said by its update operator (ops/optimizers.cpp, ops/optimizers_adam.cpp; dl-ops(7)).
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/constraint.h"
#include "nn/model.h"

namespace dl {

struct OptimizerFamily {
  static constexpr std::string_view what = "optimizer";
  DL_API static std::span<const Variant> variants();
};
using Optimizer = Typed<OptimizerFamily>;  // default-constructed: sgd

DL_API double base_lr(const Optimizer& optimizer);
// The share of its velocity that stays, where that can be another number in each step: sgd with momentum, and lars.
DL_API std::optional<double> base_momentum(const Optimizer& optimizer);

// Values of the parameters that are trained, in the model's order: what autodiff is asked for.
DL_API std::vector<ValueId> trainable(const Model& model);

// The scale of a loss whose gradients pass through f16: state leaves.
struct LossScale {
  ValueId scale = kNone;  // f32 []
  ValueId good = kNone;   // i64 []: steps without overflow since the scale changed
};
// Adds such leaves, "loss_scale/scale" and "loss_scale/good", to a model.
DL_API LossScale add_loss_scale(Model& model);

// What is asked of updates beside the optimiser.
struct UpdateExtras {
  bool cycled_momentum = false;  // the input leaf "momentum" (f32 []) stands in for the optimiser's momentum
  std::span<const Constraint> constraints = {};  // hold for parameters after their update
};

// Adds the update of each trained parameter and, in graph.updates and model.states, what the optimiser
// remembers: state leaves "<parameter>/momentum" and the like. `gradients` belong to trainable(model), in
// that order; kNone where the loss does not depend on the parameter (it stays as it is, decay included). Adds
// the input leaf "learning_rate" (f32 []) and, where the rule needs it, "step" (i64 [], 1 for the first).
// With "clip_norm" the graph gets the output "gradient_norm". With a loss scale the gradients are those of the scaled loss:
// a step in which one of them is not finite changes nothing but the scale.
DL_API void add_optimizer(Model& model, const Optimizer& optimizer, std::span<const ValueId> gradients,
                          const LossScale& scaled = {}, const UpdateExtras& extras = {});

}  // namespace dl
