#include "nn/expand.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>

#include "base/error.h"
#include "base/fields.h"
#include "base/str.h"
#include "nn/expression.h"

namespace dl {
namespace {

// Far above any real network, low enough that a wrong "repeat" is an error and not a hang.
constexpr size_t kMaxLayers = 100'000;
constexpr int64_t kMaxVisits = 1'000'000;  // layers looked at, also those that "if" leaves out
constexpr int64_t kMaxValues = 5'000'000;  // JSON values that expressions made
constexpr size_t kMaxParameters = 256;
constexpr size_t kMaxBlockDepth = 64;
constexpr int kMaxJsonDepth = 64;

constexpr std::array<std::string_view, 4> kCommonKeys{"freeze", "lr_scale", "init", "bias_init"};

bool is_note(std::string_view key) { return key.starts_with('_') || key.starts_with("x-"); }

bool is_name(std::string_view s) {
  const auto ok = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  return !s.empty() && s.size() <= 200 && !std::isdigit(static_cast<unsigned char>(s[0])) && s[0] != '.' &&
         s.back() != '.' && s.find("..") == std::string_view::npos && std::all_of(s.begin(), s.end(), ok);
}

std::string shown(const json& v) {
  std::string s = v.dump(-1, ' ', true, json::error_handler_t::replace);
  return s.size() > 60 ? s.substr(0, 57) + "..." : s;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return {};
  const std::vector<std::string> near = closest(name, known);
  if (!near.empty()) return "did you mean " + join(near, ", or ") + "?";
  const size_t n = std::min<size_t>(known.size(), 12);
  return "known: " + join(std::span(known).first(n), ", ") + (n < known.size() ? ", ..." : "");
}

// The layers of the model or of one use of a block.
struct Scope {
  std::string prefix;    // "stage_2.bottleneck_1.", empty for the model
  std::string previous;  // name of the layer or input that the next layer takes; empty: none
  std::shared_ptr<const std::vector<UseSite>> uses = std::make_shared<std::vector<UseSite>>();
  std::map<std::string, Placed> common;
  std::map<std::string, int> counters;  // per type or block
};

class Expander {
 public:
  Expander(const json& section, const json& given, const std::vector<std::string>& input_names,
           const std::string& pointer)
      : section_(section), given_(given), input_names_(input_names), pointer_(pointer) {}

  Expanded run() {
    check_section();
    Environment env;
    for (const auto& item : given_.items()) env.set(item.key(), {item.value(), {}, 1});
    set_parameters(env);
    Scope root;
    read_inputs(env);
    if (out_.inputs.size() == 1) {
      root.previous = out_.inputs[0].name;
      env.set("in", {"." + root.previous, {}, 1});
    }
    take_common(section_, pointer_, env, root.common);
    expand_layers(section_.at("layers"), pointer_ + "/layers", env, root);
    if (out_.layers.empty()) fail(pointer_ + "/layers", "the model has no layers");
    read_outputs(env);
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& pointer, const std::string& message,
                         const std::string& hint = {}) const {
    throw Error(Exit::config, pointer, message, hint);
  }

  void expect(bool ok, const json& v, std::string_view what, const std::string& pointer) const {
    if (!ok) fail(pointer, str("expected ", what, ", got ", v.type_name(), " ", shown(v)));
  }

  void only_keys(const json& object, const std::string& pointer,
                 const std::vector<std::string>& known) const {
    json properties = json::object();
    for (const std::string& k : known) properties[k] = json::object();
    check_keys(object, {{"properties", properties}}, pointer);
  }

  void check_section() {
    expect(section_.is_object(), section_, "an object", pointer_);
    only_keys(section_, pointer_,
              {"name", "parameters", "inputs", "blocks", "layers", "outputs", "freeze", "lr_scale", "init",
               "bias_init"});
    if (section_.contains("name")) {
      expect(section_["name"].is_string(), section_["name"], "a string", pointer_ + "/name");
      out_.name = section_["name"].get<std::string>();
    }
    if (!section_.contains("layers")) fail(pointer_, "'layers' is missing, a model is a list of layers");
    for (const char* key : {"parameters", "inputs", "blocks", "outputs"})
      if (section_.contains(key))
        expect(section_[key].is_object(), section_[key], "an object", str(pointer_, '/', key));
    if (!section_.contains("blocks")) return;
    for (const auto& item : section_["blocks"].items()) {
      if (is_note(item.key())) continue;
      const std::string at = pointer_join(pointer_ + "/blocks", item.key());
      if (!is_name(item.key())) fail(at, str("'", item.key(), "' cannot be the name of a block"), kNameRule);
      expect(item.value().is_object(), item.value(), "an object", at);
      only_keys(item.value(), at, {"parameters", "layers"});
      if (!item.value().contains("layers")) fail(at, "'layers' is missing, a block is a list of layers");
      if (item.value().contains("parameters")) {
        expect(item.value()["parameters"].is_object(), item.value()["parameters"], "an object",
               at + "/parameters");
        check_count(item.value()["parameters"], at + "/parameters");
      }
      block_names_.push_back(item.key());
    }
  }

  void check_count(const json& parameters, const std::string& pointer) const {
    if (parameters.size() > kMaxParameters) fail(pointer, str("more than ", kMaxParameters, " parameters"));
  }

  void set_parameters(Environment& env) {
    if (!section_.contains("parameters")) return;
    check_count(section_["parameters"], pointer_ + "/parameters");
    for (const auto& item : section_["parameters"].items()) {
      if (is_note(item.key())) continue;
      const std::string at = pointer_join(pointer_ + "/parameters", item.key());
      if (!item.value().is_null())
        env.set(item.key(), evaluate_json(item.value(), env, at));
      else if (!env.find(item.key()))
        fail(at, str("parameter '", item.key(), "' has no value"));
    }
  }

  void read_inputs(const Environment& env) {
    if (section_.contains("inputs"))
      for (const auto& item : section_["inputs"].items()) {
        if (is_note(item.key())) continue;
        const std::string at = pointer_join(pointer_ + "/inputs", item.key());
        if (!is_name(item.key()))
          fail(at, str("'", item.key(), "' cannot be the name of an input"), kNameRule);
        if (item.value().is_object()) only_keys(item.value(), at, {"shape", "dtype"});
        out_.inputs.push_back({item.key(), evaluate_json(item.value(), env, at).value, at});
      }
    if (out_.inputs.empty())
      for (const std::string& name : input_names_) out_.inputs.push_back({name, nullptr, pointer_});
    if (out_.inputs.empty())
      fail(pointer_, "'inputs' is missing",
           "a data set gives them, or name them with the shape of one sample: \"inputs\": {\"image\": [1, "
           "28, 28]}");
    for (const ExpandedInput& input : out_.inputs) names_[input.name] = input.name;
  }

  void read_outputs(const Environment& env) {
    if (section_.contains("outputs"))
      for (const auto& item : section_["outputs"].items()) {
        if (is_note(item.key())) continue;
        const std::string at = pointer_join(pointer_ + "/outputs", item.key());
        const Bound v = evaluate_json(item.value(), env, at);
        expect(v.value.is_string(), v.value, "the name of a layer", at);
        out_.outputs.push_back({item.key(), resolve(v.value.get<std::string>(), v.scope, at), at});
      }
    if (out_.outputs.empty()) out_.outputs.push_back({"output", out_.layers.back().name, pointer_});
  }

  // ---- values

  void spend(int64_t values, const std::string& pointer) {
    if ((values_ += values) > kMaxValues)
      fail(pointer, str("the model expands to more than ", grouped(kMaxValues), " values"));
  }

  Bound evaluate_json(const json& v, const Environment& env, const std::string& pointer, int depth = 0) {
    if (depth > kMaxJsonDepth) fail(pointer, str("more than ", kMaxJsonDepth, " levels of nesting"));
    Bound out{v, env.scope(), 1};
    if (v.is_string()) {
      const auto& text = v.get_ref<const std::string&>();
      if (is_expression(text))
        out = evaluate(text, env, pointer);
      else
        out.size = json_size(v);
    } else if (v.is_array()) {
      for (size_t i = 0; i < v.size(); ++i) {
        Bound element = evaluate_json(v[i], env, str(pointer, '/', i), depth + 1);
        out.size += element.size;
        out.value[i] = std::move(element.value);
      }
    } else if (v.is_object()) {
      for (const auto& item : v.items()) {
        Bound element = evaluate_json(item.value(), env, pointer_join(pointer, item.key()), depth + 1);
        out.size += element.size;
        out.value[item.key()] = std::move(element.value);
      }
    }
    spend(out.size, pointer);
    return out;
  }

  void take_common(const json& object, const std::string& pointer, const Environment& env,
                   std::map<std::string, Placed>& common) {
    for (const std::string_view key : kCommonKeys)
      if (const auto it = object.find(std::string(key)); it != object.end()) {
        const std::string at = pointer_join(pointer, key);
        common[std::string(key)] = {evaluate_json(*it, env, at).value, at};
      }
  }

  // ---- names

  std::string resolve(const std::string& name, std::string scope, const std::string& pointer) const {
    if (name.starts_with('.')) {
      if (const auto it = names_.find(name.substr(1)); it != names_.end() && !it->second.empty())
        return it->second;
    }
    for (;;) {
      if (const auto it = names_.find(scope + name); it != names_.end() && !it->second.empty())
        return it->second;
      if (scope.empty()) break;
      scope.pop_back();  // the final dot
      const size_t dot = scope.rfind('.');
      scope.resize(dot == std::string::npos ? 0 : dot + 1);
    }
    std::vector<std::string> known;
    for (const auto& entry : names_)
      if (known.size() < 2000) known.push_back(entry.first);
    std::sort(known.begin(), known.end());
    fail(pointer, str("there is no layer or input '", name, "' before this one"), suggestion(name, known));
  }

  std::vector<std::string> read_inputs_of(const json& layer, const std::string& pointer,
                                          const Environment& env) {
    std::vector<std::string> inputs;
    const json& written = layer["inputs"];
    const auto take = [&](const json& v, const std::string& at) {
      const Bound b = evaluate_json(v, env, at);
      const json list = b.value.is_array() ? b.value : json::array({b.value});
      for (const json& name : list) {
        expect(name.is_string(), name, "the name of a layer or input", at);
        inputs.push_back(resolve(name.get<std::string>(), b.scope, at));
      }
    };
    expect(written.is_array() || written.is_string(), written, "a list of names", pointer + "/inputs");
    if (written.is_string())
      take(written, pointer + "/inputs");
    else
      for (size_t i = 0; i < written.size(); ++i) take(written[i], str(pointer, "/inputs/", i));
    if (inputs.empty()) fail(pointer + "/inputs", "'inputs' is empty, expected at least one name");
    return inputs;
  }

  // The full name of a layer or block: as given, numbered when repeated, else "<type>_<n>", the next free n.
  std::string new_name(const json& layer, const std::string& type, const std::string& pointer,
                       const Environment& env, Scope& scope, bool repeated, int64_t index) {
    if (!layer.contains("name")) {
      std::string name;
      do name = str(scope.prefix, type, '_', ++scope.counters[type]);
      while (names_.contains(name));
      spend(static_cast<int64_t>(name.size()) / 8, pointer);
      return name;
    }
    const std::string at = pointer + "/name";
    const json v = evaluate_json(layer["name"], env, at).value;
    expect(v.is_string(), v, "a string", at);
    std::string name = v.get<std::string>();
    if (!is_name(name)) fail(at, str("'", name, "' cannot be the name of a layer"), kNameRule);
    if (repeated) name += str('_', index + 1);
    name.insert(0, scope.prefix);
    if (names_.contains(name)) fail(at, str("the name '", name, "' is taken"));
    spend(static_cast<int64_t>(name.size()) / 8, pointer);
    return name;
  }

  // ---- layers

  void expand_layers(const json& layers, const std::string& pointer, const Environment& env, Scope& scope) {
    expect(layers.is_array(), layers, "a list of layers", pointer);
    for (size_t i = 0; i < layers.size(); ++i) {
      const std::string at = str(pointer, '/', i);
      json bare;  // "relu", or "$activation" whose value is a name or a layer
      if (layers[i].is_string()) {
        bare = evaluate_json(layers[i], env, at).value;
        if (bare.is_string()) bare = json{{"type", bare}};
      }
      const json& layer = layers[i].is_string() ? bare : layers[i];
      expect(layer.is_object(), layer, "the name of a layer or an object with \"type\" or \"use\"", at);
      const bool type = layer.contains("type"), use = layer.contains("use");
      if (type && use) fail(at, "a layer has either 'type' or 'use', not both");
      if (!type && !use) fail(at, "a layer needs 'type' (of an operator) or 'use' (of a block)");
      expand_repeated(layer, at, env, scope);
    }
  }

  void expand_repeated(const json& layer, const std::string& at, const Environment& env, Scope& scope) {
    const bool repeated = layer.contains("repeat");
    int64_t times = 1;
    if (repeated) {
      const json v = evaluate_json(layer["repeat"], env, at + "/repeat").value;
      times = detail::parse_integer(v, at + "/repeat");
      if (times < 0) fail(at + "/repeat", str("a layer cannot be repeated ", times, " times"));
    }
    for (int64_t i = 0; i < times; ++i) {
      if (++visits_ > kMaxVisits)
        fail(at, str("the model expands to more than ", grouped(kMaxVisits), " layers and blocks"));
      spend(static_cast<int64_t>(layer.size()), at);
      Environment here(env.scope(), &env);
      if (repeated) here.set("index", {i, {}, 1});
      if (layer.contains("if")) {
        const json v = evaluate_json(layer["if"], here, at + "/if").value;
        expect(v.is_boolean() || v.is_number(), v, "true or false", at + "/if");
        if (v.is_boolean() ? !v.get<bool>() : v.get<double>() == 0) continue;
      }
      if (layer.contains("use"))
        expand_use(layer, at, here, scope, repeated, i);
      else
        expand_layer(layer, at, here, scope, repeated, i);
    }
  }

  std::vector<std::string> inputs_or_previous(const json& layer, const std::string& at,
                                              const Environment& env, const Scope& scope) {
    if (layer.contains("inputs")) return read_inputs_of(layer, at, env);
    if (!scope.previous.empty()) return {scope.previous};
    std::vector<std::string> all;
    for (const ExpandedInput& input : out_.inputs) all.push_back(input.name);
    fail(at, str("the model has ", all.size(), " inputs: the first layer must say which it takes"),
         "add \"inputs\": [\"" + join(all, "\"] or [\"") + "\"]");
  }

  void expand_layer(const json& layer, const std::string& at, const Environment& env, Scope& scope,
                    bool repeated, int64_t index) {
    if (out_.layers.size() == kMaxLayers)
      fail(at, str("the model expands to more than ", grouped(kMaxLayers), " layers"));
    ExpandedLayer out{{}, {}, json::object(), scope.common, {}, at, scope.uses};
    const json type = evaluate_json(layer["type"], env, at + "/type").value;
    expect(type.is_string(), type, "the name of a layer type", at + "/type");
    out.type = type.get<std::string>();
    if (!is_name(out.type)) fail(at + "/type", str("unknown layer type '", out.type, "'"));
    out.inputs = inputs_or_previous(layer, at, env, scope);
    out.name = new_name(layer, out.type, at, env, scope, repeated, index);
    take_common(layer, at, env, out.common);
    constexpr std::array<std::string_view, 5> own{"type", "name", "inputs", "if", "repeat"};
    for (const auto& item : layer.items()) {
      const std::string& key = item.key();
      if (is_note(key) || std::find(own.begin(), own.end(), key) != own.end() || out.common.contains(key))
        continue;
      out.attributes[key] = evaluate_json(item.value(), env, pointer_join(at, key)).value;
    }
    for (const auto& entry : out.common) spend(json_size(entry.second.value), at);
    names_[out.name] = out.name;
    scope.previous = out.name;
    out_.layers.push_back(std::move(out));
  }

  void expand_use(const json& layer, const std::string& at, const Environment& env, Scope& scope,
                  bool repeated, int64_t index) {
    const json use = evaluate_json(layer["use"], env, at + "/use").value;
    expect(use.is_string(), use, "the name of a block", at + "/use");
    const auto name = use.get<std::string>();
    if (std::find(block_names_.begin(), block_names_.end(), name) == block_names_.end())
      fail(at + "/use", str("there is no block '", name, "'"), suggestion(name, block_names_));
    if (scope.uses->size() == kMaxBlockDepth)
      fail(at + "/use", str("blocks nest deeper than ", kMaxBlockDepth, ": '", name, "' uses itself"));
    const json& block = section_["blocks"][name];
    const std::string block_at = pointer_join(pointer_ + "/blocks", name);

    Scope inner;
    inner.previous = scope.previous;
    if (layer.contains("inputs")) {
      const std::vector<std::string> inputs = read_inputs_of(layer, at, env);
      if (inputs.size() != 1)
        fail(at + "/inputs", str("a block has one input, got ", inputs.size()),
             "pass the others as parameters");
      inner.previous = inputs[0];
    }
    const std::string full = new_name(layer, name, at, env, scope, repeated, index);
    inner.prefix = full + '.';
    inner.common = scope.common;
    std::vector<UseSite> uses = *scope.uses;
    uses.push_back({name, at});
    inner.uses = std::make_shared<const std::vector<UseSite>>(std::move(uses));

    Environment body(inner.prefix, &globals(env));
    if (!inner.previous.empty()) body.set("in", {"." + inner.previous, {}, 1});
    body.set("index", {index, {}, 1});
    bind_arguments(layer, at, env, name, block, block_at, body, inner.common);
    names_[full] = {};  // taken, but not usable before its last layer stands
    try {
      expand_layers(block["layers"], block_at + "/layers", body, inner);
    } catch (const Error& e) {
      if (e.pointer == at || scope.uses->size() > 3) throw;
      throw Error(e.code, e.pointer, str(e.what(), " (block '", name, "' used at ", at, ")"), e.hint);
    }
    names_[full] = inner.previous;
    scope.previous = inner.previous;
  }

  void bind_arguments(const json& layer, const std::string& at, const Environment& env,
                      const std::string& name, const json& block, const std::string& block_at,
                      Environment& body, std::map<std::string, Placed>& common) {
    const json none = json::object();
    const json& parameters = block.contains("parameters") ? block["parameters"] : none;
    std::vector<std::string> known;
    spend(static_cast<int64_t>(parameters.size()), at);
    for (const auto& item : parameters.items())
      if (!is_note(item.key())) known.push_back(item.key());
    json outer = json::object();  // the common keys that are not arguments of this block
    std::vector<std::string> allowed = known;
    for (const std::string_view key : kCommonKeys)
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        allowed.emplace_back(key);
        if (layer.contains(key)) outer[std::string(key)] = layer[std::string(key)];
      }
    for (const char* key : {"use", "name", "inputs", "if", "repeat"}) allowed.emplace_back(key);
    only_keys(layer, at, allowed);
    take_common(outer, at, env, common);
    for (const std::string& key : known) {
      const auto given = layer.find(key);
      if (given != layer.end() && !given->is_null()) {
        body.set(key, evaluate_json(*given, env, pointer_join(at, key)));
      } else if (!parameters[key].is_null()) {
        body.set(key, evaluate_json(parameters[key], body, pointer_join(block_at + "/parameters", key)));
      } else {
        fail(at, str("'", key, "' is missing, block '", name, "' requires it"));
      }
    }
  }

  // What a block sees besides its own parameters: those of the model, not those of the block that uses it.
  const Environment& globals(const Environment& env) const {
    const Environment* e = &env;
    while (e->outer()) e = e->outer();
    return *e;
  }

  static constexpr const char* kNameRule =
      "names are letters, digits, '_' and inner dots, and begin with a letter or '_'";

  const json& section_;
  const json& given_;
  const std::vector<std::string>& input_names_;
  const std::string pointer_;
  Expanded out_;
  std::vector<std::string> block_names_;
  std::unordered_map<std::string, std::string>
      names_;  // layer, block or input -> the layer or input that gives its value
  int64_t visits_ = 0, values_ = 0;
};

}  // namespace

Expanded expand_model(const json& section, const json& given, const std::vector<std::string>& input_names,
                      const std::string& pointer) {
  return Expander(section, given, input_names, pointer).run();
}

json dump_expanded(const Expanded& model) {
  json out = json::object();
  if (!model.name.empty()) out["name"] = model.name;
  for (const ExpandedInput& i : model.inputs) out["inputs"][i.name] = i.shape;
  out["layers"] = json::array();
  for (const ExpandedLayer& l : model.layers) {
    json row{{"type", l.type}, {"name", l.name}, {"inputs", l.inputs}};
    row.update(l.attributes);
    for (const auto& [key, placed] : l.common) row[key] = placed.value;
    row["x-from"] = l.pointer;
    for (const UseSite& use : *l.uses) row["x-blocks"].push_back(use.block + " at " + use.pointer);
    out["layers"].push_back(std::move(row));
  }
  for (const ExpandedOutput& o : model.outputs) out["outputs"][o.name] = o.layer;
  return out;
}

std::string describe_uses(const ExpandedLayer& layer) {
  if (layer.uses->empty()) return {};
  std::vector<std::string> parts;
  for (auto it = layer.uses->rbegin(); it != layer.uses->rend(); ++it)
    parts.push_back(str("block '", it->block, "' used at ", it->pointer));
  return " (" + join(parts, ", ") + ")";
}

}  // namespace dl
