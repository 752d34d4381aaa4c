#include "kernels/probe.h"

#include "kernels/cpu/vec.h"

namespace dl::DL_ISA {
namespace {

constexpr int kChains = 16;  // enough to hide the latency of a multiply-add on any core

float multiply_add(int64_t rounds) {
  vf acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = splat(float(i));
  const vf a = splat(0.999f), b = splat(0.001f);
  for (int64_t r = 0; r < rounds; ++r)
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], a, b);
  vf sum = {};
  for (int i = 0; i < kChains; ++i) sum += acc[i];
  return hsum(sum);
}

void triad(const float* a, const float* b, float* c, int64_t n) {
  const vf s = splat(0.5f);
  for (int64_t i = 0; i < n; i += DL_VLEN) store_stream(c + i, fma(load(b + i), s, load(a + i)));
}

}  // namespace

extern const Probe probe;
const Probe probe{&multiply_add, DL_VLEN, &triad};

}  // namespace dl::DL_ISA
