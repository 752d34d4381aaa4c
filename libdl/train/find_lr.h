#pragma once
// The range test of learning rates (Smith 2017, "Cyclical learning rates for training neural networks"): one short run whose
// rate rises exponentially, and what its losses say about the rate to train with.
#include <string>
#include <vector>

#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl {

struct LrRange {
  double from = 1e-6, to = 10;
  int64_t steps = 150;
  double smoothing = 0.95;  // share of the running mean that stays
  double stop_factor = 4;   // of the least smoothed loss: where the run ends
};

struct DL_API LrCurve {
  struct Point {
    double lr, loss, smoothed;  // smoothed: running mean without the bias of its start
  };
  std::vector<Point> points;
  bool diverged = false;  // ended before all steps
  // Where the smoothed loss falls fastest per factor of the rate, and a tenth of where it is least; NaN when it never falls.
  double steepest, tenth_of_least;

  json record() const;
  std::string text() const;  // for people
  std::string csv() const;   // with a header
  std::string svg() const;   // a picture
};

// The suggestions that the points of a curve give.
DL_API void read_curve(LrCurve& curve);

// Trains as the request says but for the rate; nothing is written. Errors as Trainer.
DL_API LrCurve find_learning_rate(TrainRequest request, TrainHooks hooks, const LrRange& range);

}  // namespace dl
