#pragma once
// How sure a metric is: intervals from resampling the samples of a split (Efron and Tibshirani, "An introduction to the
// bootstrap", 1993), and tests whether one model is better than another on the same samples.
#include <span>
#include <string>
#include <vector>

#include "base/threads.h"
#include "train/evaluate.h"

namespace dl {

struct BootstrapOptions {
  int64_t resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 0;
  Pool* pool = nullptr;
};

struct ConfidenceInterval {
  std::string name;
  double value = 0;  // of all samples
  double low = 0,
         high = 0;  // BCa: corrected for bias and skewness (Efron, 1987); NaN where the metric is undefined
  double percentile_low = 0, percentile_high = 0;  // plain shares of the resamples
};

// The metrics of a setup that summaries show: all those wanted, or those without a dot in the name that are neither
// counts nor thresholds.
DL_API std::vector<std::string> headline_metrics(const MetricsSetup& setup);

// Intervals of the headline metrics. The acceleration comes from leaving out one of at most 100 blocks of samples at a
// time. Independent of the number of threads.
DL_API std::vector<ConfidenceInterval> bootstrap(const MetricsSetup& setup, const Kept& kept,
                                                 const BootstrapOptions& options);

// One model against another on the same samples.
struct Comparison {
  struct Difference {
    std::string name;
    double a = 0, b = 0;       // the metric of each
    double low = 0, high = 0;  // percentile interval of b - a, both from the same resamples
    double p = 0;              // two-sided: twice the smaller share of differences on one side of 0
  };
  std::vector<Difference> differences;
  // Of classification: samples that only a, or only b, has right, and the p value of McNemar's exact test.
  int64_t only_a = 0, only_b = 0;
  double mcnemar_p = 1;
};
DL_API Comparison compare(const MetricsSetup& setup_a, const Kept& a, const MetricsSetup& setup_b,
                          const Kept& b, const BootstrapOptions& options);

// Two-sided p value of McNemar's exact test: how unlikely so uneven a split of the samples that only one has right is.
DL_API double mcnemar(int64_t only_a, int64_t only_b);

// The temperature that gives kept logits the least log loss (Guo et al., "On calibration of modern neural networks", ICML
// 2017): above 1 where a network is too sure. 1 for outputs that are no logits.
struct Calibration {
  double temperature = 1;
  double log_loss = 0, calibrated_log_loss = 0, ece = 0, calibrated_ece = 0;  // ece is NaN for labels
};
DL_API Calibration calibrate(const MetricsSetup& setup, const Kept& kept);

}  // namespace dl
