#pragma once
// The metrics that a run is steered by: the epoch whose model is kept (train.save.best), and early stopping.
#include "train/network.h"
#include "train/run_counters.h"
#include "train/train_config.h"

namespace dl {

// Metrics of a split: the loss, those of train.metrics, those watched, and where nothing else is named rmse or accuracy.
std::vector<std::string> watched_metrics(const TrainConfig& config, OutputForm form);

// Error (config) when a watched metric will not be there. `split` is the validation split, empty where there is none.
void check_watched(const TrainConfig& config, const std::string& split);

// Takes in the metrics {"train": {...}, "valid": {...}} of the run as it stands. Returns whether it is the best so far by
// train.save.best: its model is the one to keep. What is watched and is not among them counts for nothing.
bool note_metrics(const TrainConfig& config, const json& metrics, RunCounters& counters);

// Lets the schedule "plateau" see the metrics of an epoch: after `patience` epochs without improvement its factor falls, and
// `cooldown` epochs are not counted. Nothing for other schedules.
DL_API void note_plateau(const Schedule& schedule, const json& metrics, RunCounters& counters);

// Takes in the loss of a step. Returns what to warn of when it stands far above those before it, once in an epoch.
DL_API std::string note_loss(double loss, RunCounters& counters);

// Whether the run ends here: all epochs or steps are done, or it is stopped early. `total_steps` is that of the config.
bool run_is_over(const TrainConfig& config, int64_t total_steps, const RunCounters& counters);
// Why a run was stopped early, for people; empty when it was not.
std::string why_stopped(const TrainConfig& config, const RunCounters& counters);
bool stopped_early(const TrainConfig& config, const RunCounters& counters);

// What ModelFile::history has of an epoch: the metrics, and those of validations within it.
json history_entry(const json& metrics, int64_t epoch, const RunCounters& counters, double learning_rate);
// The same of a validation within an epoch.
json validation_entry(const json& metrics, int64_t step);

// "epoch 2/10  train.loss 0.1234  valid.accuracy 0.9876", where "epoch 2/10" is `what`.
std::string describe_metrics(const std::string& what, const json& metrics);

}  // namespace dl
