#pragma once
// Supervised training: epochs over a data set with validation, checkpoints, exact resume and early stopping. The run is
// a pure function of config, data and seed: neither threads, nor kills, nor the clock change the model.
#include <memory>

#include "io/model_file.h"
#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl {

struct TrainResult {
  int code = 0;                   // of the process: 0, or what hooks.stop gave
  bool finished = false;          // the model below is complete (not so when stopped by a signal)
  bool already_complete = false;  // a finished run was resumed: nothing was done
  ModelFile model;
  json metrics = json::object();  // of the epoch that the model is from
  int64_t steps = 0, epochs = 0;
  double seconds = 0, wait_seconds = 0, samples_per_second = 0;
};

class DL_API Trainer {
 public:
  // Opens the data, builds the network for the batch size and makes the plan: everything up to the first step.
  // Errors: Exit::config and Exit::data with what does not fit, Exit::memory when the device has too little of it.
  Trainer(TrainRequest request, TrainHooks hooks);
  ~Trainer();

  const Model& model() const;
  const Plan& plan() const;  // of the training step at the full batch size
  const Schema& schema() const;
  int64_t steps_per_epoch() const;
  const Footprint& footprint() const;
  int64_t checkpoint_bytes() const;  // what one checkpoint takes on disk, about

  TrainResult run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dl
