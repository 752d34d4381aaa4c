#pragma once
// Config list "prep.transforms": what is done to the columns of a table (or to the pixels of a picture), in order. What is
// learned from the data is learned from the training part alone and kept in the data set, for further files.
#include <optional>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/fields.h"

namespace dl {

using ColumnNames = std::vector<std::string>;

template <class Options>
constexpr auto columns_field(std::string_view doc) {
  return field("columns", &Options::columns, doc);
}
inline constexpr std::string_view kNumbersDoc =
    "Columns by name, \"colour=*\" for all that begin so; empty: all columns of numbers.";
inline constexpr std::string_view kAllDoc =
    "Columns by name, \"colour=*\" for all that begin so; empty: all but categories.";
inline constexpr std::string_view kCategoriesDoc =
    "Columns by name, \"colour=*\" for all that begin so; empty: all categories.";

enum class ImputeWith { mean, median, most_frequent, constant };
constexpr auto enum_names(const ImputeWith*) {
  return std::to_array<std::string_view>({"mean", "median", "most_frequent", "constant"});
}
struct ImputeOptions {
  ColumnNames columns;
  ImputeWith with = ImputeWith::mean;
  double value = 0;
  bool indicator = false;
};
constexpr auto fields(const ImputeOptions*) {
  using O = ImputeOptions;
  return std::tuple{
      columns_field<O>("Columns by name, \"a*\" for all that begin so; empty: all."),
      field("with", &O::with,
            "What stands in for a missing number; for a missing category the most frequent one does, with "
            "constant none. The median and the most frequent number hold the columns in memory."),
      field("value", &O::value, "The constant."),
      field(
          "indicator", &O::indicator,
          "Add a column NAME_missing, 1 where the value was missing, for each column that misses some in the "
          "training part.")};
}

enum class OutlierBy { z_score, iqr, mad };
constexpr auto enum_names(const OutlierBy*) {
  return std::to_array<std::string_view>({"z_score", "iqr", "mad"});
}
enum class OutlierTo { report, clip, missing, drop };
constexpr auto enum_names(const OutlierTo*) {
  return std::to_array<std::string_view>({"report", "clip", "missing", "drop"});
}
struct OutlierOptions {
  ColumnNames columns;
  OutlierBy by = OutlierBy::iqr;
  std::optional<double> limit;
  OutlierTo to = OutlierTo::report;
};
constexpr auto fields(const OutlierOptions*) {
  using O = OutlierOptions;
  return std::tuple{
      columns_field<O>(kNumbersDoc),
      field(
          "by", &O::by,
          "z_score: further from the mean than `limit` standard deviations (default 3). iqr: further outside "
          "the quartiles than `limit` times their distance (default 1.5; Tukey 1977). mad: 0.6745 of the "
          "distance from the median above `limit` times the median of such distances (default 3.5; Iglewicz "
          "and Hoaglin 1993). iqr and mad hold the columns in memory."),
      field("limit", &O::limit, "See `by`.").at_least(0),
      field("to", &O::to,
            "report: only count them. clip: to the nearest value inside. missing: as if it were missing (an "
            "impute step may follow). drop: leave such records out of the training part; other parts keep "
            "theirs.")};
}

struct OneHotOptions {
  ColumnNames columns;
  bool drop_first = false;
};
constexpr auto fields(const OneHotOptions*) {
  using O = OneHotOptions;
  return std::tuple{columns_field<O>(kCategoriesDoc),
                    field("drop_first", &O::drop_first, "No column for the first category.")};
}
struct OrdinalOptions {
  ColumnNames columns, order;
};
constexpr auto fields(const OrdinalOptions*) {
  using O = OrdinalOptions;
  return std::tuple{
      columns_field<O>(kCategoriesDoc),
      field("order", &O::order, "The categories from the lowest; empty: sorted. Each becomes its number.")};
}
struct HashOptions {
  ColumnNames columns;
  int64_t buckets = 16;
  bool is_signed = true;
};
constexpr auto fields(const HashOptions*) {
  using O = HashOptions;
  return std::tuple{
      columns_field<O>("Columns of text by name; they need no list of categories.").required(),
      field("buckets", &O::buckets, "Columns that each of them becomes.").range(1, 65536),
      field("signed", &O::is_signed,
            "Half of the texts count as -1, so that collisions cancel (Weinberger et al. 2009).")};
}
enum class BinBy { quantile, width };
constexpr auto enum_names(const BinBy*) { return std::to_array<std::string_view>({"quantile", "width"}); }
struct BinOptions {
  ColumnNames columns;
  int64_t bins = 5;
  BinBy by = BinBy::quantile;
  bool one_hot = false;
};
constexpr auto fields(const BinOptions*) {
  using O = BinOptions;
  return std::tuple{
      columns_field<O>(kNumbersDoc), field("bins", &O::bins, "How many.").range(2, 1000),
      field("by", &O::by,
            "quantile: bins with as many training values each (equal edges are one; holds the columns in "
            "memory). width: bins as wide as each other."),
      field("one_hot", &O::one_hot, "A column for each bin; else its number.")};
}

struct Log1pOptions {
  ColumnNames columns;
};
constexpr auto fields(const Log1pOptions*) { return std::tuple{columns_field<Log1pOptions>(kNumbersDoc)}; }
struct PowerOptions {
  ColumnNames columns;
  std::optional<double> lambda;
};
constexpr auto fields(const PowerOptions*) {
  using O = PowerOptions;
  return std::tuple{
      columns_field<O>(kNumbersDoc),
      field("lambda", &O::lambda,
            "The power; null: the one of largest likelihood for each column, which holds it in memory.")
          .range(-20, 20)};
}
struct ScaleOptions {
  ColumnNames columns;
};
constexpr auto fields(const ScaleOptions*) { return std::tuple{columns_field<ScaleOptions>(kNumbersDoc)}; }
struct MinMaxOptions {
  ColumnNames columns;
  double low = 0, high = 1;
};
constexpr auto fields(const MinMaxOptions*) {
  using O = MinMaxOptions;
  return std::tuple{columns_field<O>(kNumbersDoc),
                    field("low", &O::low, "What the least training value becomes."),
                    field("high", &O::high, "What the largest one becomes.")};
}
struct QuantileOptions {
  ColumnNames columns;
  int64_t quantiles = 1000;
  bool normal = false;
};
constexpr auto fields(const QuantileOptions*) {
  using O = QuantileOptions;
  return std::tuple{
      columns_field<O>(kNumbersDoc),
      field("quantiles", &O::quantiles, "Values that the distribution is kept by.").range(2, 100000),
      field("normal", &O::normal, "Values become normal; else uniform in [0, 1].")};
}
enum class Norm { l2, l1, max };
constexpr auto enum_names(const Norm*) { return std::to_array<std::string_view>({"l2", "l1", "max"}); }
struct UnitNormOptions {
  ColumnNames columns;
  Norm norm = Norm::l2;
};
constexpr auto fields(const UnitNormOptions*) {
  using O = UnitNormOptions;
  return std::tuple{columns_field<O>(kAllDoc),
                    field("norm", &O::norm, "The norm of each record's columns that becomes 1.")};
}
struct PolynomialOptions {
  ColumnNames columns;
  int64_t degree = 2;
  bool interactions_only = false;
};
constexpr auto fields(const PolynomialOptions*) {
  using O = PolynomialOptions;
  return std::tuple{columns_field<O>(kNumbersDoc),
                    field("degree", &O::degree, "Products of up to so many columns are added.").range(2, 4),
                    field("interactions_only", &O::interactions_only, "No column twice in one product.")};
}

struct PcaOptions {
  ColumnNames columns;
  double components = 0.95;
  bool whiten = false;
};
constexpr auto fields(const PcaOptions*) {
  using O = PcaOptions;
  return std::tuple{
      columns_field<O>(kAllDoc),
      field("components", &O::components, "How many; below 1: as few as explain this share of the variance.")
          .range(0, 4096),
      field("whiten", &O::whiten, "Components get variance 1.")};
}
struct ZcaOptions {
  ColumnNames columns;
  double epsilon = 1e-5;
};
constexpr auto fields(const ZcaOptions*) {
  using O = ZcaOptions;
  return std::tuple{
      columns_field<O>(kAllDoc),
      field("epsilon", &O::epsilon,
            "Added to the eigenvalues, as a share of the largest: directions far below it stay small.")
          .range(0, 1)};
}
struct LdaOptions {
  ColumnNames columns;
  int64_t components = 0;
  double shrinkage = 0;
};
constexpr auto fields(const LdaOptions*) {
  using O = LdaOptions;
  return std::tuple{
      columns_field<O>(kAllDoc),
      field("components", &O::components, "How many, at most one less than the classes; 0: that many.")
          .range(0, 4096),
      field("shrinkage", &O::shrinkage,
            "How far the scatter within classes is pulled to its mean diagonal, for columns that depend on "
            "each other.")
          .range(0, 1)};
}

enum class SelectBy {
  variance,
  correlation,
  vif,
  condition_number,
  mutual_information,
  anova,
  chi_squared,
  l1
};
constexpr auto enum_names(const SelectBy*) {
  return std::to_array<std::string_view>({"variance", "correlation", "vif", "condition_number",
                                          "mutual_information", "anova", "chi_squared", "l1"});
}
struct SelectOptions {
  ColumnNames columns;
  SelectBy by = SelectBy::variance;
  std::optional<double> threshold;
  std::optional<int64_t> keep;
  int64_t bins = 10;
};
constexpr auto fields(const SelectOptions*) {
  using O = SelectOptions;
  return std::tuple{
      columns_field<O>(kAllDoc),
      field(
          "by", &O::by,
          "variance: above the threshold (default 0). correlation: of two columns correlated above the "
          "threshold (default 0.8) the one nearer to the target. vif: while a variance inflation factor is "
          "above the threshold (default 10), the column of the largest one goes. condition_number: the same "
          "while the condition number of the scaled columns (Belsley, Kuh, Welsch 1980) is above the "
          "threshold "
          "(default 30). mutual_information: with the target, in nats, of values in bins of equal counts "
          "(plug-in estimate; holds the columns in memory). anova: F statistic of the classes, or of a "
          "straight line to a number. chi_squared: of sums of columns of counts by class. l1: coefficients "
          "that the lasso leaves at the threshold (default 0.05), a share of the least penalty that leaves "
          "none."),
      field("threshold", &O::threshold, "See `by`; scores above it are kept.").at_least(0),
      field("keep", &O::keep, "Keep this many of the best scores instead of going by a threshold.")
          .at_least(1),
      field("bins", &O::bins, "Of mutual_information.").range(2, 1000)};
}

struct TransformKind {
  static constexpr std::string_view what = "transform";
  static DL_API std::span<const Variant> variants();
};
using Transforms = std::vector<Typed<TransformKind>>;

}  // namespace dl
