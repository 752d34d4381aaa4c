#pragma once
// Where a run stands, apart from its tensors: what a checkpoint keeps as "counters".
#include <cmath>
#include <limits>

#include "base/fields.h"

namespace dl {

struct RunCounters {
  int64_t step = 0;      // optimiser steps done
  int64_t epoch = 0;     // epochs done
  int64_t batch = 0;     // batches done of the current epoch
  double step_loss = 0;  // of the batches of a step that is not complete, by their share
  double loss_sum = 0;   // of the current epoch, times rows
  int64_t loss_rows = 0;
  std::optional<double> best;  // value of the watched metric at the best epoch
  int64_t best_epoch = 0;
  std::optional<double> stopping_best;
  int64_t averaged = 0;                // epochs that went into the mean of train.average
  int64_t bad_epochs = 0;              // validations since stopping_best improved
  bool diverged = false;               // the watched metric went beyond its bound
  double plateau_factor = 1;           // of the schedule "plateau"
  std::optional<double> plateau_best;  // value of its metric
  int64_t plateau_bad = 0;             // epochs since that improved
  int64_t plateau_rest = 0;            // epochs of the cooldown that are left
  double penalty = 0;                  // in the last step
  bool finished = false;
  bool cut = false;  // finished within an epoch, of whose part the history has an entry
  // Of the loss of steps, for warnings.
  struct LossTrend {
    double mean = 0, variance = 0;
    int64_t steps = 0, warned_epoch = 0;
  };
  LossTrend trend;
  json validations = json::array();    // within the current epoch
  json metrics = json::object();       // of the last epoch
  json best_metrics = json::object();  // of the best one
  std::string data_hash;               // content hash of the data set
  std::string init_hash;               // content hash of the model that the run started from; may be empty
};
constexpr auto fields(const RunCounters::LossTrend*) {
  using T = RunCounters::LossTrend;
  return std::tuple{field("mean", &T::mean, ""), field("variance", &T::variance, ""),
                    field("steps", &T::steps, ""), field("warned_epoch", &T::warned_epoch, "")};
}
constexpr auto fields(const RunCounters*) {
  return std::tuple{
      field("step", &RunCounters::step, ""),
      field("epoch", &RunCounters::epoch, ""),
      field("batch", &RunCounters::batch, ""),
      field("loss_sum", &RunCounters::loss_sum, ""),
      field("loss_rows", &RunCounters::loss_rows, ""),
      field("best", &RunCounters::best, ""),
      field("best_epoch", &RunCounters::best_epoch, ""),
      field("stopping_best", &RunCounters::stopping_best, ""),
      field("bad_epochs", &RunCounters::bad_epochs, ""),
      field("averaged", &RunCounters::averaged, ""),
      field("step_loss", &RunCounters::step_loss, ""),
      field("diverged", &RunCounters::diverged, ""),
      field("cut", &RunCounters::cut, ""),
      field("trend", &RunCounters::trend, ""),
      field("validations", &RunCounters::validations, ""),
      field("plateau_factor", &RunCounters::plateau_factor, ""),
      field("plateau_best", &RunCounters::plateau_best, ""),
      field("plateau_bad", &RunCounters::plateau_bad, ""),
      field("plateau_rest", &RunCounters::plateau_rest, ""),
      field("penalty", &RunCounters::penalty, ""),
      field("finished", &RunCounters::finished, ""),
      field("metrics", &RunCounters::metrics, ""),
      field("best_metrics", &RunCounters::best_metrics, ""),
      field("data_hash", &RunCounters::data_hash, ""),
      field("init_hash", &RunCounters::init_hash, ""),
  };
}

}  // namespace dl
