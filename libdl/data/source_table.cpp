#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/str.h"
#include "data/source.h"
#include "data/table_plan.h"
#include "io/csv.h"

namespace dl {

namespace {

using Use = TableColumn::Use;

class TableSource : public Source {
 public:
  // by_name: the files need not have the target, nor the columns in the order of the plan.
  TableSource(const TableOptions& options, std::shared_ptr<TablePlan> plan,
              std::span<const std::string> files, const SourceContext& context, bool by_name = false)
      : options_(options), plan_(std::move(plan)), context_(context), by_name_(by_name) {
    if (options.separator.size() > 1)
      throw Error(Exit::config, "/prep/from/separator",
                  str("is '", options.separator, "', expected one character"));
    const char separator = options.separator.empty() ? '\0' : options.separator[0];
    for (const std::string& f : files) readers_.emplace_back(f, separator, context.tmp);
    if (plan_) schema_ = plan_->schema();
  }

  SourceScan scan() override {
    TableScan scan(options_, context_.use);
    std::vector<std::string_view> record;
    for (CsvReader& r : readers_) {
      for (bool first = true; r.next(record); first = false) scan.add(record, first);
      r.rewind();
    }
    if (by_name_) find_columns();
    if (plan_) return {scan.records() - (plan_->header && !options_.header ? 1 : 0), {}};
    plan_ = std::make_shared<TablePlan>(scan.plan(readers_[0].path()));
    schema_ = plan_->schema();
    return {scan.records(), scan.class_records(*plan_)};
  }

  const Schema& schema() const override { return schema_; }

  bool read(Rows& rows) override {
    while (rows.count < rows.capacity && next_record()) {
      const CsvReader& in = readers_[file_];
      const int64_t index = total_++;
      const std::string fault = fill(rows);
      if (!fault.empty()) {
        context_.bad->add(str(in.path(), ":", in.line(), ": ", fault));
        continue;
      }
      if (!has_id_) rows.ids[static_cast<size_t>(rows.count)] = std::to_string(index);
      rows.index[static_cast<size_t>(rows.count)] = index;
      ++rows.count;
    }
    return file_ < readers_.size();
  }

  void rewind() override {
    for (CsvReader& r : readers_) r.rewind();
    file_ = 0;
    first_ = true;
    total_ = 0;
  }

  std::vector<std::string> keys() override {
    std::vector<std::string> out;
    rewind();
    while (next_record())
      out.emplace_back(record_.size() == plan_->columns.size() ? record_[*plan_->aside] : "");
    rewind();
    return out;
  }

  const TablePlan* table() const override { return plan_.get(); }

  std::unique_ptr<Source> follow(std::span<const std::string> files) override {
    return std::make_unique<TableSource>(options_, plan_, files, context_);
  }

 private:
  // The next record of the files, headers left out.
  bool next_record() {
    while (file_ < readers_.size()) {
      CsvReader& in = readers_[file_];
      if (!in.next(record_)) {
        ++file_;
        first_ = true;
      } else if (std::exchange(first_, false) && plan_->header) {
        check_header(in);
      } else {
        return true;
      }
    }
    return false;
  }

  // Where each column of the plan is in the records of the files, by the header of the first one.
  void find_columns() {
    place_.assign(plan_->columns.size(), -1);
    CsvReader& in = readers_[0];
    in.rewind();
    if (!in.next(record_)) throw Error(Exit::data, str(in.path(), ": is empty, expected a table"));
    width_ = record_.size();
    const size_t expected = plan_->columns.size();
    if (!plan_->header || !options_.names.empty()) {
      if (width_ != expected && width_ + 1 != expected)
        throw Error(Exit::data,
                    str(in.path(), ":", in.line(), ": the record has ", width_, " fields, expected ",
                        expected, ", or ", expected - 1, " without the target"));
      int64_t next = 0;
      for (size_t c = 0; c < expected; ++c)
        if (width_ == expected || c != plan_->target) place_[c] = next++;
    } else {
      for (size_t c = 0; c < expected; ++c) {
        const auto it = std::find(record_.begin(), record_.end(), plan_->columns[c].name);
        if (it != record_.end()) place_[c] = it - record_.begin();
      }
      std::vector<std::string> absent;
      for (size_t c = 0; c < expected; ++c) {
        const Use use = plan_->columns[c].use;
        if (place_[c] < 0 && (use == Use::number || use == Use::category || use == Use::hashed))
          absent.push_back(plan_->columns[c].name);
      }
      if (!absent.empty())
        throw Error(Exit::data,
                    str(in.path(), ":", in.line(), ": the header has no column ", listed(absent)));
    }
    in.rewind();
    if (place_[plan_->target] < 0) schema_.targets.clear();
  }

  void check_header(const CsvReader& in) const {
    if (!options_.names.empty() || by_name_) return;
    for (size_t c = 0; c < std::max(record_.size(), plan_->columns.size()); ++c) {
      if (c >= record_.size() || c >= plan_->columns.size())
        throw Error(Exit::data, str(in.path(), ":", in.line(), ": the header has ", record_.size(),
                                    " columns, expected ", plan_->columns.size()));
      if (record_[c] != plan_->columns[c].name && !record_[c].empty())
        throw Error(Exit::data, str(in.path(), ":", in.line(), ": column ", c, " is called '", record_[c],
                                    "', expected '", plan_->columns[c].name, "'"));
    }
  }

  // The record becomes row rows.count; returns what is wrong with it, or nothing.
  std::string fill(Rows& rows) {
    const size_t expected = by_name_ ? width_ : plan_->columns.size();
    if (record_.size() != expected)
      return str("the record has ", record_.size(), " fields, expected ", expected);
    auto* x = reinterpret_cast<double*>(rows.row(0, rows.count));
    std::string fault;
    for (size_t i = 0; i < plan_->columns.size() && fault.empty(); ++i) {
      const TableColumn& c = plan_->columns[i];
      if (by_name_ && place_[i] < 0) continue;
      const std::string_view text = record_[by_name_ ? static_cast<size_t>(place_[i]) : i];
      if (c.use == Use::number)
        fault = fill_number(c, text, x + c.at);
      else if (c.use == Use::category)
        fault = fill_category(c, text, x + c.at);
      else if (c.use == Use::hashed)
        x[c.at] = plan_->is_missing(text) ? NAN : hash_of(text);
      else if (c.use == Use::target)
        fault = fill_target(c, plan_->target_text(text), rows.row(1, rows.count));
      else if (c.use == Use::id) {
        has_id_ = true;
        std::string& id = rows.ids[static_cast<size_t>(rows.count)] = text;
        std::replace(id.begin(), id.end(), '\n', ' ');  // ids are lines in the data set
        if (id.empty()) fault = str("the id '", c.name, "' is missing");
      }
      if (c.group >= 0 && fault.empty())
        fault = fill_group(c, record_[i], rows.row(2 + static_cast<size_t>(c.group), rows.count));
    }
    return fault;
  }

  static double hash_of(std::string_view text) {
    const uint64_t h = stream_id(text);
    return static_cast<double>(static_cast<uint32_t>(h ^ (h >> 32)));
  }

  static std::string shown(std::string_view text) {
    return str('\'', text.substr(0, 40), text.size() > 40 ? "..." : "", '\'');
  }

  std::string missing(const TableColumn& c) const {
    return str("column '", c.name, "' is missing, expected a value, or \"impute\": \"mean\"");
  }

  // Numbers are stored as f32, so a finite text may still be too large.
  static std::string parse(std::string_view text, const std::string& what, double& v) {
    if (!read_number(text, v)) {
      const bool gap =
          text == "?" || text == "-" || text == "NA" || text == "N/A" || text == "null" || text == "None";
      return str(what, " is ", shown(text), ", expected a number",
                 gap ? str(", or \"missing\": \"", text, '"') : "");
    }
    if (!std::isfinite(static_cast<float>(v)))
      return str(what, " is ", shown(text), ", expected a finite number");
    return {};
  }

  std::string fill_number(const TableColumn& c, std::string_view text, double* out) const {
    if (!plan_->is_missing(text)) return parse(text, str("column '", c.name, "'"), *out);
    if (plan_->impute == Impute::error) return missing(c);
    *out = NAN;
    return {};
  }

  std::string fill_category(const TableColumn& c, std::string_view text, double* out) const {
    if (plan_->is_missing(text)) {
      if (plan_->impute == Impute::error) return missing(c);
      *out = NAN;
      return {};
    }
    const auto it = c.number_of.find(std::string(text));
    if (it == c.number_of.end() && options_.unknown == Unknown::error)
      return str("column '", c.name, "' is ", shown(text), ", expected one of ", listed(c.categories),
                 by_name_ ? "; or --unknown none" : "");
    *out = it == c.number_of.end() ? -1 : it->second;
    return {};
  }

  std::string fill_target(const TableColumn& c, std::string_view text, uint8_t* out) const {
    if (plan_->is_missing(text)) return str("the target '", c.name, "' is missing");
    if (!plan_->classification) {
      double v = 0;
      std::string fault = parse(text, str("the target '", c.name, "'"), v);
      const auto stored = static_cast<float>(v);
      std::memcpy(out, &stored, sizeof stored);
      return fault;
    }
    const auto it = c.number_of.find(std::string(text));
    if (it == c.number_of.end())
      return str("the target '", c.name, "' is ", shown(text), ", expected one of ", listed(c.categories));
    const int32_t label = it->second;
    std::memcpy(out, &label, sizeof label);
    return {};
  }

  std::string fill_group(const TableColumn& c, std::string_view text, uint8_t* out) const {
    const auto it = c.number_of.find(std::string(plan_->is_missing(text) ? TablePlan::kNoGroup : text));
    if (it == c.number_of.end())
      return str("group column '", c.name, "' is ", shown(text), ", expected one of ", listed(c.categories));
    const int32_t number = it->second;
    std::memcpy(out, &number, sizeof number);
    return {};
  }

  static std::string listed(std::span<const std::string> names) {
    return join(names.first(std::min<size_t>(names.size(), 10)), ", ") + (names.size() > 10 ? ", ..." : "");
  }

  TableOptions options_;
  std::shared_ptr<TablePlan> plan_;  // shared with the sources that follow
  SourceContext context_;
  std::vector<CsvReader> readers_;
  Schema schema_;
  std::vector<std::string_view> record_;
  bool by_name_;
  std::vector<int64_t> place_;  // by_name_: of each column in a record; -1: absent
  size_t width_ = 0;            // by_name_: fields of a record
  size_t file_ = 0;
  bool first_ = true, has_id_ = false;
  int64_t total_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_table(const TableOptions& options, std::span<const std::string> files,
                                   const SourceContext& context) {
  return std::make_unique<TableSource>(options, nullptr, files, context);
}

std::unique_ptr<Source> open_table_like(const TableOptions& options, TablePlan plan,
                                        std::span<const std::string> files, const SourceContext& context) {
  return std::make_unique<TableSource>(options, std::make_shared<TablePlan>(std::move(plan)), files, context,
                                       true);
}

}  // namespace dl
