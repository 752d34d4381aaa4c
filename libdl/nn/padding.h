#pragma once
// "padding" of convolution and pooling layers: "valid", "same", "same_upper", a number, [vertical,
// horizontal], or [top, left, bottom, right].
#include <array>

#include "base/fields.h"

namespace dl {

struct Padding {
  enum class Rule { given, same, same_upper } rule = Rule::given;
  std::array<int64_t, 4> sides{};  // top, left, bottom, right
};

template <>
struct FieldType<Padding> {
  static void parse(Padding& v, const json& j, const std::string& at, const Bounds& b);
  static json schema(const Bounds& b);
  static json dump(const Padding& v);
  static bool equal(const Padding& a, const Padding& b) { return a.rule == b.rule && a.sides == b.sides; }
};

}  // namespace dl
