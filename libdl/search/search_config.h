#pragma once
// The "search" section: which keys to vary, how, and what to make best.
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/fields.h"

namespace dl {

struct SamplerFamily {
  static constexpr std::string_view what = "sampler";
  DL_API static std::span<const Variant> variants();
};
using SamplerConfig = Typed<SamplerFamily>;  // default-constructed: random

struct PrunerFamily {
  static constexpr std::string_view what = "pruner";
  DL_API static std::span<const Variant> variants();
};
using PrunerConfig = Typed<PrunerFamily>;  // default-constructed: none

// Exactly one of the two.
struct Objective {
  std::optional<std::string> maximize;
  std::optional<std::string> minimize;

  bool larger_is_better() const { return maximize.has_value(); }
  const std::string& name() const { return maximize ? *maximize : *minimize; }
  // True when value a is better than b; no number is worse than any number.
  bool better(double a, double b) const { return a == a && (b != b || (maximize ? a > b : a < b)); }
  double cost(double value) const { return maximize ? -value : value; }
};
constexpr auto fields(const Objective*) {
  return std::tuple{field("maximize", &Objective::maximize, "A metric to make large, as \"valid.accuracy\"."),
                    field("minimize", &Objective::minimize, "A metric to make small, as \"valid.loss\".")};
}

struct SearchConfig {
  json space = json::object();
  SamplerConfig sampler;
  PrunerConfig pruner;
  Objective objective{"valid.accuracy", {}};
  int64_t trials = 20;
  int64_t batch = 4;
  std::vector<std::string> constraints;
  std::vector<json> first;
  int64_t folds = 0;
  int64_t repeats = 1;
  int64_t retries = 2;

  int64_t runs() const { return std::max<int64_t>(folds, 1) * repeats; }  // of the trainer in one trial
};
constexpr auto fields(const SearchConfig*) {
  return std::tuple{
      field("space", &SearchConfig::space,
            "The keys to vary: {\"train.optimizer.lr\": {\"log_uniform\": [1e-4, 1]}}. One of uniform, "
            "log_uniform, "
            "int, log_int, choice; \"step\" for int and uniform; \"points\" in a grid; \"when\" holds a key "
            "back unless "
            "others have a value, {\"train.optimizer.type\": [\"sgd\", \"rmsprop\"]}, or a number within "
            "bounds, "
            "{\"model.parameters.depth\": {\"min\": 2}}."),
      field("sampler", &SearchConfig::sampler, "How values are chosen."),
      field("pruner", &SearchConfig::pruner, "Which trials end early."),
      field("objective", &SearchConfig::objective, "What the best trial has most or least of."),
      field("trials", &SearchConfig::trials, "Number of trials in all.").range(1, 1000000),
      field("batch", &SearchConfig::batch,
            "Most trials side by side: what trial n tries depends on the results of the trials up to n - "
            "batch and on "
            "no later ones, so any --jobs up to this number gives the same trials. Samplers that look at no "
            "results "
            "do without.")
          .range(1, 10000),
      field("constraints", &SearchConfig::constraints,
            "Conditions as \"train.batch_size * model.parameters.width <= 8192\". One that names only keys "
            "of the "
            "config is fulfilled by every trial; one that names a metric, as \"parameters <= 1e6\", is "
            "judged at its "
            "end, and trials that break it are never the best."),
      field("first", &SearchConfig::first,
            "Trials to begin with, as [{\"train.optimizer.lr\": 0.1}]: values that are known to be good; "
            "keys left out are "
            "drawn. Not for grid and pbt."),
      field("folds", &SearchConfig::folds,
            "Runs of one trial, each with another train.fold of this many; the objective is their mean. 0: "
            "one run on "
            "the split of the config.")
          .range(0, 1000),
      field("repeats", &SearchConfig::repeats,
            "Runs of one trial (of each fold) with different seeds; the objective is their mean.")
          .range(1, 1000),
      field("retries", &SearchConfig::retries,
            "How often a trial is started again after its launcher failed or somebody killed it.")
          .range(0, 1000)};
}

// Reads and checks the whole section at `pointer` ("/search"), the space too. Throws Error(Exit::config).
DL_API SearchConfig parse_search(const json& section, const std::string& pointer);

}  // namespace dl
