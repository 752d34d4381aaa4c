#pragma once
// Curves over the threshold of a score: ROC, precision and recall, and what is read off them. A sample is taken as
// positive where its score reaches the threshold (Fawcett, "An introduction to ROC analysis", 2006).
#include <cstdint>
#include <vector>

#include "base/export.h"

namespace dl {

struct Score {
  double score;  // NaN counts as the lowest
  bool positive;
};

// How many samples are taken at a threshold. Points go from the highest score to the lowest; equal scores make one point.
struct CurvePoint {
  double threshold;
  int64_t right, wrong;  // positives and negatives among the samples taken
};
DL_API std::vector<CurvePoint> score_curve(std::vector<Score> scores);

// All of them are NaN for a curve without positives, or without negatives where those count.
DL_API double roc_auc(const std::vector<CurvePoint>& curve);
DL_API double average_precision(const std::vector<CurvePoint>& curve);
// The largest distance between the shares of positives and of negatives taken (Kolmogorov and Smirnov).
DL_API double ks_statistic(const std::vector<CurvePoint>& curve);
// How much oftener than on average positives are among the first `share` of the samples; equal scores are taken in part.
DL_API double lift(const std::vector<CurvePoint>& curve, double share);

struct BestThreshold {
  double value, threshold;
};
DL_API BestThreshold best_f1(const std::vector<CurvePoint>& curve);
DL_API BestThreshold best_youden(const std::vector<CurvePoint>& curve);  // sensitivity + specificity - 1

}  // namespace dl
