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

// The schema of data that would fit a model which declares its inputs: one class target for each output of the form
// (batch, classes), numbers for others. For --plan without data.
DL_API Schema schema_from_model(const json& model);

}  // namespace dl
