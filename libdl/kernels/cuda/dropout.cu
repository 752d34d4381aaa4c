// Kernel of dropout: cpu/dropout.cpp draws the same words.
#include "kernels/cuda/philox.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

struct Keys {
  uint32_t k0, k1, threshold;
  uint64_t stream;
  float scale;
};

// A turn is four neighbouring counters: 16 elements in four runs of four, 16 elements apart. x may be y.
template <class T>
__global__ void dropout_kernel(const T* x, T* y, const int64_t* __restrict__ step, int64_t n, Keys keys) {
  const uint64_t high = random_high(keys.stream, *step);
  for (int64_t i = thread_index(); i < (n + 63) / 64 * 4; i += thread_count()) {
    const int64_t at = i / 4 * 64 + i % 4 * 4;
    Four<T> values[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) values[w].load(x, at + w * 16, n);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Words words = random_words(keys.k0, keys.k1, high, static_cast<uint64_t>(i * 4 + k));
#pragma unroll
      for (int w = 0; w < 4; ++w)
        values[w].v[k] =
            from_float<T>(words.v[w] >= keys.threshold ? to_float(values[w].v[k]) * keys.scale : 0.f);
    }
#pragma unroll
    for (int w = 0; w < 4; ++w) values[w].store(y, at + w * 16, n);
  }
}

void run_dropout(const Call& c, int, int64_t, float*) {
  const auto& a = *static_cast<const DropoutAttrs*>(c.attrs);
  const int64_t n = c.out[0].size();
  const Keys keys{static_cast<uint32_t>(c.seed), static_cast<uint32_t>(c.seed >> 32),
                  static_cast<uint32_t>(a.rate * 4294967296.0), static_cast<uint64_t>(a.stream),
                  static_cast<float>(1 / (1 - a.rate))};
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, dropout_kernel<T>, blocks_for(c, ceil_div(n, 64) * 4), kThreads, 0, data<T>(c.in[0]),
           data<T>(c.out[0]), data<int64_t>(c.in[1]), n, keys);
  });
}

}  // namespace

extern const Kernel dropout{&plan_nothing, &run_dropout};

}  // namespace dl::DL_ISA
