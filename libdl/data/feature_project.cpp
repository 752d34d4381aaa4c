// Steps that mix columns: products, principal components, whitening, discriminants.
#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "data/feature_step.h"
#include "data/symmetric.h"

namespace dl {

namespace {

using Kind = FeatureColumn::Kind;

constexpr size_t kMostColumns = 4096;  // of a symmetric matrix of all pairs

class Polynomial : public FeatureStep {
 public:
  // Columns of zeros and ones only where they are asked for.
  explicit Polynomial(const PolynomialOptions& o)
      : FeatureStep(o.columns, true, !o.columns.empty(), false), options_(o) {}
  bool learns() const override { return false; }
  bool apply(std::vector<double>& row) const override {
    row.reserve(row.size() + products_.size());
    for (const auto& factors : products_) {
      double v = 1;
      for (size_t k : factors) v *= complete(row, k);
      row.push_back(v);
    }
    return true;
  }
  FeatureColumns columns() const override {
    FeatureColumns out = in_;
    for (const auto& factors : products_) {
      std::string text;
      for (size_t i = 0; i < factors.size(); ++i) {
        const bool again = i > 0 && factors[i] == factors[i - 1];
        if (again) continue;
        const auto times = std::count(factors.begin(), factors.end(), factors[i]);
        text += str(text.empty() ? "" : "*", name(factors[i]), times > 1 ? str('^', times) : "");
      }
      out.push_back({text, Kind::number});
    }
    return out;
  }

 private:
  void opened() override {
    products_.clear();
    std::vector<size_t> factors;
    for (int64_t degree = 2; degree <= options_.degree; ++degree) add(factors, 0, degree);
  }
  void add(std::vector<size_t>& factors, size_t from, int64_t left) {
    if (left == 0) {
      if (products_.size() == 65536)
        fail("makes more than 65536 columns, expected fewer columns or a lower degree");
      return products_.push_back(factors);
    }
    for (size_t k = from; k < count(); ++k) {
      factors.push_back(k);
      add(factors, options_.interactions_only ? k + 1 : k, left - 1);
      factors.pop_back();
    }
  }
  PolynomialOptions options_;
  std::vector<std::vector<size_t>> products_;  // numbers of at_
};

// y = map (x - mean): new columns in the place of the first of the old ones, or the old columns with new values.
class Projection : public FeatureStep {
 public:
  Projection(const ColumnNames& columns, std::string prefix)
      : FeatureStep(columns, true, true, false), prefix_(std::move(prefix)) {}

  bool apply(std::vector<double>& row) const override {
    const size_t n = count(), m = map_.size() / n;
    std::vector<double> x(n), y(m);
    for (size_t k = 0; k < n; ++k) x[k] = complete(row, k) - mean_[k];
    for (size_t i = 0; i < m; ++i) {
      const double* w = &map_[i * n];
      for (size_t k = 0; k < n; ++k) y[i] += w[k] * x[k];
    }
    if (prefix_.empty()) {
      for (size_t k = 0; k < n; ++k) row[at_[k]] = y[k];
      return true;
    }
    std::vector<double> out;
    out.reserve(row.size() - n + m);
    for (size_t c = 0, k = 0; c < row.size(); ++c) {
      if (k == n || at_[k] != c) {
        out.push_back(row[c]);
      } else if (k++ == 0) {
        out.insert(out.end(), y.begin(), y.end());
      }
    }
    row = std::move(out);
    return true;
  }
  FeatureColumns columns() const override {
    if (prefix_.empty()) return in_;
    FeatureColumns out;
    for (size_t c = 0, k = 0; c < in_.size(); ++c) {
      if (k == count() || at_[k] != c) {
        out.push_back(in_[c]);
      } else if (k++ == 0) {
        for (size_t i = 0; i < map_.size() / count(); ++i) out.push_back({str(prefix_, i), Kind::number});
      }
    }
    return out;
  }
  json constants() const override { return {{"mean", mean_}, {"map", map_}}; }
  void restore(const json& j) override {
    mean_ = numbers_of(j, "mean", count());
    const size_t size = j.contains("map") ? j["map"].size() : 0;
    map_ = numbers_of(j, "map", size);
    if (size == 0 || size % count() != 0)
      throw Error(Exit::data, "the preparation that is stored in the data set has a damaged map");
  }

 protected:
  void opened() override {
    if (count() == 0) fail("has no column to work on, expected columns of numbers");
    if (count() > kMostColumns) fail(str("has ", count(), " columns, expected at most ", kMostColumns));
  }
  std::vector<double> values(std::span<const double> row) const {
    std::vector<double> x(count());
    for (size_t k = 0; k < count(); ++k) x[k] = complete(row, k);
    return x;
  }
  int64_t width() const { return static_cast<int64_t>(count()); }

  std::string prefix_;  // of the names of new columns; empty: the old ones
  std::vector<double> mean_;
  Matrix map_;  // (new, count())
};

class Pca : public Projection {
 public:
  explicit Pca(const PcaOptions& o) : Projection(o.columns, "pca_"), options_(o) {}
  void fit(const FeatureRow& row) override { sums_->add(values(row.x)); }
  void end_fit() override {
    if (sums_->count() < 2) fail("needs at least two training records");
    mean_ = sums_->mean();
    const Eigen e = symmetric_eigen(sums_->scatter(), width());
    const auto degrees = static_cast<double>(sums_->count() - 1);
    double total = 0, part = 0;
    for (double v : e.values) total += std::max(v, 0.0);
    const double wanted = options_.components;
    for (size_t i = 0; i < count(); ++i) {
      const double variance = std::max(e.values[i], 0.0) / degrees;
      if (wanted >= 1 ? static_cast<double>(i) >= wanted : i > 0 && part >= wanted * total * (1 - 1e-12))
        break;
      if (i > 0 && e.values[i] <= 1e-12 * e.values[0]) break;  // nothing is left but rounding
      part += std::max(e.values[i], 0.0);
      explained_.push_back(total > 0 ? std::max(e.values[i], 0.0) / total : 0);
      const double scale = options_.whiten && variance > 0 ? 1 / std::sqrt(variance) : 1;
      for (size_t k = 0; k < count(); ++k) map_.push_back(scale * e.vectors[i * count() + k]);
    }
    sums_.reset();
  }
  json constants() const override {
    json j = Projection::constants();
    j["explained"] = explained_;
    return j;
  }
  void restore(const json& j) override {
    Projection::restore(j);
    explained_ = numbers_of(j, "explained", map_.size() / count());
  }
  json report() const override {
    double sum = 0;
    for (double v : explained_) sum += v;
    return {{"components", explained_.size()}, {"explained", sum}, {"explained_by", explained_}};
  }

 private:
  void opened() override {
    Projection::opened();
    if (options_.components >= 1 && options_.components != std::floor(options_.components))
      fail("has \"components\" that is neither whole nor below 1");
    if (options_.components > static_cast<double>(count()))
      fail(str("has \"components\" ", number(options_.components), ", but there are ", count(), " columns"));
    if (options_.components <= 0) fail("has \"components\" 0, expected a number of them or a share");
    sums_ = std::make_unique<Covariance>(width());
  }
  PcaOptions options_;
  std::unique_ptr<Covariance> sums_;
  std::vector<double> explained_;
};

// map = V (L + epsilon l_1)^-1/2 V^T of the covariance V L V^T.
class Zca : public Projection {
 public:
  explicit Zca(const ZcaOptions& o) : Projection(o.columns, ""), epsilon_(o.epsilon) {}
  bool keeps_shape() const override { return true; }
  void fit(const FeatureRow& row) override { sums_->add(values(row.x)); }
  void end_fit() override {
    if (sums_->count() < 2) fail("needs at least two training records");
    mean_ = sums_->mean();
    const Eigen e = symmetric_eigen(sums_->scatter(), width());
    const size_t n = count();
    const auto degrees = static_cast<double>(sums_->count() - 1);
    map_.assign(n * n, 0);
    for (size_t i = 0; i < n; ++i) {
      const double variance = std::max(e.values[i], 0.0) / degrees + epsilon_ * e.values[0] / degrees;
      if (variance <= 1e-12 * e.values[0] / degrees) continue;  // constant: stays 0
      const double* v = &e.vectors[i * n];
      for (size_t r = 0; r < n; ++r) {
        const double f = v[r] / std::sqrt(variance);
        for (size_t c = 0; c < n; ++c) map_[r * n + c] += f * v[c];
      }
    }
    sums_.reset();
  }

 private:
  void opened() override {
    Projection::opened();
    sums_ = std::make_unique<Covariance>(width());
  }
  double epsilon_;
  std::unique_ptr<Covariance> sums_;
};

// Largest eigenvectors of Sw^-1 Sb, with w^T (Sw / (n - classes)) w = 1; Sw = L L^T makes the problem symmetric.
class Lda : public Projection {
 public:
  explicit Lda(const LdaOptions& o) : Projection(o.columns, "lda_"), options_(o) {}
  void fit(const FeatureRow& row) override {
    if (row.label < 0) return;
    const std::vector<double> x = values(row.x);
    all_->add(x);
    of_class_[static_cast<size_t>(row.label)].add(x);
  }
  void end_fit() override {
    const size_t n = count();
    Matrix within(n * n), between = all_->scatter();
    mean_ = all_->mean();
    int64_t classes = 0;
    for (Covariance& c : of_class_) {
      if (c.count() == 0) continue;
      ++classes;
      const Matrix s = c.scatter();
      for (size_t i = 0; i < within.size(); ++i) within[i] += s[i];
    }
    for (size_t i = 0; i < within.size(); ++i) between[i] -= within[i];
    double trace = 0;
    for (size_t i = 0; i < n; ++i) trace += within[i * n + i];
    for (size_t i = 0; i < within.size(); ++i)
      within[i] = (1 - options_.shrinkage) * within[i] +
                  (i % (n + 1) == 0 ? options_.shrinkage * trace / static_cast<double>(n) : 0);
    if (!cholesky(within, width()))
      fail(
          "finds columns that depend on each other within the classes, expected \"shrinkage\" above 0, or "
          "a select step before it");
    // L^-1 Sb L^-T: columns first, then rows.
    for (int turn = 0; turn < 2; ++turn) {
      for (size_t i = 0; i < n; ++i) solve_lower(within, width(), {&between[i * n], n});
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < i; ++j) std::swap(between[i * n + j], between[j * n + i]);
    }
    const Eigen e = symmetric_eigen(between, width());
    const int64_t made = std::min<int64_t>(options_.components ? options_.components : classes - 1, width());
    const double scale = std::sqrt(static_cast<double>(std::max<int64_t>(all_->count() - classes, 1)));
    for (int64_t i = 0; i < made; ++i) {
      std::vector<double> w(e.vectors.begin() + i * width(), e.vectors.begin() + (i + 1) * width());
      solve_lower_transposed(within, width(), w);
      const double largest =
          *std::max_element(w.begin(), w.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
      for (double v : w) map_.push_back(std::copysign(scale, largest) * v);
      ratio_.push_back(e.values[static_cast<size_t>(i)]);
    }
    of_class_.clear();
    all_.reset();
  }
  json report() const override {
    return {{"components", map_.size() / count()}, {"between_to_within", ratio_}};
  }

 private:
  void opened() override {
    Projection::opened();
    if (classes_ < 2) fail("needs a target of classes");
    if (options_.components > classes_ - 1)
      fail(str("has \"components\" ", options_.components, ", but ", classes_, " classes give at most ",
               classes_ - 1));
    all_ = std::make_unique<Covariance>(width());
    of_class_.assign(static_cast<size_t>(classes_), Covariance(width()));
  }
  LdaOptions options_;
  std::unique_ptr<Covariance> all_;
  std::vector<Covariance> of_class_;
  std::vector<double> ratio_;
};

}  // namespace

std::unique_ptr<FeatureStep> make_polynomial(const PolynomialOptions& o) {
  return std::make_unique<Polynomial>(o);
}
std::unique_ptr<FeatureStep> make_pca(const PcaOptions& o) { return std::make_unique<Pca>(o); }
std::unique_ptr<FeatureStep> make_zca(const ZcaOptions& o) { return std::make_unique<Zca>(o); }
std::unique_ptr<FeatureStep> make_lda(const LdaOptions& o) { return std::make_unique<Lda>(o); }

}  // namespace dl
