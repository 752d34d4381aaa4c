#pragma once
// From config and data schema to the graphs of a run: the training step and its validation, for any batch size.
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/schema.h"
#include "nn/loss.h"
#include "nn/model.h"
#include "train/network.h"
#include "train/train_config.h"

namespace dl {

// Whether some loss weighs classes by how often they occur, and so needs their counts.
DL_API bool has_balanced_classes(const Losses& losses);
// Samples of each class in a split.
DL_API ClassCounts class_counts(const Dataset& data, const std::string& split);

// Layers whose "freeze" does not count, as BuildOptions::thawed.
using Thawed = std::vector<std::string>;

struct StepGraph {
  Model model;              // its graph has the losses; the output "loss" is their weighted sum
  std::vector<Head> heads;  // outputs and the targets they are judged by
};

// Forward form with losses, no gradients. Targets are input leaves named as in the schema.
DL_API StepGraph build_evaluation(const json& model, const TrainConfig& train, const Schema& schema,
                                  const ClassCounts& counts, int64_t batch);

// The whole training step: forward, losses, gradients, updates.
DL_API StepGraph build_training_step(const json& model, const TrainConfig& train, const Schema& schema,
                                     const ClassCounts& counts, int64_t batch);
// The same in the form of a phase of a run.
struct StepForm {
  Thawed thawed = {};
  bool shown = false;  // gradients of parameters are outputs, "<parameter>/gradient"
};
DL_API StepGraph build_step(const json& model, const TrainConfig& train, const Schema& schema,
                            const ClassCounts& counts, int64_t batch, const StepForm& form);
// Forward, losses and gradients as outputs; nothing is updated.
DL_API StepGraph build_shown_gradients(const json& model, const TrainConfig& train, const Schema& schema,
                                       const ClassCounts& counts, int64_t batch);

// The same cut in two, for steps whose gradients are summed over several batches. The first part has forward, losses and
// gradients; it adds the share of its batch in the step, the input "share" (f32 []), times each gradient to the state leaf
// "<parameter>/gradient", or writes it there when `first`. The other part updates the parameters from these leaves.
inline constexpr const char* kShareInput = "share";
inline constexpr std::string_view kGradientSuffix = "/gradient";
DL_API StepGraph build_gradients(const json& model, const TrainConfig& train, const Schema& schema,
                                 const ClassCounts& counts, int64_t batch, const Thawed& thawed, bool first);
// Its parameters and states are all that a run has.
DL_API Model build_update(const json& model, const TrainConfig& train, const Schema& schema,
                          const ClassCounts& counts, int64_t batch, const Thawed& thawed);

// The schema of data that would fit a model which declares its inputs: one class target for each output of the form
// (batch, classes), numbers for others. For --plan without data.
DL_API Schema schema_from_model(const json& model);

}  // namespace dl
