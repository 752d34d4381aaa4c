// Kernel of one_hot: a thread for each element of the result.
#include "kernels/cuda/launch.h"
#include "kernels/elementwise_attrs.h"

namespace dl::DL_ISA {
namespace {

template <class T>
__global__ void one_hot_kernel(const T* __restrict__ labels, float* __restrict__ y, int64_t n,
                               int64_t classes, int64_t inner) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t row = i / inner, sample = row / classes;
    y[i] = labels[sample * inner + (i - row * inner)] == row - sample * classes ? 1.f : 0.f;
  }
}

void run_one_hot(const Call& c, int, int64_t, float*) {
  const Arg& y = c.out[0];
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    launch(c, one_hot_kernel<T>, blocks_for(c, y.size()), kThreads, 0, data<T>(c.in[0]), y.f(), y.size(),
           y.dims[1], y.size(2, y.rank));
  };
  if (c.in[0].type == Elem::u8)
    run(uint8_t{});
  else
    run(int32_t{});
}

}  // namespace

extern const Kernel one_hot{&plan_nothing, &run_one_hot};

}  // namespace dl::DL_ISA
