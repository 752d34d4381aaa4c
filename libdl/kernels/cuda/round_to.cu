// round_to: f32 numbers as 16 bits would keep them.
#include "kernels/round_to.h"

#include "kernels/cuda/launch.h"
#include "kernels/elementwise_attrs.h"

namespace dl::DL_ISA {
namespace {

__global__ void round_kernel(const float* x, float* y, int64_t n, bool bf16) {
  for (int64_t i = thread_index(); i < n / 4; i += thread_count()) {
    Pack<float> v = load_pack(x + i * 4);
#pragma unroll
    for (int k = 0; k < 4; ++k) v.v[k] = rounded_to(v.v[k], bf16);
    store_pack(y + i * 4, v);
  }
  for (int64_t i = n / 4 * 4 + thread_index(); i < n; i += thread_count()) y[i] = rounded_to(x[i], bf16);
}

void run_round_to(const Call& c, int, int64_t, float*) {
  const int64_t n = c.out[0].size();
  launch(c, round_kernel, blocks_for(c, ceil_div(n, 4)), kThreads, 0, c.in[0].f(), c.out[0].f(), n,
         static_cast<const RoundToAttrs*>(c.attrs)->to == Elem::bf16);
}

}  // namespace

extern const Kernel round_to{&plan_nothing, &run_round_to};

}  // namespace dl::DL_ISA
