#pragma once
// Conditions on trials: "train.batch_size * model.parameters.width <= 8192". The arithmetic is that of model configs
// (nn/expression.h); names are keys of the config or metrics of a trial, dotted.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// The names in a condition, in order, each once.
DL_API std::vector<std::string> constraint_names(const std::string& condition);

// Throws Error(Exit::config) at `pointer` unless the condition compares something.
DL_API void check_constraint(const std::string& condition, const std::string& pointer);

// Whether it holds with these values; nullopt when a name is not among them.
DL_API std::optional<bool> constraint_holds(const std::string& condition, const json& values,
                                            const std::string& pointer);

}  // namespace dl
