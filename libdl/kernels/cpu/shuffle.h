#pragma once
// Rows of floats: copies and adds that stop exactly at their end, and every second lane of two vectors.
#include <utility>

#include "kernels/cpu/vec.h"

namespace dl::DL_ISA {

template <int... I>
DL_INLINE vf even_lanes(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...);
}
template <int... I>
DL_INLINE vf odd_lanes(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (2 * I + 1)...);
}
template <int... I>
DL_INLINE vf zip_low_lanes(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / 2 + I % 2 * DL_VLEN)...);
}
template <int... I>
DL_INLINE vf zip_high_lanes(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, ((DL_VLEN + I) / 2 + I % 2 * DL_VLEN)...);
}
using Lanes = std::make_integer_sequence<int, DL_VLEN>;
// a0 a2 a4 ... b0 b2 ... and a1 a3 ... b1 b3 ...
DL_INLINE vf even(vf a, vf b) { return even_lanes(a, b, Lanes{}); }
DL_INLINE vf odd(vf a, vf b) { return odd_lanes(a, b, Lanes{}); }
// a0 b0 a1 b1 ..., first and second half
DL_INLINE vf zip_low(vf a, vf b) { return zip_low_lanes(a, b, Lanes{}); }
DL_INLINE vf zip_high(vf a, vf b) { return zip_high_lanes(a, b, Lanes{}); }

// n lanes, all of them where n is more, none where it is less than 1.
DL_INLINE vf load_upto(const float* p, int64_t n) {
  return n >= DL_VLEN ? load(p) : n > 0 ? load_n(p, n) : vf{};
}
DL_INLINE void store_upto(float* p, vf v, int64_t n) {
  if (n >= DL_VLEN)
    store(p, v);
  else if (n > 0)
    store_n(p, v, n);
}

DL_INLINE void copy_row(float* dst, const float* src, int64_t n) {
  int64_t i = 0;
  for (; i + DL_VLEN <= n; i += DL_VLEN) store(dst + i, load(src + i));
  if (i < n) store_n(dst + i, load_n(src + i, n - i), n - i);
}
// Brings a row into the cache: rows that are then used side by side come from memory twice as fast when each was read in
// its order before.
DL_INLINE void touch_row(const float* p, int64_t n) {
  const volatile float* line = p;
  for (int64_t i = 0; i < n; i += 16) static_cast<void>(line[i]);
}
DL_INLINE void zero_row(float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + DL_VLEN <= n; i += DL_VLEN) store(dst + i, vf{});
  if (i < n) store_n(dst + i, vf{}, n - i);
}
DL_INLINE void add_row(float* dst, const float* src, int64_t n) {
  int64_t i = 0;
  for (; i + DL_VLEN <= n; i += DL_VLEN) store(dst + i, load(dst + i) + load(src + i));
  if (i < n) store_n(dst + i, load_n(dst + i, n - i) + load_n(src + i, n - i), n - i);
}

}  // namespace dl::DL_ISA
