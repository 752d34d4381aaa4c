#include "train/tallies.h"

namespace dl {

void LabelTally::reset() {
  samples_ = exact_ = 0;
  log_loss_ = brier_ = right_ = 0;
  counts_.assign(static_cast<size_t>(labels_), {});
}

void LabelTally::add(const std::vector<double>& probabilities, const std::vector<double>& truths,
                     double log_loss, double threshold) {
  bool exact = true;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const bool said = probabilities[i] >= threshold, is = truths[i] >= 0.5;
    Counts& n = counts_[i / static_cast<size_t>(pixels_)];
    n.right += said && is;
    n.predicted += said;
    n.actual += is;
    n.all += 1;
    right_ += said == is;
    exact = exact && said == is;
    brier_ += (probabilities[i] - truths[i]) * (probabilities[i] - truths[i]);
  }
  exact_ += exact;
  log_loss_ += log_loss;
  ++samples_;
}

void LabelTally::append(MetricList& out, MetricList& each, const MetricsSetup& setup) const {
  const int64_t all = samples_ * labels_ * pixels_;
  const double accuracy = mean_of(right_, all);
  out.push_back({"accuracy", accuracy});
  out.push_back({"hamming_loss", 1 - accuracy});
  out.push_back({"subset_accuracy", mean_of(static_cast<double>(exact_), samples_)});
  out.push_back({"log_loss", mean_of(log_loss_, all)});
  out.push_back({"brier", mean_of(brier_, all)});
  MetricList averages;
  append_rates(averages, each, counts_, setup);
  if (pixels_ > 1) {
    out.push_back({"iou", metric_value(averages, "macro.jaccard")});
    out.push_back({"dice", metric_value(averages, "macro.f1")});
  }
  out.insert(out.end(), averages.begin(), averages.end());
}

}  // namespace dl
