#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "data/source.h"
#include "data/table_plan.h"
#include "io/csv.h"

namespace dl {

namespace {

using Use = TableColumn::Use;

class TableSource : public Source {
 public:
  TableSource(const TableOptions& options, std::shared_ptr<TablePlan> plan,
              std::span<const std::string> files, const SourceContext& context)
      : options_(options), plan_(std::move(plan)), context_(context) {
    if (options.separator.size() > 1)
      throw Error(Exit::config, "/prep/from/separator",
                  str("is '", options.separator, "', expected one character"));
    const char separator = options.separator.empty() ? '\0' : options.separator[0];
    for (const std::string& f : files) readers_.emplace_back(f, separator, context.tmp);
    if (plan_) schema_ = plan_->schema();
  }

  SourceScan scan() override {
    TableScan scan(options_);
    std::vector<std::string_view> record;
    for (CsvReader& r : readers_) {
      for (bool first = true; r.next(record); first = false) scan.add(record, first);
      r.rewind();
    }
    if (plan_) return {scan.records() - (plan_->header && !options_.header ? 1 : 0), {}};
    plan_ = std::make_shared<TablePlan>(scan.plan(readers_[0].path()));
    schema_ = plan_->schema();
    return {scan.records(), scan.class_records(*plan_)};
  }

  const Schema& schema() const override { return schema_; }

  bool read(Rows& rows) override {
    while (rows.count < rows.capacity && file_ < readers_.size()) {
      CsvReader& in = readers_[file_];
      if (!in.next(record_)) {
        ++file_;
        first_ = true;
        continue;
      }
      if (std::exchange(first_, false) && plan_->header) {
        check_header(in);
        continue;
      }
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

  bool needs_fit() override {
    fitting_ = plan_->impute == Impute::mean;
    return fitting_;
  }

  void fit(const Rows& rows, int64_t i) override {
    const float* x = static_cast<const float*>(rows.columns[0].raw()) + i * plan_->features;
    for (TableColumn& c : plan_->columns) {
      if (c.use != Use::number && c.use != Use::category) continue;
      const float* v = x + c.first;
      if (c.fit_counts.empty()) c.fit_counts.resize(c.use == Use::number ? 2 : c.categories.size());
      if (std::isnan(*v)) continue;
      if (c.use == Use::number)
        c.fit_counts[0] += static_cast<double>(*v), c.fit_counts[1] += 1;
      else
        c.fit_counts[static_cast<size_t>(plan_->encoding == Encoding::index
                                             ? static_cast<int64_t>(*v)
                                             : std::max_element(v, v + c.width) - v)] += 1;
    }
  }

  void end_fit() override {
    for (TableColumn& c : plan_->columns) {
      if (c.fit_counts.empty()) continue;
      const auto& f = c.fit_counts;
      c.stand_in = c.use == Use::number
                       ? (f[1] > 0 ? f[0] / f[1] : 0)
                       : static_cast<double>(std::max_element(f.begin(), f.end()) - f.begin());
    }
    fitting_ = false;
  }

  std::unique_ptr<Source> follow(std::span<const std::string> files) override {
    return std::make_unique<TableSource>(options_, plan_, files, context_);
  }

 private:
  void check_header(const CsvReader& in) const {
    if (!options_.names.empty()) return;
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
    if (record_.size() != plan_->columns.size())
      return str("the record has ", record_.size(), " fields, expected ", plan_->columns.size());
    auto* x = reinterpret_cast<float*>(rows.row(0, rows.count));
    std::string fault;
    for (size_t i = 0; i < record_.size() && fault.empty(); ++i) {
      const TableColumn& c = plan_->columns[i];
      if (c.use == Use::number)
        fault = fill_number(c, record_[i], x + c.first);
      else if (c.use == Use::category)
        fault = fill_category(c, record_[i], x + c.first);
      else if (c.use == Use::target)
        fault = fill_target(c, plan_->target_text(record_[i]), rows.row(1, rows.count));
      else if (c.use == Use::id) {
        has_id_ = true;
        std::string& id = rows.ids[static_cast<size_t>(rows.count)] = record_[i];
        std::replace(id.begin(), id.end(), '\n', ' ');  // ids are lines in the data set
        if (id.empty()) fault = str("the id '", c.name, "' is missing");
      }
      if (c.group >= 0 && fault.empty())
        fault = fill_group(c, record_[i], rows.row(2 + static_cast<size_t>(c.group), rows.count));
    }
    return fault;
  }

  static std::string shown(std::string_view text) {
    return str('\'', text.substr(0, 40), text.size() > 40 ? "..." : "", '\'');
  }

  std::string missing(const TableColumn& c) const {
    return str("column '", c.name, "' is missing, expected a value, or \"impute\": \"mean\"");
  }

  // Numbers are stored as f32, so a finite text may still be too large.
  static std::string parse(std::string_view text, const std::string& what, float& out) {
    double v;
    if (!read_number(text, v)) {
      const bool gap =
          text == "?" || text == "-" || text == "NA" || text == "N/A" || text == "null" || text == "None";
      return str(what, " is ", shown(text), ", expected a number",
                 gap ? str(", or \"missing\": \"", text, '"') : "");
    }
    if (!std::isfinite(static_cast<float>(v)))
      return str(what, " is ", shown(text), ", expected a finite number");
    out = static_cast<float>(v);
    return {};
  }

  std::string fill_number(const TableColumn& c, std::string_view text, float* out) const {
    if (!plan_->is_missing(text)) return parse(text, str("column '", c.name, "'"), *out);
    if (plan_->impute == Impute::error) return missing(c);
    *out = fitting_ ? NAN : static_cast<float>(c.stand_in);
    return {};
  }

  std::string fill_category(const TableColumn& c, std::string_view text, float* out) const {
    double number = c.stand_in;
    if (plan_->is_missing(text)) {
      if (plan_->impute == Impute::error) return missing(c);
      if (fitting_) {
        std::fill_n(out, c.width, NAN);
        return {};
      }
    } else {
      const auto it = c.number_of.find(std::string(text));
      if (it == c.number_of.end())
        return str("column '", c.name, "' is ", shown(text), ", expected one of ", listed(c.categories));
      number = it->second;
    }
    if (plan_->encoding == Encoding::index) {
      *out = static_cast<float>(number);
      return {};
    }
    std::fill_n(out, c.width, 0.0f);
    if (number >= 0) out[static_cast<int64_t>(number)] = 1;
    return {};
  }

  std::string fill_target(const TableColumn& c, std::string_view text, uint8_t* out) const {
    if (plan_->is_missing(text)) return str("the target '", c.name, "' is missing");
    if (!plan_->classification) {
      float v = 0;
      std::string fault = parse(text, str("the target '", c.name, "'"), v);
      std::memcpy(out, &v, sizeof v);
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
  size_t file_ = 0;
  bool first_ = true, has_id_ = false;
  bool fitting_ = false;
  int64_t total_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_table(const TableOptions& options, std::span<const std::string> files,
                                   const SourceContext& context) {
  return std::make_unique<TableSource>(options, nullptr, files, context);
}

}  // namespace dl
