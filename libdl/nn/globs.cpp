#include "nn/globs.h"

#include <fnmatch.h>

#include <algorithm>

namespace dl {
namespace {

bool fits(const std::string& pattern, std::string_view name) {
  return fnmatch(pattern.c_str(), std::string(name).c_str(), 0) == 0;
}

}  // namespace

bool Globs::match(std::string_view name) const {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) { return fits(p, name); });
}

void FieldType<Globs>::parse(Globs& v, const json& j, const std::string& at, const Bounds& b) {
  v.patterns.clear();
  if (j.is_string())
    v.patterns.push_back(j.get<std::string>());
  else
    FieldType<std::vector<std::string>>::parse(v.patterns, j, at, b);
}

json FieldType<Globs>::schema(const Bounds& b) {
  return {{"anyOf", {FieldType<std::string>::schema(b), FieldType<std::vector<std::string>>::schema(b)}}};
}

json FieldType<Globs>::dump(const Globs& v) { return v.patterns; }

void check_globs(const Globs& globs, std::span<const std::string> names, const std::string& pointer) {
  for (const std::string& p : globs.patterns)
    if (std::none_of(names.begin(), names.end(), [&](const std::string& n) { return fits(p, n); }))
      field_error(pointer, str("no layer fits '", p, "'"), "layers: " + join(names, ", "));
}

}  // namespace dl
