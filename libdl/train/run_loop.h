#pragma once
// The loop of a run: batches, and what is due after them.
#include "train/averager.h"
#include "train/board.h"
#include "train/interval.h"
#include "train/monitor.h"
#include "train/run_state.h"
#include "train/stepper.h"
#include "train/validator.h"

namespace dl {

class RunLoop {
 public:
  // Goes on from where `state` stands.
  RunLoop(RunSetup& setup, RunState& state, const RunLog& log);
  // Trains to the end of the run, or until it is told to stop: gives the code for that then, else 0. A checkpoint is written
  // in both cases.
  int run();
  int64_t samples() const { return stepper_.samples(); }  // that went through the network

 private:
  bool over() const { return run_is_over(config_, setup_.total_steps(), counters_); }
  void announce() const;
  void report_step(float loss);
  bool validation_due() const;
  bool epoch_validation_due() const;
  json judge(bool with_valid, bool with_train);
  void validate_within();
  void end_epoch();
  void end_part();
  void note_epoch(const json& metrics, int64_t epoch);
  void judge_average();
  void checkpoint();
  bool checkpoint_due(bool stepped, bool epoch_ended) const;

  RunSetup& setup_;
  RunState& state_;
  const RunLog& log_;
  const TrainConfig& config_;
  RunCounters& counters_;
  const Interval save_every_, validate_every_;
  Stepper stepper_;
  Averager averager_;
  Validator validator_;
  Board board_;
  double last_save_;  // by steady_seconds()
  int64_t saved_step_, saved_epoch_;
};

}  // namespace dl
