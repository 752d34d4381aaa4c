// Losses that compare x with t element by element, mean over all elements.
#include "kernels/cpu/rows.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;
constexpr int64_t kStretch = 4096;  // terms in float lanes; double beyond

// value: the loss of an element; slope: its derivative by x.
struct mse_fn {
  explicit mse_fn(const void*) {}
  DL_INLINE vf value(vf x, vf t) const { return (x - t) * (x - t); }
  DL_INLINE vf slope(vf x, vf t) const { return 2.f * (x - t); }
};
struct l1_fn {
  explicit l1_fn(const void*) {}
  DL_INLINE vf value(vf x, vf t) const { return math::abs(x - t); }
  DL_INLINE vf slope(vf x, vf t) const { return select(x > t, splat(1), select(x < t, splat(-1), vf{})); }
};
struct huber_fn {  // d^2 / 2 up to delta, delta (|d| - delta / 2) beyond
  float delta;
  explicit huber_fn(const void* a) : delta(static_cast<const HuberAttrs*>(a)->delta) {}
  DL_INLINE vf value(vf x, vf t) const {
    const vf d = math::abs(x - t);
    return select(d <= delta, 0.5f * d * d, delta * (d - 0.5f * delta));
  }
  DL_INLINE vf slope(vf x, vf t) const { return vmin(splat(delta), vmax(splat(-delta), x - t)); }
};
struct bce_with_logits_fn {  // w t softplus(-x) + (1 - t) softplus(x)
  float weight;
  explicit bce_with_logits_fn(const void* a) : weight(static_cast<const BceAttrs*>(a)->pos_weight) {}
  DL_INLINE vf value(vf x, vf t) const {
    const vf tail = math::log1p_unit(math::exp_neg(-math::abs(x)));
    return weight * t * (vmax(vf{}, -x) + tail) + (1.f - t) * (vmax(vf{}, x) + tail);
  }
  DL_INLINE vf slope(vf x, vf t) const {
    const vf s = math::sigmoid(x);
    return (1.f - t) * s - weight * t * (1.f - s);
  }
};

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
  const F f(c.attrs);
  const int64_t end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  double sum = 0;
  for (int64_t i = chunk * kChunk; i < end; i += kStretch) {
    const float *x = c.in[0].f() + i, *t = c.in[1].f() + i;
    sum += row_sum(
        end - i < kStretch ? end - i : kStretch, [&](int64_t j,
                                                     int64_t lanes) __attribute__((always_inline)) {
          return f.value(load_lanes(x + j, lanes), load_lanes(t + j, lanes));
        });
  }
  partial[chunk] = sum;
}

void plan_grad(const Call& c, Work& w) { w.chunks[0] = chunks_of(c); }

template <class F>
void run_grad(const Call& c, int, int64_t chunk, float*) {
  const F f(c.attrs);
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
