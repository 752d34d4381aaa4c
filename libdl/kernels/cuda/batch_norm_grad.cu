// Gradient of batch norm through the statistics of the batch. With xc = x - mean, M terms and dy zero where the activation
// cuts off: dbeta = sum dy, dgamma = rstd sum dy xc, dx = gamma rstd (dy - dbeta / M - xc rstd dgamma / M).
#include "kernels/cuda/batch_norm.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

constexpr int kProducts = 2;  // sums of dy and of dy xc: floats (2, parts, width)

// Inputs and results by channel; beta is null without an activation.
struct Channels {
  const float *gamma, *mean, *rstd, *beta;
  float* dgamma;
  float* dbeta;
  float high;   // end of the activation
  float share;  // 1 / M
};

template <bool kCut>
struct Counted {  // dy where the activation has not cut off
  float mean = 0, factor = 0, shift = 0;
  __device__ void set(const Channels& c, int64_t k) {
    mean = c.mean[k];
    if constexpr (kCut) factor = c.gamma[k] * c.rstd[k], shift = c.beta[k];
  }
  __device__ float operator()(float x, float dy, float high) const {
    if constexpr (!kCut) return dy;
    const float y = fmaf(x - mean, factor, shift);
    return y > 0 && y < high ? dy : 0.f;
  }
};

template <class T, int V, bool kCut>
__global__ void __launch_bounds__(kThreads, 2)
    products_rows(NormForm f, const T* __restrict__ x, const T* __restrict__ dy, Channels c, float* sums) {
  constexpr int kAtOnce = 2;
  const RowsPlace p(f);
  Counted<kCut> of[V];
  float a[V] = {}, b[V] = {};
  Items<T, V> v[kAtOnce], d[kAtOnce];
  if (p.active) {
#pragma unroll
    for (int k = 0; k < V; ++k)
      if (k < p.left) of[k].set(c, p.channel + k);
    walk_rows<kAtOnce, false>(
        f, p,
        [&](int64_t at, int u) {
          v[u] = load_items<T, V>(x + at);
          d[u] = load_items<T, V>(dy + at);
        },
        [&](int u) {
#pragma unroll
          for (int k = 0; k < V; ++k) {
            const float xk = to_float(v[u].v[k]), g = of[k](xk, to_float(d[u].v[k]), c.high);
            a[k] += g;
            b[k] = fmaf(g, xk - of[k].mean, b[k]);
          }
        });
  }
  add_rows<V>(f, p, a, b);
  if (!p.active || p.row != 0) return;
  float* s = sums + blockIdx.y * f.width() + p.channel;
  const int64_t step = f.parts * f.width();
#pragma unroll
  for (int k = 0; k < V; ++k) s[k] = a[k], s[step + k] = b[k];
}

template <class T, int V, bool kCut>
__global__ void __launch_bounds__(kThreads, 2)
    products_planes(NormForm f, const T* __restrict__ x, const T* __restrict__ dy, Channels c, float* sums) {
  constexpr int kAtOnce = 4;
  Counted<kCut> of;
  of.set(c, blockIdx.x);
  float a = 0, b = 0;
  Items<T, V> v[kAtOnce], d[kAtOnce];
  walk_planes<kAtOnce, false>(
      f,
      [&](int64_t at, int u) {
        v[u] = load_items<T, V>(x + at);
        d[u] = load_items<T, V>(dy + at);
      },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          const float xk = to_float(v[u].v[k]), g = of(xk, to_float(d[u].v[k]), c.high);
          a += g;
          b = fmaf(g, xk - of.mean, b);
        }
      });
  a = block_sum(a);
  b = block_sum(b);
  if (threadIdx.x != 0) return;
  float* s = sums + blockIdx.y * f.width() + blockIdx.x;
  s[0] = a, s[f.parts * f.width()] = b;
}

__global__ void join_products(NormForm f, const float* sums, Channels c) {
  const int64_t channel = int64_t{blockIdx.x} * kJoinChannels + threadIdx.x % kJoinChannels;
  const bool active = channel < f.channels;
  const int64_t step = f.parts * f.width();
  double a = 0, b = 0;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x) / kJoinChannels; active && i < f.parts; i += kJoinWalkers) {
    const float* s = sums + i * f.width() + channel;
    a += static_cast<double>(s[0]);
    b += static_cast<double>(s[step]);
  }
  add_walkers(a, b);
  if (!active || threadIdx.x >= kJoinChannels) return;
  c.dgamma[channel] = static_cast<float>(b * static_cast<double>(c.rstd[channel]));
  c.dbeta[channel] = static_cast<float>(a);
}

// dx of a channel's element.
template <bool kCut>
struct Slope {
  Counted<kCut> of;
  float factor = 0, db = 0, dg = 0;  // gamma rstd, dbeta / M, rstd dgamma / M
  __device__ void set(const Channels& c, int64_t k) {
    of.set(c, k);
    factor = c.gamma[k] * c.rstd[k];
    db = c.dbeta[k] * c.share;
    dg = c.dgamma[k] * c.rstd[k] * c.share;
  }
  __device__ float operator()(float x, float dy, float high) const {
    return factor * (of(x, dy, high) - db - (x - of.mean) * dg);
  }
};

// dx may be the memory of dy.
template <class T, int V, bool kCut>
__global__ void __launch_bounds__(kThreads, 2)
    slope_rows(NormForm f, const T* __restrict__ x, const T* dy, T* dx, Channels c) {
  constexpr int kAtOnce = 2;
  const RowsPlace p(f);
  if (!p.active) return;
  Slope<kCut> slope[V];
#pragma unroll
  for (int k = 0; k < V; ++k)
    if (k < p.left) slope[k].set(c, p.channel + k);
  Items<T, V> v[kAtOnce], d[kAtOnce];
  int64_t where[kAtOnce];
  walk_rows<kAtOnce, true>(
      f, p,
      [&](int64_t at, int u) {
        where[u] = at;
        v[u] = load_items<T, V>(x + at);
        d[u] = load_items<T, V>(dy + at);
      },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          const float g = slope[k](to_float(v[u].v[k]), to_float(d[u].v[k]), c.high);
          d[u].v[k] = from_float<T>(k < p.left ? g : 0.f);
        }
        store_items<T, V>(dx + where[u], d[u]);
      });
}

template <class T, int V, bool kCut>
__global__ void __launch_bounds__(kThreads, 2)
    slope_planes(NormForm f, const T* __restrict__ x, const T* dy, T* dx, Channels c) {
  constexpr int kAtOnce = 4;
  Slope<kCut> slope;
  slope.set(c, blockIdx.x);
  Items<T, V> v[kAtOnce], d[kAtOnce];
  int64_t where[kAtOnce];
  walk_planes<kAtOnce, true>(
      f,
      [&](int64_t at, int u) {
        where[u] = at;
        v[u] = load_items<T, V>(x + at);
        d[u] = load_items<T, V>(dy + at);
      },
      [&](int u) {
#pragma unroll
        for (int k = 0; k < V; ++k)
          d[u].v[k] = from_float<T>(slope(to_float(v[u].v[k]), to_float(d[u].v[k]), c.high));
        store_items<T, V>(dx + where[u], d[u]);
      });
}

// x dy gamma mean rstd beta? -> dx dgamma dbeta
const BatchNormGradAttrs& attrs_of(const Call& c) { return *static_cast<const BatchNormGradAttrs*>(c.attrs); }
NormForm grad_form(const Call& c) { return norm_form(c.in[0], c.in[2].dims[0], attrs_of(c).blocked); }

void plan(const Call& c, Work& w) {
  if (c.in[0].size() == 0) return;
  const NormForm f = grad_form(c);
  w.shared = kProducts * f.parts * f.width();
}

template <class T, int V, bool kCut>
void run_form(const Call& c, const NormForm& f, const Channels& channels) {
  const T *x = data<T>(c.in[0]), *dy = data<T>(c.in[1]);
  launch(c, f.planes ? products_planes<T, V, kCut> : products_rows<T, V, kCut>, f.grid(), kThreads,
         f.planes ? 0 : rows_shared(V), f, x, dy, channels, c.shared);
  launch(c, join_products, as_unsigned(ceil_div(f.channels, kJoinChannels)), kThreads, 0, f, c.shared,
         channels);
  const NormForm p = f.cut(kPassBlocks);
  launch(c, f.planes ? slope_planes<T, V, kCut> : slope_rows<T, V, kCut>, p.grid(), kThreads, 0, p, x, dy,
         data<T>(c.out[0]), channels);
}

void run(const Call& c, int, int64_t, float*) {
  if (c.in[0].size() == 0) return;
  const NormForm f = grad_form(c);
  const bool cut = attrs_of(c).activation != NormActivation::none;
  const Channels channels{c.in[2].f(),
                          c.in[3].f(),
                          c.in[4].f(),
                          cut ? c.in[5].f() : nullptr,
                          c.out[1].f(),
                          c.out[2].f(),
                          attrs_of(c).activation == NormActivation::relu6 ? 6.f : __builtin_inff(),
                          static_cast<float>(1 / static_cast<double>(f.all_terms()))};
  with_norm_items(c.in[0], f, [&](auto zero, auto items) {
    using T = decltype(zero);
    constexpr int V = decltype(items)::value;
    if (cut)
      run_form<T, V, true>(c, f, channels);
    else
      run_form<T, V, false>(c, f, channels);
  });
}

}  // namespace

extern const Kernel batch_norm_grad{&plan, &run};

}  // namespace dl::DL_ISA
