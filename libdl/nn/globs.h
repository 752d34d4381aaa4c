#pragma once
// Names of layers as patterns of the shell: "conv*", or a list ["conv*", "dense_?"].
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace dl {

// Empty: every name.
struct Globs {
  std::vector<std::string> patterns;
  DL_API bool match(std::string_view name) const;
};

template <>
struct FieldType<Globs> {
  DL_API static void parse(Globs& v, const json& j, const std::string& at, const Bounds& b);
  DL_API static json schema(const Bounds& b);
  DL_API static json dump(const Globs& v);
  static bool equal(const Globs& a, const Globs& b) { return a.patterns == b.patterns; }
};

// Error (config) at `pointer` for the first pattern that fits none of the names.
DL_API void check_globs(const Globs& globs, std::span<const std::string> names, const std::string& pointer);

}  // namespace dl
