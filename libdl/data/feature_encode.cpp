// Categories and texts as numbers, numbers as bins.
#include <algorithm>

#include "base/error.h"
#include "base/statistics.h"
#include "base/str.h"
#include "data/feature_step.h"

namespace dl {

namespace {

using Kind = FeatureColumn::Kind;

// Each column becomes some columns in its place.
class Encoder : public FeatureStep {
 public:
  using FeatureStep::FeatureStep;

  bool apply(std::vector<double>& row) const override {
    std::vector<double> out;
    out.reserve(row.size());
    for (size_t c = 0, k = 0; c < in_.size(); ++c) {
      if (k == count() || at_[k] != c)
        out.push_back(row[c]);
      else
        encode(k++, row[c], out);
    }
    row = std::move(out);
    return true;
  }

  FeatureColumns columns() const override {
    FeatureColumns out;
    for (size_t c = 0, k = 0; c < in_.size(); ++c) {
      if (k == count() || at_[k] != c)
        out.push_back(in_[c]);
      else
        append_columns(k++, out);
    }
    return out;
  }

 private:
  virtual void encode(size_t k, double v, std::vector<double>& out) const = 0;
  virtual void append_columns(size_t k, FeatureColumns& out) const = 0;
};

class OneHot : public Encoder {
 public:
  explicit OneHot(const OneHotOptions& o)
      : Encoder(o.columns, false, false, true), first_(o.drop_first ? 1 : 0) {}
  bool learns() const override { return false; }

 private:
  void encode(size_t k, double v, std::vector<double>& out) const override {
    for (size_t i = first_; i < in_[at_[k]].categories.size(); ++i)
      out.push_back(v == static_cast<double>(i));
  }
  void append_columns(size_t k, FeatureColumns& out) const override {
    const auto& all = in_[at_[k]].categories;
    for (size_t i = first_; i < all.size(); ++i) out.push_back({name(k) + "=" + all[i], Kind::indicator});
  }
  size_t first_;
};

class Ordinal : public Encoder {
 public:
  explicit Ordinal(const OrdinalOptions& o) : Encoder(o.columns, false, false, true), order_(o.order) {}
  bool learns() const override { return false; }

 private:
  void opened() override {
    for (size_t k = 0; k < count(); ++k) {
      const auto& all = in_[at_[k]].categories;
      std::vector<double>& to = number_.emplace_back();
      for (size_t i = 0; i < all.size(); ++i) {
        const auto it = std::find(order_.begin(), order_.end(), all[i]);
        if (!order_.empty() && it == order_.end())
          throw Error(Exit::config, pointer + "/order",
                      str("does not name '", all[i], "', a category of column '", name(k), "'"));
        to.push_back(order_.empty() ? static_cast<double>(i) : static_cast<double>(it - order_.begin()));
      }
    }
  }
  void encode(size_t k, double v, std::vector<double>& out) const override {
    const std::vector<double>& to = number_[k];
    out.push_back(v >= 0 && v < static_cast<double>(to.size()) ? to[static_cast<size_t>(v)] : v);
  }
  void append_columns(size_t k, FeatureColumns& out) const override {
    out.push_back({name(k), Kind::number});
  }

  std::vector<std::string> order_;
  std::vector<std::vector<double>> number_;
};

class Hash : public Encoder {
 public:
  explicit Hash(const HashOptions& o) : Encoder(o.columns, false, false, false, true), options_(o) {}
  bool learns() const override { return false; }

 private:
  void encode(size_t, double v, std::vector<double>& out) const override {
    const size_t first = out.size();
    out.resize(first + static_cast<size_t>(options_.buckets));
    if (std::isnan(v)) return;
    const auto hash = static_cast<uint32_t>(v);
    const double sign = options_.is_signed && (hash & 1) ? -1 : 1;
    out[first + (hash >> 1) % static_cast<uint32_t>(options_.buckets)] = sign;
  }
  void append_columns(size_t k, FeatureColumns& out) const override {
    for (int64_t i = 0; i < options_.buckets; ++i) out.push_back({str(name(k), "=#", i), Kind::indicator});
  }
  HashOptions options_;
};

class Bin : public Encoder {
 public:
  explicit Bin(const BinOptions& o) : Encoder(o.columns, true, false, false), options_(o) {}

  void fit(const FeatureRow& row) override {
    for (size_t k = 0; k < count(); ++k) {
      const double v = row.x[at_[k]];
      if (std::isnan(v)) continue;
      std::vector<double>& seen = values_[k];
      if (options_.by == BinBy::quantile || seen.size() < 2) {
        seen.push_back(v);
        continue;
      }
      seen = {std::min({v, seen[0], seen[1]}), std::max({v, seen[0], seen[1]})};
    }
  }

  void end_fit() override {
    for (size_t k = 0; k < count(); ++k) {
      std::vector<double>& v = values_[k];
      std::sort(v.begin(), v.end());
      const auto bins = static_cast<double>(options_.bins);
      for (int64_t b = 1; b < options_.bins && !v.empty(); ++b) {
        const double share = static_cast<double>(b) / bins;
        const double edge = options_.by == BinBy::quantile ? sorted_quantile(v, share)
                                                           : v.front() + share * (v.back() - v.front());
        if (edge > (edges_[k].empty() ? v.front() : edges_[k].back())) edges_[k].push_back(edge);
      }
    }
    values_.clear();
  }

  json constants() const override { return {{"edges", edges_}}; }
  void restore(const json& j) override {
    const json& all = j.contains("edges") ? j["edges"] : json();
    if (!all.is_array() || all.size() != count())
      throw Error(Exit::data, "the preparation that is stored in the data set has damaged bins");
    for (size_t k = 0; k < count(); ++k) edges_[k] = numbers_of({{"edges", all[k]}}, "edges", all[k].size());
  }
  json report() const override {
    json out = json::object();
    for (size_t k = 0; k < count(); ++k) out[name(k)] = edges_[k];
    return {{"edges", out}};
  }

 private:
  void opened() override {
    values_.resize(count());
    edges_.resize(count());
  }
  void encode(size_t k, double v, std::vector<double>& out) const override {
    const auto& edges = edges_[k];
    const auto bin = std::upper_bound(edges.begin(), edges.end(), v) - edges.begin();
    if (!options_.one_hot) return out.push_back(std::isnan(v) ? v : static_cast<double>(bin));
    for (size_t i = 0; i <= edges.size(); ++i) out.push_back(!std::isnan(v) && static_cast<size_t>(bin) == i);
  }
  void append_columns(size_t k, FeatureColumns& out) const override {
    if (!options_.one_hot) return out.push_back({name(k), Kind::number});
    for (size_t i = 0; i <= edges_[k].size(); ++i) out.push_back({str(name(k), "=bin_", i), Kind::indicator});
  }
  BinOptions options_;
  std::vector<std::vector<double>> values_, edges_;
};

}  // namespace

std::unique_ptr<FeatureStep> make_one_hot(const OneHotOptions& o) { return std::make_unique<OneHot>(o); }
std::unique_ptr<FeatureStep> make_ordinal(const OrdinalOptions& o) { return std::make_unique<Ordinal>(o); }
std::unique_ptr<FeatureStep> make_hash(const HashOptions& o) { return std::make_unique<Hash>(o); }
std::unique_ptr<FeatureStep> make_bin(const BinOptions& o) { return std::make_unique<Bin>(o); }

}  // namespace dl
