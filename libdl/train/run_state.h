#pragma once
// What changes while a run goes on, and its way to checkpoints, to models and back.
#include <string>

#include "exec/arena.h"
#include "io/state_store.h"
#include "train/run_counters.h"
#include "train/run_log.h"
#include "train/run_setup.h"

namespace dl {

class RunState {
 public:
  RunState(const RunSetup& setup, const RunLog& log);

  // First values, or those of a checkpoint, or of another model's parameters: as the request says. Errors: Exit::config
  // or Exit::data when the checkpoint or the model does not fit.
  void start();
  // Of the run as it stands, sharing its memory: what steps work with, and what is judged and written, which is an average
  // where one is kept.
  TensorMap trained_tensors() const { return tensors(false); }
  TensorMap model_tensors() const { return tensors(averaged()); }
  bool averaged() const;
  void keep_best();
  ModelFile model_file(TensorMap tensors) const;
  // Writes one where the request names a folder.
  void checkpoint();
  bool has_checkpoint() const { return has_checkpoint_; }  // this run has written one, or started from one

  std::shared_ptr<Arena> arena;  // of all executors
  TensorMap store;               // all parameters and states; a device has its own, see Arena::fetch
  TensorMap best;                // parameters of the best epoch
  json history = json::array();  // ModelFile::history
  RunCounters counters;

 private:
  bool restore();
  void start_averages();
  TensorMap tensors(bool averaged) const;
  void take_parameters(const ModelFile& from);
  const RunSetup& setup_;
  const RunLog& log_;
  bool has_checkpoint_ = false;
};

}  // namespace dl
