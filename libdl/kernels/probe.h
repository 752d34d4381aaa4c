#pragma once
// What a core can do at best, for comparison: loops that do nothing else.
#include <cstdint>

namespace dl {

struct Probe {
  // rounds x 16 independent fused multiply-adds of `lanes` floats; the result keeps them from being left out.
  float (*multiply_add)(int64_t rounds);
  int64_t lanes;
  // c = a + s b over n floats, n a multiple of 64, 64-byte aligned, written past the caches.
  void (*triad)(const float* a, const float* b, float* c, int64_t n);
};

}  // namespace dl
