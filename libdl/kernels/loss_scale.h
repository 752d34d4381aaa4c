#pragma once
// What becomes of the scale of losses whose gradients are of 16 bits, the same on every device.
#include "kernels/kernel.h"
#include "kernels/optimizer_attrs.h"

namespace dl::DL_ISA {

struct LossScale {
  float factor, next;
  int64_t next_good;
  // good: steps in a row without overflow before this one, whose gradients are finite or not.
  DL_HD LossScale(const LossScaleAttrs& a, float scale, int64_t good, bool finite) {
    constexpr double kMost = 16777216;  // 2^24
    factor = finite ? 1 / scale : 0;
    const bool grows = finite && good + 1 >= a.growth_interval;
    const double s = static_cast<double>(scale) * (!finite ? a.backoff : grows ? a.growth : 1);
    next = static_cast<float>(s < 1 ? 1 : s > kMost ? kMost : s);
    next_good = finite && !grows ? good + 1 : 0;
  }
};

}  // namespace dl::DL_ISA
