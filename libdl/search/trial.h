#pragma once
// One trial of a study.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/export.h"
#include "base/json.h"

namespace dl {

// stopped early because it was not promising: pruned. Ended with an error: failed. Its process ended without a word: lost.
enum class TrialState { running, complete, pruned, failed, lost };
DL_API std::string_view name_of(TrialState s);

struct Trial {
  int64_t number = 0;
  json parameters = json::object();
  TrialState state = TrialState::running;
  std::optional<double> value;  // of the objective, when finite: at the end, or where it was pruned
  bool feasible = true;         // its metrics fulfil the constraints
  json metrics = json::object();
  std::string why;                                // failed, lost, pruned: what happened
  bool external = false;                          // asked for by hand: its owner tells how it ended
  std::vector<std::pair<int64_t, double>> curve;  // what it reported on the way: epoch (or run) and objective
  std::optional<int64_t> parent;                  // goes on from that trial's last state
  int64_t epochs = 0;    // trained for, when the procedure says so; 0: as its config says
  int64_t launches = 0;  // how often it was given out
  double seconds = 0;    // that it took, 0 when unknown

  bool finished() const { return state != TrialState::running && state != TrialState::lost; }
  bool usable() const { return state == TrialState::complete && value && feasible; }
};

}  // namespace dl
