// dropout.
#include "kernels/cpu/philox.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // a multiple of 64

void plan_dropout(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

void run_dropout(const Call& c, int, int64_t chunk, float*) {
  const auto& a = *static_cast<const DropoutAttrs*>(c.attrs);
  const auto step = static_cast<uint64_t>(static_cast<const int64_t*>(c.in[1].data)[0]);
  const uint64_t high = random_high(a.stream, step);
  const auto threshold = static_cast<uint32_t>(a.rate * 4294967296.0);
  const float scale = static_cast<float>(1 / (1 - a.rate));
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  for (int64_t group = chunk * kChunk; group < end; group += 64) {
    for (int64_t lane = 0; lane < 16; lane += DL_VLEN) {
      const Words words = random_words(c.seed, high, static_cast<uint64_t>(group / 4 + lane));
      for (int w = 0; w < 4; ++w) {
        const int64_t i = group + w * 16 + lane, left = end - i;
        if (left <= 0) break;
        const vi keep = words.v[w] >= threshold;
        if (left >= DL_VLEN)
          store(y + i, select(keep, load(x + i) * scale, vf{}));
        else
          store_n(y + i, select(keep, load_n(x + i, left) * scale, vf{}), left);
      }
    }
  }
}

}  // namespace

extern const Kernel dropout{&plan_dropout, &run_dropout};

}  // namespace dl::DL_ISA
