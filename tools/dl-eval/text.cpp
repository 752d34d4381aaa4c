// Results for people and for programs.
#include <cmath>

#include "base/json.h"
#include "base/str.h"
#include "dl-eval/judge.h"
#include "train/evaluate_text.h"

namespace dl::eval {
namespace {

std::string probability(double p) { return p < 0.0001 ? "< 0.0001" : metric_text(p); }

std::string interval_table(const std::vector<ConfidenceInterval>& intervals) {
  std::vector<std::vector<std::string>> rows{{"metric", "value", "low", "high"}};
  for (const ConfidenceInterval& i : intervals)
    rows.push_back({i.name, metric_text(i.value), metric_text(i.low), metric_text(i.high)});
  return text_table(rows);
}

}  // namespace

std::string text(const Result& r) {
  std::string out = evaluation_text(r.evaluation);
  for (const auto& intervals : r.intervals)
    out += "\nintervals from resampling\n" + interval_table(intervals);
  for (const Metric& m : r.evaluation.more)
    if (m.name.ends_with("temperature"))
      out += str("\nbest ", m.name, ' ', metric_text(m.value), ": -s eval.temperature=", metric_text(m.value),
                 '\n');
  for (const auto& list : r.breakdowns)
    for (const Breakdown& b : list) out += '\n' + breakdown_text(b);
  return out;
}

std::string text(const std::vector<Result>& results, const std::vector<std::string>& headline) {
  std::vector<std::vector<std::string>> rows{{"model", "data"}};
  for (const std::string& name : headline)
    if (rows[0].size() < 8) rows[0].push_back(name);
  for (const Result& r : results) {
    const MetricList values = r.evaluation.values();
    std::vector<std::string> row{r.model, r.data};
    for (size_t c = 2; c < rows[0].size(); ++c) {
      const std::string& head = r.evaluation.heads.front().output;
      const bool many = r.evaluation.heads.size() > 1;
      row.push_back(metric_text(metric_value(values, many ? str(head, '.', rows[0][c]) : rows[0][c])));
    }
    rows.push_back(std::move(row));
  }
  return text_table(rows);
}

std::string text(const Versus& v) {
  std::string out = str(v.b, " against ", v.a, " on ", v.data, '\n');
  std::vector<std::vector<std::string>> rows{{"metric", v.a, v.b, "difference", "low", "high", "p"}};
  for (const Comparison::Difference& d : v.comparison.differences)
    rows.push_back({d.name, metric_text(d.a), metric_text(d.b), metric_text(d.b - d.a), metric_text(d.low),
                    metric_text(d.high), probability(d.p)});
  out += text_table(rows);
  const Comparison& c = v.comparison;
  if (c.only_a + c.only_b > 0)
    out += str("right alone: ", v.a, ' ', c.only_a, ", ", v.b, ' ', c.only_b, "; McNemar's exact test: p ",
               probability(c.mcnemar_p), '\n');
  return out;
}

json to_json(const Result& r) {
  const Evaluation& e = r.evaluation;
  return json::parse(metrics_json(e.values(), e.metrics.size() == 1 ? &e.metrics.front() : nullptr));
}

json to_record(const Result& r) {
  json out = json::object();
  for (const Metric& m : r.evaluation.values()) out[m.name] = m.value;
  for (const GateResult& g : r.gates)
    out["gates"].push_back({{"gate", g.name}, {"passed", g.passed}, {"message", g.message}});
  return out;
}

json to_json(const Versus& v) {
  json differences = json::object();
  for (const Comparison::Difference& d : v.comparison.differences)
    differences[d.name] = {{"a", d.a},     {"b", d.b},       {"difference", d.b - d.a},
                           {"low", d.low}, {"high", d.high}, {"p", d.p}};
  const Comparison& c = v.comparison;
  return {{"a", v.a},
          {"b", v.b},
          {"data", v.data},
          {"differences", differences},
          {"mcnemar", {{"only_a", c.only_a}, {"only_b", c.only_b}, {"p", c.mcnemar_p}}}};
}

}  // namespace dl::eval
