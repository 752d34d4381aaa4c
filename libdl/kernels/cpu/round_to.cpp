// round_to: f32 numbers as 16 bits would keep them.
#include "kernels/round_to.h"

#include "kernels/elementwise_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;

void plan_round_to(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

void run_round_to(const Call& c, int, int64_t chunk, float*) {
  const bool bf16 = static_cast<const RoundToAttrs*>(c.attrs)->to == Elem::bf16;
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  const float* x = c.in[0].f();
  float* y = c.out[0].f();
  if (bf16)
    for (int64_t i = chunk * kChunk; i < end; ++i) y[i] = rounded_to(x[i], true);
  else
    for (int64_t i = chunk * kChunk; i < end; ++i) y[i] = rounded_to(x[i], false);
}

}  // namespace

extern const Kernel round_to{&plan_round_to, &run_round_to};

}  // namespace dl::DL_ISA
