#include "base/random.h"

#include <cmath>
#include <numbers>

namespace dl {

uint32_t Random::bits() {
  if (left_ == 0) {
    block_ = philox_(lo_++, hi_);
    left_ = 4;
  }
  return block_.v[4 - left_--];
}

double Random::uniform() { return bits() * 0x1p-32; }

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double u = (bits() + 0.5) * 0x1p-32, v = uniform();
  const double r = std::sqrt(-2 * std::log(u)), a = 2 * std::numbers::pi * v;
  spare_ = r * std::sin(a);
  has_spare_ = true;
  return r * std::cos(a);
}

int64_t Random::below(int64_t n) {
  const auto range = static_cast<uint64_t>(n);
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % range + 1) % range;  // largest accepted value
  for (;;) {
    const uint64_t hi = bits();
    const uint64_t v = hi << 32 | bits();
    if (v <= limit) return static_cast<int64_t>(v % range);
  }
}

}  // namespace dl
