#pragma once
// Metrics as streaming accumulators: fed batch by batch with outputs and targets, read at any time. Sums run
// in double over the samples in the order given, so results do not depend on how the samples were cut into
// batches.
//
// Names (the same in configs, metrics.json, gates and early stopping):
//   loss, samples                                 what add_loss() and add() were given
//   accuracy, top_K_accuracy, log_loss            classification
//   {macro,micro,weighted}.{precision,recall,f1}
//   per_class.NAME.{precision,recall,f1,support}
//   mse, rmse, mae, r2                            regression
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "tensor/tensor.h"

namespace dl {

// What a model's output holds, one row for each sample.
enum class OutputForm : uint8_t {
  logits,             // (n, classes), before softmax
  probabilities,      // (n, classes)
  log_probabilities,  // (n, classes)
  binary_logits,      // (n) or (n, 1), before sigmoid: two classes, the second where the logit is above 0
  values,             // (n, ...), regression
};
constexpr auto enum_names(const OutputForm*) {
  return std::to_array<std::string_view>(
      {"logits", "probabilities", "log_probabilities", "binary_logits", "values"});
}

struct Metric {
  std::string name;
  double value;  // NaN where the metric is undefined (see Metrics)
};
using MetricList = std::vector<Metric>;

struct MetricsSetup {
  OutputForm form = OutputForm::logits;
  int64_t columns = 1;                        // elements of one sample's output
  std::vector<std::string> class_names = {};  // may be empty: classes are then called "0", "1", ...
  std::vector<std::string> wanted;  // what values() returns, in this order; empty: everything that applies
};

// Undefined and degenerate cases:
//   * The predicted class is the first of the highest scores; a sample is in the top K when fewer than K
//     classes stand before its label in the order (score descending, class ascending). A NaN score stands last.
//   * precision = 0 for a class never predicted, recall = 0 for a class without samples,
//     f1 = 2tp / (2tp + fp + fn). A class that is neither predicted nor present has NaN for all three and is
//     left out of the macro averages.
//   * weighted averages weigh each class by its samples; micro averages pool the counts of all classes.
//   * log_loss takes logits through log-softmax in double; a probability of 0 counts as 2^-149, the least float.
//   * r2 is the mean over the columns of 1 - SS_res / SS_tot, NaN where a column's targets are all equal.
//   * Before the first sample every mean is NaN.
class DL_API Metrics {
 public:
  // Error (config, pointer "/i" below `pointer`) for a wanted name that does not exist or does not apply to
  // the form.
  explicit Metrics(MetricsSetup setup, const std::string& pointer = {});

  // The first `rows` rows of a batch; rows = -1: all. Targets: integer labels (n) or (n, 1) for
  // classification (0 or 1 in any type for binary_logits) or probabilities (n, classes), of which the largest is the
  // label; numbers of the output's size for regression. Error
  // (data) for a label out of range, which names the sample by its running number.
  void add(const Tensor& outputs, const Tensor& targets, int64_t rows = -1);
  void add_loss(double mean, int64_t rows);  // mean loss of a batch
  void reset();

  MetricList values() const;
  bool everything() const { return setup_.wanted.empty(); }  // values() returns all that apply
  int64_t samples() const { return samples_; }
  int64_t classes() const { return classes_; }  // 0 for regression
  const std::string& class_name(int64_t c) const { return setup_.class_names[static_cast<size_t>(c)]; }
  // (classes x classes) counts, rows are the actual, columns the predicted class; empty for regression and
  // above kConfusionLimit classes.
  const std::vector<int64_t>& confusion() const { return confusion_; }
  static constexpr int64_t kConfusionLimit = 2048;

 private:
  struct ClassCount {
    int64_t right = 0, predicted = 0, actual = 0;
  };
  struct Column {
    double mean = 0, spread = 0, residual = 0;
  };  // of targets, sum of squares about it, SS_res
  void add_classes(const Tensor& outputs, const Tensor& targets, int64_t rows);
  void add_values(const Tensor& outputs, const Tensor& targets, int64_t rows);
  void append_class_metrics(MetricList& out) const;
  void append_value_metrics(MetricList& out) const;

  MetricsSetup setup_;
  int64_t classes_ = 0;
  std::vector<int64_t> ks_;  // of the top-K accuracies, ascending
  int64_t samples_ = 0, loss_rows_ = 0;
  double loss_ = 0, log_loss_ = 0, absolute_ = 0;
  std::vector<int64_t> in_top_;  // per entry of ks_
  std::vector<ClassCount> counts_;
  std::vector<int64_t> confusion_;
  std::vector<Column> columns_;
  std::vector<double> row_;
};

// The names that apply to a form, per-class names left out, with "top_5_accuracy" standing for any K.
DL_API std::vector<std::string> metric_names(OutputForm form);
// False for losses and errors. Whatever stands before the last dot-separated name ("valid.") is ignored.
DL_API bool higher_is_better(std::string_view name);
// K of "top_K_accuracy", 0 for every other name.
DL_API int64_t top_k_of(std::string_view name);
// Value by name; NaN when it is absent.
DL_API double metric_value(const MetricList& list, std::string_view name);

}  // namespace dl
