// Losses that compare x with t element by element, mean over all elements.
#include "kernels/cpu/rows.h"
#include "kernels/pair_losses.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;

int64_t chunks_of(const Call& c) { return (c.in[0].size() + kChunk - 1) / kChunk; }

void plan_loss(const Call& c, Work& w) {
  w.phases = 2;
  w.chunks[0] = chunks_of(c);
  w.shared = 2 * chunks_of(c);
}

template <class F>
void run_loss(const Call& c, int phase, int64_t chunk, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  const int64_t n = c.in[0].size();
  if (phase == 1) {
    double sum = 0;
    for (int64_t k = 0; k < chunks_of(c); ++k) sum += partial[k];
    c.out[0].f()[0] = static_cast<float>(n > 0 ? sum / static_cast<double>(n) : 0);
    return;
  }
  const F f = make_fn<F>(c.attrs);
  const int64_t end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  const float *x = c.in[0].f() + chunk * kChunk, *t = c.in[1].f() + chunk * kChunk;
  partial[chunk] = long_row_sum(
      end - chunk * kChunk, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        return f.value(load_lanes(x + j, lanes), load_lanes(t + j, lanes));
      });
}

void plan_grad(const Call& c, Work& w) { w.chunks[0] = chunks_of(c); }

template <class F>
void run_grad(const Call& c, int, int64_t chunk, float*) {
  const F f = make_fn<F>(c.attrs);
  const int64_t n = c.in[0].size(), i = chunk * kChunk, end = i + kChunk < n ? i + kChunk : n;
  const float *x = c.in[0].f() + i, *t = c.in[1].f() + i;
  float* dx = c.out[0].f() + i;
  const float scale = static_cast<float>(static_cast<double>(c.in[2].f()[0]) / static_cast<double>(n));
  row_each(
      end - i, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        store_lanes(dx + j, scale * f.slope(load_lanes(x + j, lanes), load_lanes(t + j, lanes)), lanes);
      });
}

}  // namespace

#define DL_OP(name)
#define DL_LOSS(name)                                         \
  extern const Kernel name{&plan_loss, &run_loss<name##_fn>}; \
  extern const Kernel name##_grad{&plan_grad, &run_grad<name##_fn>};
#include "kernels/ops.def"

}  // namespace dl::DL_ISA
