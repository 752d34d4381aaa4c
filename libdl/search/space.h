#pragma once
// A search space: one dimension for each key that varies, and how a trial's values become a config.
#include <string>
#include <vector>

#include "search/dimension.h"

namespace dl {

// Dimensions in an order in which every "when" refers to earlier ones. Throws Error(Exit::config) with pointers below
// `pointer` ("/search/space").
DL_API std::vector<Dimension> parse_space(const json& space, const std::string& pointer);

// The value of a key in a config, null when it has none. A variant's bare name is its "type".
DL_API json value_in(const json& config, const std::string& key);

// Whether a dimension counts in a trial that has these values of the dimensions before it.
DL_API bool active(const Dimension& d, const std::vector<Dimension>& space, const json& values,
                   const json& config);

// The values at a point of the unit cube (one coordinate for each dimension), without the keys whose "when" does not hold.
DL_API json values_at(const std::vector<Dimension>& space, const json& config,
                      const std::vector<double>& point);

// The values of trial `number` drawn at random: a pure function of (seed, number, key, attempt), so that dimensions and
// trials do not disturb one another.
DL_API json sample_random(const std::vector<Dimension>& space, const json& config, uint64_t seed,
                          int64_t number, int64_t attempt = 0);

// `config` with the values of a trial set, as flags would set them.
DL_API json apply_parameters(const json& config, const json& parameters);

// Throws Error(Exit::config) at `pointer`/key unless the trainer's schema knows each key of `parameters` in the variant
// that the trial has chosen (or, where the schema allows anything, unless the config has the key).
DL_API void check_parameters(const json& config, const json& parameters, const json& schema,
                             const std::string& pointer);

}  // namespace dl
