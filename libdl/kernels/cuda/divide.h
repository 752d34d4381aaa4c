#pragma once
// Division by a number that the host knows: a multiplication and a shift.
#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

// n / d for n below 2^31 and 0 < d < 2^31 (0 counts as 1): Granlund and Montgomery, "Division by invariant integers using
// multiplication", PLDI 1994, section 4.
struct Divisor {
  uint32_t d = 1, factor = 1, shift = 0;
  Divisor() = default;
  explicit Divisor(int64_t by) : d(static_cast<uint32_t>(by > 0 ? by : 1)) {
    while (uint64_t{1} << shift < d) ++shift;
    factor = static_cast<uint32_t>(((((uint64_t{1} << shift) - d) << 32) / d) + 1);
  }
  __device__ __forceinline__ uint32_t divide(uint32_t n) const { return (__umulhi(n, factor) + n) >> shift; }
  __device__ __forceinline__ int operator()(int n) const {
    return static_cast<int>(divide(static_cast<uint32_t>(n)));
  }
  // n becomes the remainder.
  __device__ __forceinline__ uint32_t split(uint32_t& n) const {
    const uint32_t q = divide(n);
    n -= q * d;
    return q;
  }
};

}  // namespace dl::DL_ISA
