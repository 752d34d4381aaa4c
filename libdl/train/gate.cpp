#include "train/gate.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/html.h"
#include "base/json.h"
#include "base/str.h"

namespace dl {
namespace {

struct Operator {
  std::string_view text;
  Gate::Test test;
};
// Longer ones first, so that ">=" is not read as ">".
constexpr Operator kOperators[] = {{">=", Gate::Test::at_least},
                                   {"<=", Gate::Test::at_most},
                                   {"==", Gate::Test::equal},
                                   {">", Gate::Test::above},
                                   {"<", Gate::Test::below}};

bool parse_bound(std::string_view text, double& out) {
  text = trim(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(out);
}

bool holds(const Gate& g, double v) {
  switch (g.test) {
    case Gate::Test::at_least:
      return v >= g.bound;
    case Gate::Test::at_most:
      return v <= g.bound;
    case Gate::Test::above:
      return v > g.bound;
    case Gate::Test::below:
      return v < g.bound;
    case Gate::Test::equal:
      return v == g.bound;
    case Gate::Test::drop:
      return higher_is_better(g.metric) ? v >= g.before - g.bound : v <= g.before + g.bound;
  }
  return false;
}

std::string expectation(const Gate& g) {
  for (const Operator& o : kOperators)
    if (o.test == g.test) return str(o.text, ' ', g.bound);
  return str("at most ", g.bound, higher_is_better(g.metric) ? " below " : " above ", g.before);
}

const Metric* find_metric(const MetricList& list, std::string_view name) {
  for (const Metric& m : list)
    if (m.name == name) return &m;
  return nullptr;
}

// Control characters have no form in XML.
std::string escaped_xml(std::string_view s) {
  std::string out = html_escape(s);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return out;
}

std::string escaped_csv(const std::string& s) {
  if (s.find_first_of(",\"\n\r") == std::string::npos) return s;
  std::string out = "\"";
  for (char c : s) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

Gate parse_gate(std::string_view text, const std::string& pointer) {
  for (const Operator& o : kOperators) {
    const size_t at = text.find(o.text);
    if (at == std::string_view::npos) continue;
    Gate g{std::string(text), std::string(trim(text.substr(0, at))), o.test, 0, 0};
    if (!g.metric.empty() && parse_bound(text.substr(at + o.text.size()), g.bound)) return g;
    break;
  }
  throw Error(
      Exit::config, pointer,
      str("gate '", text, "' is not a condition, expected METRIC OP NUMBER with OP one of >= <= > < =="),
      "for example: 'accuracy>=0.98'");
}

Gate parse_drop(std::string_view text, const MetricList& baseline) {
  const size_t at = text.rfind('=');
  Gate g{str("max-drop ", text), std::string(trim(text.substr(0, at))), Gate::Test::drop, 0, 0};
  if (at == std::string_view::npos || g.metric.empty() || !parse_bound(text.substr(at + 1), g.bound) ||
      g.bound < 0)
    throw Error(Exit::config, str("max-drop '", text, "' is not METRIC=NUMBER with a number of at least 0"));
  const Metric* before = find_metric(baseline, g.metric);
  if (!before || std::isnan(before->value))
    throw Error(Exit::data, str("the baseline has no value of '", g.metric, "'"));
  g.before = before->value;
  return g;
}

void check_gates(const std::vector<Gate>& gates, const MetricList& list) {
  std::vector<std::string> known;
  for (const Metric& m : list) known.push_back(m.name);
  for (const Gate& g : gates) {
    if (find_metric(list, g.metric)) continue;
    std::vector<std::string> near = closest(g.metric, known);
    if (near.empty())
      near.assign(known.begin(), known.begin() + static_cast<long>(std::min<size_t>(known.size(), 8)));
    throw Error(Exit::config, {}, str("gate '", g.text, "': metric '", g.metric, "' is not known"),
                str("closest: ", join(near, ", ")));
  }
}

std::vector<GateResult> run_gates(const std::vector<Gate>& gates, const MetricList& list) {
  std::vector<GateResult> out;
  for (const Gate& g : gates) {
    const double v = metric_value(list, g.metric);
    const bool passed = !std::isnan(v) && holds(g, v);
    const std::string is = std::isnan(v) ? "undefined" : number(v);
    out.push_back({g.text, passed, str(g.metric, " is ", is, ", expected ", expectation(g))});
  }
  return out;
}

std::string junit_xml(std::string_view suite, const std::vector<GateResult>& results) {
  int64_t failures = 0;
  std::string cases;
  for (const GateResult& r : results) {
    const std::string open = str("    <testcase classname=\"", escaped_xml(suite), "\" name=\"",
                                 escaped_xml(r.name), "\" time=\"0\"");
    failures += !r.passed;
    cases += r.passed ? str(open, "/>\n")
                      : str(open, ">\n      <failure type=\"gate\" message=\"", escaped_xml(r.message),
                            "\"/>\n    </testcase>\n");
  }
  const std::string counts = str("tests=\"", results.size(), "\" failures=\"", failures, "\" errors=\"0\"");
  return str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ", counts, ">\n  <testsuite name=\"",
             escaped_xml(suite), "\" ", counts, " skipped=\"0\" time=\"0\">\n", cases,
             "  </testsuite>\n</testsuites>\n");
}

std::string metrics_json(const MetricList& list, const Metrics* confusion, int64_t confusion_classes) {
  json out = json::object(), bad = json::object();
  for (const Metric& m : list) {
    if (std::isfinite(m.value)) {
      const bool whole = m.value == std::floor(m.value) && std::abs(m.value) < 0x1p53;
      if (whole)
        out[m.name] = static_cast<int64_t>(m.value);
      else
        out[m.name] = m.value;
      continue;
    }
    out[m.name] = nullptr;
    bad[m.name] = number(m.value);
  }
  if (confusion && !confusion->confusion().empty() && confusion->classes() <= confusion_classes) {
    const int64_t n = confusion->classes();
    json rows = json::array();
    for (int64_t r = 0; r < n; ++r) {
      const auto first = confusion->confusion().begin() + r * n;
      rows.push_back(std::vector<int64_t>(first, first + n));
    }
    out["confusion_matrix"] = std::move(rows);
  }
  if (!bad.empty()) out["nonfinite"] = std::move(bad);
  return out.dump(2) + '\n';
}

std::string metrics_csv(const MetricList& list) {
  std::string out = "name,value\n";
  for (const Metric& m : list)
    out += str(escaped_csv(m.name), ',', std::isfinite(m.value) ? number(m.value) : std::string(), '\n');
  return out;
}

MetricList parse_metrics(std::string_view text, std::string_view file) {
  const json j = json::parse(text, nullptr, false);
  if (!j.is_object())
    throw Error(Exit::data, str(file, ": is not a metrics file, expected a JSON object of numbers"));
  MetricList out;
  for (const auto& item : j.items()) {
    if (item.value().is_number())
      out.push_back({item.key(), item.value().get<double>()});
    else if (item.value().is_null())
      out.push_back({item.key(), std::numeric_limits<double>::quiet_NaN()});
  }
  return out;
}

}  // namespace dl
