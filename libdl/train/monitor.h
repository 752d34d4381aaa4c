#pragma once
// The metrics that a run is steered by: the epoch whose model is kept (train.save.best), and early stopping.
#include "train/network.h"
#include "train/run_counters.h"
#include "train/train_config.h"

namespace dl {

// Metrics computed on the validation split: the loss, those of train.metrics, those watched, and where nothing else is
// named rmse or accuracy.
std::vector<std::string> validation_metrics(const TrainConfig& config, OutputForm form);

// Error (config) when a watched metric will not be there. `split` is the validation split, empty where there is none.
void check_watched(const TrainConfig& config, const std::string& split);

// Takes in the metrics {"train": {...}, "valid": {...}} of the epoch counters.epoch. Returns whether it is the best so far
// by train.save.best: its model is the one to keep.
bool note_epoch(const TrainConfig& config, const json& metrics, RunCounters& counters);

// Lets the schedule "plateau" see the metrics of an epoch: after `patience` epochs without improvement its factor falls, and
// `cooldown` epochs are not counted. Nothing for other schedules.
DL_API void note_plateau(const Schedule& schedule, const json& metrics, RunCounters& counters);

bool stopped_early(const TrainConfig& config, const RunCounters& counters);

// "epoch 2/10  train.loss 0.1234  valid.accuracy 0.9876".
std::string describe_epoch(const json& metrics, int64_t epoch, int64_t epochs);

}  // namespace dl
