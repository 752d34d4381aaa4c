// Kernels of local_response_norm and its gradient (cpu/local_response_norm.cpp): a thread for each element; what a window
// reads again is found in the cache.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/math.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

struct Form {
  int64_t n, channels, inner;
  int64_t below, above;  // of a channel, in the window that it is divided by
  float alpha, beta, k;  // alpha over the size
};

Form form_of(const Call& c) {
  const auto& a = *static_cast<const LocalResponseNormAttrs*>(c.attrs);
  const Arg& x = c.in[0];
  return {x.size(),         x.dims[1],  x.size(2, x.rank),
          (a.size - 1) / 2, a.size / 2, a.alpha / static_cast<float>(a.size),
          a.beta,           a.k};
}

// The sum of f(index) over the channels from `down` below element i to `up` above.
template <class F>
__device__ __forceinline__ float window_sum(const Form& f, int64_t i, int64_t down, int64_t up, F term) {
  const int64_t channel = i / f.inner % f.channels;
  const int64_t from = channel > down ? -down : -channel;
  const int64_t to = channel + up < f.channels ? up : f.channels - 1 - channel;
  float sum = 0;
  for (int64_t j = from; j <= to; ++j) sum += term(i + j * f.inner);
  return sum;
}

__global__ void norm_kernel(const float* __restrict__ x, float* __restrict__ y, float* __restrict__ scale,
                            Form f) {
  for (int64_t i = thread_index(); i < f.n; i += thread_count()) {
    const float s =
        f.k + f.alpha * window_sum(f, i, f.below, f.above, [&](int64_t j) { return x[j] * x[j]; });
    scale[i] = s;
    y[i] = x[i] * math::exp(-f.beta * math::log(s));
  }
}

// dx and dy may not share memory: neighbours read dy.
__global__ void norm_grad_kernel(const float* __restrict__ x, const float* __restrict__ y,
                                 const float* __restrict__ scale, const float* __restrict__ dy,
                                 float* __restrict__ dx, Form f) {
  for (int64_t i = thread_index(); i < f.n; i += thread_count()) {
    const float sum = window_sum(f, i, f.above, f.below, [&](int64_t j) { return dy[j] * y[j] / scale[j]; });
    dx[i] = dy[i] * math::exp(-f.beta * math::log(scale[i])) - 2 * f.alpha * f.beta * x[i] * sum;
  }
}

// x -> y scale
void run(const Call& c, int, int64_t, float*) {
  const Form f = form_of(c);
  launch(c, norm_kernel, blocks_for(c, f.n), kThreads, 0, c.in[0].f(), c.out[0].f(), c.out[1].f(), f);
}

// x y scale dy -> dx
void run_grad(const Call& c, int, int64_t, float*) {
  const Form f = form_of(c);
  launch(c, norm_grad_kernel, blocks_for(c, f.n), kThreads, 0, c.in[0].f(), c.in[1].f(), c.in[2].f(),
         c.in[3].f(), c.out[0].f(), f);
}

}  // namespace

extern const Kernel local_response_norm{&plan_nothing, &run};
extern const Kernel local_response_norm_grad{&plan_nothing, &run_grad};

}  // namespace dl::DL_ISA
