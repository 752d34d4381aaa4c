#include "train/breakdown.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "train/bootstrap.h"
#include "train/evaluate_text.h"

namespace dl {
namespace {

// The numbers of one i32 column of a split.
std::vector<int32_t> column_values(const Dataset& data, const std::string& split, size_t column) {
  const int64_t rows = data.rows(split);
  std::vector<int32_t> out(static_cast<size_t>(rows));
  std::vector<void*> wanted(data.schema().columns(), nullptr);
  wanted[column] = out.data();
  data.read(split, 0, rows, wanted);
  return out;
}

std::vector<int32_t> predicted_classes(const Kept& kept, MetricsSetup setup) {
  std::vector<int32_t> out;
  setup.wanted = {"accuracy"};
  Metrics m(setup);
  for (int64_t r = 0; r < kept.outputs.shape()[0]; ++r) {
    m.reset();
    const int64_t rows[] = {r};
    m.add_rows(kept.outputs, kept.targets, rows);
    const auto said = std::find(m.confusion().begin(), m.confusion().end(), 1) - m.confusion().begin();
    out.push_back(static_cast<int32_t>(said % m.classes()));
  }
  return out;
}

}  // namespace

void check_breakdown(const std::vector<std::string>& by, const Schema& schema) {
  std::vector<std::string> known{"predicted"};
  for (const Group& g : schema.groups) known.push_back(g.name);
  for (const Target& t : schema.targets)
    if (t.kind == TargetKind::class_index) known.push_back(t.name);
  for (size_t i = 0; i < by.size(); ++i)
    if (std::find(known.begin(), known.end(), by[i]) == known.end())
      throw Error(Exit::config, str("/eval/by/", i),
                  str("'", by[i], "' is no group of the data set, expected one of ", join(known, ", ")),
                  "dl-prep keeps columns as groups: prep.from.groups");
}

const std::vector<std::string>& values_of(const std::string& by, const Schema& schema, const Head& head) {
  if (by == "predicted") return head.classes;
  const Group* group = schema.group(by);
  return group ? group->values : schema.target(by)->classes;
}

std::vector<Part> parts_of(const std::string& by, const Dataset& data, const Evaluation& e, size_t head) {
  const Schema& schema = data.schema();
  const std::vector<std::string>& names = values_of(by, schema, e.heads[head]);
  std::vector<int32_t> values;
  if (by == "predicted") {
    if (!is_classification(e.heads[head].form)) return {};
    values = predicted_classes(e.kept[head], e.metrics[head].setup());
  } else {
    values = column_values(data, e.split, column_of(schema, by));
  }
  std::vector<Part> parts;
  for (const std::string& name : names) parts.push_back({name, {}});
  for (size_t r = 0; r < values.size(); ++r)
    parts[static_cast<size_t>(values[r])].rows.push_back(static_cast<int64_t>(r));
  std::erase_if(parts, [](const Part& p) { return p.rows.empty(); });
  return parts;
}

std::vector<Breakdown> break_down(const EvalConfig& config, const Dataset& data, const Evaluation& e,
                                  size_t head) {
  std::vector<Breakdown> out;
  MetricsSetup setup = e.metrics[head].setup();
  const std::vector<std::string> headline = headline_metrics(setup);
  setup.wanted = {"samples"};
  setup.wanted.insert(setup.wanted.end(), headline.begin(), headline.end());
  check_breakdown(config.by, data.schema());
  for (const std::string& by : config.by) {
    Breakdown b{by, setup.wanted, {}, {}};
    for (const Part& part : parts_of(by, data, e, head)) {
      Metrics m(setup);
      m.add_rows(e.kept[head].outputs, e.kept[head].targets, part.rows);
      Breakdown::Row row{part.name, {}};
      for (const Metric& metric : m.values()) row.values.push_back(metric.value);
      b.rows.push_back(std::move(row));
    }
    for (size_t m = 0; m < b.metrics.size(); ++m) {
      double low = INFINITY, high = -INFINITY;
      for (const Breakdown::Row& row : b.rows)
        if (!std::isnan(row.values[m]))
          low = std::min(low, row.values[m]), high = std::max(high, row.values[m]);
      b.gaps.push_back(high >= low ? high - low : NAN);
    }
    out.push_back(std::move(b));
  }
  return out;
}

MetricList to_metrics(const Breakdown& b) {
  MetricList out;
  for (const Breakdown::Row& row : b.rows)
    for (size_t m = 0; m < b.metrics.size(); ++m)
      out.push_back({str("by.", b.by, '.', row.part, '.', b.metrics[m]), row.values[m]});
  for (size_t m = 1; m < b.metrics.size(); ++m)
    out.push_back({str("gap.", b.by, '.', b.metrics[m]), b.gaps[m]});
  return out;
}

std::string breakdown_text(const Breakdown& b) {
  std::vector<std::vector<std::string>> rows{{b.by}};
  for (const Breakdown::Row& row : b.rows) rows[0].push_back(row.part);
  rows[0].emplace_back("gap");
  for (size_t m = 0; m < b.metrics.size(); ++m) {
    std::vector<std::string> line{b.metrics[m]};
    for (const Breakdown::Row& row : b.rows) line.push_back(metric_text(row.values[m]));
    line.push_back(m == 0 ? "" : metric_text(b.gaps[m]));
    rows.push_back(std::move(line));
  }
  return text_table(rows);
}

}  // namespace dl
