#include "base/fields.h"

#include <algorithm>

namespace dl {

void field_error(const std::string& pointer, const std::string& message, const std::string& hint) {
  throw Error(Exit::config, pointer, message, hint);
}

std::string pointer_join(const std::string& pointer, std::string_view key) {
  std::string out = pointer + '/';
  for (char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

json number_json(float v) {
  if (!std::isfinite(v)) return v;
  return json::parse(number(v));
}

static std::string describe(const std::string& key, const json& property) {
  std::string out = key;
  std::vector<std::string> notes;
  if (const auto t = property.find("type"); t != property.end() && t->is_string())
    notes.push_back(t->get<std::string>());
  if (const auto d = property.find("default"); d != property.end()) notes.push_back("default " + d->dump());
  if (!notes.empty()) out += " (" + join(notes, ", ") + ")";
  return out;
}

void check_keys(const json& object, const json& schema, const std::string& pointer,
                std::span<const std::string_view> also) {
  const json& props = schema.at("properties");
  for (const auto& item : object.items()) {
    const std::string& key = item.key();
    if (key.starts_with('_') || key.starts_with("x-") || props.contains(key)) continue;
    if (std::find(also.begin(), also.end(), key) != also.end()) continue;
    std::vector<std::string> known;
    for (const auto& p : props.items()) known.push_back(p.key());
    known.insert(known.end(), also.begin(), also.end());
    std::vector<std::string> near;
    for (const std::string& k : closest(key, known))
      near.push_back(props.contains(k) ? describe(k, props.at(k)) : k);
    std::string hint;
    if (!near.empty())
      hint = "did you mean " + join(near, ", or ") + "?";
    else if (!known.empty())
      hint = "known keys: " + join(known, ", ");
    Error e(Exit::config, pointer_join(pointer, key), str("unknown key '", key, "'"), hint);
    e.about_key = true;
    throw e;
  }
}

namespace detail {

static std::string shown(const json& j) {
  std::string s = j.dump(-1, ' ', false, json::error_handler_t::replace);
  return s.size() > 60 ? s.substr(0, 57) + "..." : s;
}

void expect(bool ok, const json& j, std::string_view type, const std::string& at) {
  if (!ok) field_error(at, str("expected ", type, ", got ", j.type_name(), " ", shown(j)));
}

int64_t parse_integer(const json& j, const std::string& at) {
  if (j.is_number_float()) {  // 1e3 is an integer too
    const double v = j.get<double>();
    if (v == std::floor(v) && std::fabs(v) < 9e15) return static_cast<int64_t>(v);
  }
  expect(j.is_number_integer(), j, "integer", at);
  if (j.is_number_unsigned() && j.get<uint64_t>() > uint64_t{1} << 62)
    field_error(at, shown(j) + " is too large");
  return j.get<int64_t>();
}

double parse_number(const json& j, const std::string& at) {
  expect(j.is_number(), j, "number", at);
  return j.get<double>();
}

void check_bounds(double v, const Bounds& b, const std::string& at) {
  if (v >= b.min && v <= b.max) return;
  const bool lo = std::isfinite(b.min), hi = std::isfinite(b.max);
  field_error(at, str(v, " is out of range, expected ",
                      lo && hi ? str("between ", b.min, " and ", b.max)
                      : lo     ? str("at least ", b.min)
                               : str("at most ", b.max)));
}

size_t parse_enum(const json& j, std::span<const std::string_view> names, const std::string& at) {
  const std::vector<std::string> all(names.begin(), names.end());
  expect(j.is_string(), j, "one of " + join(all, ", "), at);
  const auto it = std::find(all.begin(), all.end(), j.get<std::string>());
  if (it == all.end())
    field_error(at, str("'", j.get<std::string>(), "' is not known, expected one of ", join(all, ", ")));
  return static_cast<size_t>(it - all.begin());
}

void add_bounds(json& schema, const Bounds& b) {
  if (std::isfinite(b.min)) schema["minimum"] = b.min;
  if (std::isfinite(b.max)) schema["maximum"] = b.max;
}

}  // namespace detail

const Variant& find_variant(std::span<const Variant> all, std::string_view what, const json& j,
                            const std::string& at) {
  std::string name;
  if (j.is_string())
    name = j.get<std::string>();
  else if (j.is_object() && j.contains("type") && j["type"].is_string())
    name = j["type"].get<std::string>();
  else if (j.is_object()) {
    std::string known;
    for (const Variant& v : all) known += str(known.empty() ? "" : ", ", v.name);
    field_error(at, str("has no \"type\", expected one that names a ", what), "known: " + known);
  } else
    field_error(at, str("expected the name of a ", what, " or an object with \"type\", got ", j.type_name()));
  std::vector<std::string> known;
  for (const Variant& v : all) {
    if (v.name == name) return v;
    known.emplace_back(v.name);
  }
  const auto near = closest(name, known);
  field_error(j.is_string() ? at : at + "/type", str("unknown ", what, " '", name, "'"),
              near.empty() ? "known: " + join(known, ", ") : "did you mean " + join(near, ", or ") + "?");
}

json variants_schema(std::span<const Variant> all) {
  json out{{"anyOf", json::array()}}, names = json::array();
  for (const Variant& v : all) names.push_back(v.name);
  out["anyOf"].push_back({{"enum", names}});
  for (const Variant& v : all) {
    json s = v.attrs->schema();
    json props{{"type", {{"const", v.name}}}};
    props.update(s["properties"]);
    s["properties"] = props;
    s["required"] = json::array({"type"});
    s["description"] = v.doc;
    out["anyOf"].push_back(s);
  }
  return out;
}

}  // namespace dl
