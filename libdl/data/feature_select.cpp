// Feature selection: which columns stay, and why the others go.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/str.h"
#include "data/feature_score.h"
#include "data/feature_step.h"

namespace dl {

namespace {

class Select : public FeatureStep {
 public:
  explicit Select(const SelectOptions& o) : FeatureStep(o.columns, true, true, false), options_(o) {}

  void fit(const FeatureRow& row) override {
    std::vector<double> x(count());
    for (size_t k = 0; k < count(); ++k) x[k] = complete(row.x, k);
    if (options_.by == SelectBy::mutual_information) {
      for (size_t k = 0; k < count(); ++k) values_[k].push_back(x[k]);
      target_.push_back(row.label >= 0 ? static_cast<double>(row.label) : row.value);
      return;
    }
    if (row.label >= 0) {
      ++class_rows_[static_cast<size_t>(row.label)];
      for (size_t k = 0; k < count(); ++k) {
        if (options_.by == SelectBy::chi_squared && x[k] < 0)
          throw Error(Exit::data, str("column '", name(k), "' is ", number(x[k]), " at ", pointer,
                                      ", expected counts or shares, not below 0, for chi_squared"));
        class_sums_[static_cast<size_t>(row.label) * count() + k] += x[k];
      }
    }
    // Behind the columns: the number, or 0 and 1 for each class.
    if (row.label < 0) x.push_back(row.value);
    for (int64_t c = 0; row.label >= 0 && c < classes_; ++c) x.push_back(row.label == c);
    sums_->add(x);
  }

  void end_fit() override {
    kept_.assign(count(), true);
    score_.assign(count(), 0);
    why_.assign(count(), "");
    if (options_.by == SelectBy::mutual_information) {
      for (size_t k = 0; k < count(); ++k) score_[k] = mutual_information(values_[k], target_, options_.bins);
      keep_best(0);
    } else {
      if (sums_->count() < 2) fail("needs at least two training records");
      scatter_ = sums_->scatter();
      take_scores();
    }
    if (std::none_of(kept_.begin(), kept_.end(), [](bool b) { return b; }) && count() == in_.size())
      fail("leaves no column, expected a lower threshold, or \"keep\"");
    values_.clear();
    target_.clear();
    scatter_.clear();
    sums_.reset();
  }

  bool apply(std::vector<double>& row) const override {
    size_t to = 0;
    for (size_t c = 0, k = 0; c < in_.size(); ++c)
      if (k == count() || at_[k] != c || kept_[k++]) row[to++] = row[c];
    row.resize(to);
    return true;
  }
  FeatureColumns columns() const override {
    FeatureColumns out;
    for (size_t c = 0, k = 0; c < in_.size(); ++c)
      if (k == count() || at_[k] != c || kept_[k++]) out.push_back(in_[c]);
    return out;
  }
  json constants() const override {
    json kept = json::array();
    for (bool b : kept_) kept.push_back(b ? 1 : 0);
    return {{"kept", kept}, {"scores", score_}, {"why", why_}};
  }
  void restore(const json& j) override {
    const std::vector<double> kept = numbers_of(j, "kept", count());
    kept_.assign(count(), true);
    for (size_t k = 0; k < count(); ++k) kept_[k] = kept[k] != 0;
    score_ = numbers_of(j, "scores", count());
    why_ = j.value("why", std::vector<std::string>());
    why_.resize(count());
  }
  json report() const override {
    json kept = json::array(), dropped = json::array();
    for (size_t k = 0; k < count(); ++k) {
      json line{{"column", name(k)}, {"score", score_[k]}};
      if (!kept_[k]) line["why"] = why_[k];
      (kept_[k] ? kept : dropped).push_back(line);
    }
    return {{"by", enum_names(&options_.by)[static_cast<size_t>(options_.by)]},
            {"kept", kept},
            {"dropped", dropped}};
  }

 private:
  size_t targets() const { return classes_ > 0 ? static_cast<size_t>(classes_) : 1; }
  double threshold() const {
    constexpr double kDefaults[] = {0, 0.8, 10, 30, 0, 0, 0, 0.05};
    return options_.threshold.value_or(kDefaults[static_cast<size_t>(options_.by)]);
  }

  void opened() override {
    const SelectBy by = options_.by;
    if (options_.keep &&
        (by == SelectBy::vif || by == SelectBy::condition_number || by == SelectBy::correlation))
      fail("has \"keep\", which does not go with this way to select; expected a threshold");
    if (by == SelectBy::chi_squared && classes_ == 0)
      fail("goes by chi_squared, which needs a target of classes");
    if (by == SelectBy::l1 && !(threshold() > 0 && threshold() < 1))
      fail(str("has a threshold of ", number(threshold()), ", expected a share between 0 and 1 for l1"));
    if (by != SelectBy::mutual_information && count() > 4096)
      fail(str("has ", count(), " columns, expected at most 4096"));
    sums_ = std::make_unique<Covariance>(static_cast<int64_t>(count() + targets()));
    values_.resize(count());
    class_rows_.assign(static_cast<size_t>(classes_), 0);
    class_sums_.assign(static_cast<size_t>(classes_) * count(), 0);
  }

  double pair(size_t i, size_t j) const { return scatter_[i * (count() + targets()) + j]; }
  Matrix among(const std::vector<size_t>& columns) const {
    Matrix out;
    for (size_t i : columns)
      for (size_t j : columns) out.push_back(pair(i, j));
    return correlations(out, static_cast<int64_t>(columns.size()));
  }
  // Share of the variance of a column that the target explains: of the classes' means, or of a line.
  double explained(size_t k) const {
    if (!(pair(k, k) > 0)) return 0;
    const size_t y = count();
    if (classes_ == 0) return pair(y, y) > 0 ? pair(k, y) * pair(k, y) / pair(k, k) / pair(y, y) : 0;
    double between = 0;
    for (size_t c = 0; c < class_rows_.size(); ++c)  // sum over the class of x - mean(x)
      if (class_rows_[c] > 0)
        between += pair(k, y + c) * pair(k, y + c) / static_cast<double>(class_rows_[c]);
    return between / pair(k, k);
  }

  void take_scores() {
    const auto n = static_cast<double>(sums_->count());
    switch (options_.by) {
      case SelectBy::variance:
        for (size_t k = 0; k < count(); ++k) score_[k] = std::max(pair(k, k) / n, 0.0);
        return keep_best(threshold());
      case SelectBy::anova:
        return score_anova(n);
      case SelectBy::chi_squared:
        return score_chi_squared(n);
      case SelectBy::correlation:
        return thin_correlated();
      case SelectBy::l1:
        return score_lasso();
      default:
        return thin_collinear();
    }
  }

  void score_anova(double n) {
    int64_t present = 0;
    for (int64_t rows : class_rows_) present += rows > 0;
    const double above = classes_ > 0 ? static_cast<double>(present - 1) : 1, below = n - above - 1;
    for (size_t k = 0; k < count(); ++k) {
      const double r = std::min(explained(k), 1.0);
      score_[k] = std::min(r / above / (std::max(1 - r, 1e-300) / std::max(below, 1.0)), 1e300);
    }
    keep_best(threshold());
  }

  void score_chi_squared(double n) {
    for (size_t k = 0; k < count(); ++k) {
      double total = 0;
      for (size_t c = 0; c < class_rows_.size(); ++c) total += class_sums_[c * count() + k];
      for (size_t c = 0; c < class_rows_.size() && total > 0; ++c) {
        const double expected = total * static_cast<double>(class_rows_[c]) / n;
        const double d = class_sums_[c * count() + k] - expected;
        if (expected > 0) score_[k] += d * d / expected;
      }
    }
    keep_best(threshold());
  }

  // The columns nearest to the target first: each stays unless it is correlated with one that did.
  void thin_correlated() {
    std::vector<size_t> order(count());
    std::iota(order.begin(), order.end(), 0);
    for (size_t k = 0; k < count(); ++k) score_[k] = explained(k);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score_[a] > score_[b]; });
    const Matrix r = among([&] {
      std::vector<size_t> all(count());
      std::iota(all.begin(), all.end(), 0);
      return all;
    }());
    std::vector<size_t> stay;
    for (size_t k : order) {
      const auto twin = std::find_if(stay.begin(), stay.end(),
                                     [&](size_t s) { return std::abs(r[k * count() + s]) > threshold(); });
      if (twin == stay.end()) {
        stay.push_back(k);
        continue;
      }
      kept_[k] = false;
      why_[k] = str("correlation ", rounded(r[k * count() + *twin]), " with '", name(*twin),
                    "', which is nearer to the target");
    }
  }

  // Columns of largest variance inflation go, one by one. Constant columns go first.
  void thin_collinear() {
    std::vector<size_t> left;
    for (size_t k = 0; k < count(); ++k) {
      if (pair(k, k) > 0) {
        left.push_back(k);
      } else {
        kept_[k] = false;
        why_[k] = "is constant";
      }
    }
    while (!left.empty()) {
      const auto n = static_cast<int64_t>(left.size());
      const Matrix r = among(left);
      const std::vector<double> vif = variance_inflation(r, n);
      for (size_t i = 0; i < left.size(); ++i) score_[left[i]] = vif[i];
      const auto worst = std::max_element(vif.begin(), vif.end()) - vif.begin();
      const double value =
          options_.by == SelectBy::vif ? vif[static_cast<size_t>(worst)] : condition_number(r, n);
      if (left.size() == 1 || value <= threshold()) break;
      const size_t k = left[static_cast<size_t>(worst)];
      kept_[k] = false;
      why_[k] = options_.by == SelectBy::vif
                    ? str("variance inflation ", rounded(value))
                    : str("condition number ", rounded(value), ", variance inflation ",
                          rounded(vif[static_cast<size_t>(worst)]));
      left.erase(left.begin() + worst);
    }
  }

  void score_lasso() {
    std::vector<size_t> all(count());
    std::iota(all.begin(), all.end(), 0);
    const Matrix r = among(all);
    for (size_t t = 0; t < targets(); ++t) {
      std::vector<double> with(count());
      const size_t y = count() + t;
      for (size_t k = 0; k < count(); ++k) {
        const double scale = std::sqrt(pair(k, k) * pair(y, y));
        with[k] = scale > 0 ? pair(k, y) / scale : 0;
      }
      const std::vector<double> entry = lasso_entry(r, with, threshold());
      for (size_t k = 0; k < count(); ++k) score_[k] = std::max(score_[k], entry[k]);
    }
    keep_best(0);
  }

  void keep_best(double threshold) {
    std::vector<size_t> order(count());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score_[a] > score_[b]; });
    for (size_t i = 0; i < order.size(); ++i) {
      const size_t k = order[i];
      kept_[k] = options_.keep ? static_cast<int64_t>(i) < *options_.keep : score_[k] > threshold;
      if (!kept_[k])
        why_[k] = options_.keep ? str("is number ", i + 1, " by its score, ", *options_.keep, " are kept")
                                : str("its score is ", rounded(score_[k]), ", not above ", number(threshold));
    }
  }

  static std::string rounded(double v) {
    return number(static_cast<float>(std::abs(v) < 1e6 ? std::round(1e4 * v) / 1e4 : v));
  }

  SelectOptions options_;
  std::unique_ptr<Covariance> sums_;  // of the columns, then the target
  Matrix scatter_;
  std::vector<std::vector<double>> values_;  // of mutual_information
  std::vector<double> target_;
  std::vector<int64_t> class_rows_;
  std::vector<double> class_sums_;  // (classes, columns)
  std::vector<bool> kept_;
  std::vector<double> score_;
  std::vector<std::string> why_;
};

}  // namespace

std::unique_ptr<FeatureStep> make_select(const SelectOptions& o) { return std::make_unique<Select>(o); }

}  // namespace dl
