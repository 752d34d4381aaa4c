// Kernel of annealed_noise. The random word of element e is that of dropout (cuda/dropout.cu) for the same stream and step.
#include "kernels/cuda/philox.h"
#include "kernels/normal.h"
#include "kernels/optimizer_attrs.h"

namespace dl::DL_ISA {
namespace {

// A thread takes the four elements of a counter, 16 apart. x may be y.
template <class T>
__global__ void noise_kernel(const T* x, T* y, const int64_t* __restrict__ step, int64_t n, uint64_t seed,
                             AnnealedNoiseAttrs a) {
  __shared__ float deviation;
  if (threadIdx.x == 0)
    deviation = static_cast<float>(math::sqrt(a.variance / math::pow(static_cast<double>(*step), a.decay)));
  __syncthreads();
  const uint64_t high =
      static_cast<uint64_t>(a.stream) ^ (static_cast<uint64_t>(*step) * 0x9E3779B97F4A7C15ull);
  for (int64_t i = thread_index(); i < (n + 63) / 64 * 16; i += thread_count()) {
    const Words words = random_words(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), high,
                                     static_cast<uint64_t>(i));
    const int64_t at = i / 16 * 64 + i % 16;
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (at + w * 16 < n) {
        const float z = normal_quantile(static_cast<float>(words.v[w] >> 9));
        y[at + w * 16] = from_float<T>(fmaf(deviation, z, to_float(x[at + w * 16])));
      }
  }
}

void run_noise(const Call& c, int, int64_t, float*) {
  const int64_t n = c.out[0].size();
  with_float_type(c.out[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, noise_kernel<T>, blocks_for(c, ceil_div(n, 64) * 16), kThreads, 0, data<T>(c.in[0]),
           data<T>(c.out[0]), data<int64_t>(c.in[1]), n, c.seed,
           *static_cast<const AnnealedNoiseAttrs*>(c.attrs));
  });
}

}  // namespace

extern const Kernel annealed_noise{&plan_nothing, &run_noise};

}  // namespace dl::DL_ISA
