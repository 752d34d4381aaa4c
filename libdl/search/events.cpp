// Reads the objective out of a trainer's events.
#include <cmath>

#include "base/json_text.h"
#include "base/schema.h"
#include "base/str.h"
#include "search/study.h"

namespace dl {
namespace {

const json* at_path(const json& record, std::string_view name) {
  if (const json* v = child(&record, name)) return v;
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const json* below = child(&record, name.substr(0, dot));
  return below && below->is_object() ? at_path(*below, name.substr(dot + 1)) : nullptr;
}

const json* objective_of(const json& event, std::string_view name) {
  std::vector<std::string_view> names{name};
  const size_t dot = name.find('.');
  if (dot != std::string_view::npos && event.value("split", json()) == std::string(name.substr(0, dot)))
    names.push_back(name.substr(dot + 1));
  for (const json* where : {child(&event, "metrics"), &event})
    for (std::string_view n : names)
      if (where)
        if (const json* v = at_path(*where, n); v && v->is_number()) return v;
  return nullptr;
}

}  // namespace

std::optional<double> objective_in_events(std::string_view events, const std::string& name, json& metrics) {
  std::optional<double> found;
  for (const std::string& line : split(events, '\n')) {
    json event;
    try {
      event = parse_json(line, "events").value;
    } catch (const Error&) {
      continue;  // the last line of a killed trainer
    }
    if (!event.is_object()) continue;
    const json* v = objective_of(event, name);
    if (!v) continue;
    found = v->get<double>();
    metrics = event.value("metrics", json::object());
    if (event.value("event", json()) == "run_end") break;
  }
  if (found && !std::isfinite(*found)) found.reset();
  return found;
}

}  // namespace dl
