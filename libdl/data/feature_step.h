#pragma once
// One step of "prep.transforms": it learns constants from the rows of the training part, then changes rows one by one.
//
//   auto step = make_step(transform, "/prep/transforms/0");
//   step->open(columns);                      // what comes in
//   if (step->learns()) { for (row) step->fit(row); step->end_fit(); }    // or step->restore(constants)
//   step->apply(values);                      // then rows have step->columns()
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/feature_config.h"

namespace dl {

struct FeatureColumn {
  enum class Kind {
    number,
    category,
    hashed,
    indicator
  };  // hashed: 32 bits of a text's hash; indicator: 0 or 1
  std::string name;
  Kind kind = Kind::number;
  std::vector<std::string> categories =
      {};  // of a category: its values are their numbers, -1 is none of them
};
using FeatureColumns = std::vector<FeatureColumn>;

json dump_columns(const FeatureColumns& columns);
FeatureColumns parse_columns(const json& j, const std::string& where);

// A row of the training part with its target.
struct FeatureRow {
  std::span<const double> x;  // NaN: missing
  int64_t label = -1;         // class; -1: the target is a number
  double value = 0;           // the number
};

class FeatureStep {
 public:
  virtual ~FeatureStep() = default;
  // Error (config): a column that is not there or of a kind that the step cannot take.
  void open(const FeatureColumns& in, int64_t classes);
  virtual bool learns() const { return true; }
  virtual void fit(const FeatureRow&) {}
  virtual void end_fit() {}
  // Changes one row. False: a training row that should be left out. Error (data): a value that it cannot take.
  virtual bool apply(std::vector<double>& row) const = 0;
  // After end_fit() or restore().
  virtual FeatureColumns columns() const { return in_; }
  virtual json constants() const { return json::object(); }
  virtual void restore(const json&) {}
  // What it did, for people: an object, merged into {"step", "type"}.
  virtual json report() const { return json::object(); }
  // The form of a picture stays: the same values in the same places.
  virtual bool keeps_shape() const { return false; }

  std::string pointer;  // of the step in the config

 protected:
  FeatureStep(ColumnNames wanted, bool numbers, bool indicators, bool categories, bool hashed = false)
      : wanted_(std::move(wanted)), takes_{numbers, categories, hashed, indicators} {}
  virtual void opened() {}  // in_ and at_ are there
  size_t count() const { return at_.size(); }
  const std::string& name(size_t k) const { return in_[at_[k]].name; }
  [[noreturn]] void fail(const std::string& what) const;         // Error (config) at the step
  double complete(std::span<const double> row, size_t k) const;  // Error (data) where it is missing

  FeatureColumns in_;
  std::vector<size_t> at_;  // the columns it is about
  int64_t classes_ = 0;     // of the target; 0: a number

 private:
  ColumnNames wanted_;
  bool takes_[4];  // by kind
};

std::unique_ptr<FeatureStep> make_step(const Typed<TransformKind>& transform, const std::string& pointer);

// One for each family of types.
std::unique_ptr<FeatureStep> make_impute(const ImputeOptions&);
std::unique_ptr<FeatureStep> make_outliers(const OutlierOptions&);
std::unique_ptr<FeatureStep> make_one_hot(const OneHotOptions&);
std::unique_ptr<FeatureStep> make_ordinal(const OrdinalOptions&);
std::unique_ptr<FeatureStep> make_hash(const HashOptions&);
std::unique_ptr<FeatureStep> make_bin(const BinOptions&);
std::unique_ptr<FeatureStep> make_scale(const std::string& type, const Typed<TransformKind>&);
std::unique_ptr<FeatureStep> make_unit_norm(const UnitNormOptions&);
std::unique_ptr<FeatureStep> make_polynomial(const PolynomialOptions&);
std::unique_ptr<FeatureStep> make_pca(const PcaOptions&);
std::unique_ptr<FeatureStep> make_zca(const ZcaOptions&);
std::unique_ptr<FeatureStep> make_lda(const LdaOptions&);
std::unique_ptr<FeatureStep> make_select(const SelectOptions&);

// Whether `pattern` ("a", or "a*") names the column.
bool matches(const std::string& pattern, const std::string& name);
// Lists of numbers in the constants of a step. Error (data): they are not `count` numbers.
std::vector<double> numbers_of(const json& constants, const char* key, size_t count);

}  // namespace dl
