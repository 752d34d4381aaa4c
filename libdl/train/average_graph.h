#pragma once
// Averages of parameters as graphs. The average of a leaf is the state leaf "<name>/average".
#include <string_view>

#include "nn/model.h"

namespace dl {

inline constexpr std::string_view kAverageSuffix = "/average";
// What an update keeps of the average and what it takes of the new value: inputs, f32 [].
inline constexpr const char *kKeepInput = "average_keep", *kTakeInput = "average_take";

// Adds the averages of parameters and running statistics to the leaves of a model.
void add_averages(Model& model);
// The averages move towards parameters and running statistics.
Graph average_step(const Model& model);
// Renames the leaves of a network: it computes with the averages.
void use_averages(Model& network);
// From a network in training form: the averages of running statistics move towards the statistics that a batch has under the
// averaged parameters, without dropout.
Graph statistics_step(Model network);

}  // namespace dl
