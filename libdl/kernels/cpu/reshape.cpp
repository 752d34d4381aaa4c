// reshape where it was not planned as a view: a copy.
#include "kernels/cpu/copy.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 1 << 17;  // bytes

void plan_reshape(const Call& c, Work& w) {
  w.chunks[0] = (c.out[0].size() * elem_size(c.out[0].type) + kChunk - 1) / kChunk;
}

void run_reshape(const Call& c, int, int64_t chunk, float*) {
  const int64_t n = c.out[0].size() * elem_size(c.out[0].type), at = chunk * kChunk;
  if (c.in[0].data == c.out[0].data) return;
  copy_bytes(bytes(c.out[0]) + at, bytes(c.in[0]) + at, n - at < kChunk ? n - at : kChunk);
}

}  // namespace

extern const Kernel reshape{&plan_reshape, &run_reshape};

}  // namespace dl::DL_ISA
