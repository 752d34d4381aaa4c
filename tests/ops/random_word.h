#pragma once
// The random words of dropout and noise.
#include "base/random.h"

namespace dl::test {

// That of an element, straight from Philox.
inline uint32_t random_word(uint64_t seed, uint64_t stream, uint64_t step, int64_t e) {
  const Philox philox{{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const auto counter = static_cast<uint64_t>(e / 64 * 16 + e % 16);
  return philox(counter, stream ^ (step * 0x9E3779B97F4A7C15ull)).v[e % 64 / 16];
}

}  // namespace dl::test
