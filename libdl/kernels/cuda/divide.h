#pragma once
// Division of 32-bit numbers below 2^31 by one that the host knows: a multiplication and a shift.
#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

struct Divider {
  uint32_t by = 1, factor = 1, shift = 0;
  Divider() = default;
  explicit Divider(int64_t d) : by(static_cast<uint32_t>(d)) {
    while ((uint64_t{1} << shift) < by) ++shift;
    factor = by ? static_cast<uint32_t>((((uint64_t{1} << shift) - by) << 32) / by + 1) : 1;
  }
  __device__ __forceinline__ int operator()(int n) const {
    const auto u = static_cast<uint32_t>(n);
    return static_cast<int>((__umulhi(u, factor) + u) >> shift);
  }
};

}  // namespace dl::DL_ISA
