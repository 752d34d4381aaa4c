#pragma once
// What each column of a table means: found in one pass over the text, then the same for every further file.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/feature_step.h"
#include "data/prep_config.h"
#include "data/schema.h"

namespace dl {

struct TableColumn {
  enum class Use { number, category, hashed, target, id, aside, dropped };
  std::string name;
  Use use = Use::number;
  std::vector<std::string> categories;             // sorted, as numbers where all are
  std::unordered_map<std::string, int> number_of;  // of a category
  int64_t at = 0;                                  // its place among the features
  int64_t group = -1;                              // its place among the group columns
};

struct TablePlan {
  std::vector<TableColumn> columns;
  size_t target = 0;
  std::optional<size_t> aside;  // what records are grouped or ordered by
  bool header = false, classification = false;
  Impute impute = Impute::error;
  std::vector<std::string> missing;
  std::map<std::string, std::string> rename;
  int64_t features = 0, groups = 0;  // columns of numbers, categories and texts by their hash
  static constexpr std::string_view kNoGroup = "missing";  // the group of rows without a value
  bool is_missing(std::string_view text) const;
  std::string_view target_text(std::string_view text) const;  // after `rename`
  Schema schema()
      const;  // features are f64: NaN for what is missing, categories by number, hashes of 32 bits
  FeatureColumns feature_columns() const;
  json dump() const;
  static TablePlan parse(const json& j, const std::string& where);
};

// What other parts of the config do with the columns of a table.
struct TableUse {
  json aside;                       // a column that records are grouped or ordered by, no feature; null: none
  std::string aside_at;             // its JSON pointer
  std::vector<std::string> hashed;  // columns that are taken by their hash
  bool imputes = false;             // missing values are looked after
};

// Gathers what plan() needs, record by record.
class TableScan {
 public:
  explicit TableScan(const TableOptions& options, const TableUse& use = {});
  // Error (data), with the closest names, for a column that is not there. `where` names the file.
  TablePlan plan(const std::string& where);
  void add(const std::vector<std::string_view>& record, bool first_of_file);
  size_t width() const { return columns_.size(); }
  int64_t records() const { return records_; }
  // Records of each class, in the order of the plan's classes.
  std::vector<int64_t> class_records(const TablePlan& plan) const;

 private:
  struct Seen {
    int64_t numbers = 0, texts = 0, missing = 0;
    bool whole = true;                         // all numbers are whole
    std::map<std::string, int64_t> different;  // up to kMost
    bool more = false;                         // than kMost
  };
  static constexpr size_t kMost = 5000;
  void look(Seen& seen, std::string_view text) const;
  bool find_header() const;
  size_t find_column(const json& which, const TablePlan& plan, const std::string& pointer,
                     const std::string& where) const;
  void assign_uses(TablePlan& plan, const std::string& where) const;
  void plan_target(TablePlan& plan, const std::string& where) const;
  void plan_groups(TablePlan& plan, const std::string& where) const;
  void plan_features(TablePlan& plan, const std::string& where) const;

  TableOptions options_;
  TableUse use_;
  TablePlan base_;
  std::vector<Seen> columns_;
  std::vector<std::string> first_;  // the first record, which may be the header
  int64_t records_ = 0;
  int64_t repeated_ = 0;  // further files that begin as the first one does
};

}  // namespace dl
