#include "data/table_plan.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "io/csv.h"

namespace dl {

bool TablePlan::is_missing(std::string_view text) const {
  return text.empty() || std::find(missing.begin(), missing.end(), text) != missing.end();
}

std::string_view TablePlan::target_text(std::string_view text) const {
  const auto it = rename.find(std::string(text));
  return it == rename.end() ? text : std::string_view(it->second);
}

FeatureColumns TablePlan::feature_columns() const {
  using Use = TableColumn::Use;
  using Kind = FeatureColumn::Kind;
  FeatureColumns out;
  for (const TableColumn& c : columns)
    if (c.use == Use::number || c.use == Use::category || c.use == Use::hashed)
      out.push_back({c.name,
                     c.use == Use::number     ? Kind::number
                     : c.use == Use::category ? Kind::category
                                              : Kind::hashed,
                     c.categories});
  return out;
}

Schema TablePlan::schema() const {
  Schema s;
  Input in{"features", Role::features, {DType::f64, Shape{features}}, {}};
  for (const FeatureColumn& c : feature_columns()) in.columns.push_back(c.name);
  s.inputs.push_back(std::move(in));
  if (classification)
    s.targets.push_back(
        {"label", TargetKind::class_index, {DType::i32, Shape{}}, columns[target].categories});
  else
    s.targets.push_back({"target", TargetKind::regression, {DType::f32, Shape{}}, {}});
  s.groups.resize(static_cast<size_t>(groups));
  for (const TableColumn& c : columns)
    if (c.group >= 0) s.groups[static_cast<size_t>(c.group)] = {c.name, c.categories};
  return s;
}

namespace {

constexpr std::string_view kUses[] = {"number", "category", "hashed", "target", "id", "aside", "dropped"};

void set_categories(TableColumn& c, std::vector<std::string> values) {
  c.categories = std::move(values);
  c.number_of.clear();
  for (const std::string& v : c.categories) c.number_of.emplace(v, static_cast<int>(c.number_of.size()));
}

}  // namespace

json TablePlan::dump() const {
  json list = json::array();
  for (const TableColumn& c : columns) {
    list.push_back({{"name", c.name}, {"use", kUses[static_cast<size_t>(c.use)]}});
    if (!c.categories.empty()) list.back()["categories"] = c.categories;
  }
  return {{"columns", list},
          {"header", header},
          {"classification", classification},
          {"impute", enum_names(&impute)[static_cast<size_t>(impute)]},
          {"missing", missing},
          {"rename", rename}};
}

TablePlan TablePlan::parse(const json& j, const std::string& where) {
  TablePlan plan;
  try {
    for (const json& c : j.at("columns")) {
      TableColumn& column = plan.columns.emplace_back();
      column.name = c.at("name").get<std::string>();
      const auto use = std::find(std::begin(kUses), std::end(kUses), c.at("use").get<std::string>());
      if (use == std::end(kUses)) throw Error(Exit::data, str(where, ": has a column of unknown use"));
      column.use = static_cast<TableColumn::Use>(use - std::begin(kUses));
      set_categories(column, c.value("categories", std::vector<std::string>()));
      using Use = TableColumn::Use;
      if (column.use == Use::target) plan.target = plan.columns.size() - 1;
      if (column.use == Use::number || column.use == Use::category || column.use == Use::hashed)
        column.at = plan.features++;
    }
    plan.header = j.at("header").get<bool>();
    plan.classification = j.at("classification").get<bool>();
    FieldType<Impute>::parse(plan.impute, j.at("impute"), "", {});
    plan.missing = j.at("missing").get<std::vector<std::string>>();
    plan.rename = j.at("rename").get<std::map<std::string, std::string>>();
  } catch (const json::exception&) {
    throw Error(Exit::data, str(where, ": the preparation that is stored in it is damaged"));
  }
  if (plan.features == 0 || plan.columns[plan.target].use != TableColumn::Use::target)
    throw Error(Exit::data, str(where, ": the preparation that is stored in it is damaged"));
  return plan;
}

TableScan::TableScan(const TableOptions& options, const TableUse& use) : options_(options), use_(use) {
  const json& m = options.missing;
  if (m.is_string())
    base_.missing.push_back(m.get<std::string>());
  else if (m.is_array() && std::all_of(m.begin(), m.end(), [](const json& v) { return v.is_string(); }))
    base_.missing = m.get<std::vector<std::string>>();
  else
    throw Error(Exit::config, "/prep/from/missing",
                str("is ", m.dump(), ", expected a text or a list of texts"));
  base_.rename = options.rename;
  base_.impute = options.impute != Impute::any           ? options.impute
                 : base_.missing.empty() && !use.imputes ? Impute::error
                                                         : Impute::mean;
}

void TableScan::look(Seen& seen, std::string_view text) const {
  if (base_.is_missing(text)) {
    ++seen.missing;
    return;
  }
  double v;
  if (read_number(text, v)) {
    ++seen.numbers;
    seen.whole = seen.whole && v == std::floor(v);
  } else
    ++seen.texts;
  const auto it = seen.different.find(std::string(text));
  if (it != seen.different.end())
    ++it->second;
  else if (seen.different.size() < kMost)
    seen.different.emplace(text, 1);
  else
    seen.more = true;
}

void TableScan::add(const std::vector<std::string_view>& record, bool first_of_file) {
  if (columns_.empty()) {
    columns_.resize(record.size());
    first_.assign(record.begin(), record.end());
    if (!options_.header.value_or(false)) ++records_;
    return;
  }
  if (first_of_file && options_.header.value_or(true) &&
      std::equal(record.begin(), record.end(), first_.begin(), first_.end())) {
    ++repeated_;
    return;
  }
  ++records_;
  if (record.size() != columns_.size()) return;  // bad; said when it is read
  for (size_t c = 0; c < record.size(); ++c) look(columns_[c], record[c]);
}

// The first record is a header when some column of numbers begins with a text.
bool TableScan::find_header() const {
  if (options_.header) return *options_.header;
  for (size_t c = 0; c < columns_.size(); ++c) {
    double v;
    const Seen& s = columns_[c];
    if (s.numbers > 10 * s.texts && !first_[c].empty() && !base_.is_missing(first_[c]) &&
        !read_number(first_[c], v))
      return true;
  }
  // All columns are texts: a header is what the user names a column by.
  return options_.target.is_string() &&
         std::find(first_.begin(), first_.end(), options_.target.get<std::string>()) != first_.end();
}

size_t TableScan::find_column(const json& which, const TablePlan& plan, const std::string& pointer,
                              const std::string& where) const {
  const auto n = static_cast<int64_t>(plan.columns.size());
  double number = NAN;
  if (which.is_number_integer())
    number = which.get<double>();
  else if (which.is_string()) {
    const auto name = which.get<std::string>();
    std::vector<std::string> known;
    for (size_t c = 0; c < plan.columns.size(); ++c) {
      if (plan.columns[c].name == name) return c;
      known.push_back(plan.columns[c].name);
    }
    if (!read_number(name, number)) {
      const auto near = closest(name, known);
      if (known.size() > 20) known.resize(20), known.emplace_back("...");
      throw Error(Exit::data, pointer,
                  str(where, ": there is no column '", name, "', expected one of ", join(known, ", ")),
                  near.empty() ? "" : str("did you mean ", join(near, ", or "), "?"));
    }
  } else
    throw Error(Exit::config, pointer, str("is ", which.dump(), ", expected the name or number of a column"));
  if (!(number >= static_cast<double>(-n) && number < static_cast<double>(n)) || number != std::floor(number))
    throw Error(Exit::data, pointer,
                str(where, ": there is no column ", dl::number(number), ", expected ", -n, " to ", n - 1,
                    " in a table of ", n, " columns"));
  return static_cast<size_t>(number < 0 ? static_cast<int64_t>(number) + n : static_cast<int64_t>(number));
}

namespace {

std::vector<std::string> sorted_values(const std::map<std::string, int64_t>& different) {
  std::vector<std::string> out;
  std::vector<std::pair<double, std::string>> numbers;
  for (const auto& [text, n] : different) {
    out.push_back(text);
    double v;
    if (read_number(text, v)) numbers.emplace_back(v, text);
  }
  if (numbers.size() != out.size()) return out;  // a map is sorted by text
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < out.size(); ++i) out[i] = numbers[i].second;
  return out;
}

}  // namespace

void TableScan::assign_uses(TablePlan& plan, const std::string& where) const {
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    const Seen& s = columns_[c];
    plan.columns[c].use = s.numbers >= s.texts ? TableColumn::Use::number : TableColumn::Use::category;
  }
  for (size_t i = 0; i < options_.categorical.size(); ++i)
    plan.columns[find_column(options_.categorical[i], plan, str("/prep/from/categorical/", i), where)].use =
        TableColumn::Use::category;
  for (size_t i = 0; i < options_.drop.size(); ++i)
    plan.columns[find_column(options_.drop[i], plan, str("/prep/from/drop/", i), where)].use =
        TableColumn::Use::dropped;
  if (!options_.id.is_null())
    plan.columns[find_column(options_.id, plan, "/prep/from/id", where)].use = TableColumn::Use::id;
  for (const std::string& name : use_.hashed)
    plan.columns[find_column(name, plan, "/prep/transforms", where)].use = TableColumn::Use::hashed;
  if (!use_.aside.is_null()) {
    plan.aside = find_column(use_.aside, plan, use_.aside_at, where);
    if (plan.columns[*plan.aside].use != TableColumn::Use::id)
      plan.columns[*plan.aside].use = TableColumn::Use::aside;
  }
  plan.target = find_column(options_.target, plan, "/prep/from/target", where);
  using Use = TableColumn::Use;
  const Use use = plan.columns[plan.target].use;
  if (use == Use::dropped || use == Use::id || use == Use::aside)
    throw Error(Exit::config, "/prep/from/target",
                str("is column '", plan.columns[plan.target].name, "', which is ",
                    use == Use::aside ? "what records are grouped or ordered by" : "dropped or the id"));
  plan.columns[plan.target].use = TableColumn::Use::target;
}

void TableScan::plan_groups(TablePlan& plan, const std::string& where) const {
  for (size_t i = 0; i < options_.groups.size(); ++i) {
    const size_t at = find_column(options_.groups[i], plan, str("groups/", i), where);
    TableColumn& c = plan.columns[at];
    const Seen& s = columns_[at];
    if (c.use == TableColumn::Use::target || c.use == TableColumn::Use::id || c.group >= 0)
      throw Error(Exit::config, str("/prep/from/groups/", i),
                  str("is column '", c.name, "', which is the target, the id, or listed twice"));
    if (s.more || static_cast<int64_t>(s.different.size()) > options_.max_categories)
      throw Error(Exit::data, str(where, ": group column '", c.name, "' has more than ",
                                  options_.max_categories, " different values"));
    bool feature = false;
    for (size_t k = 0; k < options_.categorical.size(); ++k)
      feature = feature || find_column(options_.categorical[k], plan, str("categorical/", k), where) == at;
    if (!feature) c.use = TableColumn::Use::dropped;
    c.group = plan.groups++;
    set_categories(c, sorted_values(s.different));
    if (s.missing > 0 && !feature) {
      c.categories.emplace_back(TablePlan::kNoGroup);
      c.number_of.emplace(TablePlan::kNoGroup, static_cast<int>(c.number_of.size()));
    }
  }
}

void TableScan::plan_target(TablePlan& plan, const std::string& where) const {
  TableColumn& target = plan.columns[plan.target];
  std::map<std::string, int64_t> values;
  for (const auto& [text, n] : columns_[plan.target].different)
    values[std::string(plan.target_text(text))] += n;
  const Seen& s = columns_[plan.target];
  const bool text = s.texts > s.numbers || !options_.classes.empty();
  plan.classification = options_.task == Task::classification ||
                        (options_.task == Task::any && (text || (s.whole && values.size() <= 20)));
  if (!plan.classification) {
    if (text)
      throw Error(Exit::data,
                  str(where, ": the target '", target.name, "' is text, expected numbers for regression"));
    return;
  }
  if (s.more)
    throw Error(Exit::data, str(where, ": the target '", target.name, "' has more than ", kMost,
                                " classes; is it meant for \"task\": \"regression\"?"));
  set_categories(target, options_.classes.empty() ? sorted_values(values) : options_.classes);
  if (target.categories.size() < 2)
    throw Error(Exit::data, str(where, ": the target '", target.name, "' has ", target.categories.size(),
                                " classes, expected at least 2"));
}

void TableScan::plan_features(TablePlan& plan, const std::string& where) const {
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    TableColumn& c = plan.columns[i];
    const bool category = c.use == TableColumn::Use::category;
    if (!category && c.use != TableColumn::Use::number && c.use != TableColumn::Use::hashed) continue;
    const Seen& s = columns_[i];
    const std::string hint = str("leave it out: \"drop\": [\"", c.name, "\"]");
    if (s.numbers + s.texts == 0)
      throw Error(Exit::data, {},
                  str(where, ": column '", c.name, "' has no value, expected numbers or categories"), hint);
    if (category && (s.more || static_cast<int64_t>(s.different.size()) > options_.max_categories))
      throw Error(Exit::data, {},
                  str(where, ": column '", c.name, "' has more than ", options_.max_categories,
                      " different texts, expected numbers or categories"),
                  hint + ", or raise \"max_categories\"");
    if (category) set_categories(c, sorted_values(s.different));
    c.at = plan.features++;
  }
  if (plan.features == 0)
    throw Error(Exit::data,
                str(where, ": no column is left for the features, expected at least one beside the target"));
}

TablePlan TableScan::plan(const std::string& where) {
  if (columns_.empty()) throw Error(Exit::data, str(where, ": is empty, expected a table"));
  TablePlan plan = base_;
  plan.header = find_header();
  if (plan.header && !options_.header) --records_;
  if (!plan.header) records_ += repeated_;
  for (int64_t k = 0; !plan.header && k < repeated_ + 1; ++k)
    for (size_t c = 0; c < first_.size(); ++c) look(columns_[c], first_[c]);
  if (!options_.names.empty() && options_.names.size() != first_.size())
    throw Error(Exit::config, "/prep/from/names",
                str("has ", options_.names.size(), " names, but the table has ", first_.size(), " columns"));
  for (size_t c = 0; c < first_.size(); ++c) {
    TableColumn& column = plan.columns.emplace_back();
    column.name = !options_.names.empty()             ? options_.names[c]
                  : plan.header && !first_[c].empty() ? first_[c]
                                                      : str("column_", c);
  }
  assign_uses(plan, where);
  plan_target(plan, where);
  plan_groups(plan, where);
  plan_features(plan, where);
  return plan;
}

std::vector<int64_t> TableScan::class_records(const TablePlan& plan) const {
  std::vector<int64_t> out(plan.classification ? plan.columns[plan.target].categories.size() : 0);
  for (const auto& [text, n] : columns_[plan.target].different) {
    const auto it = plan.columns[plan.target].number_of.find(std::string(plan.target_text(text)));
    if (plan.classification && it != plan.columns[plan.target].number_of.end())
      out[static_cast<size_t>(it->second)] += n;
  }
  return out;
}

}  // namespace dl
