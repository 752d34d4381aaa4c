#include "data/feature_score.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace dl {

namespace {

std::vector<size_t> binned(std::span<const double> x, int64_t bins) {
  std::vector<double> sorted(x.begin(), x.end()), different;
  std::sort(sorted.begin(), sorted.end());
  std::unique_copy(sorted.begin(), sorted.end(), std::back_inserter(different));
  std::vector<double> last = different;  // largest value of each bin
  if (static_cast<int64_t>(different.size()) > bins) {
    last.clear();
    for (int64_t b = 1; b <= bins; ++b) {
      const double v = sorted[(sorted.size() * static_cast<size_t>(b) + static_cast<size_t>(bins) - 1) /
                                  static_cast<size_t>(bins) -
                              1];
      if (last.empty() || v > last.back()) last.push_back(v);
    }
  }
  std::vector<size_t> out;
  for (double v : x)
    out.push_back(static_cast<size_t>(std::lower_bound(last.begin(), last.end(), v) - last.begin()));
  return out;
}

}  // namespace

double mutual_information(std::span<const double> x, std::span<const double> y, int64_t bins) {
  const std::vector<size_t> a = binned(x, bins), b = binned(y, bins);
  std::map<std::pair<size_t, size_t>, double> joint;
  std::map<size_t, double> of_a, of_b;
  for (size_t i = 0; i < a.size(); ++i) {
    ++joint[{a[i], b[i]}];
    ++of_a[a[i]];
    ++of_b[b[i]];
  }
  const auto n = static_cast<double>(a.size());
  double sum = 0;
  for (const auto& [both, count] : joint)
    sum += count / n * std::log(count * n / (of_a[both.first] * of_b[both.second]));
  return std::max(sum, 0.0);
}

Matrix correlations(const Matrix& scatter, int64_t n) {
  const auto size = static_cast<size_t>(n);
  Matrix out(scatter.size());
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < size; ++j) {
      const double scale = std::sqrt(scatter[i * size + i] * scatter[j * size + j]);
      out[i * size + j] = i == j ? 1 : scale > 0 ? scatter[i * size + j] / scale : 0;
    }
  return out;
}

std::vector<double> variance_inflation(const Matrix& correlation, int64_t n) {
  const Eigen e = symmetric_eigen(correlation, n);
  std::vector<double> out(static_cast<size_t>(n));
  for (size_t k = 0; k < out.size(); ++k)
    for (size_t j = 0; j < out.size(); ++j) {
      const double v = e.vectors[k * out.size() + j];
      out[j] += v * v / std::max(e.values[k], 1e-12 * e.values[0]);
    }
  return out;
}

double condition_number(const Matrix& correlation, int64_t n) {
  const Eigen e = symmetric_eigen(correlation, n);
  return std::sqrt(e.values.front() / std::max(e.values.back(), 1e-16 * e.values.front()));
}

void lasso_descend(const Matrix& correlation, std::span<const double> with_target, double penalty,
                   std::vector<double>& b) {
  const size_t n = b.size();
  std::vector<double> residual(with_target.begin(), with_target.end());  // c - C b
  for (size_t j = 0; j < n; ++j)
    if (b[j] != 0)
      for (size_t i = 0; i < n; ++i) residual[i] -= correlation[j * n + i] * b[j];
  for (int turn = 0; turn < 10000; ++turn) {
    double moved = 0;
    for (size_t j = 0; j < n; ++j) {
      const double z = residual[j] + b[j];
      const double to = std::copysign(std::max(std::abs(z) - penalty, 0.0), z), d = to - b[j];
      if (d == 0) continue;
      b[j] = to;
      moved = std::max(moved, std::abs(d));
      for (size_t i = 0; i < n; ++i) residual[i] -= correlation[j * n + i] * d;
    }
    if (moved < 1e-9) break;
  }
}

std::vector<double> lasso_entry(const Matrix& correlation, std::span<const double> with_target,
                                double least) {
  double most = 0;
  for (double c : with_target) most = std::max(most, std::abs(c));
  std::vector<double> b(with_target.size()), entry(with_target.size());
  if (most == 0) return entry;
  constexpr int kSteps = 50;
  for (int step = 0; step <= kSteps; ++step) {
    const double share = std::pow(least, static_cast<double>(step) / kSteps);
    lasso_descend(correlation, with_target, share * most, b);
    for (size_t j = 0; j < b.size(); ++j)
      if (b[j] != 0 && entry[j] == 0) entry[j] = share;
  }
  for (size_t j = 0; j < b.size(); ++j) {
    if (std::abs(with_target[j]) == most) entry[j] = 1;  // it enters as the penalty falls below the first
    if (b[j] == 0) entry[j] = 0;
  }
  return entry;
}

}  // namespace dl
