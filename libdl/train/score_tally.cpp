#include "base/str.h"
#include "train/tallies.h"

namespace dl {

std::vector<CurvePoint> ScoreTally::curve(int64_t column) const {
  std::vector<Score> scores;
  const auto stride = static_cast<size_t>(columns_);
  scores.reserve(probabilities_.size() / stride);
  for (auto i = static_cast<size_t>(column); i < probabilities_.size(); i += stride)
    scores.push_back({probabilities_[i], positives_[i] != 0});
  return score_curve(std::move(scores));
}

void ScoreTally::append(MetricList& out, MetricList& each, const MetricsSetup& setup) const {
  double area = 0, weighted = 0, weight = 0, precision = 0;
  int64_t areas = 0, precisions = 0;
  for (int64_t c = 0; c < columns_; ++c) {
    const std::vector<CurvePoint> points = curve(c);
    const double a = roc_auc(points), p = average_precision(points);
    const std::string prefix = str("per_class.", setup.class_names[static_cast<size_t>(first_ + c)], '.');
    each.push_back({prefix + "roc_auc", a});
    each.push_back({prefix + "average_precision", p});
    if (!std::isnan(p)) precision += p, ++precisions;
    if (std::isnan(a)) continue;
    const auto support = static_cast<double>(points.back().right);
    area += a, ++areas;
    weighted += support * a, weight += support;
  }
  out.push_back({"roc_auc", mean_of(area, areas)});
  if (columns_ > 1) out.push_back({"weighted.roc_auc", weight == 0 ? kUndefined : weighted / weight});
  out.push_back({"average_precision", mean_of(precision, precisions)});
  if (columns_ != 1 || has_labels(setup.form)) return;
  const std::vector<CurvePoint> points = curve(0);
  out.push_back({"ks", ks_statistic(points)});
  out.push_back({"lift_10", lift(points, 0.1)});
  for (const std::string& name : setup.wanted)
    if (const double percent = lift_percent(name); !std::isnan(percent) && name != "lift_10")
      out.push_back({name, lift(points, percent / 100)});
  const BestThreshold f1 = best_f1(points), youden = best_youden(points);
  out.push_back({"best_f1", f1.value});
  out.push_back({"best_f1_threshold", f1.threshold});
  out.push_back({"youden", youden.value});
  out.push_back({"youden_threshold", youden.threshold});
}

}  // namespace dl
