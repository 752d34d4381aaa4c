#pragma once
// A short list of integers in an attribute struct: axes, a permutation, a shape.
#include <cstdint>

namespace dl {

struct Dims {
  static constexpr int kMost = 6;
  int64_t n = 0;
  int64_t d[kMost] = {};
};

}  // namespace dl
