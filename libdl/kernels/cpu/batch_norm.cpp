// Batch norm over axis 1 of (N, C), (N, C, d...) or of the blocked form: sums over pieces of the batch, their merging, one
// more pass over the tensors. Sums run in float lanes over short stretches and in double beyond.
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

// Where the sums of a run of units stand: (pieces, units, sums, width) doubles.
struct SumStore {
  double* p;
  int64_t first, units, step;  // step: doubles of a unit
  SumStore(const NormForm& f, int64_t sums, float* memory, int64_t first_unit, int64_t n_units)
      : p(reinterpret_cast<double*>(memory)), first(first_unit), units(n_units), step(sums * f.width) {}
  double* at(int64_t piece, int64_t unit) const { return p + (piece * units + unit - first) * step; }
};

// Three phases: sums, their merging, one more pass. Or one, where each unit has all of them at once and so finds in its
// second pass what the first has read; the sums are the same.
void plan_sums(const Call& c, const NormForm& f, int64_t sums, Work& w) {
  const NormSums cut(f);
  if (unit_by_unit(f, c.threads)) {
    w.chunks[0] = f.units;
    w.local = 2 * cut.pieces * sums * f.width;
    return;
  }
  w.phases = 3;
  w.shared = 2 * cut.pieces * f.units * sums * f.width;
  w.chunks[0] = cut.chunks();
  w.chunks[1] = (f.channels + kMergeChunk - 1) / kMergeChunk;
  w.chunks[2] = NormWalk(f).chunks();
}

// Runs sum(store, piece, first unit, end of units), merge(store, first unit, end of units) and
// pass(unit, first image, end of images) as plan_sums has cut them up.
template <class Sum, class Merge, class Pass>
void run_sums(const Call& c, const NormForm& f, int64_t sums, int phase, int64_t chunk, float* local, Sum sum,
              Merge merge, Pass pass) {
  const NormSums cut(f);
  if (unit_by_unit(f, c.threads)) {
    const SumStore store(f, sums, local, chunk, 1);
    for (int64_t piece = 0; piece < cut.pieces; ++piece) sum(store, piece, chunk, chunk + 1);
    merge(store, chunk, chunk + 1);
    for (int64_t to = f.images, from; to > 0; to = from) {
      from = to - kImagesAtOnce > 0 ? to - kImagesAtOnce : 0;
      pass(chunk, from, to);
    }
    return stream_fence();
  }
  const SumStore store(f, sums, c.shared, 0, f.units);
  if (phase == 0) {
    const int64_t first = chunk % cut.groups * cut.per_chunk, last = first + cut.per_chunk;
    sum(store, chunk / cut.groups, first, last < f.units ? last : f.units);
  } else if (phase == 1) {
    const int64_t first = chunk * (kMergeChunk / f.width), last = first + kMergeChunk / f.width;
    merge(store, first, last < f.units ? last : f.units);
  } else {
    NormWalk(f).each(f, chunk, pass);
    stream_fence();
  }
}

// Calls body(unit, first image, end of images, sums, fresh) for the units [first, end) of a piece; fresh sums are zero.
template <class F>
DL_INLINE void each_unit(const NormForm& f, const SumStore& store, int64_t piece, int64_t first, int64_t end,
                         F body) {
  const NormSums cut(f);
  const int64_t from = cut.first_image(f, piece), to = cut.first_image(f, piece + 1);
  double* p = store.at(piece, first);
  for (int64_t i = 0; i < (end - first) * store.step; ++i) p[i] = 0;
  const int64_t at_once = cut.image_by_image ? 1 : to - from;
  for (int64_t n = from; n < to; n += at_once)
    for (int64_t unit = first; unit < end; ++unit)
      body(unit, n, n + at_once, p + (unit - first) * store.step, n == from);
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

void run_statistics(const NormForm& f, const float* x, const SumStore& store, int64_t piece, int64_t first,
                    int64_t end) {
  each_unit(f, store, piece, first, end, [&](int64_t unit, int64_t from, int64_t to, double* p, bool fresh) {
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
void merge_statistics(const NormForm& f, const SumStore& store, int64_t first, int64_t end, Moments& m) {
  const NormSums cut(f);
  double centre[kMergeChunk], sum[kMergeChunk] = {}, squares[kMergeChunk] = {};
  for (int64_t i = 0; i < cut.pieces; ++i) {
    const auto terms = static_cast<double>(f.terms(cut.first_image(f, i + 1) - cut.first_image(f, i)));
    for (int64_t unit = first, k = 0; unit < end; ++unit) {
      const double* p = store.at(i, unit);
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

// The last pass: pass(unit, first image, end of images). channels(unit) gives NormChannels; r is input 5.
template <class F>
auto normalise_pass(const Call& c, const NormForm& f, bool cut, F channels) {
  const float* x = c.in[0].f();
  const float* r = c.n_in > 5 && c.in[5].present() ? c.in[5].f() : nullptr;
  float* y = c.out[0].f();
  const bool stream = f.run % DL_VLEN == 0 && f.step % DL_VLEN == 0 && streams(c.out[0], x);
  const auto run = r        ? stream ? normalise<true, true> : normalise<true, false>
                          : stream ? normalise<false, true>
                            : normalise<false, false>;
  return [=](int64_t unit, int64_t from, int64_t to) {
    const NormChannels p = channels(unit);
    for (int64_t i = from; i < to; ++i) {
      const int64_t at = f.start(i, unit);
      run(p, x + at, r ? r + at : r, y + at, f.length(unit), cut ? 0 : -__builtin_inff());
    }
  };
}

// x gamma beta running_mean running_var r? -> y mean rstd new_running_mean new_running_var
NormForm train_form(const Call& c) {
  return norm_form(c.in[0], c.in[1].dims[0], attrs_of<BatchNormAttrs>(c).blocked);
}
void plan_train(const Call& c, Work& w) { plan_sums(c, train_form(c), kStatistics, w); }

// Statistics of the units [first, end) from their sums.
void merge_train(const Call& c, const NormForm& f, const SumStore& store, int64_t first, int64_t end) {
  const auto& attrs = attrs_of<BatchNormAttrs>(c);
  float *mean = c.out[1].f(), *rstd = c.out[2].f();
  const auto terms = static_cast<double>(f.terms(f.images));
  const double unbiased = terms > 1 ? terms / (terms - 1) : 1, m = attrs.momentum;
  Moments s;
  merge_statistics(f, store, first, end, s);
  for (int64_t i = 0, k = first * f.width; k < end * f.width && k < f.channels; ++i, ++k) {
    const double old_mean = c.in[3].f()[k], old_var = c.in[4].f()[k];
    mean[k] = static_cast<float>(s.mean[i]);
    rstd[k] = static_cast<float>(1 / __builtin_sqrt(s.var[i] + attrs.epsilon));
    c.out[3].f()[k] = static_cast<float>((1 - m) * old_mean + m * s.mean[i]);
    c.out[4].f()[k] = static_cast<float>((1 - m) * old_var + m * s.var[i] * unbiased);
  }
}

void run_train(const Call& c, int phase, int64_t chunk, float* local) {
  const NormForm f = train_form(c);
  const float *x = c.in[0].f(), *gamma = c.in[1].f(), *beta = c.in[2].f();
  const float *mean = c.out[1].f(), *rstd = c.out[2].f();
  const auto channels = [&](int64_t unit) {
    return NormChannels{channel_values(f, unit, mean), scale_of(f, unit, gamma, rstd),
                        channel_values(f, unit, beta), channel_masks(f, unit), upper_end<BatchNormAttrs>(c)};
  };
  run_sums(
      c, f, kStatistics, phase, chunk, local,
      [&](const SumStore& s, int64_t piece, int64_t first, int64_t end) {
        run_statistics(f, x, s, piece, first, end);
      },
      [&](const SumStore& s, int64_t first, int64_t end) { merge_train(c, f, s, first, end); },
      normalise_pass(c, f, has_activation<BatchNormAttrs>(c), channels));
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
void run_products(const Call& c, const NormForm& f, const SumStore& store, int64_t piece, int64_t first,
                  int64_t end) {
  const float *x = c.in[0].f(), *dy = c.in[1].f();
  each_unit(f, store, piece, first, end, [&](int64_t unit, int64_t from, int64_t to, double* sums, bool) {
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

void merge_products(const Call& c, const NormForm& f, const SumStore& store, int64_t first, int64_t end) {
  const float* rstd = c.in[4].f();
  const int64_t pieces = NormSums(f).pieces;
  for (int64_t k = first * f.width; k < f.channels && k < end * f.width; ++k) {
    double a = 0, b = 0;
    for (int64_t i = 0; i < pieces; ++i) {
      const double* p = store.at(i, k / f.width) + k % f.width;
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
auto grad_pass(const Call& c, const NormForm& f) {
  const float *x = c.in[0].f(), *dy = c.in[1].f();
  float* dx = c.out[0].f();
  const bool stream = f.run % DL_VLEN == 0 && f.step % DL_VLEN == 0 && streams(c.out[0], dy);
  const float share = static_cast<float>(1 / static_cast<double>(f.terms(f.images)));
  return [=, &c](int64_t unit, int64_t from, int64_t to) {
    const NormChannels p = grad_channels(c, f, unit);
    Shares s{channel_values(f, unit, c.out[2].f()), scale_of(f, unit, c.out[1].f(), c.in[4].f())};
    for (int u = 0; u < 4; ++u) s.db.v[u] *= share, s.dg.v[u] *= share;
    for (int64_t i = from; i < to; ++i) {
      const int64_t at = f.start(i, unit);
      (stream ? grad_run<kCut, true> : grad_run<kCut, false>)(p, s, x + at, dy + at, dx + at, f.length(unit));
    }
  };
}

// x dy gamma mean rstd beta? -> dx dgamma dbeta
void plan_grad(const Call& c, Work& w) { plan_sums(c, grad_form(c), kProducts, w); }

template <bool kCut>
void run_grad_form(const Call& c, int phase, int64_t chunk, float* local) {
  const NormForm f = grad_form(c);
  run_sums(
      c, f, kProducts, phase, chunk, local,
      [&](const SumStore& s, int64_t piece, int64_t first, int64_t end) {
        run_products<kCut>(c, f, s, piece, first, end);
      },
      [&](const SumStore& s, int64_t first, int64_t end) { merge_products(c, f, s, first, end); },
      grad_pass<kCut>(c, f));
}

void run_grad(const Call& c, int phase, int64_t chunk, float* local) {
  if (has_activation<BatchNormGradAttrs>(c))
    run_grad_form<true>(c, phase, chunk, local);
  else
    run_grad_form<false>(c, phase, chunk, local);
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
  const auto channels = [&](int64_t unit) {
    return NormChannels{channel_values(f, unit, c.in[3].f()), channel_values(f, unit, c.shared),
                        channel_values(f, unit, c.in[2].f()), channel_masks(f, unit),
                        upper_end<BatchNormInferenceAttrs>(c)};
  };
  NormWalk(f).each(f, chunk, normalise_pass(c, f, has_activation<BatchNormInferenceAttrs>(c), channels));
  stream_fence();
}

}  // namespace

extern const Kernel batch_norm{&plan_train, &run_train};
extern const Kernel batch_norm_grad{&plan_grad, &run_grad};
extern const Kernel batch_norm_inference{&plan_inference, &run_inference};

}  // namespace dl::DL_ISA
