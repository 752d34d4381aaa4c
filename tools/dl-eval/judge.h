#pragma once
// Judging models on data sets: every pair, or an ensemble on every data set; and what stands beside the metrics.
#include <memory>
#include <string>
#include <vector>

#include "cli/tool.h"
#include "train/bootstrap.h"
#include "train/breakdown.h"
#include "train/evaluate.h"
#include "train/gate.h"

namespace dl::eval {

struct Request {
  EvalConfig config;
  std::vector<Gate> gates;
  std::vector<std::string> models, data;
  bool compare = false, calibrate = false, keep_going = false;
  std::string predictions;
  std::string report;                                             // path of the page, or empty
  json history;                                                   // for the page; null: the model's own
  double human_error = std::numeric_limits<double>::quiet_NaN();  // for the page
};

// One model, or one ensemble, on one data set.
struct Result {
  std::string model, data;
  Evaluation evaluation;
  std::vector<std::vector<ConfidenceInterval>> intervals;  // one list for each head; empty without bootstrap
  std::vector<std::vector<Breakdown>> breakdowns;          // one list for each head
  std::vector<GateResult> gates;
};

struct Versus {
  std::string a, b, data;  // models
  Comparison comparison;
};

// Returns the exit code: 0, 9 when --keep-going went past failures, 10 when a gate failed.
int judge(cli::Invocation& in, const Request& request, std::vector<std::unique_ptr<Inference>>& networks,
          Pool* pool);

std::string text(const Result& result);
// Metrics of many results side by side.
std::string text(const std::vector<Result>& results, const std::vector<std::string>& headline);
std::string text(const Versus& versus);
// As metrics.json is written; and as the record on stdout: with the gates, without the confusion matrix.
json to_json(const Result& result);
json to_record(const Result& result);
json to_json(const Versus& versus);

}  // namespace dl::eval
