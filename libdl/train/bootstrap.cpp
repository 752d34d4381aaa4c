#include "train/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "base/statistics.h"
#include "base/str.h"
#include "train/combine.h"

namespace dl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> values_of(const MetricsSetup& setup, const Kept& kept, std::span<const int64_t> rows) {
  Metrics m(setup);
  m.add_rows(kept.outputs, kept.targets, rows);
  std::vector<double> out;
  for (const Metric& metric : m.values()) out.push_back(metric.value);
  return out;
}

std::vector<int64_t> resample(int64_t rows, uint64_t seed, int64_t number) {
  Random random(seed, stream_id("bootstrap"), static_cast<uint64_t>(number));
  std::vector<int64_t> out(static_cast<size_t>(rows));
  for (int64_t& r : out) r = random.below(rows);
  return out;
}

// f(i) for each resample, side by side where there is a pool.
template <class F>
void each(const BootstrapOptions& options, int64_t n, F f) {
  if (options.pool)
    parallel(options.pool, n, [&](int64_t i, int) { f(i); });
  else
    for (int64_t i = 0; i < n; ++i) f(i);
}

// Column m of the replicates, sorted, undefined ones left out.
std::vector<double> column(const std::vector<std::vector<double>>& replicates, size_t m) {
  std::vector<double> out;
  for (const auto& r : replicates)
    if (!std::isnan(r[m])) out.push_back(r[m]);
  std::sort(out.begin(), out.end());
  return out;
}

// Acceleration: skewness of the metric when a block of samples is left out.
double acceleration(const std::vector<std::vector<double>>& left_out, size_t m) {
  const std::vector<double> v = column(left_out, m);
  double mean = 0, square = 0, cube = 0;
  for (double x : v) mean += x;
  mean /= static_cast<double>(std::max<size_t>(1, v.size()));
  for (double x : v) {
    square += (mean - x) * (mean - x);
    cube += (mean - x) * (mean - x) * (mean - x);
  }
  return square > 0 ? cube / (6 * std::pow(square, 1.5)) : 0;
}

void set_ends(ConfidenceInterval& interval, const std::vector<double>& sorted, double a, double confidence) {
  const double tail = (1 - confidence) / 2;
  interval.percentile_low = sorted_quantile(sorted, tail);
  interval.percentile_high = sorted_quantile(sorted, 1 - tail);
  if (sorted.empty() || std::isnan(interval.value)) {
    interval.low = interval.high = kNaN;
    return;
  }
  double below = 0;  // equal values count half
  for (double v : sorted) below += v < interval.value ? 1 : v == interval.value ? 0.5 : 0;
  const auto n = static_cast<double>(sorted.size());
  const double bias = normal_quantile(std::clamp(below / n, 0.5 / n, 1 - 0.5 / n));
  const auto share = [&](double z) { return normal_below(bias + (bias + z) / (1 - a * (bias + z))); };
  interval.low = sorted_quantile(sorted, share(normal_quantile(tail)));
  interval.high = sorted_quantile(sorted, share(normal_quantile(1 - tail)));
}

int64_t rows_of(const Kept& kept) { return kept.outputs.shape()[0]; }

bool is_right(const MetricsSetup& setup, const Kept& kept, int64_t row) {
  MetricsSetup one = setup;
  one.wanted = {"accuracy"};
  Metrics m(one);
  const int64_t rows[] = {row};
  m.add_rows(kept.outputs, kept.targets, rows);
  return m.values().front().value == 1;
}

}  // namespace

double mcnemar(int64_t only_a, int64_t only_b) {
  const int64_t n = only_a + only_b, few = std::min(only_a, only_b);
  double sum = 0;
  for (int64_t k = 0; k <= few; ++k)
    sum += std::exp(std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
                    std::lgamma(static_cast<double>(n - k) + 1) - static_cast<double>(n) * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

std::vector<std::string> headline_metrics(const MetricsSetup& setup) {
  std::vector<std::string> out;
  for (const Metric& m : Metrics(setup).values())
    if (m.name != "samples" && m.name != "loss" && !m.name.ends_with("_threshold") &&
        (!setup.wanted.empty() || m.name.find('.') == std::string::npos))
      out.push_back(m.name);
  return out;
}

std::vector<ConfidenceInterval> bootstrap(const MetricsSetup& given, const Kept& kept,
                                          const BootstrapOptions& options) {
  constexpr int64_t kBlocks = 100;
  MetricsSetup setup = given;
  setup.wanted = headline_metrics(given);
  if (setup.wanted.empty()) return {};
  const int64_t rows = rows_of(kept), blocks = std::min(rows, kBlocks);
  std::vector<int64_t> all(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) all[static_cast<size_t>(i)] = i;
  const std::vector<double> value = values_of(setup, kept, all);
  std::vector<std::vector<double>> replicates(static_cast<size_t>(options.resamples)),
      left_out(static_cast<size_t>(blocks));
  each(options, options.resamples, [&](int64_t i) {
    replicates[static_cast<size_t>(i)] = values_of(setup, kept, resample(rows, options.seed, i));
  });
  each(options, blocks, [&](int64_t b) {
    std::vector<int64_t> rest;
    for (int64_t r = 0; r < rows; ++r)
      if (r % blocks != b) rest.push_back(r);
    left_out[static_cast<size_t>(b)] = values_of(setup, kept, rest);
  });
  std::vector<ConfidenceInterval> out;
  for (size_t m = 0; m < setup.wanted.size(); ++m) {
    out.push_back({.name = setup.wanted[m], .value = value[m]});
    set_ends(out.back(), column(replicates, m), acceleration(left_out, m), options.confidence);
  }
  return out;
}

Calibration calibrate(const MetricsSetup& given, const Kept& kept) {
  const bool logits = given.form == OutputForm::logits || given.form == OutputForm::binary_logits ||
                      given.form == OutputForm::label_logits;
  MetricsSetup setup = given;
  setup.wanted = {"log_loss"};
  const auto at = [&](double log_temperature) {
    setup.temperature = std::exp(log_temperature);
    Metrics m(setup);
    m.add(kept.outputs, kept.targets);
    return m.values();
  };
  // The log loss has one minimum: golden section search.
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.05), high = std::log(20.0);
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double loss_a = at(a)[0].value, loss_b = at(b)[0].value;
  for (int step = 0; logits && step < 40; ++step) {
    if (loss_a < loss_b) {
      high = b, b = a, loss_b = loss_a;
      a = high - kGolden * (high - low), loss_a = at(a)[0].value;
    } else {
      low = a, a = b, loss_a = loss_b;
      b = low + kGolden * (high - low), loss_b = at(b)[0].value;
    }
  }
  Calibration out;
  out.temperature = logits ? std::exp(0.5 * (low + high)) : 1;
  if (is_classification(given.form)) setup.wanted.emplace_back("ece");
  const MetricList before = at(std::log(given.temperature)), after = at(std::log(out.temperature));
  out.log_loss = before[0].value, out.calibrated_log_loss = after[0].value;
  out.ece = metric_value(before, "ece"), out.calibrated_ece = metric_value(after, "ece");
  return out;
}

Comparison compare(const MetricsSetup& setup_a, const Kept& a, const MetricsSetup& setup_b, const Kept& b,
                   const BootstrapOptions& options) {
  Comparison out;
  MetricsSetup first = setup_a, second = setup_b;
  first.wanted = second.wanted = headline_metrics(setup_a);
  const int64_t rows = rows_of(a);
  if (rows_of(b) != rows || a.targets.bytes() != b.targets.bytes())
    throw Error(Exit::data, "the models were judged on different samples, so they cannot be compared");
  std::vector<int64_t> all(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) all[static_cast<size_t>(i)] = i;
  const std::vector<double> value_a = values_of(first, a, all), value_b = values_of(second, b, all);
  std::vector<std::vector<double>> differences(static_cast<size_t>(options.resamples));
  each(options, options.resamples, [&](int64_t i) {
    const std::vector<int64_t> chosen = resample(rows, options.seed, i);
    const std::vector<double> x = values_of(first, a, chosen), y = values_of(second, b, chosen);
    for (size_t m = 0; m < x.size(); ++m) differences[static_cast<size_t>(i)].push_back(y[m] - x[m]);
  });
  const double tail = (1 - options.confidence) / 2;
  for (size_t m = 0; m < first.wanted.size(); ++m) {
    const std::vector<double> sorted = column(differences, m);
    double below = 0, above = 0;
    for (double d : sorted) below += d <= 0, above += d >= 0;
    const double n = static_cast<double>(sorted.size());
    out.differences.push_back({first.wanted[m], value_a[m], value_b[m], sorted_quantile(sorted, tail),
                               sorted_quantile(sorted, 1 - tail),
                               n == 0 ? kNaN : std::min(1.0, 2 * (std::min(below, above) + 1) / (n + 1))});
  }
  if (!is_classification(setup_a.form)) return out;
  for (int64_t r = 0; r < rows; ++r) {
    const bool right_a = is_right(setup_a, a, r), right_b = is_right(setup_b, b, r);
    out.only_a += right_a && !right_b;
    out.only_b += right_b && !right_a;
  }
  out.mcnemar_p = mcnemar(out.only_a, out.only_b);
  return out;
}

}  // namespace dl
