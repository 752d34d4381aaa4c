#pragma once
// The parts of Metrics, one for each family: what is counted and summed for a sample, and what follows from it.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "train/curves.h"
#include "train/metrics.h"

namespace dl {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kLeastFloat = 0x1p-149;

inline double mean_of(double sum, int64_t n) { return n == 0 ? kUndefined : sum / static_cast<double>(n); }

// Counts of one class against the rest; sums of them for micro averages.
struct Counts {
  double right = 0, predicted = 0, actual = 0, all = 0;
};
// The first of the highest; NaN stands last.
size_t first_of(const std::vector<double>& scores);
// P of "lift_P", a number above 0 and up to 100; NaN for other names.
double lift_percent(std::string_view name);
// "precision", "recall", "sensitivity", "specificity", "jaccard" or "fB"; NaN for a class neither predicted nor present.
double rate(std::string_view name, const Counts& n);
// The rates that stand in lists, with those of `wanted` that do not: sensitivity, and fB for each B.
std::vector<std::string> rate_names(const std::vector<std::string>& wanted);
// per_class.NAME.RATE and per_class.NAME.support into `each`, the macro, micro and weighted averages into `out`.
void append_rates(MetricList& out, MetricList& each, const std::vector<Counts>& counts,
                  const MetricsSetup& setup);

// Probabilities and truths of all samples, one column for each class or label.
class ScoreTally {
 public:
  ScoreTally() = default;
  ScoreTally(int64_t columns, int64_t first_class) : columns_(columns), first_(first_class) {}
  int64_t columns() const { return columns_; }
  // Column after column, sample after sample.
  void add(double probability, bool positive) {
    probabilities_.push_back(probability);
    positives_.push_back(positive);
  }
  void reset() {
    probabilities_.clear();
    positives_.clear();
  }
  std::vector<CurvePoint> curve(int64_t column) const;
  // roc_auc, average_precision, with their weighted means and per class; of a single column the thresholds too.
  void append(MetricList& out, MetricList& each, const MetricsSetup& setup) const;

 private:
  int64_t columns_ = 0;
  int64_t first_ = 0;                  // the class that column 0 is
  std::vector<double> probabilities_;  // (samples, columns)
  std::vector<uint8_t> positives_;     // (samples, columns)
};

// One label for each sample, out of several classes.
class ClassTally {
 public:
  ClassTally() = default;
  ClassTally(const MetricsSetup& setup, int64_t classes, std::vector<int64_t> ks);
  void reset();
  // `scores`: what the output says of each class; `probabilities`: the same as probabilities.
  void add(const std::vector<double>& scores, const std::vector<double>& probabilities,
           double log_probability, size_t label, size_t guess);
  void append(MetricList& out, MetricList& each, const MetricsSetup& setup) const;
  const std::vector<int64_t>& confusion() const { return confusion_; }
  const std::vector<Metrics::Bin>& bins() const { return bins_; }

 private:
  void append_agreement(MetricList& out, const MetricsSetup& setup) const;
  void append_calibration(MetricList& out) const;
  int64_t classes_ = 0, samples_ = 0, positive_ = 1;
  double log_loss_ = 0, brier_ = 0;
  std::vector<int64_t> ks_, in_top_;
  std::vector<Counts> counts_;
  std::vector<int64_t> confusion_;
  std::vector<Metrics::Bin> bins_;
};

// A yes or no for each label, perhaps at each pixel.
class LabelTally {
 public:
  LabelTally() = default;
  LabelTally(int64_t labels, int64_t pixels) : labels_(labels), pixels_(pixels) { reset(); }
  void reset();
  void add(const std::vector<double>& probabilities, const std::vector<double>& truths, double log_loss,
           double threshold);
  void append(MetricList& out, MetricList& each, const MetricsSetup& setup) const;

 private:
  int64_t labels_ = 0, pixels_ = 1, samples_ = 0, exact_ = 0;
  double log_loss_ = 0, brier_ = 0, right_ = 0;
  std::vector<Counts> counts_;
};

// Numbers.
class ValueTally {
 public:
  ValueTally() = default;
  ValueTally(int64_t columns, bool keep) : columns_(static_cast<size_t>(columns)), keep_(keep) {}
  void reset();
  void add(size_t column, double value, double truth);
  void append(MetricList& out) const;
  bool keeps() const { return keep_; }

 private:
  struct Column {
    int64_t n = 0;
    // Welford's running means and sums of squares about them: of targets, predictions, errors; and of their products.
    double mean = 0, spread = 0, mean_value = 0, spread_value = 0, mean_miss = 0, spread_miss = 0,
           product = 0;
    double residual = 0;            // sum of squared errors
    std::vector<double> y, misses;  // kept
  };
  std::vector<Column> columns_;
  bool keep_ = false;
  double absolute_ = 0, relative_ = 0, largest_ = 0, poisson_ = 0;
};

}  // namespace dl
