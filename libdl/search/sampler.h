#pragma once
// How the parameters of trials are chosen. A suggestion is a pure function of config, seed, the trial's number and the
// trials before it: of all of them their parameters, and the results of those with numbers below results_needed(). A
// trial is not given out before these are finished, so suggestions do not depend on how many trials run side by side,
// nor on which ends first.
#include <optional>
#include <span>

#include "search/search_config.h"
#include "search/space.h"
#include "search/trial.h"

namespace dl {

// All that a sampler or a pruner may look at besides trials.
struct SearchContext {
  const SearchConfig& search;
  const std::vector<Dimension>& space;
  const json& config;  // without "search"
  uint64_t seed = 0;
};

struct Suggestion {
  json parameters = json::object();
  std::optional<int64_t> parent = {};  // the trial that it goes on from
  int64_t epochs = 0;                  // to be trained for in total; 0: as the config says
};

// Trials below this number have to be finished before trial `number` is suggested.
DL_API int64_t results_needed(const SearchContext& c, int64_t number);

// The next trial. `trials` has those below `number`; results at and beyond results_needed() are not looked at. Throws
// Error(Exit::config) when no parameters fulfil the constraints.
DL_API Suggestion suggest(const SearchContext& c, int64_t number, std::span<const Trial> trials);

// How many trials there are to suggest: of a grid its points; nullopt where there is no end.
DL_API std::optional<int64_t> trials_available(const SearchContext& c);

// ---- For samplers ------------------------------------------------------------------------------------------------

// A trial as samplers see it. Costs: less is better.
struct Observed {
  std::vector<double> point;  // in the unit cube; NaN where a key does not count
  enum class Kind { complete, pruned, failed, pending } kind = Kind::pending;
  double cost = 0;    // of complete and pruned ones
  int64_t steps = 0;  // how far a pruned one came
};
// Trials with results first needed: the finished ones below `known`, pending ones from there on. Of trials with
// different lengths of training the longest length with enough results counts (Falkner et al. 2018, BOHB, section 4).
std::vector<Observed> observe(const SearchContext& c, std::span<const Trial> trials, int64_t known);

// Parameters as a point of the unit cube; `absent` stands for keys that do not count.
std::vector<double> unit_point(const SearchContext& c, const json& parameters, double absent);

// Whether parameters fulfil those constraints that name no metric.
bool fulfils(const SearchContext& c, const json& parameters);

// The point `index` of Halton's sequence in as many bases as there are dimensions, scrambled by the seed (Owen's nested
// permutations of digits).
DL_API std::vector<double> quasi_random_point(size_t dimensions, uint64_t seed, int64_t index);

[[noreturn]] void no_feasible_parameters(const SearchContext& c);
// `draw(attempt)` until its result fulfils the constraints.
template <class Draw>
json first_feasible(const SearchContext& c, Draw draw) {
  constexpr int64_t kAttempts = 10000;
  for (int64_t attempt = 0; attempt < kAttempts; ++attempt)
    if (json p = draw(attempt); fulfils(c, p)) return p;
  no_feasible_parameters(c);
}

// The first trials of model-based samplers: a quasi-random point.
json initial_parameters(const SearchContext& c, int64_t number);

}  // namespace dl
