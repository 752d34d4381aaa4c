#pragma once
// Field lists: a plain struct names its fields once, and from that list come parsing with errors that carry a JSON
// pointer, JSON Schema, the manual, ONNX attributes, printing and equality. Operator attributes and config sections
// both use it.
//
//   struct Schedule { std::string type = "constant"; double gamma = 0.1; };
//   constexpr auto fields(const Schedule*) {          // found by argument-dependent lookup
//     return std::tuple{field("gamma", &Schedule::gamma, "Factor at each step.").range(0, 1)};
//   }
//
// A member may be bool, an integer, float, double, std::string, json (anything), an enum with enum_names(const E*),
// std::optional, std::vector, a C array of integers (a bare number fills it), std::map<std::string, T>, a struct with
// its own list, or Typed<Family>.
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

namespace dl {

template <class A, class T>
struct Field {
  std::string_view key;
  T A::*member;
  std::string_view doc;
  std::string_view onnx_name = {};  // ONNX attribute name; empty: not exported
  double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();
  bool needed = false;

  constexpr Field range(double lo, double hi) const {
    Field f = *this;
    f.min = lo;
    f.max = hi;
    return f;
  }
  constexpr Field at_least(double lo) const { return range(lo, std::numeric_limits<double>::infinity()); }
  constexpr Field onnx(std::string_view name) const {
    Field f = *this;
    f.onnx_name = name;
    return f;
  }
  constexpr Field required() const {
    Field f = *this;
    f.needed = true;
    return f;
  }
};

template <class A, class T>
constexpr Field<A, T> field(std::string_view key, T A::*member, std::string_view doc) {
  return {key, member, doc};
}

template <class A>
concept HasFields = requires(const A* a) {
  fields(a);
};
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(const E* e) {
  enum_names(e);
};

struct NoAttrs {};
constexpr auto fields(const NoAttrs*) { return std::tuple{}; }

template <class A, class Fn>
void for_each_field(Fn fn) {
  std::apply([&](const auto&... f) { (fn(f), ...); }, fields(static_cast<const A*>(nullptr)));
}

[[noreturn]] DL_API void field_error(const std::string& pointer, const std::string& message,
                                     const std::string& hint = {});
// Throws unless the key is known: names the closest known keys with their types and defaults (from `schema`).
// Keys that begin with "_" or "x-" are notes and always pass.
DL_API void check_keys(const json& object, const json& schema, const std::string& pointer,
                       std::span<const std::string_view> also = {});
DL_API std::string pointer_join(const std::string& pointer, std::string_view key);  // escapes ~ and /
DL_API json number_json(float v);  // 0.01f prints as 0.01, not 0.009999999776482582

// Bounds that the field states apply to every number inside the value.
struct Bounds {
  double min, max;
};

template <class T>
struct FieldType;  // parse, schema, dump for one type; specialised below

namespace detail {
DL_API int64_t parse_integer(const json& j, const std::string& at);
DL_API double parse_number(const json& j, const std::string& at);
DL_API void check_bounds(double v, const Bounds& b, const std::string& at);
DL_API size_t parse_enum(const json& j, std::span<const std::string_view> names, const std::string& at);
DL_API void expect(bool ok, const json& j, std::string_view type, const std::string& at);
DL_API void add_bounds(json& schema, const Bounds& b);
}  // namespace detail

template <class T>
requires std::is_arithmetic_v<T>
struct FieldType<T> {
  static void parse(T& v, const json& j, const std::string& at, const Bounds& b) {
    if constexpr (std::is_same_v<T, bool>) {
      detail::expect(j.is_boolean(), j, "boolean", at);
      v = j.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      v = static_cast<T>(detail::parse_integer(j, at));
      detail::check_bounds(static_cast<double>(v), b, at);
    } else {
      v = static_cast<T>(detail::parse_number(j, at));
      detail::check_bounds(static_cast<double>(v), b, at);
    }
  }
  static json schema(const Bounds& b) {
    json s{{"type", std::is_same_v<T, bool> ? "boolean" : std::is_integral_v<T> ? "integer" : "number"}};
    detail::add_bounds(s, b);
    return s;
  }
  static json dump(const T& v) {
    if constexpr (std::is_same_v<T, float>)
      return number_json(v);
    else
      return v;
  }
  static bool equal(const T& a, const T& b) { return a == b; }
};

template <>
struct FieldType<std::string> {
  static void parse(std::string& v, const json& j, const std::string& at, const Bounds&) {
    detail::expect(j.is_string(), j, "string", at);
    v = j.get<std::string>();
  }
  static json schema(const Bounds&) { return {{"type", "string"}}; }
  static json dump(const std::string& v) { return v; }
  static bool equal(const std::string& a, const std::string& b) { return a == b; }
};

template <>
struct FieldType<json> {
  static void parse(json& v, const json& j, const std::string&, const Bounds&) { v = j; }
  static json schema(const Bounds&) { return json::object(); }
  static json dump(const json& v) { return v; }
  static bool equal(const json& a, const json& b) { return a == b; }
};

template <NamedEnum E>
struct FieldType<E> {
  static constexpr auto names = enum_names(static_cast<const E*>(nullptr));
  static void parse(E& v, const json& j, const std::string& at, const Bounds&) {
    v = static_cast<E>(detail::parse_enum(j, names, at));
  }
  static json schema(const Bounds&) {
    json s{{"enum", json::array()}};
    for (std::string_view n : names) s["enum"].push_back(n);
    return s;
  }
  static json dump(const E& v) { return names[static_cast<size_t>(v)]; }
  static bool equal(E a, E b) { return a == b; }
};

template <class T>
struct FieldType<std::optional<T>> {
  static void parse(std::optional<T>& v, const json& j, const std::string& at, const Bounds& b) {
    if (j.is_null()) return v.reset();
    T t{};
    FieldType<T>::parse(t, j, at, b);
    v = std::move(t);
  }
  static json schema(const Bounds& b) { return {{"anyOf", {FieldType<T>::schema(b), {{"type", "null"}}}}}; }
  static json dump(const std::optional<T>& v) { return v ? FieldType<T>::dump(*v) : json(); }
  static bool equal(const std::optional<T>& a, const std::optional<T>& b) {
    return a.has_value() == b.has_value() && (!a || FieldType<T>::equal(*a, *b));
  }
};

template <class T>
struct FieldType<std::vector<T>> {
  static void parse(std::vector<T>& v, const json& j, const std::string& at, const Bounds& b) {
    detail::expect(j.is_array(), j, "array", at);
    v.clear();
    for (size_t i = 0; i < j.size(); ++i) {
      T t{};
      FieldType<T>::parse(t, j[i], str(at, '/', i), b);
      v.push_back(std::move(t));
    }
  }
  static json schema(const Bounds& b) { return {{"type", "array"}, {"items", FieldType<T>::schema(b)}}; }
  static json dump(const std::vector<T>& v) {
    json out = json::array();
    for (const T& t : v) out.push_back(FieldType<T>::dump(t));
    return out;
  }
  static bool equal(const std::vector<T>& a, const std::vector<T>& b) {
    bool same = a.size() == b.size();
    for (size_t i = 0; same && i < a.size(); ++i) same = FieldType<T>::equal(a[i], b[i]);
    return same;
  }
};

template <class T, size_t N>
struct FieldType<T[N]> {
  static void parse(T (&v)[N], const json& j, const std::string& at, const Bounds& b) {
    if (!j.is_array()) {
      FieldType<T>::parse(v[0], j, at, b);
      for (size_t i = 1; i < N; ++i) v[i] = v[0];
      return;
    }
    if (j.size() != N) field_error(at, str("has ", j.size(), " numbers, expected ", N, " or a single one"));
    for (size_t i = 0; i < N; ++i) FieldType<T>::parse(v[i], j[i], str(at, '/', i), b);
  }
  static json schema(const Bounds& b) {
    json one = FieldType<T>::schema(b);
    return {{"anyOf", {one, {{"type", "array"}, {"items", one}, {"minItems", N}, {"maxItems", N}}}}};
  }
  static json dump(const T (&v)[N]) {
    json out = json::array();
    for (const T& t : v) out.push_back(FieldType<T>::dump(t));
    return out;
  }
  static bool equal(const T (&a)[N], const T (&b)[N]) {
    for (size_t i = 0; i < N; ++i)
      if (!FieldType<T>::equal(a[i], b[i])) return false;
    return true;
  }
};

template <class T>
struct FieldType<std::map<std::string, T>> {
  static void parse(std::map<std::string, T>& v, const json& j, const std::string& at, const Bounds& b) {
    detail::expect(j.is_object(), j, "object", at);
    v.clear();
    for (const auto& item : j.items())
      FieldType<T>::parse(v[item.key()], item.value(), pointer_join(at, item.key()), b);
  }
  static json schema(const Bounds& b) {
    return {{"type", "object"}, {"additionalProperties", FieldType<T>::schema(b)}};
  }
  static json dump(const std::map<std::string, T>& v) {
    json out = json::object();
    for (const auto& [k, t] : v) out[k] = FieldType<T>::dump(t);
    return out;
  }
  static bool equal(const std::map<std::string, T>& a, const std::map<std::string, T>& b) {
    return dump(a) == dump(b);
  }
};

template <class A>
json fields_schema() {
  const A defaults{};
  json props = json::object(), required = json::array();
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(defaults.*(f.member))>;
    json p = FieldType<T>::schema(Bounds{f.min, f.max});
    p["description"] = f.doc;
    if (f.needed)
      required.push_back(f.key);
    else
      p["default"] = FieldType<T>::dump(defaults.*(f.member));
    props[std::string(f.key)] = std::move(p);
  });
  json s{{"type", "object"}, {"properties", props}, {"additionalProperties", false}};
  if (!required.empty()) s["required"] = required;
  return s;
}

// Fills `a` from the keys that are present. `also` lists keys that the caller reads itself ("type", "name").
template <class A>
void parse_fields(A& a, const json& j, const std::string& at, std::span<const std::string_view> also = {}) {
  detail::expect(j.is_object(), j, "object", at);
  bool unknown = false;
  for (const auto& item : j.items()) {
    bool known = item.key().starts_with('_') || item.key().starts_with("x-");
    for (std::string_view k : also) known = known || k == item.key();
    for_each_field<A>([&](const auto& f) { known = known || f.key == item.key(); });
    unknown = unknown || !known;
  }
  if (unknown) check_keys(j, fields_schema<A>(), at, also);
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(a.*(f.member))>;
    const auto it = j.find(std::string(f.key));
    if (it != j.end())
      FieldType<T>::parse(a.*(f.member), *it, pointer_join(at, f.key), Bounds{f.min, f.max});
    else if (f.needed)
      field_error(at, str("'", f.key, "' is missing, it is required: ", f.doc));
  });
}

template <class A>
json dump_fields(const A& a) {
  json out = json::object();
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(a.*(f.member))>;
    out[std::string(f.key)] = FieldType<T>::dump(a.*(f.member));
  });
  return out;
}

template <class A>
bool equal_fields(const A& a, const A& b) {
  bool same = true;
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(a.*(f.member))>;
    same = same && FieldType<T>::equal(a.*(f.member), b.*(f.member));
  });
  return same;
}

template <HasFields A>
struct FieldType<A> {
  static void parse(A& v, const json& j, const std::string& at, const Bounds&) { parse_fields(v, j, at); }
  static json schema(const Bounds&) { return fields_schema<A>(); }
  static json dump(const A& v) { return dump_fields(v); }
  static bool equal(const A& a, const A& b) { return equal_fields(a, b); }
};

// ---- Type-erased attribute structs, for operators and for variants ---------------------------------------------

using Attrs = std::shared_ptr<const void>;

struct AttrOps {
  // Keys "type", "name", "inputs" and those of `also` are left to the caller.
  Attrs (*parse)(const json&, const std::string& pointer, std::span<const std::string_view> also);
  json (*schema)();
  json (*dump)(const void*);     // every field
  json (*changed)(const void*);  // fields that differ from their default
  json (*onnx)(const void*);     // {ONNX attribute: value}
  bool (*equal)(const void*, const void*);
};

namespace detail {
template <class A>
Attrs parse_attrs(const json& j, const std::string& at, std::span<const std::string_view> also) {
  std::vector<std::string_view> keys{"type", "name", "inputs"};
  keys.insert(keys.end(), also.begin(), also.end());
  auto a = std::make_shared<A>();
  parse_fields(*a, j, at, keys);
  return a;
}
template <class A>
json changed_attrs(const void* p) {
  const A defaults{};
  const A& a = *static_cast<const A*>(p);
  json out = json::object();
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(a.*(f.member))>;
    if (!FieldType<T>::equal(a.*(f.member), defaults.*(f.member)))
      out[std::string(f.key)] = FieldType<T>::dump(a.*(f.member));
  });
  return out;
}
template <class A>
json onnx_attrs(const void* p) {
  const A& a = *static_cast<const A*>(p);
  json out = json::object();
  for_each_field<A>([&](const auto& f) {
    using T = std::remove_cvref_t<decltype(a.*(f.member))>;
    if (!f.onnx_name.empty()) out[std::string(f.onnx_name)] = FieldType<T>::dump(a.*(f.member));
  });
  return out;
}
}  // namespace detail

template <class A>
inline constexpr AttrOps attr_ops{
    &detail::parse_attrs<A>,
    &fields_schema<A>,
    [](const void* p) { return dump_fields(*static_cast<const A*>(p)); },
    &detail::changed_attrs<A>,
    &detail::onnx_attrs<A>,
    [](const void* p, const void* q) {
      return equal_fields(*static_cast<const A*>(p), *static_cast<const A*>(q));
    },
};

template <class A>
Attrs make_attrs(A a) {
  return std::make_shared<const A>(std::move(a));
}

// ---- A thing with a "type": {"type": "sgd", "lr": 0.1}, or the bare name "sgd" -----------------------------------

struct Variant {
  std::string_view name;
  std::string_view doc;
  const AttrOps* attrs;
};

// Family is a struct with `static std::span<const Variant> variants()` and `static constexpr std::string_view what`
// (used in messages: "optimizer"). The default is the first variant with default attributes.
template <class Family>
struct Typed {
  std::string type{Family::variants().front().name};
  Attrs attrs;  // of the struct that the variant's AttrOps describe; never null after parsing

  template <class A>
  const A& as() const {
    static const A defaults{};
    return attrs ? *static_cast<const A*>(attrs.get()) : defaults;
  }
};

DL_API const Variant& find_variant(std::span<const Variant> all, std::string_view what, const json& j,
                                   const std::string& at);
DL_API json variants_schema(std::span<const Variant> all);

template <class Family>
struct FieldType<Typed<Family>> {
  static void parse(Typed<Family>& v, const json& j, const std::string& at, const Bounds&) {
    const Variant& var = find_variant(Family::variants(), Family::what, j, at);
    v.type = var.name;
    v.attrs = var.attrs->parse(j.is_string() ? json::object() : j, at, {});
  }
  static json schema(const Bounds&) { return variants_schema(Family::variants()); }
  static json dump(const Typed<Family>& v) {
    json out{{"type", v.type}};
    for (const Variant& var : Family::variants())
      if (var.name == v.type) out.update(v.attrs ? var.attrs->dump(v.attrs.get()) : json::object());
    return out;
  }
  static bool equal(const Typed<Family>& a, const Typed<Family>& b) { return dump(a) == dump(b); }
};

}  // namespace dl
