#pragma once
// The metrics of a split while a run goes on.
#include "train/executor_cache.h"
#include "train/run_setup.h"
#include "train/run_state.h"

namespace dl {

class Validator {
 public:
  // Judges the averages of parameters where `averaged`.
  Validator(const RunSetup& setup, RunState& state, bool averaged);
  // Of the validation part, and of the training part without augmentation; null where there is none. A metric that is
  // not finite is null.
  json valid_metrics();
  json train_metrics();

 private:
  json metrics_of(const Dataset& data, const LoaderOptions& loading);
  const RunSetup& setup_;
  ExecutorCache executors_;
};

// Error (config) for a metric in the config that there is not.
void check_metrics(const RunSetup& setup);

}  // namespace dl
