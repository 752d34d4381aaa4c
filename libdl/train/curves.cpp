#include "train/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double positives(const std::vector<CurvePoint>& c) {
  return c.empty() ? 0 : static_cast<double>(c.back().right);
}
double negatives(const std::vector<CurvePoint>& c) {
  return c.empty() ? 0 : static_cast<double>(c.back().wrong);
}

}  // namespace

std::vector<CurvePoint> score_curve(std::vector<Score> scores) {
  for (Score& s : scores)
    if (std::isnan(s.score)) s.score = -std::numeric_limits<double>::infinity();
  std::sort(scores.begin(), scores.end(), [](const Score& a, const Score& b) { return a.score > b.score; });
  std::vector<CurvePoint> curve;
  int64_t right = 0, wrong = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    (scores[i].positive ? right : wrong) += 1;
    if (i + 1 == scores.size() || scores[i + 1].score != scores[i].score)
      curve.push_back({scores[i].score, right, wrong});
  }
  return curve;
}

double roc_auc(const std::vector<CurvePoint>& curve) {
  const double p = positives(curve), n = negatives(curve);
  if (p == 0 || n == 0) return kNaN;
  double pairs = 0;  // a positive before a negative counts 1, beside it 1/2: halves of whole numbers, exact
  CurvePoint last{0, 0, 0};
  for (const CurvePoint& c : curve) {
    const auto right = static_cast<double>(c.right - last.right),
               wrong = static_cast<double>(c.wrong - last.wrong);
    pairs += right * (n - static_cast<double>(c.wrong)) + 0.5 * right * wrong;
    last = c;
  }
  return pairs / (p * n);
}

double average_precision(const std::vector<CurvePoint>& curve) {
  const double p = positives(curve);
  if (p == 0) return kNaN;
  double sum = 0;
  int64_t last = 0;
  for (const CurvePoint& c : curve) {
    sum += static_cast<double>(c.right - last) * static_cast<double>(c.right) /
           static_cast<double>(c.right + c.wrong);
    last = c.right;
  }
  return sum / p;
}

double ks_statistic(const std::vector<CurvePoint>& curve) {
  const double p = positives(curve), n = negatives(curve);
  if (p == 0 || n == 0) return kNaN;
  double most = 0;
  for (const CurvePoint& c : curve)
    most = std::max(most, std::abs(static_cast<double>(c.right) / p - static_cast<double>(c.wrong) / n));
  return most;
}

double lift(const std::vector<CurvePoint>& curve, double share) {
  const double p = positives(curve), all = p + negatives(curve), wanted = share * all;
  if (p == 0 || wanted <= 0) return kNaN;
  double taken = 0, found = 0;
  for (const CurvePoint& c : curve) {
    const double count = static_cast<double>(c.right + c.wrong) - taken,
                 more = static_cast<double>(c.right) - found;
    const double part = std::min(1.0, (wanted - taken) / count);
    found += part * more;
    taken += count;
    if (taken >= wanted) break;
  }
  return found / wanted / (p / all);
}

BestThreshold best_f1(const std::vector<CurvePoint>& curve) {
  BestThreshold best{kNaN, kNaN};
  const double p = positives(curve);
  if (p == 0) return best;
  for (const CurvePoint& c : curve) {
    const double f1 = 2 * static_cast<double>(c.right) / (p + static_cast<double>(c.right + c.wrong));
    if (!(best.value >= f1)) best = {f1, c.threshold};
  }
  return best;
}

BestThreshold best_youden(const std::vector<CurvePoint>& curve) {
  BestThreshold best{kNaN, kNaN};
  const double p = positives(curve), n = negatives(curve);
  if (p == 0 || n == 0) return best;
  for (const CurvePoint& c : curve) {
    const double j = static_cast<double>(c.right) / p - static_cast<double>(c.wrong) / n;
    if (!(best.value >= j)) best = {j, c.threshold};
  }
  return best;
}

}  // namespace dl
