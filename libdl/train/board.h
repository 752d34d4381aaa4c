#pragma once
// What a run tells TensorBoard: scalars of steps and epochs, histograms of parameters and gradients after each epoch, the
// network, the config. It only watches: with and without it, a run gives the same bytes.
#include <memory>

#include "io/event_file.h"
#include "train/run_state.h"
#include "train/stepper.h"

namespace dl {

class Board {
 public:
  // Writes to a new file in the folder that the request names; does nothing where it names none. What cannot be written is
  // warned of once, and the run goes on.
  Board(const RunSetup& setup, const RunState& state, const RunLog& log);
  void step(float loss, double learning_rate);
  // After an epoch, or a validation within one: {"train": {...}, "valid": {...}}.
  void metrics(const json& metrics);
  // After an epoch.
  void histograms(Stepper& stepper);
  void flush();
  void end();

 private:
  template <class Write>
  void attempt(Write write);
  void introduce();
  const RunSetup& setup_;
  const RunState& state_;
  const RunLog& log_;
  std::unique_ptr<EventFile> file_;
};

}  // namespace dl
