#pragma once
// Lets Dims and Activation stand in field lists; Dims of a shape.
#include <array>

#include "base/fields.h"
#include "kernels/activation.h"
#include "kernels/dims.h"
#include "tensor/tensor.h"

namespace dl {

inline Dims dims_of(const Shape& shape) {
  Dims d;
  for (int64_t extent : shape) d.d[d.n++] = extent;
  return d;
}

template <>
struct FieldType<Dims> {
  static void parse(Dims& v, const json& j, const std::string& at, const Bounds& b) {
    if (!j.is_array()) {
      v.n = 1;
      return FieldType<int64_t>::parse(v.d[0], j, at, b);
    }
    if (j.size() > Dims::kMost)
      field_error(at, str("has ", j.size(), " numbers, expected at most ", Dims::kMost));
    v = {};
    for (const json& one : j) {
      FieldType<int64_t>::parse(v.d[v.n], one, str(at, '/', v.n), b);
      ++v.n;
    }
  }
  static json schema(const Bounds& b) {
    const json one = FieldType<int64_t>::schema(b);
    return {{"anyOf", {one, {{"type", "array"}, {"items", one}, {"maxItems", Dims::kMost}}}}};
  }
  static json dump(const Dims& v) {
    json out = json::array();
    for (int64_t i = 0; i < v.n; ++i) out.push_back(v.d[i]);
    return out;
  }
  static bool equal(const Dims& a, const Dims& b) {
    bool same = a.n == b.n;
    for (int64_t i = 0; same && i < a.n; ++i) same = a.d[i] == b.d[i];
    return same;
  }
};

constexpr auto enum_names(const Activation*) {
  return std::array<std::string_view, 6>{"none", "relu", "relu6", "tanh", "sigmoid", "gelu"};
}

}  // namespace dl
