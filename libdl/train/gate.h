#pragma once
// Conditions on metrics that a script can rely on: bounds ("accuracy>=0.98") and the largest drop against
// earlier results. Their outcome as text and as JUnit XML.
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "train/metrics.h"

namespace dl {

struct Gate {
  enum class Test : uint8_t { at_least, at_most, above, below, equal, drop };
  std::string text;  // as the user wrote it
  std::string metric;
  Test test = Test::at_least;
  double bound = 0;
  double before = 0;  // drop: the value of the baseline
};

// "NAME OP NUMBER" with OP one of >= <= > < ==. Error (config) otherwise; `pointer` is the gate's place, if
// it has one.
DL_API Gate parse_gate(std::string_view text, const std::string& pointer = {});
// "NAME=NUMBER": how much worse NAME may be than in `baseline`: lower, or higher for losses and errors. Error
// (config) when the text does not parse, Error (data) when the baseline lacks the metric.
DL_API Gate parse_drop(std::string_view text, const MetricList& baseline);
// Error (config) with the closest names unless every gate's metric is one of `list`.
DL_API void check_gates(const std::vector<Gate>& gates, const MetricList& list);

struct GateResult {
  std::string name;  // the gate as written
  bool passed = false;
  std::string message;  // "accuracy is 0.97, expected >= 0.98"
};
// One result for each gate. A metric that is undefined fails.
DL_API std::vector<GateResult> run_gates(const std::vector<Gate>& gates, const MetricList& list);

// JUnit XML: one suite, one test case for each gate.
DL_API std::string junit_xml(std::string_view suite, const std::vector<GateResult>& results);

// metrics.json: a flat object of numbers under stable names, undefined and infinite ones null and listed
// under "nonfinite"; "confusion_matrix" (rows actual, columns predicted) for up to `confusion_classes`
// classes.
DL_API std::string metrics_json(const MetricList& list, const Metrics* confusion = nullptr,
                                int64_t confusion_classes = 100);
// "name,value" lines with a header.
DL_API std::string metrics_csv(const MetricList& list);
// Reads metrics.json back; null gives NaN, what is no number is skipped. Error (data) names `file`.
DL_API MetricList parse_metrics(std::string_view text, std::string_view file);

}  // namespace dl
