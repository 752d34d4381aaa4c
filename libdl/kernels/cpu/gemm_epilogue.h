#pragma once
// Bias and activation over a strip of C that the micro-kernels have just written (at most 14 x 512: L1/L2).
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/math.h"

namespace dl::DL_ISA {

template <class F>
DL_INLINE void map_strip(const Gemm& g, int64_t i0, int64_t j0, int64_t m, int64_t n, F f) {
  for (int64_t i = i0; i < i0 + m; ++i) {
    float* c = g.c + i * g.ldc + j0;
    const float* aux = g.aux ? g.aux + i * g.ldc + j0 : nullptr;
    const float* bias = g.bias ? g.bias + j0 : nullptr;
    const vf row = splat(g.row_bias ? g.row_bias[i] : 0.f);
    const auto at = [&](auto ld, int64_t j) __attribute__((always_inline)) {
      const vf x = bias ? ld(c + j) + ld(bias + j) : ld(c + j) + row;
      return f(x, aux ? ld(aux + j) : vf{});
    };
    int64_t j = 0;
    for (; j + DL_VLEN <= n; j += DL_VLEN) store(c + j, at([](const float* p) { return load(p); }, j));
    if (const int64_t r = n - j) store_n(c + j, at([r](const float* p) { return load_n(p, r); }, j), r);
  }
}

// One of bias and row_bias at most.
inline void epilogue(const Gemm& g, int64_t i, int64_t j, int64_t m, int64_t n) {
  const auto map = [&](auto f) { map_strip(g, i, j, m, n, f); };
  switch (g.act) {
    case Act::none:
      if (g.bias || g.row_bias) map([](vf x, vf) { return x; });
      return;
    case Act::relu:
      return map([](vf x, vf) { return vmax(vf{}, x); });
    case Act::relu6:
      return map([](vf x, vf) { return vmin(splat(6), vmax(vf{}, x)); });
    case Act::tanh:
      return map([](vf x, vf) { return math::tanh(x); });
    case Act::sigmoid:
      return map([](vf x, vf) { return math::sigmoid(x); });
    case Act::gelu:
      return map([](vf x, vf) { return math::gelu(x); });
    case Act::relu_grad:
      return map([](vf x, vf y) { return select(y > 0.f, x, vf{}); });
    case Act::tanh_grad:
      return map([](vf x, vf y) { return x - x * y * y; });
    case Act::sigmoid_grad:
      return map([](vf x, vf y) { return x * y * (1.f - y); });
  }
}

}  // namespace dl::DL_ISA
