#pragma once
// Whether a network can learn one batch by heart: what cannot is broken somewhere between data and optimiser.
#include <string>
#include <vector>

#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl {

struct OverfitOptions {
  int64_t steps = 500;
  double share = 0.1;  // of the first loss: what the loss must come down to
};

struct DL_API Overfit {
  bool passed = false;
  int64_t steps = 0;  // taken
  double first = 0, last = 0, least = 0, bound = 0;
  std::vector<std::string> hints;  // what may keep the loss up; none when passed
  json record() const;
  std::string text() const;
};

// Trains on the first batch again and again at the base learning rate; nothing is written. Errors as Trainer.
DL_API Overfit overfit_one_batch(TrainRequest request, TrainHooks hooks, const OverfitOptions& options);

}  // namespace dl
