// Kernels of layer_norm, group_norm and rms_norm and their gradients (formulas: cpu/row_norm.cpp). A team of threads walks a
// row three times; what fits the caches is read from memory once.
#include "kernels/row_norm.h"

#include "kernels/cuda/rows.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kEach = 8;  // elements of a thread, from which on a row takes a larger team
constexpr int64_t kRowsAtOnce = 64, kMostSlices = 64;

// The row of this thread's team (r.rows and above: none) and the thread's place in it.
struct Place {
  int64_t row, lane;
  __device__ Place(unsigned team)
      : row(int64_t{blockIdx.x} * (blockDim.x / team) + threadIdx.x / team), lane(threadIdx.x % team) {}
};

// The sum of f(i) over a row, 0 for a team without one.
template <class F>
__device__ __forceinline__ float row_total(int64_t lane, int64_t n, unsigned team, F f) {
  float sum = 0;
  for (int64_t i = lane; i < n; i += team) sum += f(i);
  return team_sum(sum, team);
}

template <RowForm kForm, class T>
__global__ void norm_kernel(const T* x, const float* __restrict__ gamma, const float* __restrict__ beta, T* y,
                            float* __restrict__ mean, float* __restrict__ rstd, NormRows r, unsigned team) {
  constexpr bool kRms = kForm == RowForm::rms;
  const Place at(team);
  const bool valid = at.row < r.rows;
  const int64_t n = valid ? r.length() : 0, first = valid ? r.first(at.row) : 0;
  if (valid) {
    x += at.row * n;
    y += at.row * n;
  }
  const float each = 1 / static_cast<float>(r.length());
  float m = 0;
  if constexpr (!kRms) m = each * row_total(at.lane, n, team, [&](int64_t i) { return to_float(x[i]); });
  const float squares = row_total(at.lane, n, team, [&](int64_t i) {
    const float d = to_float(x[i]) - m;
    return d * d;
  });
  const float s = 1 / math::sqrt(each * squares + r.epsilon);
  if (valid && at.lane == 0) {
    rstd[at.row] = s;
    if constexpr (!kRms) mean[at.row] = m;
  }
  for (int64_t i = at.lane; i < n; i += team) {
    const int64_t k = first + (r.plane == 1 ? i : i / r.plane);
    y[i] = from_float<T>((to_float(x[i]) - m) * s * gamma[k] + (kRms ? 0.f : beta[k]));
  }
}

// dx may be dy.
template <RowForm kForm, class T>
__global__ void grad_kernel(const T* x, const T* dy, const float* __restrict__ gamma,
                            const float* __restrict__ mean, const float* __restrict__ rstd, T* dx, NormRows r,
                            unsigned team) {
  constexpr bool kRms = kForm == RowForm::rms;
  const Place at(team);
  const bool valid = at.row < r.rows;
  const int64_t n = valid ? r.length() : 0, first = valid ? r.first(at.row) : 0;
  const float m = valid && !kRms ? mean[at.row] : 0, s = valid ? rstd[at.row] : 0;
  if (valid) {
    x += at.row * n;
    dy += at.row * n;
    dx += at.row * n;
  }
  const auto normal = [&](int64_t i) { return (to_float(x[i]) - m) * s; };
  const auto slope = [&](int64_t i) {
    return to_float(dy[i]) * gamma[first + (r.plane == 1 ? i : i / r.plane)];
  };
  const float each = 1 / static_cast<float>(r.length());
  float a = 0;
  if constexpr (!kRms) a = each * row_total(at.lane, n, team, slope);
  const float b = each * row_total(at.lane, n, team, [&](int64_t i) { return slope(i) * normal(i); });
  for (int64_t i = at.lane; i < n; i += team) dx[i] = from_float<T>(s * (slope(i) - a - normal(i) * b));
}

// Sums over some samples of dy xh and dy, for channel k = blockIdx.x of a sample's r.channels r.groups, with all threads of
// a block on its plane; partial: (slices, 2, channels).
template <class T>
__global__ void plane_sums(const T* __restrict__ x, const T* __restrict__ dy, const float* __restrict__ mean,
                           const float* __restrict__ rstd, float* __restrict__ partial, NormRows r,
                           bool centred) {
  const int64_t all = r.channels * r.groups, k = blockIdx.x, samples = r.rows / r.groups;
  float dot = 0, sum = 0;
  for (int64_t i = blockIdx.y; i < samples; i += gridDim.y) {
    const int64_t row = i * r.groups + k / r.channels, from = (i * all + k) * r.plane;
    const float m = centred ? mean[row] : 0, s = rstd[row];
    for (int64_t j = threadIdx.x; j < r.plane; j += blockDim.x) {
      const float d = to_float(dy[from + j]);
      dot += d * ((to_float(x[from + j]) - m) * s);
      sum += d;
    }
  }
  dot = block_sum(dot);
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    partial[(2 * int64_t{blockIdx.y}) * all + k] = dot;
    partial[(2 * int64_t{blockIdx.y} + 1) * all + k] = sum;
  }
}

// The same without a plane: a thread for each channel.
template <class T>
__global__ void column_sums(const T* __restrict__ x, const T* __restrict__ dy, const float* __restrict__ mean,
                            const float* __restrict__ rstd, float* __restrict__ partial, NormRows r,
                            bool centred) {
  const int64_t all = r.channels * r.groups, k = thread_index(), samples = r.rows / r.groups;
  if (k >= all) return;
  float dot = 0, sum = 0;
  for (int64_t i = blockIdx.y; i < samples; i += gridDim.y) {
    const int64_t row = i * r.groups + k / r.channels;
    const float d = to_float(dy[i * all + k]);
    dot += d * ((to_float(x[i * all + k]) - (centred ? mean[row] : 0.f)) * rstd[row]);
    sum += d;
  }
  partial[(2 * int64_t{blockIdx.y}) * all + k] = dot;
  partial[(2 * int64_t{blockIdx.y} + 1) * all + k] = sum;
}

// dbeta: null for rms_norm.
__global__ void join_slices(const float* __restrict__ partial, float* __restrict__ dgamma,
                            float* __restrict__ dbeta, int64_t all, int slices) {
  const int64_t k = thread_index();
  if (k >= all) return;
  double dot = 0, sum = 0;
  for (int i = 0; i < slices; ++i) {
    dot += static_cast<double>(partial[(2 * i) * all + k]);
    sum += static_cast<double>(partial[(2 * i + 1) * all + k]);
  }
  dgamma[k] = static_cast<float>(dot);
  if (dbeta) dbeta[k] = static_cast<float>(sum);
}

// A power of two up to a warp, or all threads of a block.
unsigned team_of(const NormRows& r) {
  const unsigned team = team_for(r.length(), kEach, kThreads);
  return team > kWarpLanes ? kThreads : team;
}

template <RowForm kForm>
void run(const Call& c, int, int64_t, float*) {
  constexpr bool kRms = kForm == RowForm::rms;
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  const unsigned team = team_of(r);
  with_float_type(c.in[0].type, [&](auto zero) {
    using T = decltype(zero);
    launch(c, norm_kernel<kForm, T>, as_unsigned(ceil_div(r.rows, kThreads / team)), kThreads, 0,
           data<T>(c.in[0]), c.in[1].f(), kRms ? nullptr : c.in[2].f(), data<T>(c.out[0]),
           kRms ? nullptr : c.out[1].f(), c.out[kRms ? 1 : 2].f(), r, team);
  });
}

int64_t slices_of(const NormRows& r) {
  const int64_t samples = r.groups > 0 ? r.rows / r.groups : 0, wanted = ceil_div(samples, kRowsAtOnce);
  return wanted < 1 ? 1 : wanted < kMostSlices ? wanted : kMostSlices;
}

template <RowForm kForm>
void plan_grad(const Call& c, Work& w) {
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  w.shared = 2 * slices_of(r) * r.channels * r.groups;
}

template <RowForm kForm>
void run_grad(const Call& c, int, int64_t, float*) {
  constexpr bool kRms = kForm == RowForm::rms;
  const NormRows r = norm_rows(kForm, c.in[0], c.attrs);
  const int64_t all = r.channels * r.groups, slices = slices_of(r);
  const float *mean = kRms ? nullptr : c.in[3].f(), *rstd = c.in[kRms ? 3 : 4].f();
  const unsigned team = team_of(r);
  with_float_type(c.in[0].type, [&](auto zero) {
    using T = decltype(zero);
    const T *x = data<T>(c.in[0]), *dy = data<T>(c.in[1]);
    // The sums first: dx may take the place of dy.
    if (r.plane == 1)
      launch(c, column_sums<T>, dim3(as_unsigned(ceil_div(all, kThreads)), as_unsigned(slices)), kThreads, 0,
             x, dy, mean, rstd, c.shared, r, !kRms);
    else
      launch(c, plane_sums<T>, dim3(as_unsigned(all), as_unsigned(slices)), kThreads, 0, x, dy, mean, rstd,
             c.shared, r, !kRms);
    launch(c, grad_kernel<kForm, T>, as_unsigned(ceil_div(r.rows, kThreads / team)), kThreads, 0, x, dy,
           c.in[2].f(), mean, rstd, data<T>(c.out[0]), r, team);
  });
  launch(c, join_slices, as_unsigned(ceil_div(all, kThreads)), kThreads, 0, c.shared, c.out[1].f(),
         kRms ? nullptr : c.out[2].f(), all, static_cast<int>(slices));
}

}  // namespace

extern const Kernel layer_norm{&plan_nothing, &run<RowForm::layer>};
extern const Kernel group_norm{&plan_nothing, &run<RowForm::group>};
extern const Kernel rms_norm{&plan_nothing, &run<RowForm::rms>};
extern const Kernel layer_norm_grad{&plan_grad<RowForm::layer>, &run_grad<RowForm::layer>};
extern const Kernel group_norm_grad{&plan_grad<RowForm::group>, &run_grad<RowForm::group>};
extern const Kernel rms_norm_grad{&plan_grad<RowForm::rms>, &run_grad<RowForm::rms>};

}  // namespace dl::DL_ISA
