// Batch norm in training and with given statistics: y = act((x - mean) factor + shift + r).
#include "kernels/cuda/batch_norm.h"

#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

// ---- Statistics. A part gives for every channel a centre near its mean, and the sums of x - centre and of its square:
// floats (3, parts, width). ----

constexpr int kStatistics = 3;

template <class T, int V>
__global__ void __launch_bounds__(kThreads, 2)
    statistics_rows(NormForm f, const T* __restrict__ x, float* sums) {
  constexpr int kAtOnce = 4;
  const RowsPlace p(f);
  const int64_t from = f.begin(blockIdx.y), few = f.begin(blockIdx.y + 1) - from;
  float centre[V] = {}, a[V] = {}, b[V] = {};
  Items<T, V> v[kAtOnce];
  if (p.active) {
    // The mean of the first few rows of the part.
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      v[u] = load_items<T, V>(x + f.row_at(from + (u < few ? u : 0), p.block) + p.lane);
#pragma unroll
      for (int k = 0; k < V; ++k) centre[k] += to_float(v[u].v[k]) * (1.f / kAtOnce);
    }
    walk_rows<kAtOnce, false>(
        f, p, [&](int64_t at, int u) { v[u] = load_items<T, V>(x + at); },
        [&](int u) {
#pragma unroll
          for (int k = 0; k < V; ++k) {
            const float d = to_float(v[u].v[k]) - centre[k];
            a[k] += d;
            b[k] = fmaf(d, d, b[k]);
          }
        });
  }
  add_rows<V>(f, p, a, b);
  if (!p.active || p.row != 0) return;
  float* s = sums + blockIdx.y * f.width() + p.channel;
  const int64_t step = f.parts * f.width();
#pragma unroll
  for (int k = 0; k < V; ++k) s[k] = centre[k], s[step + k] = a[k], s[2 * step + k] = b[k];
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads, 2)
    statistics_planes(NormForm f, const T* __restrict__ x, float* sums) {
  constexpr int kAtOnce = 4;
  float a = 0, b = 0;
  Items<T, V> v[kAtOnce];
  // The mean of the first few values of the part, one of each thread.
  const int64_t count = f.begin(blockIdx.y + 1) - f.begin(blockIdx.y);
  const float first = threadIdx.x < count ? to_float(x[PlanesWalk(f, blockIdx.y).next()]) : 0.f;
  const float centre = block_sum(first) / static_cast<float>(count < kThreads ? count : kThreads);
  walk_planes<kAtOnce, false>(
      f, [&](int64_t at, int u) { v[u] = load_items<T, V>(x + at); },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          const float d = to_float(v[u].v[k]) - centre;
          a += d;
          b = fmaf(d, d, b);
        }
      });
  a = block_sum(a);
  b = block_sum(b);
  if (threadIdx.x != 0) return;
  float* s = sums + blockIdx.y * f.width() + blockIdx.x;
  const int64_t step = f.parts * f.width();
  s[0] = centre, s[step] = a, s[2 * step] = b;
}

struct RunningStatistics {
  const float *old_mean, *old_var;
  float *mean, *rstd, *new_mean, *new_var;
  double momentum, epsilon;
  int64_t terms;
};

__global__ void join_statistics(NormForm f, const float* sums, RunningStatistics r) {
  const int64_t channel = int64_t{blockIdx.x} * kJoinChannels + threadIdx.x % kJoinChannels;
  const bool active = channel < f.channels;
  const int64_t step = f.parts * f.width();
  const double centre = active ? static_cast<double>(sums[channel]) : 0;
  double sum = 0, squares = 0;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x) / kJoinChannels; active && i < f.parts; i += kJoinWalkers) {
    const float* s = sums + i * f.width() + channel;
    const double terms = static_cast<double>(f.terms(i));
    const double d = static_cast<double>(s[0]) - centre, part = static_cast<double>(s[step]);
    sum += part + terms * d;
    squares += static_cast<double>(s[2 * step]) + d * (2 * part + terms * d);
  }
  add_walkers(sum, squares);
  if (!active || threadIdx.x >= kJoinChannels) return;
  const double terms = static_cast<double>(r.terms), m = r.momentum;
  const double shift = sum / terms, mean = centre + shift, rest = squares / terms - shift * shift;
  const double var = rest < 0 ? 0 : rest, unbiased = terms > 1 ? terms / (terms - 1) : 1;
  r.mean[channel] = static_cast<float>(mean);
  r.rstd[channel] = static_cast<float>(1 / ::sqrt(var + r.epsilon));
  r.new_mean[channel] = static_cast<float>((1 - m) * static_cast<double>(r.old_mean[channel]) + m * mean);
  r.new_var[channel] =
      static_cast<float>((1 - m) * static_cast<double>(r.old_var[channel]) + m * var * unbiased);
}

// ---- y. The gradient repeats this formula, to the bit. ----

struct Channel {
  float mean = 0, factor = 0, shift = 0;
};
struct BatchChannels {
  const float *gamma, *beta, *mean, *rstd;
  __device__ Channel operator()(int64_t c) const { return {mean[c], gamma[c] * rstd[c], beta[c]}; }
};
struct GivenChannels {
  const float *gamma, *beta, *mean, *var;
  float epsilon;
  __device__ Channel operator()(int64_t c) const {
    return {mean[c], gamma[c] / sqrtf(var[c] + epsilon), beta[c]};
  }
};

struct Ends {  // of the activation
  float low, high;
  __device__ float operator()(float v) const {  // NaN stays
    v = v < low ? low : v;
    return v > high ? high : v;
  }
};
Ends ends_of(NormActivation a) {
  const float most = __builtin_inff();
  return {a == NormActivation::none ? -most : 0.f, a == NormActivation::relu6 ? 6.f : most};
}

// r: null, or of y's form.
template <class T, int V, class C>
__global__ void __launch_bounds__(kThreads, 2)
    normalise_rows(NormForm f, const T* x, const T* r, T* y, C channels, Ends ends) {
  constexpr int kAtOnce = 4;
  const RowsPlace p(f);
  if (!p.active) return;
  Channel c[V];
#pragma unroll
  for (int k = 0; k < V; ++k)
    if (k < p.left) c[k] = channels(p.channel + k);
  Items<T, V> v[kAtOnce], w[kAtOnce];
  int64_t where[kAtOnce];
  walk_rows<kAtOnce, true>(
      f, p,
      [&](int64_t at, int u) {
        where[u] = at;
        v[u] = load_items<T, V>(x + at);
        if (r) w[u] = load_items<T, V>(r + at);
      },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          float s = fmaf(to_float(v[u].v[k]) - c[k].mean, c[k].factor, c[k].shift);
          if (r) s += to_float(w[u].v[k]);
          v[u].v[k] = from_float<T>(k < p.left ? ends(s) : 0.f);
        }
        store_items<T, V>(y + where[u], v[u]);
      });
}

template <class T, int V, class C>
__global__ void __launch_bounds__(kThreads, 2)
    normalise_planes(NormForm f, const T* x, const T* r, T* y, C channels, Ends ends) {
  constexpr int kAtOnce = 4;
  const Channel c = channels(blockIdx.x);
  Items<T, V> v[kAtOnce], w[kAtOnce];
  int64_t where[kAtOnce];
  walk_planes<kAtOnce, true>(
      f,
      [&](int64_t at, int u) {
        where[u] = at;
        v[u] = load_items<T, V>(x + at);
        if (r) w[u] = load_items<T, V>(r + at);
      },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          float s = fmaf(to_float(v[u].v[k]) - c.mean, c.factor, c.shift);
          if (r) s += to_float(w[u].v[k]);
          v[u].v[k] = from_float<T>(ends(s));
        }
        store_items<T, V>(y + where[u], v[u]);
      });
}

// r is input 5.
template <class T, int V, class C>
void normalise(const Call& c, const NormForm& f, const C& channels, Ends ends) {
  const T* r = c.n_in > 5 && c.in[5].present() ? data<T>(c.in[5]) : nullptr;
  const NormForm p = f.cut(kPassBlocks);
  launch(c, f.planes ? normalise_planes<T, V, C> : normalise_rows<T, V, C>, p.grid(), kThreads, 0, p,
         data<T>(c.in[0]), r, data<T>(c.out[0]), channels, ends);
}

// x gamma beta running_mean running_var r? -> y mean rstd new_running_mean new_running_var
NormForm train_form(const Call& c) {
  return norm_form(c.in[0], c.in[1].dims[0], static_cast<const BatchNormAttrs*>(c.attrs)->blocked);
}
void plan_train(const Call& c, Work& w) {
  if (c.in[0].size() == 0) return;
  const NormForm f = train_form(c);
  w.shared = kStatistics * f.parts * f.width();
}

void run_train(const Call& c, int, int64_t, float*) {
  if (c.in[0].size() == 0) return;
  const auto& a = *static_cast<const BatchNormAttrs*>(c.attrs);
  const NormForm f = train_form(c);
  const RunningStatistics running{c.in[3].f(),  c.in[4].f(), c.out[1].f(), c.out[2].f(), c.out[3].f(),
                                  c.out[4].f(), a.momentum,  a.epsilon,    f.all_terms()};
  const BatchChannels channels{c.in[1].f(), c.in[2].f(), c.out[1].f(), c.out[2].f()};
  with_norm_items(c.in[0], f, [&](auto zero, auto items) {
    using T = decltype(zero);
    constexpr int V = decltype(items)::value;
    launch(c, f.planes ? statistics_planes<T, V> : statistics_rows<T, V>, f.grid(), kThreads,
           f.planes ? 0 : rows_shared(V), f, data<T>(c.in[0]), c.shared);
    launch(c, join_statistics, as_unsigned(ceil_div(f.channels, kJoinChannels)), kThreads, 0, f, c.shared,
           running);
    normalise<T, V>(c, f, channels, ends_of(a.activation));
  });
}

// x gamma beta mean var r? -> y
void run_inference(const Call& c, int, int64_t, float*) {
  if (c.in[0].size() == 0) return;
  const auto& a = *static_cast<const BatchNormInferenceAttrs*>(c.attrs);
  const NormForm f = norm_form(c.in[0], c.in[1].dims[0], a.blocked);
  const GivenChannels channels{c.in[1].f(), c.in[2].f(), c.in[3].f(), c.in[4].f(),
                               static_cast<float>(a.epsilon)};
  with_norm_items(c.in[0], f, [&](auto zero, auto items) {
    normalise<decltype(zero), decltype(items)::value>(c, f, channels, ends_of(a.activation));
  });
}

}  // namespace

extern const Kernel batch_norm{&plan_train, &run_train};
extern const Kernel batch_norm_inference{&plan_nothing, &run_inference};

}  // namespace dl::DL_ISA
