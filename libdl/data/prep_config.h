#pragma once
// Config section "prep": where records come from, how they are split, how they are normalised.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/fields.h"
#include "data/feature_config.h"

namespace dl {

struct IdxOptions {
  json classes;
};
constexpr auto fields(const IdxOptions*) {
  return std::tuple{field(
      "classes", &IdxOptions::classes,
      "Class names in the order of their numbers, or how many classes there are; a label outside is a bad "
      "record. Default: up to the largest label.")};
}

enum class CifarLabel { fine, coarse };
constexpr auto enum_names(const CifarLabel*) { return std::to_array<std::string_view>({"fine", "coarse"}); }
struct CifarOptions {
  CifarLabel label = CifarLabel::fine;
  json classes;
};
constexpr auto fields(const CifarOptions*) {
  return std::tuple{field("label", &CifarOptions::label, "Which label of CIFAR-100 to take."),
                    field("classes", &CifarOptions::classes, "Class names in the order of their numbers.")};
}

enum class Channels { any, grey, rgb };
constexpr auto enum_names(const Channels*) {
  return std::to_array<std::string_view>({"auto", "grey", "rgb"});
}
struct FolderOptions {
  std::vector<int64_t> resize;
  Channels channels = Channels::any;
  std::vector<std::string> classes;
};
constexpr auto fields(const FolderOptions*) {
  return std::tuple{
      field("resize", &FolderOptions::resize,
            "Height and width to bring every picture to; empty: all must agree.")
          .range(1, 8192),
      field("channels", &FolderOptions::channels, "Grey or colour; auto: as the first picture."),
      field("classes", &FolderOptions::classes,
            "Folders to take as classes, in this order; empty: all, sorted by name.")};
}

enum class Task { any, classification, regression };
constexpr auto enum_names(const Task*) {
  return std::to_array<std::string_view>({"auto", "classification", "regression"});
}
enum class Encoding { one_hot, index };
constexpr auto enum_names(const Encoding*) { return std::to_array<std::string_view>({"one_hot", "index"}); }
enum class Impute { any, mean, zero, error };
constexpr auto enum_names(const Impute*) {
  return std::to_array<std::string_view>({"auto", "mean", "zero", "error"});
}
enum class Unknown { error, none };
constexpr auto enum_names(const Unknown*) { return std::to_array<std::string_view>({"error", "none"}); }
struct TableOptions {
  json target = -1;
  Task task = Task::any;
  std::string separator;
  std::optional<bool> header;
  std::vector<std::string> names;
  json id;
  std::vector<json> categorical, drop, groups;
  Encoding encoding = Encoding::one_hot;
  int64_t max_categories = 256;
  Unknown unknown = Unknown::error;
  json missing = json::array();
  Impute impute = Impute::any;
  std::map<std::string, std::string> rename;
  std::vector<std::string> classes;
};
constexpr auto fields(const TableOptions*) {
  using T = TableOptions;
  return std::tuple{
      field("target", &T::target, "The column to predict, by name or number (0 is the first, -1 the last)."),
      field("task", &T::task,
            "auto: classification where the target is text or has at most 20 different whole numbers."),
      field("separator", &T::separator, "One character; empty: found from the text."),
      field("header", &T::header, "Whether the first record names the columns; null: found from the text."),
      field("names", &T::names, "Names of the columns; replaces the header."),
      field("id", &T::id, "Column that identifies a record; it is no feature."),
      field("categorical", &T::categorical,
            "Columns to take as categories even where they look like numbers."),
      field("drop", &T::drop, "Columns to leave out."),
      field(
          "groups", &T::groups,
          "Columns that tell rows apart in results (dl-eval --by) and are no features, unless `categorical` "
          "has them too."),
      field("encoding", &T::encoding,
            "A categorical column becomes one column for each category, or its number."),
      field("max_categories", &T::max_categories, "Most categories that a column may have.").range(1, 100000),
      field(
          "unknown", &T::unknown,
          "What a category is that is first seen in a further file: an error, which makes the record bad, or "
          "none of those known."),
      field("missing", &T::missing,
            "Text or texts that mean that a value is missing; an empty field always does."),
      field("impute", &T::impute,
            "What stands in for a missing value: the mean (of a category: the most frequent one) of the "
            "training part, zero "
            "(of a category: none), or error, which makes the record bad. auto: mean when `missing` is "
            "given, else error. Where prep.transforms has an impute step, that one alone does it."),
      field("rename", &T::rename, "Other spellings of target values, as \"<=50K.\": \"<=50K\"."),
      field("classes", &T::classes, "Target values in the order of their numbers; empty: all, sorted.")};
}

struct DigitsOptions {
  int64_t count = 12000, size = 28;
  bool balanced = true;
  double distortion = 1;
  std::optional<int64_t> seed;
};
constexpr auto fields(const DigitsOptions*) {
  using D = DigitsOptions;
  return std::tuple{
      field("count", &D::count, "How many digits to make.").range(1, 1e12),
      field("size", &D::size, "Pixels on each side.").range(8, 512),
      field("balanced", &D::balanced, "Every run of ten digits holds each class once."),
      field("distortion", &D::distortion, "0: plain skeletons, 1: handwriting, 2: hardly legible.")
          .range(0, 3),
      field("seed", &D::seed, "Seed of the digits; null: the run's.").at_least(0)};
}

struct SourceKind {
  static constexpr std::string_view what = "source";
  static DL_API std::span<const Variant> variants();
};

enum class SplitBy { random, hash, order };
constexpr auto enum_names(const SplitBy*) {
  return std::to_array<std::string_view>({"random", "hash", "order"});
}
struct SplitConfig {
  std::optional<double> train, valid, test, train_dev;
  SplitBy by = SplitBy::random;
  bool stratify = false;
  json group, order_by;
  int64_t folds = 0;
  bool leave_one_out = false;
  int64_t bootstrap = 0;
  std::optional<int64_t> fold;
};
constexpr auto fields(const SplitConfig*) {
  using S = SplitConfig;
  return std::tuple{
      field("train", &S::train, "Share of the training part; default: what the others leave.").range(0, 1),
      field("valid", &S::valid, "Share held out for validation.").range(0, 1),
      field("test", &S::test, "Share held out for the test.").range(0, 1),
      field(
          "train_dev", &S::train_dev,
          "Share of a part like the training part that is not learned from: tells a gap between the sources "
          "of the data (valid worse than train_dev) from a failure to generalise (train_dev worse than "
          "train).")
          .range(0, 1),
      field("by", &S::by,
            "random: exact shares, drawn with the seed. hash: each record by its id alone, so that it stays "
            "where it is when "
            "records come or go. order: the last records are held out."),
      field("stratify", &S::stratify, "Every class is split in the same shares."),
      field("group", &S::group,
            "Column of a table whose equal values stay together in one part (a patient, a user); it is no "
            "feature. Shares are as near as whole groups allow. One text for each record is held in memory."),
      field("order_by", &S::order_by,
            "Column of a table to order the records by (a time), numbers by value and else texts; the last "
            "ones are held out, folds are consecutive. It is no feature. One text for each record is held in "
            "memory."),
      field(
          "folds", &S::folds,
          "Number of folds for cross-validation; 0: none. They become the parts fold_0, fold_1, ... of one "
          "data set, with a normalisation of each fold's training part; dl-train takes one with train.fold.")
          .range(0, 100000),
      field("leave_one_out", &S::leave_one_out, "As many folds as records."),
      field("bootstrap", &S::bootstrap,
            "Number of samples drawn with replacement, each as large as what they are drawn from: parts "
            "boot_0, "
            "boot_1, ... and beside each the records that it left out, oob_0, ...; one sample: train and "
            "valid. Counts of each record and sample are held in memory.")
          .range(0, 1000),
      field("fold", &S::fold,
            "Only this fold, from 0: it becomes the part valid, the others train. Of bootstrap: this sample "
            "becomes train, what it left out valid.")
          .at_least(0)};
}

enum class Normalize { none, z_score, min_max };
constexpr auto enum_names(const Normalize*) {
  return std::to_array<std::string_view>({"none", "z_score", "min_max"});
}

struct PrepConfig {
  Typed<SourceKind> from;
  SplitConfig split;
  Transforms transforms;
  Normalize normalize = Normalize::z_score;
  json max_bad = 0;
};
constexpr auto fields(const PrepConfig*) {
  using P = PrepConfig;
  return std::tuple{
      field("from", &P::from, "Where the records come from."),
      field("split", &P::split, "How the records are divided."),
      field(
          "transforms", &P::transforms,
          "What is done to the columns of a table, or the pixels of a picture, in order. What is learned is "
          "learned from the training part, in one pass over the files for each step that learns, and kept in "
          "the data set for --like. Memory does not grow with the files but where a step says so."),
      field("normalize", &P::normalize,
            "Constants fitted to the training part, per channel or feature, kept beside the data and applied "
            "by the model."),
      field("max_bad", &P::max_bad, "How many bad records to pass over: a number or a share (\"0.5%\").")};
}

}  // namespace dl
