// Batch norm over axis 1 of (N, C), (N, C, d...) or of the blocked form. Three phases: sums over pieces of the batch,
// their merging, one more pass over the tensors. Sums run in float lanes over short stretches and in double beyond.
#include "kernels/cpu/batch_norm.h"
#include "kernels/cpu/stream.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kMergeChunk = 64;  // channels: whole units of any width
static_assert(kMergeChunk % kGroup == 0);

template <class A>
const A& attrs_of(const Call& c) {
  return *static_cast<const A*>(c.attrs);
}
template <class A>
bool has_activation(const Call& c) {
  return attrs_of<A>(c).activation != NormActivation::none;
}
template <class A>
vf upper_end(const Call& c) {  // of the activation
  return splat(attrs_of<A>(c).activation == NormActivation::relu6 ? 6.f : __builtin_inff());
}

void plan_sums(const NormForm& f, int64_t sums, Work& w) {
  const NormSums cut(f);
  w.phases = 3;
  w.shared = 2 * cut.pieces * f.units * sums * f.width;
  w.chunks[0] = cut.chunks();
  w.chunks[1] = (f.channels + kMergeChunk - 1) / kMergeChunk;
  w.chunks[2] = NormWalk(f).chunks();
}

double* sums_of(const Call& c, const NormForm& f, int64_t sums, int64_t piece, int64_t unit) {
  return reinterpret_cast<double*>(c.shared) + (piece * f.units + unit) * sums * f.width;
}

// Calls body(unit, first image, end of images, sums, fresh) for all of a chunk; fresh sums are zero.
template <class F>
DL_INLINE void each_unit(const Call& c, const NormForm& f, int64_t sums, int64_t chunk, F body) {
  const NormSums cut(f);
  const int64_t piece = chunk / cut.groups, first = chunk % cut.groups * cut.per_chunk;
  const int64_t end = first + cut.per_chunk < f.units ? first + cut.per_chunk : f.units;
  const int64_t from = cut.first_image(f, piece), to = cut.first_image(f, piece + 1);
  double* p = sums_of(c, f, sums, piece, first);
  const int64_t step = sums * f.width;
  for (int64_t i = 0; i < (end - first) * step; ++i) p[i] = 0;
  const int64_t at_once = cut.image_by_image ? 1 : to - from;
  for (int64_t n = from; n < to; n += at_once)
    for (int64_t unit = first; unit < end; ++unit)
      body(unit, n, n + at_once, p + (unit - first) * step, n == from);
}

// ---- Statistics: for every channel a centre near its mean, and the sums of x - centre and of its square. The centre
// of a stretch is the mean of its first values: that bounds the cancellation by the terms of a stretch. ----

constexpr int64_t kStatistics = 3;

// k = means of the first few of n floats, for the channels of a unit.
void centre_of(const NormForm& f, int64_t unit, const float* x, int64_t n, float* k) {
  const int64_t few = n < 8 * kGroup ? n : 8 * kGroup;
  vf s[4] = {};
  each_group(
      few, [&](int64_t j, int u, int64_t lanes)
               __attribute__((always_inline)) { s[u] += load_lanes(x + j, lanes); });
  add_lanes(f, s, k);
  const float share = 1.f / static_cast<float>(few / f.spread(unit));
  for (int64_t l = 0; l < f.width; ++l) k[l] *= share;
}

void add_statistics(const NormForm& f, const NormLanes& s, const vf (&centre)[4], double terms, bool fresh,
                    double* p) {
  float k[kGroup], sum[kGroup], squares[kGroup];
  add_lanes(f, s.a, sum);
  add_lanes(f, s.b, squares);
  for (int u = 0; u < 4; ++u) store(k + u * DL_VLEN, centre[u]);
  const int64_t width = f.width;
  double *pk = p, *ps = p + width, *pq = p + 2 * width;
  for (int64_t l = 0; fresh && l < width; ++l) pk[l] = static_cast<double>(k[l]);
  for (int64_t l = 0; l < width; ++l) {
    const double d = static_cast<double>(k[l]) - pk[l], part = static_cast<double>(sum[l]);
    ps[l] += part + terms * d;
    pq[l] += static_cast<double>(squares[l]) + d * (2 * part + terms * d);
  }
}

void run_statistics(const Call& c, const NormForm& f, int64_t chunk) {
  const float* x = c.in[0].f();
  each_unit(c, f, kStatistics, chunk, [&](int64_t unit, int64_t from, int64_t to, double* p, bool fresh) {
    vf centre[4];
    add_up(
        f, unit, from, to,
        [&](int64_t at, int64_t n) __attribute__((always_inline)) {
          float k[kGroup];
          centre_of(f, unit, x + at, n, k);
          for (int64_t u = 0; u < 4; ++u) centre[u] = f.width == 1 ? splat(*k) : load(k + f.lane(u));
        },
        [&](int64_t at, int u, int64_t lanes, NormLanes& s) __attribute__((always_inline)) {
          vf d = load_lanes(x + at, lanes) - centre[u];
          if (lanes < DL_VLEN) d = select(lanes_below(lanes), d, vf{});
          s.a[u] += d;
          s.b[u] = fma(d, d, s.b[u]);
        },
        [&](const NormLanes& s, double terms) __attribute__((always_inline)) {
          add_statistics(f, s, centre, terms, fresh, p);
          fresh = false;
        });
  });
}

struct Moments {  // of a chunk of channels
  double mean[kMergeChunk], var[kMergeChunk];
};
void merge_statistics(const Call& c, const NormForm& f, int64_t chunk, Moments& m) {
  const NormSums cut(f);
  const int64_t first = chunk * (kMergeChunk / f.width), last = first + kMergeChunk / f.width,
                end = last < f.units ? last : f.units;
  double centre[kMergeChunk], sum[kMergeChunk] = {}, squares[kMergeChunk] = {};
  for (int64_t i = 0; i < cut.pieces; ++i) {
    const auto terms = static_cast<double>(f.terms(cut.first_image(f, i + 1) - cut.first_image(f, i)));
    for (int64_t unit = first, k = 0; unit < end; ++unit) {
      const double* p = sums_of(c, f, kStatistics, i, unit);
      for (int64_t l = 0; l < f.width; ++l, ++k) {
        if (i == 0) centre[k] = p[l];
        const double d = p[l] - centre[k], part = p[f.width + l];
        sum[k] += part + terms * d;
        squares[k] += p[2 * f.width + l] + d * (2 * part + terms * d);
      }
    }
  }
  const auto terms = static_cast<double>(f.terms(f.images));
  for (int64_t k = 0; k < (end - first) * f.width; ++k) {
    const double shift = sum[k] / terms, var = squares[k] / terms - shift * shift;
    m.mean[k] = centre[k] + shift;
    m.var[k] = var < 0 ? 0 : var;
  }
}

// ---- y = act((x - mean) factor + shift + r). The gradient repeats this formula, to the bit. ----

struct NormChannels {
  OfGroup mean, factor, shift, mask;
  vf high;  // end of the activation
  DL_INLINE vf operator()(vf x, int u) const { return fma(x - mean.v[u], factor.v[u], shift.v[u]); }
};
// gamma rstd
OfGroup scale_of(const NormForm& f, int64_t unit, const float* gamma, const float* rstd) {
  OfGroup g = channel_values(f, unit, gamma);
  const OfGroup r = channel_values(f, unit, rstd);
  for (int u = 0; u < 4; ++u) g.v[u] *= r.v[u];
  return g;
}

template <bool kResidual, bool kStream>
void normalise(const NormChannels& p, const float* x, const float* r, float* y, int64_t n, float least) {
  const vf low = splat(least);
  each_group(
      n, [&](int64_t i, int u, int64_t lanes) __attribute__((always_inline)) {
        vf v = p(load_lanes(x + i, lanes), u);
        if constexpr (kResidual) v += load_lanes(r + i, lanes);
        v = masked(vmin(p.high, vmax(low, v)), p.mask.v[u]);
        if (kStream && lanes == DL_VLEN)
          store_stream(y + i, v);
        else
          store_lanes(y + i, v, lanes);
      });
}

// channels(unit) gives NormChannels; r is input 5.
template <class F>
void run_normalise(const Call& c, const NormForm& f, int64_t chunk, bool cut, F channels) {
  const float* x = c.in[0].f();
  const float* r = c.n_in > 5 && c.in[5].present() ? c.in[5].f() : nullptr;
  float* y = c.out[0].f();
  const bool stream = f.run % DL_VLEN == 0 && f.step % DL_VLEN == 0 && streams(c.out[0], x);
  const auto run = r        ? stream ? normalise<true, true> : normalise<true, false>
                          : stream ? normalise<false, true>
                            : normalise<false, false>;
  NormWalk(f).each(f, chunk, [&](int64_t unit, int64_t from, int64_t to) {
    const NormChannels p = channels(unit);
    for (int64_t i = from; i < to; ++i) {
      const int64_t at = f.start(i, unit);
      run(p, x + at, r ? r + at : r, y + at, f.length(unit), cut ? 0 : -__builtin_inff());
    }
  });
  if (stream) stream_fence();
}

// x gamma beta running_mean running_var r? -> y mean rstd new_running_mean new_running_var
NormForm train_form(const Call& c) {
  return norm_form(c.in[0], c.in[1].dims[0], attrs_of<BatchNormAttrs>(c).blocked);
}
void plan_train(const Call& c, Work& w) { plan_sums(train_form(c), kStatistics, w); }

void run_train(const Call& c, int phase, int64_t chunk, float*) {
  const auto& attrs = attrs_of<BatchNormAttrs>(c);
  const NormForm f = train_form(c);
  const float *gamma = c.in[1].f(), *beta = c.in[2].f();
  float *mean = c.out[1].f(), *rstd = c.out[2].f();
  if (phase == 0) return run_statistics(c, f, chunk);
  if (phase == 2)
    return run_normalise(c, f, chunk, has_activation<BatchNormAttrs>(c), [&](int64_t unit) {
      return NormChannels{channel_values(f, unit, mean), scale_of(f, unit, gamma, rstd),
                          channel_values(f, unit, beta), channel_masks(f, unit),
                          upper_end<BatchNormAttrs>(c)};
    });
  const auto terms = static_cast<double>(f.terms(f.images));
  const double unbiased = terms > 1 ? terms / (terms - 1) : 1, m = attrs.momentum;
  Moments s;
  merge_statistics(c, f, chunk, s);
  for (int64_t i = 0, k = chunk * kMergeChunk; i < kMergeChunk && k < f.channels; ++i, ++k) {
    const double old_mean = c.in[3].f()[k], old_var = c.in[4].f()[k];
    mean[k] = static_cast<float>(s.mean[i]);
    rstd[k] = static_cast<float>(1 / __builtin_sqrt(s.var[i] + attrs.epsilon));
    c.out[3].f()[k] = static_cast<float>((1 - m) * old_mean + m * s.mean[i]);
    c.out[4].f()[k] = static_cast<float>((1 - m) * old_var + m * s.var[i] * unbiased);
  }
}

// ---- Gradient. With xc = x - mean, M terms and dy zero where the activation cuts off: dbeta = sum dy,
// dgamma = rstd sum dy xc, dx = gamma rstd (dy - dbeta / M - xc rstd dgamma / M). ----

constexpr int64_t kProducts = 2;  // sums of dy and of dy xc

NormForm grad_form(const Call& c) {
  return norm_form(c.in[0], c.in[2].dims[0], attrs_of<BatchNormGradAttrs>(c).blocked);
}
NormChannels grad_channels(const Call& c, const NormForm& f, int64_t unit) {
  const bool cut = has_activation<BatchNormGradAttrs>(c);
  return {channel_values(f, unit, c.in[3].f()), scale_of(f, unit, c.in[2].f(), c.in[4].f()),
          cut ? channel_values(f, unit, c.in[5].f()) : OfGroup{}, channel_masks(f, unit),
          upper_end<BatchNormGradAttrs>(c)};
}

template <bool kCut>
DL_INLINE vf counted(const NormChannels& p, vf x, vf dy, int u) {
  if constexpr (!kCut) return dy;
  const vf y = p(x, u);
  return select((y > 0.f) & (y < p.high), dy, vf{});
}

template <bool kCut>
void run_products(const Call& c, const NormForm& f, int64_t chunk) {
  const float *x = c.in[0].f(), *dy = c.in[1].f();
  each_unit(c, f, kProducts, chunk, [&](int64_t unit, int64_t from, int64_t to, double* sums, bool) {
    const NormChannels p = grad_channels(c, f, unit);
    add_up(
        f, unit, from, to, [](int64_t, int64_t) {},
        [&](int64_t at, int u, int64_t lanes, NormLanes& s) __attribute__((always_inline)) {
          const vf v = load_lanes(x + at, lanes), d = counted<kCut>(p, v, load_lanes(dy + at, lanes), u);
          s.a[u] += d;
          s.b[u] = fma(d, v - p.mean.v[u], s.b[u]);
        },
        [&](const NormLanes& s, double) __attribute__((always_inline)) {
          float a[kGroup], b[kGroup];
          add_lanes(f, s.a, a);
          add_lanes(f, s.b, b);
          for (int64_t l = 0; l < f.width; ++l) sums[l] += static_cast<double>(a[l]);
          for (int64_t l = 0; l < f.width; ++l) sums[f.width + l] += static_cast<double>(b[l]);
        });
  });
}

void merge_products(const Call& c, const NormForm& f, int64_t chunk) {
  const float* rstd = c.in[4].f();
  const int64_t pieces = NormSums(f).pieces;
  for (int64_t k = chunk * kMergeChunk; k < f.channels && k < (chunk + 1) * kMergeChunk; ++k) {
    const double* p = sums_of(c, f, kProducts, 0, k / f.width) + k % f.width;
    double a = 0, b = 0;
    for (int64_t i = 0; i < pieces; ++i, p += f.units * kProducts * f.width) {
      a += p[0];
      b += p[f.width];
    }
    c.out[1].f()[k] = static_cast<float>(b * static_cast<double>(rstd[k]));
    c.out[2].f()[k] = static_cast<float>(a);
  }
}

struct Shares {
  OfGroup db, dg;  // dbeta / M, rstd dgamma / M
};
template <bool kCut, bool kStream>
void grad_run(const NormChannels& p, const Shares& s, const float* x, const float* dy, float* dx, int64_t n) {
  each_group(
      n, [&](int64_t i, int u, int64_t lanes) __attribute__((always_inline)) {
        const vf v = load_lanes(x + i, lanes), d = counted<kCut>(p, v, load_lanes(dy + i, lanes), u);
        const vf centred = v - p.mean.v[u], g = p.factor.v[u] * (d - s.db.v[u] - centred * s.dg.v[u]);
        if (kStream && lanes == DL_VLEN)
          store_stream(dx + i, masked(g, p.mask.v[u]));
        else
          store_lanes(dx + i, masked(g, p.mask.v[u]), lanes);
      });
}

template <bool kCut>
void run_grad_input(const Call& c, const NormForm& f, int64_t chunk) {
  const float *x = c.in[0].f(), *dy = c.in[1].f();
  float* dx = c.out[0].f();
  const bool stream = f.run % DL_VLEN == 0 && f.step % DL_VLEN == 0 && streams(c.out[0], dy);
  const float share = static_cast<float>(1 / static_cast<double>(f.terms(f.images)));
  NormWalk(f).each(f, chunk, [&](int64_t unit, int64_t from, int64_t to) {
    const NormChannels p = grad_channels(c, f, unit);
    Shares s{channel_values(f, unit, c.out[2].f()), scale_of(f, unit, c.out[1].f(), c.in[4].f())};
    for (int u = 0; u < 4; ++u) s.db.v[u] *= share, s.dg.v[u] *= share;
    for (int64_t i = from; i < to; ++i) {
      const int64_t at = f.start(i, unit);
      (stream ? grad_run<kCut, true> : grad_run<kCut, false>)(p, s, x + at, dy + at, dx + at, f.length(unit));
    }
  });
  if (stream) stream_fence();
}

// x dy gamma mean rstd beta? -> dx dgamma dbeta
void plan_grad(const Call& c, Work& w) { plan_sums(grad_form(c), kProducts, w); }

void run_grad(const Call& c, int phase, int64_t chunk, float*) {
  const NormForm f = grad_form(c);
  const bool cut = has_activation<BatchNormGradAttrs>(c);
  if (phase == 0) return cut ? run_products<true>(c, f, chunk) : run_products<false>(c, f, chunk);
  if (phase == 2) return cut ? run_grad_input<true>(c, f, chunk) : run_grad_input<false>(c, f, chunk);
  merge_products(c, f, chunk);
}

// ---- x gamma beta mean var r? -> y. Phase 0 makes gamma / sqrt(var + epsilon). ----

NormForm inference_form(const Call& c) {
  return norm_form(c.in[0], c.in[1].dims[0], attrs_of<BatchNormInferenceAttrs>(c).blocked);
}
void plan_inference(const Call& c, Work& w) {
  const NormForm f = inference_form(c);
  w.phases = 2;
  w.shared = f.channels;
  w.chunks[1] = NormWalk(f).chunks();
}

void run_inference(const Call& c, int phase, int64_t chunk, float*) {
  const NormForm f = inference_form(c);
  if (phase == 0) {
    const float eps = static_cast<float>(attrs_of<BatchNormInferenceAttrs>(c).epsilon);
    row_each(f.channels, [&](int64_t j, int64_t n) {
      store_lanes(c.shared + j, load_lanes(c.in[1].f() + j, n) / vsqrt(load_lanes(c.in[4].f() + j, n) + eps),
                  n);
    });
    return;
  }
  run_normalise(c, f, chunk, has_activation<BatchNormInferenceAttrs>(c), [&](int64_t unit) {
    return NormChannels{channel_values(f, unit, c.in[3].f()), channel_values(f, unit, c.shared),
                        channel_values(f, unit, c.in[2].f()), channel_masks(f, unit),
                        upper_end<BatchNormInferenceAttrs>(c)};
  });
}

}  // namespace

extern const Kernel batch_norm{&plan_train, &run_train};
extern const Kernel batch_norm_grad{&plan_grad, &run_grad};
extern const Kernel batch_norm_inference{&plan_inference, &run_inference};

}  // namespace dl::DL_ISA
