#include "search/space.h"

#include <algorithm>

#include "base/config.h"
#include "base/fields.h"
#include "base/random.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {

json value_in(const json& config, const std::string& key) {
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
      return std::all_of(d.when.begin(), d.when.end(), [&](const Condition& c) { return placed(c.key); });
    });
    if (ready == waiting.end())
      field_error(pointer_join(pointer, waiting.front().key) + "/when",
                  "leads back to its own key, expected conditions without a circle");
    out.push_back(std::move(*ready));
    waiting.erase(ready);
  }
  return out;
}

bool active(const Dimension& d, const std::vector<Dimension>& space, const json& values, const json& config) {
  return std::all_of(d.when.begin(), d.when.end(), [&](const Condition& c) {
    const bool varied =
        std::any_of(space.begin(), space.end(), [&](const Dimension& o) { return o.key == c.key; });
    return c.holds(varied ? values.value(c.key, json()) : value_in(config, c.key));
  });
}

json values_at(const std::vector<Dimension>& space, const json& config, const std::vector<double>& point) {
  json values = json::object();
  for (size_t i = 0; i < space.size(); ++i)
    if (active(space[i], space, values, config)) values[space[i].key] = space[i].value(point[i]);
  return values;
}

json sample_random(const std::vector<Dimension>& space, const json& config, uint64_t seed, int64_t number,
                   int64_t attempt) {
  std::vector<double> point;
  for (const Dimension& d : space) {
    const std::string stream = attempt ? str("search:", d.key, '#', attempt) : "search:" + d.key;
    point.push_back(Random(seed, stream_id(stream), static_cast<uint64_t>(number)).uniform());
  }
  return values_at(space, config, point);
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
