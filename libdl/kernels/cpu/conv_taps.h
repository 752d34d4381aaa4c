#pragma once
// Which taps of a kernel hit the image, for each place of the output: the way all direct kernels skip padding.
#include "kernels/cpu/conv_shape.h"

namespace dl::DL_ISA {

constexpr int kMaxSide = 11, kMaxTaps = kMaxSide * kMaxSide;

// Taps of one axis: input = output * step + d, index k into the kernel; d ascends.
struct TapLine {
  int64_t n = 0, d[kMaxSide], k[kMaxSide];
};
struct Range {
  int64_t lo, hi;
};

// Taps of output place o that hit [0, size).
inline Range hits(const TapLine& t, int64_t o, int64_t step, int64_t size) {
  Range r{0, t.n};
  while (r.lo < r.hi && o * step + t.d[r.lo] < 0) ++r.lo;
  while (r.hi > r.lo && o * step + t.d[r.hi - 1] >= size) --r.hi;
  return r;
}
// Output places whose taps all hit; empty ranges collapse so that [0, lo) and [hi, count) still cover everything.
inline Range inner(const TapLine& t, int64_t count, int64_t step, int64_t size) {
  Range r{0, count};
  while (r.lo < r.hi && hits(t, r.lo, step, size).lo > 0) ++r.lo;
  while (r.hi > r.lo && hits(t, r.hi - 1, step, size).hi < t.n) --r.hi;
  if (r.lo < r.hi && hits(t, r.lo, step, size).hi < t.n) r.hi = r.lo;  // image narrower than the kernel
  if (r.lo < r.hi && hits(t, r.hi - 1, step, size).lo > 0) r.hi = r.lo;
  return r;
}
// First place after o, up to count, with another set of hitting taps.
inline int64_t same_until(const TapLine& t, int64_t o, int64_t count, int64_t step, int64_t size) {
  const Range r = hits(t, o, step, size);
  int64_t e = o + 1;
  for (; e < count; ++e) {
    const Range q = hits(t, e, step, size);
    if (q.lo != r.lo || q.hi != r.hi) break;
  }
  return e;
}

inline TapLine forward_line(int64_t k, int64_t pad, int64_t dilation) {
  TapLine t;
  for (; t.n < k; ++t.n) t.d[t.n] = t.n * dilation - pad, t.k[t.n] = t.n;
  return t;
}
// The transpose: dx[s*o + a] += dy[(s*o + a + pad - i*dilation) / s] w[i] for the taps i that divide.
inline TapLine backward_line(int64_t a, int64_t k, int64_t s, int64_t pad, int64_t dilation) {
  TapLine t;
  for (int64_t i = k - 1; i >= 0; --i)
    if (const int64_t at = a + pad - i * dilation; at % s == 0) t.d[t.n] = at / s, t.k[t.n++] = i;
  return t;
}

}  // namespace dl::DL_ISA
