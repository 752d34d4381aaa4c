// Config::explain: each value with its origin.
#include "base/config.h"
#include "base/fields.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {
namespace {

std::string origin(const Place& p) { return p.line ? str(p.file, ':', p.line) : p.file; }

struct Explainer {
  const json& root;
  std::vector<std::string> lines;

  static bool leaf(const json& v) {
    if (v.is_array()) {
      for (const json& e : v)
        if (e.is_structured()) return false;
      return true;
    }
    return !v.is_object() || v.empty();
  }

  // `set` and `trail` are null where nothing was set and the default holds.
  void walk(const std::string& pointer, const json& value, const json* set, const ConfigTrail* trail,
            const json* schema) {
    if (leaf(value)) return line(pointer, value, set ? trail : nullptr, schema);
    size_t i = 0;
    for (const auto& item : value.items()) {
      const std::string key = value.is_array() ? std::to_string(i) : item.key();
      const json* s = schema ? schema_member(*schema, value, key) : nullptr;
      const json* below = child(set, key);
      const ConfigTrail* t = below ? &trail->children[child_index(*set, key)] : nullptr;
      if (set && set->is_string() && key == "type") below = set, t = trail;  // a bare variant name
      walk(pointer_join(pointer, key), item.value(), below, t, s);
      ++i;
    }
  }

  void line(const std::string& pointer, const json& value, const ConfigTrail* trail, const json* schema) {
    std::vector<std::string> notes;
    if (trail) {
      notes.push_back(origin(trail->place));
      for (const ConfigTrail::Past& p : trail->past)
        notes.push_back(str("was ", p.value.dump(), " from ", origin(p.place)));
      if (schema && schema->contains("default")) notes.push_back("default " + (*schema)["default"].dump());
    } else {
      notes.push_back("default");
    }
    lines.push_back(str(dotted(pointer, root), " = ", value.dump(), "  (", join(notes, "; "), ')'));
  }
};

[[noreturn]] void unknown(const std::string& token, const std::string& above, const json& value,
                          const json* schema) {
  const std::vector<std::string> known = schema_keys(schema ? *schema : json::object(), value);
  const auto near = closest(token, known);
  throw Error(
      Exit::config, {}, str("unknown key '", token, "'", above.empty() ? "" : " in " + above),
      near.empty() ? "known keys: " + join(known, ", ") : "did you mean " + join(near, ", or ") + "?");
}

}  // namespace

std::vector<std::string> Config::explain(std::string_view key) const {
  const json all = full();
  const json* value = &all;
  const json* set = &root_;
  const ConfigTrail* trail = &trail_;
  const json* schema = &schema_;
  const std::string pointer = key_pointer(key, all);
  std::string above;
  json fallback;
  for (const std::string& token : pointer_tokens(pointer)) {
    const json* next_schema = schema ? schema_member(*schema, *value, token) : nullptr;
    const json* next = child(value, token);
    const json* next_set = child(set, token);
    const ConfigTrail* next_trail = next_set ? &trail->children[child_index(*set, token)] : nullptr;
    if (!next && next_schema && !next_schema->empty()) {
      fallback = next_schema->value("default", json(with_defaults(json::object(), *next_schema)));
      next = &fallback;
    }
    if (!next) unknown(token, dotted(above, all), *value, schema);
    above = pointer_join(above, token);
    value = next;
    set = next_set;
    trail = next_trail;
    schema = next_schema;
  }
  Explainer e{all, {}};
  e.walk(pointer, *value, set, trail, schema);
  return e.lines;
}

}  // namespace dl
