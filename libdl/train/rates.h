#pragma once
// The numbers that the schedule gives a step.
#include <cstdint>
#include <optional>
#include <string>

#include "train/train_config.h"

namespace dl {

// Steps that a run has at most, and the same in epochs, with a part of the last one.
DL_API int64_t run_steps(const TrainConfig& train, int64_t steps_per_epoch);
double run_epochs(const TrainConfig& train, int64_t steps_per_epoch);

// Of step `step` (0-based). What "plateau" makes of metrics is not in it (RunCounters::plateau_factor).
DL_API double scheduled_rate(const TrainConfig& train, int64_t step, int64_t steps_per_epoch);
// Where the schedule cycles the momentum: that of the step.
DL_API std::optional<double> scheduled_momentum(const TrainConfig& train, int64_t step,
                                                int64_t steps_per_epoch);

// The run before it is run: a line of CSV for each step: step (from 1 on), epoch (with a fraction, at the start of the
// step), learning_rate, and momentum where it is cycled.
DL_API std::string lr_curve(const TrainConfig& train, int64_t steps_per_epoch);

// Error (config) for a schedule that is wrong in itself, or cycles a momentum which the optimizer has not.
void check_rates(const TrainConfig& train);

}  // namespace dl
