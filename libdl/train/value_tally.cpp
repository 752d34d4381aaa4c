#include <algorithm>
#include <cmath>

#include "train/tallies.h"

namespace dl {
namespace {

// The mean of the middle two for an even number.
double median_of(std::vector<double> v) {
  if (v.empty()) return kUndefined;
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return v.size() % 2 ? *middle : 0.5 * (*middle + *std::max_element(v.begin(), middle));
}

}  // namespace

void ValueTally::reset() {
  columns_.assign(columns_.size(), {});
  absolute_ = relative_ = largest_ = poisson_ = 0;
}

void ValueTally::add(size_t column, double value, double truth) {
  Column& c = columns_[column];
  const double miss = value - truth;
  const auto n = static_cast<double>(++c.n);
  const double step = truth - c.mean, step_value = value - c.mean_value, step_miss = miss - c.mean_miss;
  c.mean += step / n;
  c.mean_value += step_value / n;
  c.mean_miss += step_miss / n;
  c.spread += step * (truth - c.mean);
  c.spread_value += step_value * (value - c.mean_value);
  c.spread_miss += step_miss * (miss - c.mean_miss);
  c.product += step * (value - c.mean_value);
  c.residual += miss * miss;
  absolute_ += std::abs(miss);
  relative_ += std::abs(miss) / std::max(std::abs(truth), std::numeric_limits<double>::epsilon());
  largest_ = std::isnan(miss) ? miss : std::max(largest_, std::abs(miss));
  poisson_ += value > 0 && truth >= 0
                  ? 2 * ((truth > 0 ? truth * std::log(truth / value) : 0) - truth + value)
                  : kUndefined;
  if (keep_) c.y.push_back(truth), c.misses.push_back(std::abs(miss));
}

void ValueTally::append(MetricList& out) const {
  double squares = 0, explained = 0, variance = 0, mean_error = 0, correlation = 0, median = 0, relative = 0;
  int64_t n = 0;
  for (const Column& c : columns_) {
    n += c.n;
    squares += c.residual;
    explained += c.spread > 0 ? 1 - c.residual / c.spread : kUndefined;
    variance += c.spread > 0 ? 1 - c.spread_miss / c.spread : kUndefined;
    mean_error += c.n == 0 ? kUndefined : c.mean_miss;
    correlation +=
        c.spread > 0 && c.spread_value > 0 ? c.product / std::sqrt(c.spread * c.spread_value) : kUndefined;
    if (!keep_) continue;
    median += median_of(c.misses);
    double off = 0, sum = 0;
    for (double y : c.y) off += std::abs(y - c.mean);
    for (double m : c.misses) sum += m;
    relative += off > 0 ? sum / off : kUndefined;
  }
  const auto columns = static_cast<int64_t>(columns_.size());
  const double mse = mean_of(squares, n);
  out.push_back({"mse", mse});
  out.push_back({"rmse", std::sqrt(mse)});
  out.push_back({"mae", mean_of(absolute_, n)});
  out.push_back({"r2", mean_of(explained, columns)});
  out.push_back({"explained_variance", mean_of(variance, columns)});
  out.push_back({"pearson", mean_of(correlation, columns)});
  out.push_back({"mean_error", mean_of(mean_error, columns)});
  out.push_back({"max_error", n == 0 ? kUndefined : largest_});
  out.push_back({"mape", mean_of(relative_, n)});
  out.push_back({"poisson_deviance", mean_of(poisson_, n)});
  if (!keep_) return;
  out.push_back({"median_absolute_error", mean_of(median, columns)});
  out.push_back({"relative_absolute_error", mean_of(relative, columns)});
}

}  // namespace dl
