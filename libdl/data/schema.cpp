#include "data/schema.h"

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr int64_t kMaxSampleBytes = int64_t{1} << 32;

[[noreturn]] void bad(const std::string& where, const std::string& what) {
  throw Error(Exit::data, str(where, ": the schema of the data ", what));
}

const json& member(const json& j, const char* key, json::value_t type, const std::string& where) {
  const auto it = j.find(key);
  if (it == j.end() || it->type() != type) bad(where, str("has no proper '", key, "'"));
  return *it;
}

std::vector<std::string> names(const json& j, const char* key, const std::string& where) {
  std::vector<std::string> out;
  if (!j.contains(key)) return out;
  for (const json& v : member(j, key, json::value_t::array, where)) {
    if (!v.is_string()) bad(where, str("has a name in '", key, "' that is no text"));
    out.push_back(v.get<std::string>());
  }
  return out;
}

TensorType parse_type(const json& j, const std::string& where) {
  TensorType type;
  if (!parse_dtype(member(j, "dtype", json::value_t::string, where).get<std::string>(), type.dtype))
    bad(where, "has an unknown dtype");
  const json& shape = member(j, "shape", json::value_t::array, where);
  if (shape.size() >= kMaxRank) bad(where, "has a sample of too many dimensions");
  int64_t bytes = size_of(type.dtype);
  for (const json& d : shape) {
    const int64_t extent = d.is_number_integer() ? d.get<int64_t>() : 0;
    if (extent < 1 || extent > kMaxSampleBytes || (bytes *= extent) > kMaxSampleBytes)
      bad(where, "has an extent out of range");
    type.shape.push_back(extent);
  }
  return type;
}

template <class E>
E parse_enum(const json& j, const char* key, const std::string& where) {
  const std::string text = member(j, key, json::value_t::string, where).get<std::string>();
  constexpr auto all = enum_names(static_cast<const E*>(nullptr));
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i] == text) return static_cast<E>(i);
  bad(where, str("has an unknown ", key, " '", text, "'"));
}

std::string checked_name(const std::string& name, const std::string& where) {
  if (name.empty() || name == "." || name == ".." || name == "id" || name == "id_end" ||
      name.find('/') != std::string::npos)
    bad(where, str("has a column named '", name, "'"));
  return name;
}

std::vector<float> parse_numbers(const json& j, const char* key, const std::string& where) {
  std::vector<float> out;
  for (const json& v : member(j, key, json::value_t::array, where)) {
    if (!v.is_number()) bad(where, str("has a normalisation whose ", key, " is no number"));
    out.push_back(v.get<float>());
  }
  return out;
}

json dump_type(const TensorType& type) {
  json shape = json::array();
  for (int64_t d : type.shape) shape.push_back(d);
  return {{"dtype", name_of(type.dtype)}, {"shape", shape}};
}

json dump_numbers(const std::vector<float>& values) {
  json out = json::array();
  for (float v : values) out.push_back(json::parse(number(v)));  // 0.1f as 0.1
  return out;
}

}  // namespace

const Input* Schema::input(std::string_view name) const {
  for (const Input& i : inputs)
    if (i.name == name) return &i;
  return nullptr;
}

const Target* Schema::target(std::string_view name) const {
  for (const Target& t : targets)
    if (t.name == name) return &t;
  return nullptr;
}

const Group* Schema::group(std::string_view name) const {
  for (const Group& g : groups)
    if (g.name == name) return &g;
  return nullptr;
}

const TensorType& Schema::column_type(size_t i) const {
  static const TensorType number{DType::i32, {}};
  if (i < inputs.size()) return inputs[i].type;
  i -= inputs.size();
  return i < targets.size() ? targets[i].type : number;
}
const std::string& Schema::column_name(size_t i) const {
  if (i < inputs.size()) return inputs[i].name;
  i -= inputs.size();
  return i < targets.size() ? targets[i].name : groups[i - targets.size()].name;
}

bool has_soft_targets(const Schema& schema) {
  for (const Target& t : schema.targets)
    if (t.kind == TargetKind::class_probabilities) return true;
  return false;
}

json Schema::dump() const {
  json in = json::object(), out = json::object(), norm = json::object();
  for (const Input& i : inputs) {
    json j{{"role", enum_names(&i.role)[static_cast<size_t>(i.role)]}};
    j.update(dump_type(i.type));
    if (!i.columns.empty()) j["columns"] = i.columns;
    in[i.name] = j;
  }
  for (const Target& t : targets) {
    json j{{"kind", enum_names(&t.kind)[static_cast<size_t>(t.kind)]}};
    j.update(dump_type(t.type));
    if (!t.classes.empty()) j["classes"] = t.classes;
    out[t.name] = j;
  }
  for (const auto& [name, n] : normalization)
    norm[name] = {{"mean", dump_numbers(n.mean)}, {"std", dump_numbers(n.std)}};
  json all{{"inputs", in}, {"targets", out}, {"normalization", norm}};
  for (const Group& g : groups) all["groups"][g.name] = g.values;
  return all;
}

Schema Schema::parse(const json& j, const std::string& where) {
  Schema s;
  if (!j.is_object()) bad(where, "is no JSON object");
  for (const auto& item : member(j, "inputs", json::value_t::object, where).items()) {
    const json& v = item.value();
    if (!v.is_object()) bad(where, str("has an input '", item.key(), "' that is no object"));
    s.inputs.push_back({checked_name(item.key(), where), parse_enum<Role>(v, "role", where),
                        parse_type(v, where), names(v, "columns", where)});
    const Input& i = s.inputs.back();
    if (i.role == Role::image && i.type.shape.rank() != 3)
      bad(where, str("has an image '", i.name, "' that is not (channels, height, width)"));
  }
  for (const auto& item : member(j, "targets", json::value_t::object, where).items()) {
    const json& v = item.value();
    if (!v.is_object()) bad(where, str("has a target '", item.key(), "' that is no object"));
    s.targets.push_back({checked_name(item.key(), where), parse_enum<TargetKind>(v, "kind", where),
                         parse_type(v, where), names(v, "classes", where)});
    const Target& t = s.targets.back();
    const bool label = t.kind == TargetKind::class_index;
    if (label ? t.type != TensorType{DType::i32, {}} : t.type.dtype != DType::f32)
      bad(where, str("has a target '", t.name, "' of type ", t.type.text()));
    if (t.kind == TargetKind::class_probabilities &&
        t.type.shape != Shape{static_cast<int64_t>(t.classes.size())})
      bad(where, str("has ", t.classes.size(), " classes for the probabilities '", t.name, "' of type ",
                     t.type.text()));
    if (s.input(t.name)) bad(where, str("has an input and a target named '", t.name, "'"));
  }
  if (s.inputs.empty()) bad(where, "has no inputs");
  if (j.contains("groups"))
    for (const auto& item : member(j, "groups", json::value_t::object, where).items()) {
      if (s.input(item.key()) || s.target(item.key()))
        bad(where, str("has a group '", item.key(), "' beside a column of that name"));
      s.groups.push_back({checked_name(item.key(), where), names(j["groups"], item.key().c_str(), where)});
    }
  if (j.contains("normalization"))
    for (const auto& item : member(j, "normalization", json::value_t::object, where).items()) {
      const Input* input = s.input(item.key());
      if (!input || !item.value().is_object())
        bad(where, str("normalises '", item.key(), "', which is no input"));
      Normalization n{parse_numbers(item.value(), "mean", where), parse_numbers(item.value(), "std", where)};
      const auto pairs = static_cast<size_t>(input->type.shape.rank() ? input->type.shape[0] : 1);
      if (n.mean.size() != pairs || n.std.size() != pairs)
        bad(where, str("has a normalisation of '", item.key(), "' of the wrong length"));
      s.normalization[item.key()] = std::move(n);
    }
  return s;
}

}  // namespace dl
