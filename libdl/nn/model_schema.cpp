// The model section as tools see it: schema, check, expansion.
#include "nn/layer.h"

namespace dl {
namespace {

const json kNotes = {{"^(_|x-)", json::object()}};

// A value, or an expression that gives it.
json or_expression(json schema) {
  json out{{"anyOf", json::array()}};
  for (const char* key : {"description", "default"})
    if (schema.contains(key)) {
      out[key] = schema[key];
      schema.erase(key);
    }
  out["anyOf"].push_back(std::move(schema));
  out["anyOf"].push_back({{"type", "string"}, {"pattern", "[$*/%+<>=(-]"}});
  return out;
}

json of_any_type(const char* description) { return {{"description", description}}; }

// One of a family with its attributes left open: written out for every layer they would be most of the schema.
json initializer(const char* description) {
  json names = json::array();
  for (const Variant& v : InitializerFamily::variants()) names.push_back(v.name);
  return {{"description", description},
          {"anyOf", {{{"enum", names}}, {{"type", "object"}}, {{"type", "string"}, {"pattern", "^\\$"}}}}};
}

void add_common(json& properties) {
  properties["name"] = {{"type", "string"},
                        {"description", "Name of the layer; its type and position unless given."}};
  properties["inputs"] = {
      {"anyOf",
       {{{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 1}}, {{"type", "string"}}}},
      {"description", "Names of the layers or inputs it takes; the layer before it unless given."}};
  properties["if"] = of_any_type("Leave the layer out when false or 0.");
  properties["repeat"] =
      or_expression({{"type", "integer"},
                     {"minimum", 0},
                     {"description", "Put the layer so many times; $index counts them from 0."}});
  properties["freeze"] =
      or_expression({{"type", "boolean"}, {"description", "Do not train its parameters."}});
  properties["lr_scale"] =
      or_expression({{"type", "number"}, {"minimum", 0}, {"description", "Factor of the learning rate."}});
  properties["init"] = initializer("Initial values of weights; he_uniform unless given.");
  properties["bias_init"] = initializer("Initial values of biases; zero unless given.");
}

json layer_alternatives() {
  json any = json::array();
  json names = json::array();
  for (const std::string& name : layer_types()) names.push_back(name);
  any.push_back({{"anyOf", {{{"enum", names}}, {{"type", "string"}, {"pattern", "^\\$"}}}},
                 {"description", "A layer without attributes."}});
  for (const std::string& name : layer_types()) {
    const json own = layer_schema(name);
    json s{
        {"type", "object"}, {"description", layer_doc(name)}, {"properties", {{"type", {{"const", name}}}}}};
    for (const auto& item : own["properties"].items())
      s["properties"][item.key()] = or_expression(item.value());
    add_common(s["properties"]);
    s["patternProperties"] = kNotes;
    s["additionalProperties"] = false;
    s["required"] = json::array({"type"});
    if (own.contains("required"))
      for (const json& key : own["required"]) s["required"].push_back(key);
    any.push_back(std::move(s));
  }
  json use{{"type", "object"},
           {"description", "A block; further keys are its parameters."},
           {"properties", {{"use", {{"type", "string"}, {"description", "Name of the block."}}}}},
           {"required", {"use"}},
           {"additionalProperties", json::object()}};
  add_common(use["properties"]);
  any.push_back(std::move(use));
  any.push_back({{"type", "object"},
                 {"properties", {{"type", {{"type", "string"}, {"pattern", "^\\$"}}}}},
                 {"required", {"type"}}});
  return {{"anyOf", any}};
}

}  // namespace

json model_schema() {
  const json layers{{"type", "array"}, {"items", layer_alternatives()}};
  json block{
      {"type", "object"},
      {"properties",
       {{"parameters", {{"type", "object"}, {"description", "Names with defaults; null: must be given."}}},
        {"layers",
         {{"type", "array"}, {"items", json::object()}, {"description", "As the layers of the model."}}}}},
      {"patternProperties", kNotes},
      {"additionalProperties", false},
      {"required", {"layers"}}};
  json extents{{"type", "array"},
               {"items", or_expression({{"type", "integer"}, {"minimum", 1}})},
               {"maxItems", kMaxRank - 1}};
  json typed{{"type", "object"},
             {"properties",
              {{"shape", {{"anyOf", {extents, {{"type", "null"}}}}}},
               {"dtype", {{"enum", {"f32", "f64", "i32", "i64", "u8"}}}}}},
             {"additionalProperties", false}};
  json properties{
      {"name", {{"type", "string"}, {"description", "Name of the network."}}},
      {"parameters", {{"type", "object"}, {"description", "Values for expressions: \"$width\"."}}},
      {"inputs",
       {{"type", "object"},
        {"description", "Shape of one sample of each input; null, or no inputs at all: as in the data set."},
        {"additionalProperties", {{"anyOf", {extents, {{"type", "null"}}, typed}}}}}},
      {"blocks",
       {{"type", "object"},
        {"description", "Lists of layers to be used by name."},
        {"additionalProperties", block}}},
      {"layers", layers},
      {"outputs",
       {{"type", "object"},
        {"description", "Layers that the outside sees, by name; the last one, as \"output\", unless given."},
        {"additionalProperties", {{"type", "string"}}}}}};
  json common = json::object();
  add_common(common);
  for (const char* key : {"freeze", "lr_scale", "init", "bias_init"}) properties[key] = common[key];
  properties["layers"]["description"] = "The network, each layer taking the one before it.";
  return {{"type", "object"},
          {"properties", properties},
          {"patternProperties", kNotes},
          {"additionalProperties", false},
          {"required", {"layers"}}};
}

void check_model(const json& section, const std::string& pointer) {
  const json given{{"classes", 2}};  // stands in for what only the data set knows
  for (const ExpandedLayer& layer : expand_model(section, given, {"input"}, pointer).layers) {
    try {
      read_attributes(layer);
    } catch (const Error& e) { throw name_layer(e, layer); }
  }
}

json expanded_model(const json& section, const std::string& pointer) {
  // "$classes" itself stays where no arithmetic is done with it.
  for (const json& classes : {json("$classes"), json(2)}) {
    try {
      return dump_expanded(expand_model(section, {{"classes", classes}}, {"input"}, pointer));
    } catch (const Error&) {
      if (classes.is_number()) throw;
    }
  }
  return {};
}

}  // namespace dl
