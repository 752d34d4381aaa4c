// Steps that change each number by itself.
#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/statistics.h"
#include "base/str.h"
#include "data/feature_step.h"

namespace dl {

namespace {

// Columns whose values are learned from one by one. `kept` values stay in memory until end_fit().
class Columnwise : public FeatureStep {
 public:
  explicit Columnwise(const ColumnNames& columns) : FeatureStep(columns, true, false, false) {}
  bool keeps_shape() const override { return true; }
  void fit(const FeatureRow& row) override {
    for (size_t k = 0; k < count(); ++k)
      if (const double v = row.x[at_[k]]; !std::isnan(v)) see(k, v);
  }
  bool apply(std::vector<double>& row) const override {
    for (size_t k = 0; k < count(); ++k)
      if (double& v = row[at_[k]]; !std::isnan(v)) v = changed(k, v);
    return true;
  }

 protected:
  virtual void see(size_t, double) {}
  virtual double changed(size_t k, double v) const = 0;
  [[noreturn]] void refuse(size_t k, double v, const std::string& expected) const {
    throw Error(Exit::data,
                str("column '", name(k), "' is ", number(v), " at ", pointer, ", expected ", expected));
  }
};

class Log1p : public Columnwise {
 public:
  explicit Log1p(const ColumnNames& columns) : Columnwise(columns) {}
  bool learns() const override { return false; }

 private:
  double changed(size_t k, double v) const override {
    if (!(v > -1)) refuse(k, v, "above -1 for log1p");
    return std::log1p(v);
  }
};

// (x - shift) / scale.
class Affine : public Columnwise {
 public:
  Affine(const std::string& type, const ColumnNames& columns, double low = 0, double high = 1)
      : Columnwise(columns), type_(type), low_(low), high_(high) {}

  void end_fit() override {
    for (size_t k = 0; k < count(); ++k) {
      Seen& s = seen_[k];
      double shift = 0, scale = 1;
      if (type_ == "z_score") {
        shift = s.mean;
        scale = std::sqrt(s.deviations / std::max(s.n, 1.0));
      } else if (type_ == "min_max") {
        scale = (s.most - s.least) / (high_ - low_);
        shift = s.least - low_ * scale;
      } else if (type_ == "max_abs") {
        scale = std::max(std::abs(s.least), std::abs(s.most));
      } else if (!s.values.empty()) {
        std::sort(s.values.begin(), s.values.end());
        shift = sorted_quantile(s.values, 0.5);
        scale = sorted_quantile(s.values, 0.75) - sorted_quantile(s.values, 0.25);
      }
      shift_[k] = shift;
      scale_[k] = std::abs(scale) > 1e-12 * std::max(std::abs(s.least), std::abs(s.most)) ? scale : 1;
    }
    seen_.clear();
  }
  json constants() const override { return {{"shift", shift_}, {"scale", scale_}}; }
  void restore(const json& j) override {
    shift_ = numbers_of(j, "shift", count());
    scale_ = numbers_of(j, "scale", count());
  }

 private:
  struct Seen {
    double n = 0, mean = 0, deviations = 0, least = 0, most = 0;
    std::vector<double> values;  // of robust
  };
  void opened() override {
    if (!(high_ > low_)) fail("has \"low\" that is not below \"high\"");
    seen_.assign(count(), {});
    shift_.assign(count(), 0);
    scale_.assign(count(), 1);
  }
  void see(size_t k, double v) override {
    Seen& s = seen_[k];
    s.least = s.n > 0 ? std::min(s.least, v) : v;
    s.most = s.n > 0 ? std::max(s.most, v) : v;
    s.n += 1;
    const double d = v - s.mean;
    s.mean += d / s.n;
    s.deviations += d * (v - s.mean);
    if (type_ == "robust") s.values.push_back(v);
  }
  double changed(size_t k, double v) const override { return (v - shift_[k]) / scale_[k]; }

  std::string type_;
  double low_, high_;
  std::vector<Seen> seen_;
  std::vector<double> shift_, scale_;
};

double box_cox(double x, double lambda) {
  return lambda == 0 ? std::log(x) : std::expm1(lambda * std::log(x)) / lambda;
}
double yeo_johnson(double x, double lambda) {
  return x >= 0 ? box_cox(x + 1, lambda) : -box_cox(1 - x, 2 - lambda);
}

// The lambda in [-5, 5] of largest likelihood that the changed values are normal: a coarse grid, then the golden section
// around its best point.
double likeliest_lambda(const std::vector<double>& values, bool any_sign) {
  const auto n = static_cast<double>(values.size());
  double logs = 0;
  for (double v : values) logs += any_sign ? std::copysign(std::log1p(std::abs(v)), v) : std::log(v);
  const auto likelihood = [&](double lambda) {
    double mean = 0, deviations = 0, k = 0;
    for (double v : values) {
      const double y = any_sign ? yeo_johnson(v, lambda) : box_cox(v, lambda), d = y - mean;
      mean += d / ++k;
      deviations += d * (y - mean);
    }
    const double l = -n / 2 * std::log(deviations / n) + (lambda - 1) * logs;
    return std::isfinite(l) ? l : -INFINITY;
  };
  double best = 1, top = -INFINITY;
  for (int i = -20; i <= 20; ++i)
    if (const double l = likelihood(0.25 * i); l > top) top = l, best = 0.25 * i;
  if (!std::isfinite(top)) return 1;  // one value alone
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double a = best - 0.25, b = best + 0.25, x = b - golden * (b - a), y = a + golden * (b - a);
  double fx = likelihood(x), fy = likelihood(y);
  while (b - a > 1e-7) {
    if (fx > fy) {
      b = y, y = x, fy = fx;
      fx = likelihood(x = b - golden * (b - a));
    } else {
      a = x, x = y, fx = fy;
      fy = likelihood(y = a + golden * (b - a));
    }
  }
  return (a + b) / 2;
}

class Power : public Columnwise {
 public:
  Power(const PowerOptions& o, bool any_sign)
      : Columnwise(o.columns), given_(o.lambda), any_sign_(any_sign) {}
  bool learns() const override { return !given_; }
  void end_fit() override {
    for (size_t k = 0; k < count(); ++k)
      if (!values_[k].empty()) lambda_[k] = likeliest_lambda(values_[k], any_sign_);
    values_.clear();
  }
  json constants() const override { return {{"lambda", lambda_}}; }
  void restore(const json& j) override { lambda_ = numbers_of(j, "lambda", count()); }
  json report() const override {
    json out = json::object();
    for (size_t k = 0; k < count(); ++k) out[name(k)] = lambda_[k];
    return {{"lambda", out}};
  }

 private:
  void opened() override {
    values_.resize(count());
    lambda_.assign(count(), given_.value_or(1));
  }
  void see(size_t k, double v) override {
    if (!any_sign_ && !(v > 0)) refuse(k, v, "above 0 for box_cox; yeo_johnson takes any number");
    values_[k].push_back(v);
  }
  double changed(size_t k, double v) const override {
    if (any_sign_) return yeo_johnson(v, lambda_[k]);
    if (!(v > 0)) refuse(k, v, "above 0 for box_cox");
    return box_cox(v, lambda_[k]);
  }

  std::optional<double> given_;
  bool any_sign_;
  std::vector<std::vector<double>> values_;
  std::vector<double> lambda_;
};

class Quantile : public Columnwise {
 public:
  explicit Quantile(const QuantileOptions& o) : Columnwise(o.columns), options_(o) {}
  void end_fit() override {
    for (size_t k = 0; k < count(); ++k) {
      std::vector<double>& v = values_[k];
      std::sort(v.begin(), v.end());
      const size_t n = std::min(static_cast<size_t>(options_.quantiles), v.size());
      for (size_t i = 0; i < n; ++i)
        marks_[k].push_back(
            sorted_quantile(v, n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0));
    }
    values_.clear();
  }
  json constants() const override { return {{"marks", marks_}}; }
  void restore(const json& j) override {
    const json& all = j.contains("marks") ? j["marks"] : json();
    if (!all.is_array() || all.size() != count())
      throw Error(Exit::data, "the preparation that is stored in the data set has damaged quantiles");
    for (size_t k = 0; k < count(); ++k) marks_[k] = numbers_of({{"marks", all[k]}}, "marks", all[k].size());
  }

 private:
  void opened() override {
    values_.resize(count());
    marks_.resize(count());
  }
  void see(size_t k, double v) override { values_[k].push_back(v); }

  // Between marks on a straight line; a value that several marks share stands in the middle of them.
  double changed(size_t k, double v) const override {
    const std::vector<double>& m = marks_[k];
    if (m.empty()) return 0;
    const auto last = static_cast<double>(m.size() - 1);
    const auto low = std::lower_bound(m.begin(), m.end(), v), high = std::upper_bound(m.begin(), m.end(), v);
    double p;
    if (low == m.end())
      p = 1;
    else if (high == m.begin())
      p = 0;
    else if (low != high)
      p = v == m.back()    ? 1
          : v == m.front() ? 0
                           : static_cast<double>((low - m.begin()) + (high - m.begin()) - 1) / 2 / last;
    else
      p = (static_cast<double>(low - m.begin()) - 1 + (v - low[-1]) / (low[0] - low[-1])) / last;
    return options_.normal ? normal_quantile(std::clamp(p, 1e-7, 1 - 1e-7)) : p;
  }

  QuantileOptions options_;
  std::vector<std::vector<double>> values_, marks_;
};

class UnitNorm : public FeatureStep {
 public:
  explicit UnitNorm(const UnitNormOptions& o) : FeatureStep(o.columns, true, true, false), norm_(o.norm) {}
  bool learns() const override { return false; }
  bool keeps_shape() const override { return true; }
  bool apply(std::vector<double>& row) const override {
    double sum = 0, most = 0;
    for (size_t k = 0; k < count(); ++k) {
      const double v = std::abs(complete(row, k));
      sum += norm_ == Norm::l1 ? v : v * v;
      most = std::max(most, v);
    }
    const double norm = norm_ == Norm::max ? most : norm_ == Norm::l1 ? sum : std::sqrt(sum);
    for (size_t k = 0; k < count() && norm > 0; ++k) row[at_[k]] /= norm;
    return true;
  }

 private:
  Norm norm_;
};

}  // namespace

std::unique_ptr<FeatureStep> make_scale(const std::string& type, const Typed<TransformKind>& t) {
  if (type == "log1p") return std::make_unique<Log1p>(t.as<Log1pOptions>().columns);
  if (type == "box_cox" || type == "yeo_johnson")
    return std::make_unique<Power>(t.as<PowerOptions>(), type == "yeo_johnson");
  if (type == "quantile") return std::make_unique<Quantile>(t.as<QuantileOptions>());
  if (type == "min_max") {
    const auto& o = t.as<MinMaxOptions>();
    return std::make_unique<Affine>(type, o.columns, o.low, o.high);
  }
  return std::make_unique<Affine>(type, t.as<ScaleOptions>().columns);
}
std::unique_ptr<FeatureStep> make_unit_norm(const UnitNormOptions& o) {
  return std::make_unique<UnitNorm>(o);
}

}  // namespace dl
