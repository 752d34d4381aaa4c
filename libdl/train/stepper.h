#pragma once
// Training steps, batch by batch.
#include "train/executor_cache.h"
#include "train/run_state.h"

namespace dl {

class Stepper {
 public:
  // From the position of state.counters on.
  Stepper(RunSetup& setup, RunState& state, const RunLog& log);
  // Runs the next batch: forward, backward and, where it completes a step, the update of the parameters. True then. Error
  // (numeric) with the first place that is not finite when the loss is not.
  bool next_batch();
  // Batches until a step is complete, into the next epoch where this one is over: for runs that are not steered.
  void next_step();
  // From now on instead of that of the schedule.
  void set_learning_rate(double rate) { fixed_rate_ = rate; }
  float loss() const { return loss_; }          // of the step that was completed last
  int64_t samples() const { return samples_; }  // since the start
  // Of a parameter in the step that was completed last, before clipping; empty where there is none, where the run shows none
  // (TrainRequest::tensorboard), and with a scaled loss. Valid until the next batch.
  std::span<const float> gradient(const std::string& parameter);

 private:
  // The batch after the current one, taken while a device computes; fed where there is an executor for it.
  struct Ahead {
    const Batch* batch = nullptr;
    bool fed = false;
  };
  void enter_phase(size_t phase);
  ExecutorCache& executors_for(int64_t batch_in_epoch);
  int64_t samples_of_step() const;
  void feed_scalars(Executor& ex, int64_t rows) const;
  void feed_momentum(Executor& ex) const;
  void look_ahead(const Executor* running);
  void update();
  [[noreturn]] void diverged(Executor& ex, size_t forward, float loss);

  RunSetup& setup_;
  RunState& state_;
  const RunLog& log_;
  size_t phase_ = 0;
  std::unique_ptr<ExecutorCache> more_, first_;  // of a step; only the former without accumulation
  std::unique_ptr<Executor> update_;             // null without accumulation
  Ahead ahead_;
  double learning_rate() const {
    return fixed_rate_ ? *fixed_rate_
                       : setup_.learning_rate(state_.counters.step, state_.counters.plateau_factor);
  }
  std::optional<double> fixed_rate_;
  Executor* last_ = nullptr;  // that ran the last batch
  float loss_ = 0;
  int64_t samples_ = 0;
};

// Feeds the columns of a batch that the executor has as inputs.
void feed_batch(const Schema& schema, const Batch& batch, Executor& ex);

}  // namespace dl
