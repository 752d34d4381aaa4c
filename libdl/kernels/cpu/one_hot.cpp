// one_hot: (N, ...) labels to (N, classes, ...).
#include "kernels/elementwise_attrs.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {
namespace {

// Samples of a chunk.
int64_t group_of(const Arg& y) {
  const int64_t each = y.size(1, y.rank);
  return each > 0 && each < 16384 ? 16384 / each : 1;
}

void plan_one_hot(const Call& c, Work& w) {
  const int64_t group = group_of(c.out[0]);
  w.chunks[0] = (c.out[0].dims[0] + group - 1) / group;
}

template <class T>
void fill(const T* labels, float* y, int64_t classes, int64_t inner) {
  __builtin_memset(y, 0, sizeof(float) * static_cast<uint64_t>(classes * inner));
  for (int64_t i = 0; i < inner; ++i)
    if (labels[i] >= 0 && labels[i] < classes) y[labels[i] * inner + i] = 1;
}

void run_one_hot(const Call& c, int, int64_t chunk, float*) {
  const Arg &labels = c.in[0], &y = c.out[0];
  const int64_t classes = y.dims[1], inner = y.size(2, y.rank), group = group_of(y);
  for (int64_t n = chunk * group; n < y.dims[0] && n < (chunk + 1) * group; ++n) {
    float* to = y.f() + n * classes * inner;
    if (labels.type == Elem::u8)
      fill(static_cast<const uint8_t*>(labels.data) + n * inner, to, classes, inner);
    else
      fill(labels.i() + n * inner, to, classes, inner);
  }
}

}  // namespace

extern const Kernel one_hot{&plan_one_hot, &run_one_hot};

}  // namespace dl::DL_ISA
