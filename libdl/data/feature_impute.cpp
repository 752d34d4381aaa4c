// Missing values and values that stand apart.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/statistics.h"
#include "base/str.h"
#include "data/feature_step.h"

namespace dl {

namespace {

using Kind = FeatureColumn::Kind;

class Impute : public FeatureStep {
 public:
  explicit Impute(const ImputeOptions& o)
      : FeatureStep(o.columns, true, true, true), options_(o), value_(0) {}

  bool learns() const override { return options_.with != ImputeWith::constant || options_.indicator; }

  void fit(const FeatureRow& row) override {
    for (size_t k = 0; k < count(); ++k) {
      const double v = row.x[at_[k]];
      if (std::isnan(v)) {
        ++missing_[k];
        continue;
      }
      ++seen_[k];
      if (counts(k))
        ++different_[k][v];
      else if (options_.with == ImputeWith::median)
        values_[k].push_back(v);
      else
        sum_[k] += v;
    }
  }

  void end_fit() override {
    for (size_t k = 0; k < count(); ++k) {
      if (options_.with == ImputeWith::constant || seen_[k] == 0) continue;
      if (counts(k)) {
        int64_t most = 0;
        for (const auto& [v, n] : different_[k])
          if (n > most) most = n, value_[k] = v;
      } else if (options_.with == ImputeWith::median) {
        std::sort(values_[k].begin(), values_[k].end());
        value_[k] = sorted_quantile(values_[k], 0.5);
      } else {
        value_[k] = sum_[k] / static_cast<double>(seen_[k]);
      }
    }
    values_.clear();
    different_.clear();
    mark();
  }

  bool apply(std::vector<double>& row) const override {
    const size_t width = row.size();
    row.resize(width + marked_.size());
    for (size_t m = 0; m < marked_.size(); ++m) row[width + m] = std::isnan(row[at_[marked_[m]]]);
    for (size_t k = 0; k < count(); ++k)
      if (std::isnan(row[at_[k]])) row[at_[k]] = value_[k];
    return true;
  }

  FeatureColumns columns() const override {
    FeatureColumns out = in_;
    for (size_t k : marked_) out.push_back({name(k) + "_missing", Kind::indicator});
    return out;
  }

  json constants() const override {
    json missing = json::array();
    for (int64_t n : missing_) missing.push_back(n);
    return {{"values", value_}, {"missing", missing}};
  }
  void restore(const json& j) override {
    value_ = numbers_of(j, "values", count());
    const std::vector<double> missing = numbers_of(j, "missing", count());
    for (size_t k = 0; k < count(); ++k) missing_[k] = static_cast<int64_t>(missing[k]);
    mark();
  }

  json report() const override {
    json list = json::array();
    for (size_t k = 0; k < count(); ++k)
      if (missing_[k] > 0) {
        const FeatureColumn& c = in_[at_[k]];
        json with = value_[k];
        if (c.kind == Kind::category)
          with = value_[k] >= 0 && value_[k] < static_cast<double>(c.categories.size())
                     ? json(c.categories[static_cast<size_t>(value_[k])])
                     : json("none");
        list.push_back({{"column", name(k)}, {"missing", missing_[k]}, {"with", with}});
      }
    return {{"imputed", list}};
  }

 private:
  bool counts(size_t k) const {
    return options_.with == ImputeWith::most_frequent || in_[at_[k]].kind != Kind::number;
  }
  void opened() override {
    value_.assign(count(), options_.with == ImputeWith::constant ? options_.value : 0);
    for (size_t k = 0; k < count(); ++k)
      if (in_[at_[k]].kind == Kind::category && options_.with == ImputeWith::constant) value_[k] = -1;
    sum_.assign(count(), 0);
    seen_.assign(count(), 0);
    missing_.assign(count(), 0);
    values_.resize(count());
    different_.resize(count());
  }
  void mark() {
    marked_.clear();
    for (size_t k = 0; options_.indicator && k < count(); ++k)
      if (missing_[k] > 0) marked_.push_back(k);
  }

  ImputeOptions options_;
  std::vector<double> value_, sum_;
  std::vector<int64_t> seen_, missing_;
  std::vector<std::vector<double>> values_;
  std::vector<std::map<double, int64_t>> different_;
  std::vector<size_t> marked_;  // those with a column that says so
};

class Outliers : public FeatureStep {
 public:
  explicit Outliers(const OutlierOptions& o) : FeatureStep(o.columns, true, false, false), options_(o) {}

  void fit(const FeatureRow& row) override {
    for (size_t k = 0; k < count(); ++k)
      if (const double v = row.x[at_[k]]; !std::isnan(v)) values_[k].push_back(v);
  }

  void end_fit() override {
    for (size_t k = 0; k < count(); ++k) {
      std::vector<double>& v = values_[k];
      if (!v.empty()) {
        std::sort(v.begin(), v.end());
        bounds(v, low_[k], high_[k]);
      }
      below_[k] = static_cast<double>(std::lower_bound(v.begin(), v.end(), low_[k]) - v.begin());
      above_[k] = static_cast<double>(v.end() - std::upper_bound(v.begin(), v.end(), high_[k]));
    }
    values_.clear();
  }

  bool apply(std::vector<double>& row) const override {
    bool good = true;
    for (size_t k = 0; k < count(); ++k) {
      double& v = row[at_[k]];
      if (!(v < low_[k] || v > high_[k])) continue;
      good = false;
      if (options_.to == OutlierTo::clip) v = std::clamp(v, low_[k], high_[k]);
      if (options_.to == OutlierTo::missing) v = NAN;
    }
    return good || options_.to != OutlierTo::drop;
  }

  json constants() const override {
    return {{"low", low_}, {"high", high_}, {"below", below_}, {"above", above_}};
  }
  void restore(const json& j) override {
    low_ = numbers_of(j, "low", count());
    high_ = numbers_of(j, "high", count());
    below_ = numbers_of(j, "below", count());
    above_ = numbers_of(j, "above", count());
  }
  json report() const override {
    json list = json::array();
    for (size_t k = 0; k < count(); ++k)
      if (below_[k] + above_[k] > 0)
        list.push_back({{"column", name(k)},
                        {"low", low_[k]},
                        {"high", high_[k]},
                        {"below", static_cast<int64_t>(below_[k])},
                        {"above", static_cast<int64_t>(above_[k])}});
    return {{"by", enum_names(&options_.by)[static_cast<size_t>(options_.by)]},
            {"to", enum_names(&options_.to)[static_cast<size_t>(options_.to)]},
            {"outliers", list}};
  }

 private:
  void opened() override {
    values_.resize(count());
    low_.assign(count(), 0);
    high_ = below_ = above_ = low_;
  }

  void bounds(const std::vector<double>& sorted, double& low, double& high) const {
    const auto n = static_cast<double>(sorted.size());
    if (options_.by == OutlierBy::z_score) {
      double sum = 0, squares = 0;
      for (double v : sorted) sum += v;
      for (double v : sorted) squares += (v - sum / n) * (v - sum / n);
      const double reach = options_.limit.value_or(3) * std::sqrt(squares / n);
      low = sum / n - reach;
      high = sum / n + reach;
    } else if (options_.by == OutlierBy::iqr) {
      const double q1 = sorted_quantile(sorted, 0.25), q3 = sorted_quantile(sorted, 0.75);
      const double reach = options_.limit.value_or(1.5) * (q3 - q1);
      low = q1 - reach;
      high = q3 + reach;
    } else {
      const double median = sorted_quantile(sorted, 0.5);
      std::vector<double> away;
      for (double v : sorted) away.push_back(std::abs(v - median));
      std::sort(away.begin(), away.end());
      const double mad = sorted_quantile(away, 0.5);
      // A column that is mostly one value has no scale to measure by: nothing is far.
      const double reach =
          mad > 0 ? options_.limit.value_or(3.5) / 0.6745 * mad : sorted.back() - sorted.front();
      low = median - reach;
      high = median + reach;
    }
  }

  OutlierOptions options_;
  std::vector<std::vector<double>> values_;
  std::vector<double> low_, high_, below_, above_;
};

}  // namespace

std::unique_ptr<FeatureStep> make_impute(const ImputeOptions& o) { return std::make_unique<Impute>(o); }
std::unique_ptr<FeatureStep> make_outliers(const OutlierOptions& o) { return std::make_unique<Outliers>(o); }

}  // namespace dl
