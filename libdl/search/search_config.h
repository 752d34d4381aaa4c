#pragma once
// The "search" section: which keys to vary, how, and what to make best.
#include <array>
#include <optional>
#include <string>
#include <tuple>

#include "base/fields.h"

namespace dl {

enum class Sampler { random };
constexpr std::array<std::string_view, 1> enum_names(const Sampler*) { return {"random"}; }

// Exactly one of the two.
struct Objective {
  std::optional<std::string> maximize;
  std::optional<std::string> minimize;

  bool larger_is_better() const { return maximize.has_value(); }
  const std::string& name() const { return maximize ? *maximize : *minimize; }
  // True when value a is better than b; no number is worse than any number.
  bool better(double a, double b) const { return a == a && (b != b || (maximize ? a > b : a < b)); }
};
constexpr auto fields(const Objective*) {
  return std::tuple{field("maximize", &Objective::maximize, "A metric to make large, as \"valid.accuracy\"."),
                    field("minimize", &Objective::minimize, "A metric to make small, as \"valid.loss\".")};
}

struct SearchConfig {
  json space = json::object();
  Sampler sampler = Sampler::random;
  Objective objective{"valid.accuracy", {}};
  int64_t trials = 20;
};
constexpr auto fields(const SearchConfig*) {
  return std::tuple{field("space", &SearchConfig::space,
                          "The keys to vary: {\"train.optimizer.lr\": {\"log_uniform\": [1e-4, 1]}}. One of "
                          "uniform, log_uniform, int (with "
                          "step), choice; \"when\" holds a key back unless another one has a value."),
                    field("sampler", &SearchConfig::sampler, "How values are chosen."),
                    field("objective", &SearchConfig::objective, "What the best trial has most or least of."),
                    field("trials", &SearchConfig::trials, "Number of trials in all.").range(1, 1000000)};
}

// Reads and checks the whole section at `pointer` ("/search"), the space too. Throws Error(Exit::config).
DL_API SearchConfig parse_search(const json& section, const std::string& pointer);

}  // namespace dl
