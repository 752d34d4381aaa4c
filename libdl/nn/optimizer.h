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

// Adds the update of each trained parameter and, in graph.updates and model.states, what the optimiser
// remembers: state leaves "<parameter>/momentum" and the like. `gradients` belong to trainable(model), in
// that order; kNone where the loss does not depend on the parameter (it stays as it is, decay included). Adds
// the input leaf "learning_rate" (f32 []) and, where the rule needs it, "step" (i64 [], 1 for the first).
// With "clip_norm" the graph gets the output "gradient_norm".
DL_API void add_optimizer(Model& model, const Optimizer& optimizer, std::span<const ValueId> gradients);

}  // namespace dl
