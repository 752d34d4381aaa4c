// Kernel of noise: cpu/noise.cpp draws the same words.
#include "kernels/cuda/math.h"
#include "kernels/cuda/philox.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

// The upper 24 bits as a number in 0..1, 1 itself not reached.
__device__ __forceinline__ float unit(uint32_t word) {
  return static_cast<float>(word >> 8) * 5.9604644775390625e-8f;
}

// A turn is four neighbouring counters, as in dropout_kernel().
template <class T>
__global__ void noise_kernel(T* y, const int64_t* __restrict__ step, int64_t n, uint32_t k0, uint32_t k1,
                             uint64_t stream, bool normal) {
  const uint64_t high = random_high(stream, *step);
  for (int64_t i = thread_index(); i < (n + 63) / 64 * 4; i += thread_count()) {
    Four<T> values[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Words words = random_words(k0, k1, high, static_cast<uint64_t>(i * 4 + k));
#pragma unroll
      for (int w = 0; w < 4; w += 2) {
        float a = unit(words.v[w]), b = unit(words.v[w + 1]);
        if (normal) {
          const float radius = math::sqrt(-2.f * math::log(1.f - a)), angle = 6.28318531f * b;
          a = radius * math::cos(angle);
          b = radius * math::sin(angle);
        }
        values[w].v[k] = from_float<T>(a);
        values[w + 1].v[k] = from_float<T>(b);
      }
    }
#pragma unroll
    for (int w = 0; w < 4; ++w) values[w].store(y, i / 4 * 64 + i % 4 * 4 + w * 16, n);
  }
}

void run_noise(const Call& c, int, int64_t, float*) {
  const auto& a = *static_cast<const NoiseAttrs*>(c.attrs);
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, noise_kernel<T>, blocks_for(c, ceil_div(n, 64) * 4), kThreads, 0, data<T>(c.out[0]),
           data<int64_t>(c.in[1]), n, static_cast<uint32_t>(c.seed), static_cast<uint32_t>(c.seed >> 32),
           static_cast<uint64_t>(a.stream), a.kind == NoiseKind::normal);
  });
}

}  // namespace

extern const Kernel noise{&plan_nothing, &run_noise};

}  // namespace dl::DL_ISA
