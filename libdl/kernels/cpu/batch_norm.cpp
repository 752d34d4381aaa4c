// Batch norm over axis 1 of (N, C) or (N, C, d...). Work is cut by channels, so each channel's sums have one order:
// planes of one channel, or for (N, C) columns of DL_VLEN channels. Statistics take two passes, the second around the
// mean; sums run in float lanes over kStretch terms and in double beyond.
#include "kernels/cpu/rows.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kStretch = 4096;       // terms of a plane in float lanes
constexpr int64_t kColumnStretch = 128;  // terms of a column in float

struct Grid {
  int64_t batch, channels, plane;
  bool columns() const { return plane == 1; }
  int64_t units() const { return columns() ? (channels + DL_VLEN - 1) / DL_VLEN : channels; }
  int64_t lanes(int64_t unit) const {  // channels of a unit
    const int64_t left = channels - unit * DL_VLEN;
    return columns() ? left < DL_VLEN ? left : DL_VLEN : 1;
  }
  int64_t first(int64_t unit) const { return columns() ? unit * DL_VLEN : unit; }
  double terms() const { return static_cast<double>(batch * plane); }
};
Grid grid_of(const Arg& x) { return {x.dims[0], x.dims[1], x.size(2, x.rank)}; }

void plan_channels(const Call& c, Work& w) { w.chunks[0] = grid_of(c.in[0]).units(); }

// Sums of two functions over the terms of one unit. f(offset, channel lanes or valid lanes, a, b) adds to a and b.
struct Sums {
  double a[DL_VLEN] = {}, b[DL_VLEN] = {};
};
template <class F>
DL_INLINE Sums channel_sums(const Grid& g, int64_t unit, F f) {
  Sums s;
  vf a = {}, b = {};
  if (g.columns()) {
    const int64_t lanes = g.lanes(unit);
    for (int64_t n = 0; n < g.batch; ++n) {
      f(n * g.channels + unit * DL_VLEN, lanes, a, b);
      if ((n + 1) % kColumnStretch && n + 1 < g.batch) continue;
      for (int64_t l = 0; l < lanes; ++l)
        s.a[l] += static_cast<double>(a[l]), s.b[l] += static_cast<double>(b[l]);
      a = b = vf{};
    }
    return s;
  }
  int64_t held = 0;
  for (int64_t n = 0; n < g.batch; ++n) {
    const int64_t at = (n * g.channels + unit) * g.plane;
    for (int64_t from = 0; from < g.plane; from += kStretch) {
      const int64_t to = from + kStretch < g.plane ? from + kStretch : g.plane;
      int64_t j = from;
      for (; j + DL_VLEN <= to; j += DL_VLEN) f(at + j, DL_VLEN, a, b);
      if (j < to) f(at + j, to - j, a, b);
      held += to - from;
      if (held < kStretch) continue;
      s.a[0] += hsum(a), s.b[0] += hsum(b);
      a = b = vf{};
      held = 0;
    }
  }
  s.a[0] += hsum(a), s.b[0] += hsum(b);
  return s;
}

// Calls f(offset, lanes) for every vector of a unit.
template <class F>
DL_INLINE void each_vector(const Grid& g, int64_t unit, F f) {
  for (int64_t n = 0; n < g.batch; ++n) {
    if (g.columns()) {
      f(n * g.channels + unit * DL_VLEN, g.lanes(unit));
      continue;
    }
    const int64_t at = (n * g.channels + unit) * g.plane;
    row_each(
        g.plane, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) { f(at + j, lanes); });
  }
}

// A value of each channel of a unit: along the lanes for columns, else the same in all.
DL_INLINE vf per_channel(const Grid& g, int64_t unit, const float* p) {
  return g.columns() ? load_lanes(p + g.first(unit), g.lanes(unit)) : splat(p[unit]);
}

// x gamma beta running_mean running_var -> y mean rstd new_running_mean new_running_var
void run_train(const Call& c, int, int64_t unit, float*) {
  const auto& attrs = *static_cast<const BatchNormAttrs*>(c.attrs);
  const Grid g = grid_of(c.in[0]);
  const float* x = c.in[0].f();
  float *y = c.out[0].f(), *mean = c.out[1].f(), *rstd = c.out[2].f();
  const int64_t first = g.first(unit), lanes = g.lanes(unit);
  const double terms = g.terms();
  const Sums sums = channel_sums(
      g, unit, [&](int64_t at, int64_t n, vf & a, vf&) __attribute__((always_inline)) {
        a += load_lanes(x + at, n);
      });
  for (int64_t l = 0; l < lanes; ++l) mean[first + l] = static_cast<float>(sums.a[l] / terms);
  const vf centre = per_channel(g, unit, mean);
  const Sums around = channel_sums(
      g, unit, [&](int64_t at, int64_t n, vf & a, vf & b) __attribute__((always_inline)) {
        vf d = load_lanes(x + at, n) - centre;
        if (n < DL_VLEN) d = select(lanes_below(n), d, vf{});
        a += d;
        b = fma(d, d, b);
      });
  for (int64_t l = 0; l < lanes; ++l) {
    const double rest = around.a[l] / terms;  // what rounding the mean to float left over
    const double var = around.b[l] / terms - rest * rest,
                 unbiased = terms > 1 ? var * terms / (terms - 1) : var;
    rstd[first + l] = static_cast<float>(1 / __builtin_sqrt((var > 0 ? var : 0) + attrs.epsilon));
    const double m = attrs.momentum, old_mean = c.in[3].f()[first + l], old_var = c.in[4].f()[first + l];
    c.out[3].f()[first + l] = static_cast<float>((1 - m) * old_mean + m * (sums.a[l] / terms));
    c.out[4].f()[first + l] = static_cast<float>((1 - m) * old_var + m * unbiased);
  }
  const vf factor = per_channel(g, unit, rstd) * per_channel(g, unit, c.in[1].f()),
           shift = per_channel(g, unit, c.in[2].f());
  each_vector(
      g, unit, [&](int64_t at, int64_t n) __attribute__((always_inline)) {
        store_lanes(y + at, fma(load_lanes(x + at, n) - centre, factor, shift), n);
      });
}

// x dy gamma mean rstd -> dx dgamma dbeta; with xh = (x - mean) rstd and M terms:
// dbeta = sum dy, dgamma = sum dy xh, dx = gamma rstd (dy - dbeta / M - xh dgamma / M).
void run_grad(const Call& c, int, int64_t unit, float*) {
  const Grid g = grid_of(c.in[0]);
  const float *x = c.in[0].f(), *dy = c.in[1].f();
  float* dx = c.out[0].f();
  const vf mean = per_channel(g, unit, c.in[3].f()), rstd = per_channel(g, unit, c.in[4].f());
  const Sums sums = channel_sums(
      g, unit, [&](int64_t at, int64_t n, vf & a, vf & b) __attribute__((always_inline)) {
        const vf d = load_lanes(dy + at, n);
        a += d;
        b = fma(d, (load_lanes(x + at, n) - mean) * rstd, b);
      });
  const int64_t first = g.first(unit), lanes = g.lanes(unit);
  for (int64_t l = 0; l < lanes; ++l) {
    c.out[1].f()[first + l] = static_cast<float>(sums.b[l]);
    c.out[2].f()[first + l] = static_cast<float>(sums.a[l]);
  }
  const float share = static_cast<float>(1 / g.terms());
  const vf db = per_channel(g, unit, c.out[2].f()) * share,
           dg = per_channel(g, unit, c.out[1].f()) * share * rstd;
  const vf factor = per_channel(g, unit, c.in[2].f()) * rstd;
  each_vector(
      g, unit, [&](int64_t at, int64_t n) __attribute__((always_inline)) {
        const vf d = load_lanes(dy + at, n) - db - (load_lanes(x + at, n) - mean) * dg;
        store_lanes(dx + at, factor * d, n);
      });
}

// x gamma beta mean var -> y. Phase 0 makes gamma / sqrt(var + epsilon), phase 1 goes by groups of samples.
int64_t samples_per_chunk(const Grid& g) {
  const int64_t size = g.channels * g.plane;
  return size < 16384 ? 16384 / (size > 0 ? size : 1) : 1;
}

void plan_inference(const Call& c, Work& w) {
  const Grid g = grid_of(c.in[0]);
  w.phases = 2;
  w.shared = g.channels;
  w.chunks[1] = (g.batch + samples_per_chunk(g) - 1) / samples_per_chunk(g);
}

void run_inference(const Call& c, int phase, int64_t chunk, float*) {
  const Grid g = grid_of(c.in[0]);
  if (phase == 0) {
    const float eps = static_cast<float>(static_cast<const BatchNormInferenceAttrs*>(c.attrs)->epsilon);
    row_each(g.channels, [&](int64_t j, int64_t n) {
      store_lanes(c.shared + j, load_lanes(c.in[1].f() + j, n) / vsqrt(load_lanes(c.in[4].f() + j, n) + eps),
                  n);
    });
    return;
  }
  const float *x = c.in[0].f(), *beta = c.in[2].f(), *mean = c.in[3].f(), *factor = c.shared;
  float* y = c.out[0].f();
  const int64_t group = samples_per_chunk(g);
  for (int64_t s = chunk * group; s < g.batch && s < (chunk + 1) * group; ++s) {
    if (g.columns()) {
      const int64_t at = s * g.channels;
      row_each(
          g.channels, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
            const vf d = load_lanes(x + at + j, n) - load_lanes(mean + j, n);
            store_lanes(y + at + j, fma(d, load_lanes(factor + j, n), load_lanes(beta + j, n)), n);
          });
      continue;
    }
    for (int64_t k = 0; k < g.channels; ++k) {
      const int64_t at = (s * g.channels + k) * g.plane;
      const vf m = splat(mean[k]), f = splat(factor[k]), b = splat(beta[k]);
      row_each(
          g.plane, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
            store_lanes(y + at + j, fma(load_lanes(x + at + j, n) - m, f, b), n);
          });
    }
  }
}

}  // namespace

extern const Kernel batch_norm{&plan_channels, &run_train};
extern const Kernel batch_norm_grad{&plan_channels, &run_grad};
extern const Kernel batch_norm_inference{&plan_inference, &run_inference};

}  // namespace dl::DL_ISA
