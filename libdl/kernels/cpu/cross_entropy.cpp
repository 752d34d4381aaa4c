// Cross entropy of logits (N, C, d...) with labels (N, d...), mean over the labels that count:
//   loss_i = (1 - s) w_y (lse - x_y) + s / C sum_c w_c (lse - x_c),   loss = sum loss_i / sum w_y
// with smoothing s, class weights w, lse = log sum e^x. The gradient of x is
//   dloss / sum w_y ((a p_c) - (1 - s) w_y [c = y] - s / C w_c),   a = (1 - s) w_y + s / C sum_c w_c.
// Labels outside 0..C-1 count as ignored.
#include "kernels/cpu/rows.h"
#include "kernels/loss_attrs.h"

namespace dl::DL_ISA {
namespace {

const CrossEntropyAttrs& attrs_of(const Call& c) { return *static_cast<const CrossEntropyAttrs*>(c.attrs); }

struct Target {
  const Arg* labels;
  const float* weight;  // (C), null: all 1
  int64_t classes, ignore;
  float hard, soft;  // 1 - s, s / C
  float weight_sum;  // sum_c w_c

  // -1 where the label does not count.
  int64_t label(int64_t i) const {
    const int64_t y = labels->type == Elem::u8 ? static_cast<const uint8_t*>(labels->data)[i]
                                               : static_cast<const int32_t*>(labels->data)[i];
    return y == ignore || y < 0 || y >= classes ? -1 : y;
  }
  float of(int64_t y) const { return y < 0 ? 0 : weight ? weight[y] : 1; }
  float each(int64_t k) const { return weight ? weight[k] : 1; }
};

Target target_of(const Call& c, const Arg& labels, const Arg* weight) {
  const CrossEntropyAttrs& a = attrs_of(c);
  Target t{
      &labels, weight && weight->present() ? weight->f() : nullptr, c.in[0].dims[1], a.ignore_index, 0, 0, 0};
  t.hard = 1 - a.label_smoothing;
  t.soft = a.label_smoothing / static_cast<float>(t.classes);
  t.weight_sum = static_cast<float>(t.classes);
  if (t.weight && t.soft > 0) {
    double sum = 0;
    for (int64_t k = 0; k < t.classes; ++k) sum += t.weight[k];
    t.weight_sum = static_cast<float>(sum);
  }
  return t;
}

void plan_loss(const Call& c, Work& w) {
  const Split s = split_at(c.in[0], 1);
  w.phases = 2;
  w.chunks[0] = s.chunks;
  w.shared = 4 * s.chunks;  // two doubles for each chunk: sum of losses, sum of weights
}

// Loss of label i, whose logits lie `stride` apart from x on.
double one_loss(const Target& t, int64_t i, const float* x, int64_t stride, float max, float log_sum,
                double& weights) {
  const int64_t y = t.label(i);
  if (y < 0) return 0;
  const float w = t.of(y);
  weights += w;
  double loss = static_cast<double>(t.hard * w) * ((max - x[y * stride]) + log_sum);
  if (t.soft > 0) {
    double rest = 0;
    for (int64_t k = 0; k < t.classes; ++k)
      rest += static_cast<double>(t.each(k)) * ((max - x[k * stride]) + log_sum);
    loss += t.soft * rest;
  }
  return loss;
}

void run_loss(const Call& c, int phase, int64_t chunk, float*) {
  const Split s = split_at(c.in[0], 1);
  double* partial = reinterpret_cast<double*>(c.shared);
  if (phase == 1) {
    double loss = 0, weights = 0;
    for (int64_t k = 0; k < s.chunks; ++k) loss += partial[2 * k], weights += partial[2 * k + 1];
    c.out[0].f()[0] = static_cast<float>(weights > 0 ? loss / weights : 0);
    c.out[2].f()[0] = static_cast<float>(weights);
    return;
  }
  const Target t = target_of(c, c.in[1], c.n_in > 2 ? &c.in[2] : nullptr);
  float* lse = c.out[1].f();
  double loss = 0, weights = 0;
  for (int64_t u = chunk * s.group; u < s.units && u < (chunk + 1) * s.group; ++u) {
    if (s.inner == 1) {
      const float* x = c.in[0].f() + u * s.n;
      const float m = row_max(x, s.n);
      const float log_sum = log_of(row_sum(
          s.n, [=](int64_t j, int64_t lanes)
                   __attribute__((always_inline)) { return math::exp_neg(load_lanes(x + j, lanes) - m); }));
      lse[u] = m + log_sum;
      loss += one_loss(t, u, x, 1, m, log_sum, weights);
      continue;
    }
    const int64_t o = u / s.blocks, j = u % s.blocks * DL_VLEN, left = s.inner - j,
                  lanes = left < DL_VLEN ? left : DL_VLEN;
    const float* x = c.in[0].f() + o * s.n * s.inner + j;
    vf m = splat(-__builtin_inff()), sum = {};
    for (int64_t k = 0; k < s.n; ++k) m = vmax(m, load_lanes(x + k * s.inner, lanes));
    for (int64_t k = 0; k < s.n; ++k) sum += math::exp_neg(load_lanes(x + k * s.inner, lanes) - m);
    const vf log_sum = math::log(sum);
    store_lanes(lse + o * s.inner + j, m + log_sum, lanes);
    for (int64_t l = 0; l < lanes; ++l)
      loss += one_loss(t, o * s.inner + j + l, x + l, s.inner, m[l], log_sum[l], weights);
  }
  partial[2 * chunk] = loss;
  partial[2 * chunk + 1] = weights;
}

void plan_grad(const Call& c, Work& w) { w.chunks[0] = split_at(c.in[0], 1).chunks; }

// Inputs: logits, labels, lse, weights (their sum), dloss, class weights.
void run_grad(const Call& c, int, int64_t chunk, float*) {
  const Split s = split_at(c.in[0], 1);
  const Target t = target_of(c, c.in[1], c.n_in > 5 ? &c.in[5] : nullptr);
  const float* lse = c.in[2].f();
  const float total = c.in[3].f()[0], scale = total > 0 ? c.in[4].f()[0] / total : 0;
  for (int64_t u = chunk * s.group; u < s.units && u < (chunk + 1) * s.group; ++u) {
    const int64_t o = u / s.blocks, j = s.inner == 1 ? 0 : u % s.blocks * DL_VLEN;
    const int64_t left = s.inner - j, count = left < DL_VLEN ? left : DL_VLEN;  // labels of this unit
    const float* x = c.in[0].f() + o * s.n * s.inner + j;
    float* dx = c.out[0].f() + o * s.n * s.inner + j;
    vf a = {}, used = {};
    for (int64_t l = 0; l < count; ++l) {
      const int64_t y = t.label(o * s.inner + j + l);
      used[l] = y < 0 ? 0 : scale;
      a[l] = y < 0 ? 0 : scale * (t.hard * t.of(y) + t.soft * t.weight_sum);
    }
    if (s.inner == 1) {
      const float a0 = a[0], soft = used[0] * t.soft, shift = lse[o];
      row_each(s.n, [&](int64_t k, int64_t lanes) {
        vf d = a0 * math::exp_neg(load_lanes(x + k, lanes) - shift);
        if (t.soft > 0) d -= t.weight ? soft * load_lanes(t.weight + k, lanes) : splat(soft);
        store_lanes(dx + k, d, lanes);
      });
    } else {
      const vf shift = load_lanes(lse + o * s.inner + j, count);
      for (int64_t k = 0; k < s.n; ++k) {
        const vf p = math::exp_neg(load_lanes(x + k * s.inner, count) - shift);
        store_lanes(dx + k * s.inner, a * p - used * (t.soft * t.each(k)), count);
      }
    }
    for (int64_t l = 0; l < count; ++l) {
      const int64_t y = t.label(o * s.inner + j + l);
      if (y >= 0) dx[y * s.inner + l] -= scale * t.hard * t.of(y);
    }
  }
}

}  // namespace

extern const Kernel cross_entropy{&plan_loss, &run_loss};
extern const Kernel cross_entropy_grad{&plan_grad, &run_grad};

}  // namespace dl::DL_ISA
