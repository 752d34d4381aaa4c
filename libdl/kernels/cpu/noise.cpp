// noise: of an element's random word alone (uniform), or of pairs of words by the method of Box and Muller (1958).
#include "kernels/cpu/math.h"
#include "kernels/cpu/philox.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // a multiple of 64

void plan_noise(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

// The upper 24 bits as a number in 0..1, 1 itself not reached.
DL_INLINE vf unit(vu word) {
  return __builtin_convertvector(reinterpret_cast<vi>(word >> 8), vf) * 5.9604644775390625e-8f;
}

// What the four words of DL_VLEN counters give.
DL_INLINE void draw(const Words& words, NoiseKind kind, vf (&y)[4]) {
  for (int w = 0; w < 4; w += 2) {
    const vf u = unit(words.v[w]), v = unit(words.v[w + 1]);
    y[w] = u;
    y[w + 1] = v;
    if (kind == NoiseKind::uniform) continue;
    const vf radius = math::sqrt(-2.f * math::log(1.f - u)), angle = 6.28318531f * v;
    y[w] = radius * math::cos(angle);
    y[w + 1] = radius * math::sin(angle);
  }
}

void run_noise(const Call& c, int, int64_t chunk, float*) {
  const auto& a = *static_cast<const NoiseAttrs*>(c.attrs);
  const uint64_t high =
      random_high(a.stream, static_cast<uint64_t>(static_cast<const int64_t*>(c.in[1].data)[0]));
  float* y = c.out[0].f();
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  for (int64_t group = chunk * kChunk; group < end; group += 64) {
    for (int64_t lane = 0; lane < 16; lane += DL_VLEN) {
      vf drawn[4];
      draw(random_words(c.seed, high, static_cast<uint64_t>(group / 4 + lane)), a.kind, drawn);
      for (int w = 0; w < 4; ++w) {
        const int64_t i = group + w * 16 + lane, left = end - i;
        if (left <= 0) break;
        if (left >= DL_VLEN)
          store(y + i, drawn[w]);
        else
          store_n(y + i, drawn[w], left);
      }
    }
  }
}

}  // namespace

extern const Kernel noise{&plan_noise, &run_noise};

}  // namespace dl::DL_ISA
