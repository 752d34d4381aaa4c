#pragma once
// Moving elements of any type: kernels that compute nothing see units of 1 to 16 bytes.
#include "kernels/cuda/launch.h"
#include "kernels/elem.h"

namespace dl::DL_ISA {

// The largest of 16, 8, 4, 2 and 1 that divides n.
inline int64_t unit_of(int64_t n) {
  return n % 16 == 0 ? 16 : n % 8 == 0 ? 8 : n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1;
}

// Calls f with a zero of the unsigned type of that size.
template <class F>
void with_unit(int64_t size, F&& f) {
  switch (size) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    case 16:
      return f(uint4{});
  }
}

// `rows` rows of `width` bytes, which stand `from_pitch` bytes apart and go `to_pitch` bytes apart.
void copy_rows(const Call& c, char* to, int64_t to_pitch, const char* from, int64_t from_pitch, int64_t width,
               int64_t rows);

}  // namespace dl::DL_ISA
