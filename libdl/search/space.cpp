#include "search/space.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/config.h"
#include "base/random.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr std::string_view kKinds[] = {"uniform", "log_uniform", "int", "choice"};

void parse_range(Dimension& d, const json& range, const std::string& at) {
  if (!range.is_array() || range.size() != 2 || !range[0].is_number() || !range[1].is_number())
    field_error(at, "expected two numbers, [low, high], got " + range.dump());
  d.low = range[0].get<double>();
  d.high = range[1].get<double>();
  if (!(d.low <= d.high)) field_error(at, str("low ", d.low, " is above high ", d.high));
  if (d.kind == Dimension::Kind::log_uniform && !(d.low > 0))
    field_error(at, str("low ", d.low, " has no logarithm, expected above 0"));
  if (d.kind != Dimension::Kind::integer) return;
  for (size_t i = 0; i < 2; ++i) {
    const double v = range[i].get<double>();
    if (v != std::floor(v) || std::fabs(v) > 1e15) field_error(str(at, '/', i), str(v, " is not an integer"));
  }
}

void parse_when(Dimension& d, const json& when, const std::string& at) {
  if (!when.is_object()) field_error(at, "expected an object {\"key\": value}, got " + when.dump());
  for (const auto& item : when.items())
    d.when.emplace_back(item.key(), item.value().is_array() ? item.value() : json::array({item.value()}));
}

Dimension parse_dimension(const std::string& key, const json& j, const std::string& at) {
  if (!j.is_object()) field_error(at, "expected an object as {\"uniform\": [0, 1]}, got " + j.dump());
  Dimension d;
  d.key = key;
  std::vector<std::string> found;
  json schema{{"properties", json::object()}};
  for (std::string_view k : kKinds) schema["properties"][std::string(k)] = json{{"type", "array"}};
  schema["properties"]["step"] = json{{"type", "integer"}};
  schema["properties"]["when"] = json{{"type", "object"}};
  check_keys(j, schema, at);
  for (size_t k = 0; k < std::size(kKinds); ++k) {
    if (!j.contains(std::string(kKinds[k]))) continue;
    found.emplace_back(kKinds[k]);
    d.kind = static_cast<Dimension::Kind>(k);
  }
  if (found.size() != 1)
    field_error(at, str(found.empty() ? "has none" : "has " + join(found, " and "),
                        ", expected one of uniform, log_uniform, int, choice"));
  const json& body = j[found.front()];
  const std::string below = pointer_join(at, found.front());
  if (d.kind == Dimension::Kind::choice) {
    if (!body.is_array() || body.empty()) field_error(below, "expected a list of values, got " + body.dump());
    d.choices = body;
  } else {
    parse_range(d, body, below);
  }
  if (const auto step = j.find("step"); step != j.end()) {
    if (d.kind != Dimension::Kind::integer) field_error(at + "/step", "only int has a step");
    d.step = detail::parse_integer(*step, at + "/step");
    if (d.step < 1) field_error(at + "/step", str(d.step, " is out of range, expected at least 1"));
  }
  if (const auto when = j.find("when"); when != j.end()) parse_when(d, *when, at + "/when");
  return d;
}

double six_digits(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", v);
  return std::strtod(text, nullptr);
}

json draw(const Dimension& d, Random& r) {
  switch (d.kind) {
    case Dimension::Kind::uniform:
      return std::clamp(six_digits(r.uniform(d.low, d.high)), d.low, d.high);
    case Dimension::Kind::log_uniform:
      return std::clamp(six_digits(std::exp(r.uniform(std::log(d.low), std::log(d.high)))), d.low, d.high);
    case Dimension::Kind::integer: {
      const auto low = static_cast<int64_t>(d.low), high = static_cast<int64_t>(d.high);
      return low + d.step * r.below((high - low) / d.step + 1);
    }
    default:
      return d.choices[static_cast<size_t>(r.below(static_cast<int64_t>(d.choices.size())))];
  }
}

// The value of a key in a config, null when it has none. A variant's bare name is its "type".
json value_of(const json& config, const std::string& key) {
  std::string pointer;
  try {
    pointer = key_pointer(key, config);
  } catch (const Error&) { return nullptr; }
  const json* v = &config;
  for (const std::string& token : pointer_tokens(pointer)) {
    if (v->is_string() && token == "type") continue;
    v = child(v, token);
    if (!v) return nullptr;
  }
  return *v;
}

}  // namespace

std::vector<Dimension> parse_space(const json& space, const std::string& pointer) {
  if (!space.is_object())
    field_error(pointer, "expected an object {\"key\": {\"uniform\": [0, 1]}}, got " + space.dump());
  std::vector<Dimension> waiting, out;
  for (const auto& item : space.items()) {
    if (item.key().starts_with('_') || item.key().starts_with("x-")) continue;
    waiting.push_back(parse_dimension(item.key(), item.value(), pointer_join(pointer, item.key())));
  }
  const auto placed = [&](const std::string& key) {
    return std::none_of(waiting.begin(), waiting.end(), [&](const Dimension& d) { return d.key == key; });
  };
  while (!waiting.empty()) {
    const auto ready = std::find_if(waiting.begin(), waiting.end(), [&](const Dimension& d) {
      return std::all_of(d.when.begin(), d.when.end(), [&](const auto& w) { return placed(w.first); });
    });
    if (ready == waiting.end())
      field_error(pointer_join(pointer, waiting.front().key) + "/when",
                  "leads back to its own key, expected conditions without a circle");
    out.push_back(std::move(*ready));
    waiting.erase(ready);
  }
  return out;
}

json sample_random(const std::vector<Dimension>& space, const json& config, uint64_t seed, int64_t number) {
  json values = json::object();
  for (const Dimension& d : space) {
    const bool holds = std::all_of(d.when.begin(), d.when.end(), [&](const auto& w) {
      const bool varied =
          std::any_of(space.begin(), space.end(), [&](const Dimension& o) { return o.key == w.first; });
      const json now = varied ? values.value(w.first, json()) : value_of(config, w.first);
      return std::find(w.second.begin(), w.second.end(), now) != w.second.end();
    });
    if (!holds) continue;
    Random r(seed, stream_id("search:" + d.key), static_cast<uint64_t>(number));
    values[d.key] = draw(d, r);
  }
  return values;
}

json apply_parameters(const json& config, const json& parameters) {
  const ConfigSource base = ConfigSource::from_text("config", config.dump());
  Config c = Config::load({&base, 1});
  for (const auto& p : parameters.items())
    c.apply(ConfigSource::from_flag("search", key_pointer(p.key(), c.root()), p.value()));
  return c.root();
}

void check_parameters(const json& config, const json& parameters, const json& schema,
                      const std::string& pointer) {
  const json trial = apply_parameters(config, parameters);
  for (const auto& p : parameters.items()) {
    const json* s = &schema;
    const json* now = &trial;
    const json* base = &config;
    std::string above = "the config";
    for (const std::string& token : pointer_tokens(key_pointer(p.key(), config))) {
      static const json none;
      const json& value = now ? *now : none;
      const json* next = schema_member(*s, value, token);
      base = child(base, token);
      if (!next || (next->empty() && !base)) {
        const bool variant = value.is_object() && value.contains("type");
        const auto near = closest(token, schema_keys(*s, base ? *base : value));
        Error e(
            Exit::config, pointer_join(pointer, p.key()),
            str("'", token, "' is not a key of ", above, variant ? " with type " + value["type"].dump() : ""),
            near.empty() ? "" : "did you mean " + join(near, ", or ") + "?");
        e.about_key = true;
        throw e;
      }
      above = above == "the config" ? token : above + '.' + token;
      s = next;
      now = child(now, token);
    }
  }
}

}  // namespace dl
