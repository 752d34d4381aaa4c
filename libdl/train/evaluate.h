#pragma once
// Judging a trained network on a split of a data set.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/eval_config.h"
#include "train/footprint.h"
#include "train/metrics.h"
#include "train/network.h"

namespace dl {

// The split to judge: the one asked for, else "test", else "valid", else the only one there is. Error (data)
// otherwise.
DL_API std::string choose_split(const Dataset& data, const std::string& asked);
// Error (data) unless the data set has the inputs and targets that the model was trained on, with the same
// types and classes.
DL_API void check_compatible(const Schema& model, const Schema& data, const std::string& data_name);

struct EvaluateOptions {
  EvalConfig config;
  std::string predictions;       // path of the artifact (kind "predictions"), "-", or empty: none
  OutputOptions output;          // of the predictions
  json recipe = json::object();  // resolved config, stored in the predictions
  std::string recipe_hash;
  uint64_t seed = 0;                                          // of test-time augmentation
  bool keep = false;                                          // keep what Evaluation::kept holds
  std::function<void(const Footprint&)> begin;                // before the first sample
  std::function<void(int64_t done, int64_t total)> progress;  // may throw to stop
};

// What was said about each sample of a split and what is true, in the order of the rows.
struct Kept {
  Tensor outputs;  // (n, columns), as the head's form says
  Tensor targets;  // (n, sample shape)
};

struct DL_API Evaluation {
  std::string split;
  std::vector<Head> heads;
  std::vector<Metrics> metrics;  // one for each head
  std::vector<Kept> kept;        // one for each head, when asked for
  double loss = 0;  // sum over the samples of the loss that the model was trained with, all heads together
  int64_t loss_samples = 0;  // 0: not known
  MetricList more;           // further values that values() ends with: intervals, parts
  // All metrics by name, "loss" first; with several heads the others have the output's name in front: "digit.accuracy".
  MetricList values() const;
};

// The metrics that an evaluation is going to have, for checking gates before the work. `schema`: of the data, for the
// values of groups.
DL_API MetricList planned_metrics(const Inference& network, const EvalConfig& config, const Schema& schema);
DL_API Evaluation evaluate(Inference& network, const Dataset& data, const EvaluateOptions& options);
// Of several networks that answer together (EvalConfig::ensemble).
DL_API Evaluation evaluate(std::span<Inference* const> networks, const Dataset& data,
                           const EvaluateOptions& options);
DL_API MetricsSetup metrics_setup(const Head& head, const EvalConfig& config);
// Where a column stands in the schema's order.
DL_API size_t column_of(const Schema& schema, const std::string& name);

// For people: the metrics in columns, the per-class table, and the confusion matrix for at most `classes`
// classes.
DL_API std::string evaluation_text(const Evaluation& e, int64_t classes = 20);

}  // namespace dl
