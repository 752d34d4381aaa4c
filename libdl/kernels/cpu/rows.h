#pragma once
// A tensor as (outer, n, inner) with work along n, and the passes over one contiguous row.
#include "kernels/cpu/math.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

struct Split {
  int64_t outer, n, inner;
  // Work units: rows where inner is 1, else blocks of DL_VLEN neighbouring columns. `group` of them make a
  // chunk.
  int64_t blocks, units, group, chunks;
};

inline Split split_at(const Arg& x, int axis) {
  Split s{x.size(0, axis), x.dims[axis], x.size(axis + 1, x.rank), 1, 0, 1, 0};
  if (s.inner != 1) s.blocks = (s.inner + DL_VLEN - 1) / DL_VLEN;
  s.units = s.outer * s.blocks;
  const int64_t work = s.n * (s.inner == 1 ? 1 : DL_VLEN);
  s.group = work < 8192 ? 8192 / (work > 0 ? work : 1) : 1;
  s.chunks = (s.units + s.group - 1) / s.group;
  return s;
}

// -1 in the first n lanes, 0 in the others.
DL_INLINE vi lanes_below(int64_t n) {
  vi lane;
  for (int i = 0; i < DL_VLEN; ++i) lane[i] = i;
  return lane < static_cast<int32_t>(n);
}
DL_INLINE vf load_padded(const float* p, int64_t n, float pad) {
  return select(lanes_below(n), load_n(p, n), splat(pad));
}

inline float row_max(const float* x, int64_t n) {
  const float lowest = -__builtin_inff();
  vf m[2] = {splat(lowest), splat(lowest)};
  int64_t j = 0;
  for (; j + 2 * DL_VLEN <= n; j += 2 * DL_VLEN) {
    m[0] = vmax(m[0], load(x + j));
    m[1] = vmax(m[1], load(x + j + DL_VLEN));
  }
  for (; j + DL_VLEN <= n; j += DL_VLEN) m[0] = vmax(m[0], load(x + j));
  if (j < n) m[1] = vmax(m[1], load_padded(x + j, n - j, lowest));
  return hmax(vmax(m[0], m[1]));
}

// Sum of f(j, lanes) over a row; f returns a vector whose lanes beyond `lanes` do not count.
template <class F>
DL_INLINE float row_sum(int64_t n, F f) {
  vf s[2] = {};
  int64_t j = 0;
  for (; j + 2 * DL_VLEN <= n; j += 2 * DL_VLEN) {
    s[0] += f(j, DL_VLEN);
    s[1] += f(j + DL_VLEN, DL_VLEN);
  }
  for (; j + DL_VLEN <= n; j += DL_VLEN) s[0] += f(j, DL_VLEN);
  if (j < n) s[1] += select(lanes_below(n - j), f(j, n - j), vf{});
  return hsum(s[0] + s[1]);
}

// The same over rows of any length: float lanes for a stretch, double beyond.
template <class F>
DL_INLINE double long_row_sum(int64_t n, F f) {
  constexpr int64_t kStretch = 4096;
  double sum = 0;
  for (int64_t from = 0; from < n; from += kStretch)
    sum += row_sum(
        n - from < kStretch ? n - from : kStretch, [&](int64_t j, int64_t lanes) __attribute__((
                                                       always_inline)) { return f(from + j, lanes); });
  return sum;
}

// Masked only where it must be: the compiler drops the branch where `lanes` is DL_VLEN.
DL_INLINE vf load_lanes(const float* p, int64_t lanes) {
  return lanes == DL_VLEN ? load(p) : load_n(p, lanes);
}
DL_INLINE void store_lanes(float* p, vf v, int64_t lanes) {
  if (lanes == DL_VLEN)
    store(p, v);
  else
    store_n(p, v, lanes);
}

template <class F>
DL_INLINE void row_each(int64_t n, F f) {
  int64_t j = 0;
  for (; j + DL_VLEN <= n; j += DL_VLEN) f(j, DL_VLEN);
  if (j < n) f(j, n - j);
}

DL_INLINE float log_of(float v) { return math::log(splat(v))[0]; }
DL_INLINE float exp_of(float v) { return math::exp(splat(v))[0]; }

}  // namespace dl::DL_ISA
