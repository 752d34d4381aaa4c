// annealed_noise. The random word of element e is that of dropout (cpu/dropout.cpp) for the same stream and step.
#include "kernels/cpu/philox.h"
#include "kernels/kernel.h"
#include "kernels/normal.h"
#include "kernels/optimizer_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // a multiple of 64

void plan_noise(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

void run_noise(const Call& c, int, int64_t chunk, float*) {
  const auto& a = *static_cast<const AnnealedNoiseAttrs*>(c.attrs);
  const int64_t step = static_cast<const int64_t*>(c.in[1].data)[0];
  const uint64_t high =
      static_cast<uint64_t>(a.stream) ^ (static_cast<uint64_t>(step) * 0x9E3779B97F4A7C15ull);
  const vf deviation =
      splat(static_cast<float>(math::sqrt(a.variance / math::pow(static_cast<double>(step), a.decay))));
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  for (int64_t group = chunk * kChunk; group < end; group += 64) {
    for (int64_t lane = 0; lane < 16; lane += DL_VLEN) {
      const Words words = random_words(c.seed, high, static_cast<uint64_t>(group / 4 + lane));
      for (int w = 0; w < 4; ++w) {
        const int64_t i = group + w * 16 + lane, left = end - i;
        if (left <= 0) break;
        const vf z = normal_quantile(__builtin_convertvector(reinterpret_cast<vi>(words.v[w] >> 9), vf));
        if (left >= DL_VLEN)
          store(y + i, fma(deviation, z, load(x + i)));
        else
          store_n(y + i, fma(deviation, z, load_n(x + i, left)), left);
      }
    }
  }
}

}  // namespace

extern const Kernel annealed_noise{&plan_noise, &run_noise};

}  // namespace dl::DL_ISA
