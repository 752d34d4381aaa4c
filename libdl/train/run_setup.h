#pragma once
// Everything of a run that is known before its first step: the data, the network, the plan of a step, and the memory.
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/loader.h"
#include "exec/arena.h"
#include "exec/executor.h"
#include "train/footprint.h"
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
  int64_t max_memory = 0;  // bytes that the run may take, of the device where there is one; 0: what there is
  std::string device = "cpu";  // as resolve_device() gives it
  std::string tmp;
  PassOptions passes;
  std::string tensorboard;     // folder for event files of TensorBoard; empty: none are written
  Profile* profile = nullptr;  // where steps and evaluations report their nodes; null: nowhere
};

class RunSetup {
 public:
  // Opens the data, builds the network for the batch size and makes the plan. Errors: Exit::config and Exit::data with
  // what does not fit, Exit::memory when the device has too little of it.
  explicit RunSetup(TrainRequest request);

  const Schema& schema() const { return loader.schema(); }  // as the loader gives batches
  int64_t full_batch() const { return std::min<int64_t>(config.batch_size, loader.samples()); }
  // Batches are what goes through the network at once; a step updates the parameters after train.accumulate of them.
  int64_t steps_per_epoch() const;
  int64_t total_steps() const;  // that the run has at most
  const Dataset& valid_data() const { return valid_file ? *valid_file : data; }
  const std::string& valid_split() const { return valid_split_; }  // empty: there is no validation
  LoaderOptions loading() const;
  LoaderOptions valid_loading() const;
  // The learning rate of a step, counted from 0, where metrics have lowered the schedule by `plateau_factor`.
  double learning_rate(int64_t step, double plateau_factor) const;
  // The phase that an epoch, counted from 0, is in: so many entries of train.unfreeze are in effect.
  size_t phase(int64_t epoch) const;
  size_t last_phase() const { return config.unfreeze.size(); }
  // The training step for a batch size: with train.accumulate above 1 without the update of parameters, which is the other.
  StepGraph step_graph(size_t phase, int64_t batch, bool first_of_step) const;
  Model update_model(size_t phase) const;
  // Computes with the averages of parameters where `averaged`.
  Model evaluation_model(int64_t batch, bool averaged) const;
  // Takes the statistics of batch norms under the averaged parameters (train/average_graph.h).
  Model statistics_model(int64_t batch) const;

  TrainRequest request;
  TrainConfig config;
  const json& section;  // "model"
  Dataset data;
  std::unique_ptr<Dataset> valid_file;  // null: `data` has the validation part too
  PlanOptions options;
  int64_t resident;  // bytes, before anything of the run is there but the device's libraries
  Loader loader;
  ClassCounts counts;
  StepGraph step;  // of the last phase, in which most is trained, at the full batch size
  Model whole;     // has all leaves of a run; the same as `step` where gradients are not accumulated
  PoolOwner pool;
  Plan plan;  // of `step`
  Footprint footprint;

 private:
  Thawed thawed(size_t phase) const;
  void check_unfreeze() const;
  std::string choose_valid_split() const;
  Footprint predict_footprint() const;
  void require_memory() const;
  int64_t further_state() const;  // bytes of leaves of `whole` that `plan` does not have
  std::string valid_split_;
};

}  // namespace dl
