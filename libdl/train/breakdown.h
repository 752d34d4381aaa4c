#pragma once
// Metrics of parts of a split: by a group column of the data set, by the true or by the predicted class.
#include <string>
#include <vector>

#include "train/evaluate.h"

namespace dl {

// The values that `by` may have: of a group, the classes of a target or of the head.
DL_API const std::vector<std::string>& values_of(const std::string& by, const Schema& schema,
                                                 const Head& head);

struct Part {
  std::string name;           // a value of the column
  std::vector<int64_t> rows;  // of the split
};

// Error (config, pointer "/eval/by/i") unless every name is a group column, a target of classes, or "predicted"; lists
// what there is.
DL_API void check_breakdown(const std::vector<std::string>& by, const Schema& schema);

// The rows of each value of `by` that occurs, in the order of the values.
DL_API std::vector<Part> parts_of(const std::string& by, const Dataset& data, const Evaluation& e,
                                  size_t head);

struct Breakdown {
  std::string by;
  std::vector<std::string> metrics;  // names, "samples" first
  struct Row {
    std::string part;
    std::vector<double> values;  // of `metrics`
  };
  std::vector<Row> rows;
  std::vector<double> gaps;  // largest less smallest value of each metric
};
// One for each name in EvalConfig::by, for a head whose samples were kept.
DL_API std::vector<Breakdown> break_down(const EvalConfig& config, const Dataset& data, const Evaluation& e,
                                         size_t head);

// As metrics: by.sex.Female.accuracy, and gap.sex.accuracy.
DL_API MetricList to_metrics(const Breakdown& b);
DL_API std::string breakdown_text(const Breakdown& b);

}  // namespace dl
