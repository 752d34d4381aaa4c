#pragma once
// A tensor as (outer, n, inner) with work along n, shared out among the threads: a line has a team of neighbouring
// threads where inner is 1, else one thread.
#include "kernels/cuda/items.h"
#include "kernels/cuda/math.h"

namespace dl::DL_ISA {

struct Split {
  int64_t outer, n, inner;
  int64_t lines() const { return outer * inner; }
};
inline Split split_at(const Arg& x, int axis) {
  return {x.size(0, axis), x.dims[axis], x.size(axis + 1, x.rank)};
}

// The smallest power of two with n / each <= team, `most` at most.
inline unsigned team_for(int64_t n, int64_t each, unsigned most) {
  unsigned team = 1;
  while (team < most && team * each < n) team *= 2;
  return team;
}

// The largest of some numbers and the sum of e^(x - largest), over one pass.
struct MaxSum {
  float max, sum;
  __device__ static MaxSum none() { return {-__builtin_inff(), 0}; }
  template <int N>
  __device__ __forceinline__ void add(const float (&x)[N]) {
    float m = max;
#pragma unroll
    for (int k = 0; k < N; ++k) m = fmaxf(m, x[k]);
    if (m > max) {
      sum *= math::exp(max - m);
      max = m;
    }
    const float base = m == -__builtin_inff() ? 0.f : m;  // of numbers that are all -inf
#pragma unroll
    for (int k = 0; k < N; ++k) sum += math::exp(x[k] - base);
  }
};
__device__ __forceinline__ MaxSum exchange(const MaxSum& v, int mask) {
  MaxSum r;
  r.max = exchange(v.max, mask);
  r.sum = exchange(v.sum, mask);
  return r;
}
__device__ __forceinline__ MaxSum join(const MaxSum& a, const MaxSum& b) {
  const MaxSum &high = a.max >= b.max ? a : b, &low = a.max >= b.max ? b : a;
  MaxSum r;
  r.max = high.max;
  r.sum = high.max == low.max ? high.sum + low.sum : fmaf(low.sum, math::exp(low.max - high.max), high.sum);
  return r;
}

}  // namespace dl::DL_ISA
