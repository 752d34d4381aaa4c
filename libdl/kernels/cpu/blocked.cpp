// Images into the blocked form and back.
#include "kernels/blocked.h"

#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {
namespace {

// A chunk is one block of channels of one image.
void plan_to(const Call& c, Work& w) { w.chunks[0] = c.out[0].dims[0] * c.out[0].dims[1]; }
void run_to(const Call& c, int, int64_t chunk, float*) {
  const Arg &x = c.in[0], &y = c.out[0];
  const int64_t pixels = y.dims[2] * y.dims[3], image = chunk / y.dims[1],
                first = chunk % y.dims[1] * kChannelBlock;
  const int64_t channels = x.dims[1] - first < kChannelBlock ? x.dims[1] - first : kChannelBlock;
  const float* from = x.f() + (image * x.dims[1] + first) * pixels;
  float* to = y.f() + chunk * pixels * kChannelBlock;
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t k = 0; k < kChannelBlock; ++k)
      to[i * kChannelBlock + k] = k < channels ? from[k * pixels + i] : 0;
}

void plan_from(const Call& c, Work& w) { w.chunks[0] = c.in[0].dims[0] * c.in[0].dims[1]; }
void run_from(const Call& c, int, int64_t chunk, float*) {
  const Arg &x = c.in[0], &y = c.out[0];
  const int64_t pixels = x.dims[2] * x.dims[3], image = chunk / x.dims[1],
                first = chunk % x.dims[1] * kChannelBlock;
  const int64_t channels = y.dims[1] - first < kChannelBlock ? y.dims[1] - first : kChannelBlock;
  const float* from = x.f() + chunk * pixels * kChannelBlock;
  float* to = y.f() + (image * y.dims[1] + first) * pixels;
  for (int64_t k = 0; k < channels; ++k)
    for (int64_t i = 0; i < pixels; ++i) to[k * pixels + i] = from[i * kChannelBlock + k];
}

}  // namespace

extern const Kernel to_blocked{&plan_to, &run_to};
extern const Kernel from_blocked{&plan_from, &run_from};

}  // namespace dl::DL_ISA
