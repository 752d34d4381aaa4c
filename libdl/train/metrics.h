#pragma once
// Metrics as streaming accumulators: fed batch by batch with outputs and targets, read at any time. Sums run
// in double over the samples in the order given, so results do not depend on how the samples were cut into
// batches.
//
// Names (the same in configs, metrics.json, gates and early stopping):
//   loss, samples                     what add_loss() and add() were given
//   classification: accuracy, error_rate, balanced_accuracy, top_K_accuracy, log_loss, brier, ece, mce, cohen_kappa,
//     linear_kappa, quadratic_kappa, mcc, g_mean, hamming_loss, cost, roc_auc, weighted.roc_auc, average_precision,
//     {macro,micro,weighted}.RATE, per_class.NAME.{RATE,support,roc_auc,average_precision}
//     with RATE one of precision, recall, sensitivity (the same), specificity, f1, fB for any number B, jaccard
//   two classes: RATE alone is that of the positive class; ks, lift_P (within the first P %), best_f1,
//     best_f1_threshold, youden, youden_threshold
//   several yes-or-no labels, and masks: accuracy, subset_accuracy, hamming_loss, log_loss, brier, the averages and
//     per_class of RATE as above, roc_auc and average_precision where there is one number for a label; masks: iou, dice
//   regression: mse, rmse, mae, r2, explained_variance, max_error, mean_error, median_absolute_error,
//     relative_absolute_error, mape, poisson_deviance, pearson
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
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
  label_logits,  // (n, labels) or (n, labels, height, width), before sigmoid: a yes or no for each number
  label_probabilities,  // the same after sigmoid
};
constexpr auto enum_names(const OutputForm*) {
  return std::to_array<std::string_view>({"logits", "probabilities", "log_probabilities", "binary_logits",
                                          "values", "label_logits", "label_probabilities"});
}
constexpr bool is_regression(OutputForm form) { return form == OutputForm::values; }
constexpr bool has_labels(OutputForm form) {
  return form == OutputForm::label_logits || form == OutputForm::label_probabilities;
}
constexpr bool is_classification(OutputForm form) { return !is_regression(form) && !has_labels(form); }

struct Metric {
  std::string name;
  double value;  // NaN where the metric is undefined (see Metrics)
};
using MetricList = std::vector<Metric>;

struct MetricsSetup {
  OutputForm form = OutputForm::logits;
  int64_t columns = 1;                        // elements of one sample's output
  std::vector<std::string> class_names = {};  // may be empty: classes are then called "0", "1", ...
  std::vector<std::string> wanted =
      {};              // what values() returns, in this order; empty: everything that applies
  int64_t labels = 0;  // forms of labels: how many; columns / labels pixels each. 0: columns
  // With two classes: the positive one (of labels: yes) is said where its probability reaches this. NaN: where it is
  // the larger.
  double threshold = std::numeric_limits<double>::quiet_NaN();
  std::string positive = {};  // with two classes: name of the positive one; empty: the second
  std::vector<std::vector<double>> costs =
      {};                  // classes x classes, rows actual, columns predicted; empty: none
  double temperature = 1;  // logits are divided by it first
  int64_t bins = 15;       // of confidence, for ece and mce
};

// Undefined and degenerate cases:
//   * The predicted class is the first of the highest scores; a sample is in the top K when fewer than K
//     classes stand before its label in the order (score descending, class ascending). A NaN score stands last.
//   * precision = 0 for a class never predicted, recall = 0 for a class without samples,
//     f1 = 2tp / (2tp + fp + fn). A class that is neither predicted nor present has NaN for all of them and is
//     left out of the macro averages. balanced_accuracy and g_mean are over the classes that have samples.
//   * weighted averages weigh each class by its samples; micro averages pool the counts of all classes.
//   * log_loss takes logits through log-softmax in double; a probability of 0 counts as 2^-149, the least float.
//   * brier is (p - y)^2 of the positive class for two classes, the sum over the classes for more.
//   * ece and mce compare confidence and accuracy of the predicted class in bins of equal width (Guo et al., "On
//     calibration of modern neural networks", ICML 2017, eq. 3 and 5).
//   * roc_auc is the probability that a positive sample scores above a negative one, ties counting half; for more
//     than two classes the mean over the classes against the rest, those with no samples or nothing else left out.
//     average_precision is the sum of precision times the step in recall, without interpolation.
//   * mcc is 0 where its denominator is 0; the kappas are NaN there.
//   * r2 is the mean over the columns of 1 - SS_res / SS_tot, NaN where a column's targets are all equal;
//     explained_variance takes the mean error off first. poisson_deviance is NaN when a prediction is not above 0.
//   * Before the first sample every mean is NaN.
//
// roc_auc and what stands beside it need all probabilities at the end: 9 bytes for each sample and class (two classes:
// for each sample), median_absolute_error and relative_absolute_error 16 bytes for each number. That is taken when one of
// them is wanted, or when everything is wanted and there are at most kScoredClasses classes.
class DL_API Metrics {
 public:
  // Error (config, pointer "/i" below `pointer`) for a wanted name that does not exist or does not apply to
  // the form; Error (config, "/eval/...") for a threshold, positive class or costs that do not fit the classes.
  explicit Metrics(MetricsSetup setup, const std::string& pointer = {});
  ~Metrics();
  Metrics(Metrics&&) noexcept;
  Metrics& operator=(Metrics&&) noexcept;

  // The first `rows` rows of a batch; rows = -1: all. Targets: integer labels (n) or (n, 1) for
  // classification (0 or 1 in any type for binary_logits), or one weight for each class (n, classes), of which the
  // largest is the label; numbers of the output's size for the other forms. Error (data) for a label out of range, which
  // names the sample by its running number.
  void add(const Tensor& outputs, const Tensor& targets, int64_t rows = -1);
  // The given rows alone, in this order.
  void add_rows(const Tensor& outputs, const Tensor& targets, std::span<const int64_t> rows);
  void add_loss(double mean, int64_t rows);  // mean loss of a batch
  void reset();

  MetricList values() const;
  bool everything() const { return setup_.wanted.empty(); }  // values() returns all that apply
  int64_t samples() const { return samples_; }
  int64_t classes() const { return classes_; }  // 0 for regression; of labels: how many
  const std::string& class_name(int64_t c) const { return setup_.class_names[static_cast<size_t>(c)]; }
  const MetricsSetup& setup() const { return setup_; }
  // Bytes that are kept for each sample until the end.
  int64_t bytes_per_sample() const;
  // (classes x classes) counts, rows are the actual, columns the predicted class; empty for regression, labels and
  // above kConfusionLimit classes.
  const std::vector<int64_t>& confusion() const;
  // Bins of the confidence of the predicted class, from 0 to 1.
  struct Bin {
    int64_t samples = 0, right = 0;
    double confidence = 0;  // sum
  };
  const std::vector<Bin>& calibration() const;
  static constexpr int64_t kConfusionLimit = 2048, kScoredClasses = 100;

 private:
  struct Tallies;
  void check_names(const std::string& pointer) const;
  void add_row(const Tensor& outputs, const Tensor& targets, int64_t row);

  MetricsSetup setup_;
  int64_t classes_ = 0;
  int64_t samples_ = 0, loss_rows_ = 0;
  double loss_ = 0;
  std::unique_ptr<Tallies> tallies_;
};

// The names that apply to a form with that many classes, per-class names left out; "top_5_accuracy" stands for any K,
// "f1" for any fB, "lift_10" for any P.
DL_API std::vector<std::string> metric_names(OutputForm form, int64_t classes = 2);
// False for losses, errors, costs and gaps between groups; the ends of an interval go by their metric. Whatever stands before the last dot-separated name ("valid.") is ignored.
DL_API bool higher_is_better(std::string_view name);
// B of a name that ends in "fB" ("f0.5", "macro.f2"), NaN for every other.
DL_API double beta_of(std::string_view name);
// K of "top_K_accuracy", 0 for every other name.
DL_API int64_t top_k_of(std::string_view name);
// Value by name; NaN when it is absent.
DL_API double metric_value(const MetricList& list, std::string_view name);

}  // namespace dl
