#pragma once
// Supervised training: epochs over a data set with validation, checkpoints, exact resume and early stopping. The run is
// a pure function of config, data and seed: neither threads, nor kills, nor the clock change the model.
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "data/loader.h"
#include "exec/executor.h"
#include "io/state_store.h"
#include "train/footprint.h"
#include "train/interval.h"
#include "train/step_graph.h"

namespace dl {

struct TrainRequest {
  json config = json::object();  // resolved sections model, train, augment; kept in the model
  std::string data;              // data set, or "-"
  std::string valid;      // a second data set to validate on; empty: the split valid_split of the first
  std::string state_dir;  // where checkpoints go; empty: none are written
  std::string resume =
      "none";             // none, auto (the newest in state_dir, when there is one), or a checkpoint folder
  std::string init_from;  // model whose parameters a new run starts from
  bool partial = false;   // init_from may lack parameters or have others
  // Hash of the recipe, given the content hashes of the inputs {"data": ..., "valid": ..., "init_from": ...}.
  std::function<std::string(const json& inputs)> recipe;
  uint64_t seed = 0;
  int threads = 1;
  std::string device = "cpu";  // as resolve_device() gives it
  std::string tmp;
  PassOptions passes;
  Profile* profile = nullptr;  // where steps and evaluations report their nodes; null: nowhere
};

// What a run asks of and tells its surroundings. All may be empty.
struct TrainHooks {
  // name and fields of an event: run_start, step, epoch, eval, checkpoint, warning, run_end
  std::function<void(const std::string& event, const json& fields)> event;
  std::function<void(const std::string& line)> note;  // for people
  std::function<void(int64_t step, int64_t total, const std::string& text)> progress;
  std::function<int()> stop;  // not 0: finish the step, checkpoint, and return this code
  std::function<bool()> checkpoint_now;
  std::function<bool()> out_of_time;  // finish the step, checkpoint, and write what there is
};

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
