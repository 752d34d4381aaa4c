#include "search/dimension.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/fields.h"
#include "base/str.h"

namespace dl {
namespace {

using Kind = Dimension::Kind;
constexpr std::array<std::string_view, 5> kKinds{"uniform", "log_uniform", "int", "log_int", "choice"};

void parse_range(Dimension& d, const json& range, const std::string& at) {
  if (!range.is_array() || range.size() != 2 || !range[0].is_number() || !range[1].is_number())
    field_error(at, "expected two numbers, [low, high], got " + range.dump());
  d.low = range[0].get<double>();
  d.high = range[1].get<double>();
  if (!(d.low <= d.high)) field_error(at, str("low ", d.low, " is above high ", d.high));
  if ((d.kind == Kind::log_uniform || d.kind == Kind::log_integer) && !(d.low > 0))
    field_error(at, str("low ", d.low, " has no logarithm, expected above 0"));
  if (d.kind != Kind::integer && d.kind != Kind::log_integer) return;
  for (size_t i = 0; i < 2; ++i) {
    const double v = range[i].get<double>();
    if (v != std::floor(v) || std::fabs(v) > 1e15) field_error(str(at, '/', i), str(v, " is not an integer"));
  }
}

Condition parse_condition(const std::string& key, const json& j, const std::string& at) {
  Condition c{.key = key, .any_of = json::array(), .min = {}, .max = {}};
  if (!j.is_object()) {
    c.any_of = j.is_array() ? j : json::array({j});
    if (c.any_of.empty()) field_error(at, "expected a value, a list of values, or {\"min\": X, \"max\": Y}");
    return c;
  }
  const json schema{{"properties", {{"min", {{"type", "number"}}}, {"max", {{"type", "number"}}}}}};
  check_keys(j, schema, at);
  if (const auto v = j.find("min"); v != j.end()) c.min = detail::parse_number(*v, at + "/min");
  if (const auto v = j.find("max"); v != j.end()) c.max = detail::parse_number(*v, at + "/max");
  if (!c.min && !c.max) field_error(at, "has no bound, expected \"min\", \"max\" or both");
  return c;
}

void parse_extras(Dimension& d, const json& j, const std::string& at) {
  if (const auto step = j.find("step"); step != j.end()) {
    if (d.kind != Kind::integer && d.kind != Kind::uniform)
      field_error(at + "/step", "only int and uniform have a step");
    d.step = d.kind == Kind::integer ? static_cast<double>(detail::parse_integer(*step, at + "/step"))
                                     : detail::parse_number(*step, at + "/step");
    if (!(d.step > 0)) field_error(at + "/step", str(d.step, " is out of range, expected above 0"));
  }
  if (const auto points = j.find("points"); points != j.end()) {
    if (d.kind == Kind::choice) field_error(at + "/points", "a choice has a point for each value");
    d.points = detail::parse_integer(*points, at + "/points");
    if (d.points < 1) field_error(at + "/points", str(d.points, " is out of range, expected at least 1"));
  }
  if (const auto when = j.find("when"); when != j.end()) {
    if (!when->is_object())
      field_error(at + "/when", "expected an object {\"key\": value}, got " + when->dump());
    for (const auto& item : when->items())
      d.when.push_back(parse_condition(item.key(), item.value(), pointer_join(at + "/when", item.key())));
  }
}

double six_digits(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", v);
  return std::strtod(text, nullptr);
}

// The ends of the interval of a logarithmic integer: half a unit beyond, so that each value has room.
double log_low(const Dimension& d) { return std::log(d.low - 0.5); }
double log_high(const Dimension& d) { return std::log(d.high + 0.5); }

double clamped(double u) { return std::clamp(u, 0.0, 1.0); }

}  // namespace

bool Condition::holds(const json& value) const {
  if (!any_of.empty()) return std::find(any_of.begin(), any_of.end(), value) != any_of.end();
  if (!value.is_number()) return false;
  const double v = value.get<double>();
  return (!min || v >= *min) && (!max || v <= *max);
}

int64_t Dimension::cells() const {
  if (kind == Kind::choice) return static_cast<int64_t>(choices.size());
  if (kind == Kind::log_integer) return static_cast<int64_t>(high - low) + 1;
  if (kind == Kind::integer) return static_cast<int64_t>(std::floor((high - low) / std::max(step, 1.0))) + 1;
  return step > 0 ? static_cast<int64_t>(std::floor((high - low) / step + 1e-9)) + 1 : 0;
}

bool Dimension::ordered() const {
  if (kind != Kind::choice) return true;
  for (size_t i = 0; i < choices.size(); ++i)
    if (!choices[i].is_number() || (i > 0 && !(choices[i - 1].get<double>() < choices[i].get<double>())))
      return false;
  return true;
}

json Dimension::value(double u) const {
  u = clamped(u);
  if (kind == Kind::log_uniform)
    return std::clamp(six_digits(std::exp(std::log(low) + u * (std::log(high) - std::log(low)))), low, high);
  if (kind == Kind::log_integer) {
    const double v = std::round(std::exp(log_low(*this) + u * (log_high(*this) - log_low(*this))));
    return static_cast<int64_t>(std::clamp(v, low, high));
  }
  const int64_t n = cells();
  if (n == 0) return std::clamp(six_digits(low + u * (high - low)), low, high);
  const int64_t k = std::min(static_cast<int64_t>(u * static_cast<double>(n)), n - 1);
  if (kind == Kind::choice) return choices[static_cast<size_t>(k)];
  if (kind == Kind::integer) return static_cast<int64_t>(low) + static_cast<int64_t>(std::max(step, 1.0)) * k;
  return std::clamp(six_digits(low + step * static_cast<double>(k)), low, high);
}

std::pair<double, double> Dimension::cell(const json& v) const {
  if (kind == Kind::log_integer) {
    const double x = v.get<double>(), width = log_high(*this) - log_low(*this);
    return {clamped((std::log(x - 0.5) - log_low(*this)) / width),
            clamped((std::log(x + 0.5) - log_low(*this)) / width)};
  }
  const int64_t n = cells();
  if (n == 0) {
    const double x = v.get<double>();
    const double u = high <= low ? 0.5
                     : kind == Kind::log_uniform
                         ? (std::log(x) - std::log(low)) / (std::log(high) - std::log(low))
                         : (x - low) / (high - low);
    return {clamped(u), clamped(u)};
  }
  double k = 0;
  if (kind == Kind::choice)
    k = static_cast<double>(std::find(choices.begin(), choices.end(), v) - choices.begin());
  else
    k = std::round((v.get<double>() - low) / (step > 0 ? step : 1.0));
  const auto count = static_cast<double>(n);
  return {clamped(k / count), clamped((k + 1) / count)};
}

double Dimension::unit(const json& v) const {
  const auto [a, b] = cell(v);
  return (a + b) / 2;
}

bool Dimension::holds(const json& v) const {
  if (kind == Kind::choice) return std::find(choices.begin(), choices.end(), v) != choices.end();
  if (!v.is_number() || v.get<double>() < low || v.get<double>() > high) return false;
  if (cells() == 0) return true;
  const double there = value(unit(v)).get<double>();
  return std::fabs(there - v.get<double>()) <= 1e-9 * (1 + std::fabs(there));
}

Dimension parse_dimension(const std::string& key, const json& j, const std::string& at) {
  if (!j.is_object()) field_error(at, "expected an object as {\"uniform\": [0, 1]}, got " + j.dump());
  Dimension d;
  d.key = key;
  std::vector<std::string> found;
  json schema{{"properties", json::object()}};
  for (std::string_view k : kKinds) schema["properties"][std::string(k)] = json{{"type", "array"}};
  schema["properties"]["step"] = json{{"type", "number"}};
  schema["properties"]["points"] = json{{"type", "integer"}};
  schema["properties"]["when"] = json{{"type", "object"}};
  check_keys(j, schema, at);
  for (size_t k = 0; k < kKinds.size(); ++k) {
    if (!j.contains(std::string(kKinds[k]))) continue;
    found.emplace_back(kKinds[k]);
    d.kind = static_cast<Kind>(k);
  }
  if (found.size() != 1)
    field_error(at, str(found.empty() ? "has none" : "has " + join(found, " and "),
                        ", expected one of uniform, log_uniform, int, log_int, choice"));
  const json& body = j[found.front()];
  const std::string below = pointer_join(at, found.front());
  if (d.kind == Kind::choice) {
    if (!body.is_array() || body.empty()) field_error(below, "expected a list of values, got " + body.dump());
    d.choices = body;
  } else {
    parse_range(d, body, below);
  }
  parse_extras(d, j, at);
  return d;
}

}  // namespace dl
