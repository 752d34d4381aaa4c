#pragma once
// Which trials end early. Two kinds: rules that stop a trial by what it reports on the way (median, percentile, asha,
// threshold, patient), and plans of rungs in which the best of many short trials are trained on (successive_halving,
// hyperband). Both are functions of results of earlier trials only, as samplers are (search/sampler.h): whether a trial is
// stopped does not depend on how many run side by side.
#include <optional>
#include <span>
#include <string>

#include "search/sampler.h"

namespace dl {

// Why trial `number` is to be stopped after the last point of its curve; nullopt: it goes on. Of `trials` those below
// compared_trials() count.
DL_API std::optional<std::string> reason_to_prune(const SearchContext& c, int64_t number,
                                                  std::span<const std::pair<int64_t, double>> curve,
                                                  std::span<const Trial> trials);
// Trials below this number have to be finished before trial `number` may be judged; 0 without such a rule.
DL_API int64_t compared_trials(const SearchContext& c, int64_t number);

// A trial's place in a plan of rungs.
struct Rung {
  int64_t level = 0;   // 0: a new trial; above: goes on from one of the rung before
  int64_t begin = 0;   // number of the rung's first trial
  int64_t size = 0;    // trials of the rung
  int64_t before = 0;  // trials of the rung before
  int64_t epochs = 0;  // each trial of the rung is trained for in total
};
DL_API std::optional<Rung> rung_of(const SearchContext& c, int64_t number);
// The trial on a level above 0: the parameters and the state of one of the best of the rung before.
Suggestion promoted(const SearchContext& c, const Rung& rung, int64_t number, std::span<const Trial> trials);

}  // namespace dl
