#include "search/events.h"

#include <cmath>
#include <fstream>

#include "base/json_text.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {
namespace {

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

const json* at_path(const json& record, std::string_view name) {
  if (const json* v = child(&record, name)) return v;
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const json* below = child(&record, name.substr(0, dot));
  return below && below->is_object() ? at_path(*below, name.substr(dot + 1)) : nullptr;
}

void EventReader::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || !in.seekg(offset_)) return;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    offset_ += in.gcount();
    take({buffer, static_cast<size_t>(in.gcount())});
  }
}

void EventReader::take(std::string_view text) {
  rest_ += text;
  size_t from = 0;
  for (size_t end = rest_.find('\n'); end != std::string::npos;
       from = end + 1, end = rest_.find('\n', from)) {
    const std::string_view line = std::string_view(rest_).substr(from, end - from);
    if (line.find("\"event\":\"step\"") != std::string_view::npos) continue;
    try {
      event(parse_json(line, "events").value);
    } catch (const Error&) {}  // a line torn by a kill, before those of the next run
  }
  rest_.erase(0, from);
}

void EventReader::event(const json& e) {
  if (!e.is_object()) return;
  const std::string name = e.value("event", std::string());
  if (name == "run_start") {
    started_ = true;
    ended_ = false;
    if (const json* n = child(&e, "parameters")) start_["parameters"] = *n;
  }
  const json* v = ended_ ? nullptr : objective_of(e, objective_);
  if (!v) return;
  ended_ = name == "run_end";
  last_ = v->get<double>();
  if (const json* m = child(&e, "metrics")) metrics_ = *m;
  const json* epoch = child(&e, "epoch");
  if (!ended_ && epoch && epoch->is_number_integer() && std::isfinite(*last_))
    curve_[epoch->get<int64_t>()] = *last_;
}

std::optional<double> EventReader::objective() const {
  return last_ && std::isfinite(*last_) ? last_ : std::nullopt;
}

json EventReader::metrics() const {
  json out = metrics_;
  if (out.is_object())
    for (const auto& item : start_.items())
      if (!out.contains(item.key())) out[item.key()] = item.value();
  return out;
}

}  // namespace dl
