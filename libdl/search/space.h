#pragma once
// A search space: one dimension for each key that varies.
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "search/search_config.h"

namespace dl {

struct Dimension {
  enum class Kind { uniform, log_uniform, integer, choice };
  std::string key;  // as written: "train.optimizer.lr" or a JSON pointer
  Kind kind = Kind::choice;
  double low = 0, high = 0;
  int64_t step = 1;  // integer: low, low + step, ...
  json choices;      // choice: an array
  // All must hold: the key has one of the values. Keys of this space come from the trial, others from the config.
  std::vector<std::pair<std::string, json>> when;
};

// Dimensions in an order in which every "when" refers to earlier ones. Throws Error(Exit::config) with pointers below
// `pointer` ("/search/space").
DL_API std::vector<Dimension> parse_space(const json& space, const std::string& pointer);

// The values of trial `number`: {"train.optimizer.lr": 0.0123, ...}, without the keys whose "when" does not hold. A
// pure function of (seed, number, key), so that dimensions and trials do not disturb one another. Real values have
// six significant digits.
DL_API json sample_random(const std::vector<Dimension>& space, const json& config, uint64_t seed,
                          int64_t number);

// `config` with the values of a trial set, as flags would set them.
DL_API json apply_parameters(const json& config, const json& parameters);

// Throws Error(Exit::config) at `pointer`/key unless the trainer's schema knows each key of `parameters` in the variant
// that the trial has chosen (or, where the schema allows anything, unless the config has the key).
DL_API void check_parameters(const json& config, const json& parameters, const json& schema,
                             const std::string& pointer);

}  // namespace dl
