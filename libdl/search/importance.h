#pragma once
// How much of the objective's variance each key explains by itself: functional analysis of variance over a random forest
// (Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance").
#include <string>
#include <vector>

#include "search/study.h"

namespace dl {

struct Importance {
  std::string key;
  double share = 0;   // of the variance, the mean over trees
  double spread = 0;  // its standard deviation over trees
};

// Largest first; what is left to 1 are keys acting together. Looks at complete, feasible trials of the longest training;
// a key that does not count in a trial stands in its middle. Throws Error(Exit::data) for fewer than four such trials.
DL_API std::vector<Importance> importance(const Study& study);

}  // namespace dl
