#pragma once
// Keeps the average that train.average asks for.
#include <memory>

#include "train/executor_cache.h"
#include "train/run_state.h"

namespace dl {

class Averager {
 public:
  Averager(RunSetup& setup, RunState& state);
  // After step state.counters.step, and at the end of epoch state.counters.epoch.
  void after_step();
  void after_epoch();
  // To be called at the end of a run: true where batch norms had to get the statistics of the training part, and what was
  // judged before is not the model.
  bool complete();

 private:
  void update(double keep);
  RunSetup& setup_;
  RunState& state_;
  const EmaAverage* ema_;
  const SwaAverage* swa_;
  std::unique_ptr<Executor> step_;  // null where nothing is averaged
};

}  // namespace dl
