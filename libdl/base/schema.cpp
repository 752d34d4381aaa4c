#include "base/schema.h"

#include <algorithm>

#include "base/fields.h"
#include "base/str.h"

namespace dl {
namespace {

bool is_index(std::string_view token) {
  return !token.empty() && token.size() < 10 &&
         std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The alternative of an "anyOf" that describes `value`; the schema itself when it has none.
const json& alternative(const json& schema, const json& value) {
  const auto any = schema.find("anyOf");
  if (any == schema.end()) return schema;
  std::string type;
  if (value.is_string()) type = value.get<std::string>();
  if (value.is_object() && value.contains("type") && value["type"].is_string())
    type = value["type"].get<std::string>();
  const json* shape = nullptr;
  for (const json& one : *any) {
    if (one.contains("properties") && one["properties"].contains("type")) {
      if (one["properties"]["type"].value("const", json()) == json(type)) return one;
    } else if (value.is_object() == (one.value("type", json()) == "object") &&
               value.is_array() == (one.value("type", json()) == "array") && !one.contains("enum")) {
      if (!shape) shape = &one;
    }
  }
  return shape ? *shape : schema;
}

bool is_open(const json& schema) {
  return !schema.contains("properties") && !schema.contains("items") && !schema.contains("anyOf") &&
         !schema.contains("enum") &&
         (!schema.contains("type") ||
          (schema["type"] == "object" && !schema.contains("additionalProperties")));
}

}  // namespace

std::vector<std::string> pointer_tokens(std::string_view pointer) {
  std::vector<std::string> out;
  if (pointer.empty()) return out;
  out = split(pointer.substr(1), '/');
  for (std::string& token : out) {
    std::string plain;
    for (size_t i = 0; i < token.size(); ++i) {
      const bool escape =
          token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1');
      plain += escape ? (token[++i] == '0' ? '~' : '/') : token[i];
    }
    token = std::move(plain);
  }
  return out;
}

size_t child_index(const json& value, std::string_view token) {
  if (value.is_object()) {
    size_t i = 0;
    for (const auto& item : value.items()) {
      if (item.key() == token) return i;
      ++i;
    }
  }
  if (value.is_array() && is_index(token)) {
    const size_t i = std::stoul(std::string(token));
    if (i < value.size()) return i;
  }
  return std::string::npos;
}

const json* child(const json* value, std::string_view token) {
  if (!value) return nullptr;
  if (value->is_object()) {
    const auto it = value->find(std::string(token));
    return it == value->end() ? nullptr : &*it;
  }
  const size_t i = child_index(*value, token);
  return i == std::string::npos ? nullptr : &(*value)[i];
}

std::string dotted(const std::string& pointer, const json& root) {
  std::string out;
  const json* at = &root;
  for (const std::string& token : pointer_tokens(pointer)) {
    if (at && at->is_array() && is_index(token)) {
      out += str('[', token, ']');
    } else {
      if (token.empty() || token.find_first_of(".[]/=") != std::string::npos) return pointer;
      if (!out.empty()) out += '.';
      out += token;
    }
    at = child(at, token);
  }
  return out;
}

const json* schema_member(const json& schema, const json& value, std::string_view key) {
  static const json anything = json::object();
  if (is_open(schema)) return &anything;
  const json& s = alternative(schema, value);
  if (const auto props = s.find("properties"); props != s.end()) {
    const auto it = props->find(std::string(key));
    if (it != props->end()) return &*it;
  }
  if (const auto more = s.find("additionalProperties"); more != s.end() && more->is_object()) return &*more;
  if (const auto items = s.find("items"); items != s.end() && is_index(key)) return &*items;
  if (&s != &schema || !schema.contains("anyOf")) return nullptr;
  for (const json& one : schema["anyOf"])
    if (const json* m = schema_member(one, value, key);
        m && (one.contains("properties") || one.contains("items")))
      return m;
  return nullptr;
}

std::vector<std::string> schema_keys(const json& schema, const json& value) {
  std::vector<std::string> out;
  const auto add = [&](const json& one) {
    if (const auto props = one.find("properties"); props != one.end())
      for (const auto& p : props->items())
        if (std::find(out.begin(), out.end(), p.key()) == out.end()) out.push_back(p.key());
  };
  const json& s = alternative(schema, value);
  add(s);
  if (&s == &schema && schema.contains("anyOf"))
    for (const json& one : schema["anyOf"]) add(one);
  if (value.is_object())
    for (const auto& item : value.items())
      if (std::find(out.begin(), out.end(), item.key()) == out.end()) out.push_back(item.key());
  return out;
}

std::string schema_words(const json& schema) {
  std::vector<std::string> parts;
  const auto add_enum = [&](const json& names) {
    std::vector<std::string> all;
    for (const json& n : names) all.push_back(n.is_string() ? n.get<std::string>() : n.dump());
    parts.push_back("one of " + join(all, ", "));
  };
  if (schema.contains("enum"))
    add_enum(schema["enum"]);
  else if (schema.contains("type") && schema["type"].is_string())
    parts.push_back(schema["type"].get<std::string>());
  else if (schema.contains("anyOf") && !schema["anyOf"].empty() && schema["anyOf"][0].contains("enum"))
    add_enum(schema["anyOf"][0]["enum"]);
  else if (schema.contains("anyOf") && !schema["anyOf"].empty())
    parts.push_back(schema_words(schema["anyOf"][0]));
  const bool lo = schema.contains("minimum"), hi = schema.contains("maximum");
  if (lo && hi)
    parts.push_back(str(schema["minimum"].get<double>(), " to ", schema["maximum"].get<double>()));
  else if (lo)
    parts.push_back(str("at least ", schema["minimum"].get<double>()));
  else if (hi)
    parts.push_back(str("at most ", schema["maximum"].get<double>()));
  if (schema.contains("default")) parts.push_back("default " + schema["default"].dump());
  return join(parts, ", ");
}

json with_defaults(const json& value, const json& schema) {
  const json& s = alternative(schema, value);
  if (&s != &schema && value.is_string()) {
    if (!s.contains("properties")) return value;
    return with_defaults(json{{"type", value}}, s);
  }
  if (value.is_array() && s.contains("items")) {
    json out = json::array();
    for (const json& v : value) out.push_back(with_defaults(v, s["items"]));
    return out;
  }
  if (!value.is_object()) return value;
  json out = json::object();
  const auto props = s.find("properties");
  if (props != s.end()) {
    for (const auto& p : props->items()) {
      if (const auto it = value.find(p.key()); it != value.end())
        out[p.key()] = with_defaults(*it, p.value());
      else if (p.value().contains("default"))
        out[p.key()] = p.value()["default"];
    }
  }
  const auto more = s.find("additionalProperties");
  for (const auto& item : value.items()) {
    if (out.contains(item.key())) continue;
    out[item.key()] =
        more != s.end() && more->is_object() ? with_defaults(item.value(), *more) : item.value();
  }
  return out;
}

}  // namespace dl
