#include "cli/schema.h"

namespace dl::cli {
namespace {

constexpr std::string_view kSections[] = {"prep", "augment", "model", "train", "eval", "search", "export"};

void allow_notes(json& schema) {
  if (schema.is_array())
    for (json& s : schema) allow_notes(s);
  if (!schema.is_object()) return;
  for (const char* key : {"properties", "patternProperties"})
    if (schema.contains(key))
      for (auto& p : schema[key].items()) allow_notes(p.value());
  for (const char* key : {"anyOf", "items", "additionalProperties"})
    if (schema.contains(key)) allow_notes(schema[key]);
  if (schema.contains("additionalProperties") && schema["additionalProperties"] == false)
    schema["patternProperties"]["^(_|x-)"] = json::object();
}

}  // namespace

std::span<const std::string_view> known_sections() { return kSections; }

json config_schema(const Tool& tool) {
  json props = json::object();
  for (const Section& s : tool.sections) {
    props[s.name] = s.schema();
    props[s.name]["description"] = s.doc;
  }
  for (std::string_view name : kSections)
    if (!props.contains(std::string(name))) props[std::string(name)] = json::object();
  return {{"type", "object"}, {"properties", props}, {"additionalProperties", false}};
}

json published_schema(const Tool& tool) {
  json out{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
           {"title", tool.name + " configuration"}};
  out.update(config_schema(tool));
  const json names{{"type", "array"}, {"items", {{"type", "string"}}}};
  out["properties"]["extends"] = {{"anyOf", {{{"type", "string"}}, names}},
                                  {"description", "Files to build on."}};
  allow_notes(out);
  return out;
}

}  // namespace dl::cli
