#include "base/config.h"

#include <algorithm>
#include <filesystem>

#include "base/fields.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr size_t kMaxChain = 32;   // files that extend one another
constexpr size_t kMaxFiles = 256;  // files in all, so that a lattice of "extends" ends
constexpr int64_t kMaxSetDepth = 200;

[[noreturn]] void fail(const std::string& at, const std::string& message, std::string hint = {}) {
  Error e(Exit::config, {}, message, std::move(hint));
  e.at = at;
  throw e;
}

ConfigTrail trail_of(const Mark& mark, const std::string& name) {
  ConfigTrail t;
  t.place = {name, mark.line, mark.column};
  if (mark.key_line) t.key = {name, mark.key_line, mark.key_column};
  for (const Mark& child : mark.children) t.children.push_back(trail_of(child, name));
  return t;
}

ConfigTrail trail_of(const json& value, const std::string& name) {
  ConfigTrail t;
  t.place = {name};
  t.key = {name};
  t.command_line = true;
  if (value.is_structured())
    for (const json& child : value) t.children.push_back(trail_of(child, name));
  return t;
}

void replace(json& into, ConfigTrail& trail, const json& from, const ConfigTrail& from_trail) {
  std::vector<ConfigTrail::Past> past{{into, trail.place}};
  past.insert(past.end(), trail.past.begin(), trail.past.end());
  into = from;
  trail = from_trail;
  trail.past = std::move(past);
}

// Members given on the command line outlive a change of "type".
void keep_command_line(json& into, ConfigTrail& trail, const json& old, const ConfigTrail& old_trail) {
  size_t i = 0;
  for (const auto& item : old.items()) {
    const ConfigTrail& t = old_trail.children[i++];
    if (!t.command_line || into.contains(item.key())) continue;
    into[item.key()] = item.value();
    trail.children.push_back(t);
  }
}

void merge(json& into, ConfigTrail& trail, const json& from, const ConfigTrail& from_trail) {
  if (into.is_string() && from.is_object() && !from.contains("type")) {
    ConfigTrail name = trail;
    into = json{{"type", into}};
    trail.children.assign(1, name);
  }
  if (!into.is_object() || !from.is_object()) return replace(into, trail, from, from_trail);
  if (into.contains("type") && from.contains("type") && into["type"] != from["type"]) {
    const json old = into;
    const ConfigTrail old_trail = trail;
    replace(into, trail, from, from_trail);
    const size_t type = child_index(into, "type");
    const ConfigTrail& old_type = old_trail.children[child_index(old, "type")];
    trail.children[type].past.insert(trail.children[type].past.begin(), {old["type"], old_type.place});
    return keep_command_line(into, trail, old, old_trail);
  }
  trail.place = from_trail.place;
  trail.key = from_trail.key;
  size_t i = 0;
  for (const auto& item : from.items()) {
    const ConfigTrail& t = from_trail.children[i++];
    const size_t at = child_index(into, item.key());
    if (at < trail.children.size()) {
      merge(into[item.key()], trail.children[at], item.value(), t);
    } else {
      into[item.key()] = item.value();
      trail.children.push_back(t);
    }
  }
}

// Splits "layers[-1].units" into its steps; an index is written "[i]".
std::vector<std::string> key_steps(std::string_view key, const std::string& at) {
  std::vector<std::string> steps;
  size_t i = 0;
  while (i < key.size()) {
    if (key[i] == '[') {
      const size_t close = key.find(']', i);
      if (close == std::string_view::npos)
        fail(at, str("key '", key, "': '[' is not closed, expected an index like [0] or [-1]"));
      steps.emplace_back(key.substr(i, close + 1 - i));
      i = close + 1;
      if (i < key.size() && key[i] != '.' && key[i] != '[')
        fail(at, str("key '", key, "': expected '.' or '[' after ']'"));
    } else {
      const size_t end = std::min(key.find_first_of(".[", i), key.size());
      if (end == i) fail(at, str("key '", key, "' has an empty part"));
      steps.emplace_back(key.substr(i, end - i));
      i = end;
    }
    if (i < key.size() && key[i] == '.') {
      ++i;
      if (i == key.size()) fail(at, str("key '", key, "' has an empty part"));
    }
  }
  return steps;
}

// The array index a step "[i]" means, as text; checks it against the array it applies to.
std::string array_index(std::string_view step, const json* array, std::string_view key,
                        const std::string& at) {
  const std::string_view digits = step.substr(1, step.size() - 2);
  int64_t i = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), i);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    fail(at, str("key '", key, "': '", step, "' is not an index, expected a number like [0] or [-1]"));
  if (!array || !array->is_array()) {
    fail(at, str("key '", key, "': '", step, "' stands behind ",
                 array ? array->type_name() : "a key that is not set", ", expected an array"));
  }
  const auto n = static_cast<int64_t>(array->size());
  if (i < -n || i >= n)
    fail(at, str("key '", key, "': index ", i, " is out of range, the array has ", n, " elements"));
  return std::to_string(i < 0 ? i + n : i);
}

}  // namespace

std::string Place::text() const { return line ? str(file, ':', line, ':', column) : file; }

ConfigSource ConfigSource::from_file(std::string path) { return {Kind::file, std::move(path), {}, {}, {}}; }
ConfigSource ConfigSource::from_text(std::string name, std::string text) {
  return {Kind::text, std::move(name), std::move(text), {}, {}};
}
ConfigSource ConfigSource::from_set(std::string name, std::string key_value) {
  return {Kind::set, std::move(name), std::move(key_value), {}, {}};
}
ConfigSource ConfigSource::from_flag(std::string name, std::string pointer, json value) {
  return {Kind::flag, std::move(name), {}, std::move(pointer), std::move(value)};
}

std::string key_pointer(std::string_view key, const json& root, const std::string& where) {
  if (key.empty() || key[0] == '/') return std::string(key);
  std::string pointer;
  const json* at = &root;
  for (const std::string& step : key_steps(key, where)) {
    const std::string token = step[0] == '[' ? array_index(step, at, key, where) : step;
    pointer = pointer_join(pointer, token);
    at = child(at, token);
  }
  return pointer;
}

Config Config::load(std::span<const ConfigSource> sources, const json& schema) {
  Config c;
  c.schema_ = schema;
  for (const ConfigSource& s : sources) c.apply(s);
  return c;
}

void Config::apply(const ConfigSource& source) {
  std::vector<std::string> chain;
  switch (source.kind) {
    case ConfigSource::Kind::file:
      return load_file(source.name, chain);
    case ConfigSource::Kind::text:
      return load_text(source.text, source.name, "", chain);
    default:
      return apply_set(source);
  }
}

void Config::load_file(const std::string& path, std::vector<std::string>& chain) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const std::string real = fs::weakly_canonical(path, ignored).string();
  const std::string id = real.empty() ? path : real;
  if (std::find(chain.begin(), chain.end(), id) != chain.end())
    fail("", str(path, ": \"extends\" leads back to this file"),
         "the chain is " + join(chain, " -> ") + " -> " + id);
  if (chain.size() >= kMaxChain) fail("", str(path, ": more than ", kMaxChain, " files extend one another"));
  if (files_.size() >= kMaxFiles) fail("", str(path, ": more than ", kMaxFiles, " config files"));
  const std::string text = read_text_file(path);
  files_.push_back(path);
  chain.push_back(id);
  load_text(text, path, fs::path(path).parent_path().string(), chain);
  chain.pop_back();
}

void Config::load_text(const std::string& text, const std::string& name, const std::string& folder,
                       std::vector<std::string>& chain) {
  Document doc = parse_json(text, name);
  ConfigTrail trail = trail_of(doc.mark, name);
  if (!doc.value.is_object())
    fail(trail.place.text(), str("a config is a JSON object, got ", doc.value.type_name()));
  if (const auto it = doc.value.find("extends"); it != doc.value.end()) {
    const size_t index = child_index(doc.value, "extends");
    const std::string at = trail.children[index].place.text();
    const json list = it->is_string() ? json::array({*it}) : *it;
    if (!list.is_array())
      fail(at, str("\"extends\" is a file name or a list of them, got ", list.type_name()));
    for (const json& base : list) {
      if (!base.is_string()) fail(at, str("\"extends\" lists file names, got ", base.type_name()));
      const std::filesystem::path file = std::filesystem::path(folder) / base.get<std::string>();
      try {
        load_file(file.string(), chain);
      } catch (Error& e) {
        if (e.at.empty()) e.at = at;
        throw;
      }
    }
    doc.value.erase("extends");
    trail.children.erase(trail.children.begin() + static_cast<std::ptrdiff_t>(index));
  }
  merge(root_, trail_, doc.value, trail);
}

// A flag or `-s` is an object with one member at each level, merged like a file; array elements are set in
// place.
void Config::apply_set(const ConfigSource& source) {
  std::string pointer = source.pointer;
  json value = source.value;
  bool only_known = false;
  if (source.kind == ConfigSource::Kind::set) {
    const size_t equals = source.text.find('=');
    if (equals == std::string::npos)
      fail(source.name, str("'", source.text, "' has no '=', expected KEY=VALUE as in train.epochs=5"));
    std::string_view key = trim(std::string_view(source.text).substr(0, equals));
    const std::string_view word = trim(std::string_view(source.text).substr(equals + 1));
    if (key.starts_with('?')) only_known = true, key = trim(key.substr(1));
    if (key.empty() || key == "/") fail(source.name, str("'", source.text, "' has no key before '='"));
    pointer = key_pointer(key, root_, source.name);
    try {
      value = parse_json(word, source.name).value;
    } catch (const Error&) { value = word; }
  }
  const std::vector<std::string> tokens = pointer_tokens(pointer);
  if (static_cast<int64_t>(tokens.size()) > kMaxSetDepth) fail(source.name, "the key has too many levels");
  if (only_known) {
    const json* s = &schema_;
    const json* v = &root_;
    for (const std::string& t : tokens) {
      static const json none;
      const json* m = child(v, t);
      s = s ? schema_member(*s, v ? *v : none, t) : nullptr;
      if (!m && (!s || s->empty())) return;
      v = m;
    }
  }
  json* into = &root_;
  ConfigTrail* trail = &trail_;
  size_t depth = 0;
  for (; depth < tokens.size(); ++depth) {  // down to the deepest array, whose elements merging cannot reach
    size_t last_array = depth;
    const json* v = into;
    for (size_t d = depth; d < tokens.size() && v; ++d) {
      if (v->is_array()) last_array = d + 1;
      v = child(v, tokens[d]);
    }
    if (last_array == depth) break;
    const size_t i = child_index(*into, tokens[depth]);
    if (i == std::string::npos)
      fail(source.name,
           str("'", pointer, "': '", tokens[depth], "' is not an element of this array of ", into->size()));
    trail = &trail->children[i];
    into = into->is_array() ? &(*into)[i] : &(*into)[tokens[depth]];
  }
  for (size_t d = tokens.size(); d > depth; --d) value = json{{tokens[d - 1], value}};
  merge(*into, *trail, value, trail_of(value, source.name));
}

const json& Config::section(const std::string& name) const {
  static const json empty = json::object();
  const auto it = root_.find(name);
  return it == root_.end() ? empty : *it;
}

json Config::full() const {
  json all = root_;
  if (const auto sections = schema_.find("properties"); sections != schema_.end())
    for (const auto& s : sections->items())
      if (s.value().contains("properties") && !all.contains(s.key())) all[s.key()] = json::object();
  return with_defaults(all, schema_);
}

std::string Config::where(std::string_view pointer, bool of_key) const {
  const json* value = &root_;
  const ConfigTrail* trail = &trail_;
  const std::vector<std::string> tokens = pointer_tokens(pointer);
  size_t found = 0;
  for (const std::string& token : tokens) {
    const size_t i = child_index(*value, token);
    if (i == std::string::npos) break;
    value = child(value, token);
    trail = &trail->children[i];
    ++found;
  }
  const bool key = of_key && found == tokens.size() && !trail->key.file.empty();
  return (key ? trail->key : trail->place).text();
}

}  // namespace dl
