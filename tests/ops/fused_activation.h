#pragma once
// What the attribute `activation` of a producing operator does to its result.
#include <cmath>

#include "ops/harness.h"

namespace dl::test {

inline double fused_activation(const Reference& r, double x) {
  const auto name = r.attr<std::string>("activation");
  if (name == "relu") return x > 0 ? x : 0;
  if (name == "relu6") return x < 0 ? 0 : x > 6 ? 6 : x;
  if (name == "tanh") return std::tanh(x);
  if (name == "sigmoid") return 1 / (1 + std::exp(-x));
  if (name == "gelu") return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return x;
}

}  // namespace dl::test
