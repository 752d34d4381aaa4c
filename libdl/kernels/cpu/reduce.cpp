// Sums, means and maxima over any axes. Terms are combined in float over short stretches and in double
// beyond; the stretches depend on shapes alone. Few outputs with many terms are cut into pieces that a second
// phase combines.
#include "kernels/cpu/vec.h"
#include "kernels/fold.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;        // terms that a chunk should have at least
constexpr int64_t kStretch = 4096;       // terms in float lanes along a row
constexpr int64_t kColumnStretch = 128;  // terms in float for each column
constexpr int64_t kColumns = 4 * DL_VLEN;
constexpr int64_t kMostPieces = 64;

struct SumOp {
  static constexpr double kIdentity = 0;
  static DL_INLINE vf both(vf a, vf b) { return a + b; }
  static DL_INLINE double both(double a, double b) { return a + b; }
  static DL_INLINE float across(vf v) { return hsum(v); }
};
struct MaxOp {
  static constexpr double kIdentity = -__builtin_inf();
  static DL_INLINE vf both(vf a, vf b) { return vmax(a, b); }
  static DL_INLINE double both(double a, double b) { return a > b ? a : b; }
  static DL_INLINE float across(vf v) { return hmax(v); }
};

// n <= kStretch consecutive terms.
template <class Op>
double reduce_stretch(const float* x, int64_t n) {
  vf s[4];
  for (vf& v : s) v = splat(float(Op::kIdentity));
  int64_t j = 0;
  for (; j + 4 * DL_VLEN <= n; j += 4 * DL_VLEN)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) s[u] = Op::both(s[u], load(x + j + u * DL_VLEN));
  for (; j + DL_VLEN <= n; j += DL_VLEN) s[0] = Op::both(s[0], load(x + j));
  double total = Op::across(Op::both(Op::both(s[0], s[1]), Op::both(s[2], s[3])));
  for (; j < n; ++j) total = Op::both(total, double(x[j]));
  return total;
}

// Terms [t0, t1) of one output whose innermost axes are reduced.
template <class Op>
double reduce_row(const Fold& f, const float* x, int64_t t0, int64_t t1) {
  double total = Op::kIdentity;
  while (t0 < t1) {
    const int64_t r = t0 / f.inner, from = t0 - r * f.inner;
    int64_t n = f.inner - from;
    if (n > t1 - t0) n = t1 - t0;
    if (n > kStretch) n = kStretch;
    total = Op::both(total, reduce_stretch<Op>(x + offset_of(r, f.reduced, f.n_reduced) + from, n));
    t0 += n;
  }
  return total;
}

// Terms [t0, t1) of `width` <= kColumns neighbouring outputs.
template <class Op>
void reduce_columns(const Fold& f, const float* x, int64_t width, int64_t t0, int64_t t1, double* total) {
  for (int64_t i = 0; i < width; ++i) total[i] = Op::kIdentity;
  for (int64_t a = t0; a < t1; a += kColumnStretch) {
    const int64_t b = a + kColumnStretch < t1 ? a + kColumnStretch : t1;
    vf s[4];
    for (vf& v : s) v = splat(float(Op::kIdentity));
    for (int64_t t = a; t < b; ++t) {
      const float* row = x + offset_of(t, f.reduced, f.n_reduced);
      if (width == kColumns) {
#pragma GCC unroll 4
        for (int u = 0; u < 4; ++u) s[u] = Op::both(s[u], load(row + u * DL_VLEN));
        continue;
      }
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) {
        const int64_t w = width - u * DL_VLEN;
        if (w >= DL_VLEN)
          s[u] = Op::both(s[u], load(row + u * DL_VLEN));
        else if (w > 0)
          s[u] = Op::both(s[u], load_n(row + u * DL_VLEN, w));
      }
    }
    float out[kColumns];
    for (int u = 0; u < 4; ++u) store(out + u * DL_VLEN, s[u]);
    for (int64_t i = 0; i < width; ++i) total[i] = Op::both(total[i], double(out[i]));
  }
}

// How the work is cut: units are outputs (rows) or blocks of columns, `group` of them to a chunk.
struct Cut {
  int64_t blocks, units, group, unit_chunks, pieces;
};
Cut cut_up(const Fold& f) {
  Cut c;
  c.blocks = f.inner_reduced ? 1 : (f.inner + kColumns - 1) / kColumns;
  c.units = f.kept_outer * c.blocks;
  const int64_t width = f.inner_reduced ? 1 : f.inner < kColumns ? f.inner : kColumns;
  const int64_t work = f.terms() * width;
  c.group = work < kChunk ? kChunk / (work > 0 ? work : 1) : 1;
  c.unit_chunks = (c.units + c.group - 1) / c.group;
  const int64_t most = c.unit_chunks > 0 ? kMostPieces / c.unit_chunks : 1;
  c.pieces = work / (2 * kChunk);
  if (c.pieces > most) c.pieces = most;
  if (c.pieces > f.terms()) c.pieces = f.terms();
  if (c.pieces < 1) c.pieces = 1;
  return c;
}

void plan_fold(const Fold& f, Work& w) {
  const Cut c = cut_up(f);
  w.chunks[0] = c.unit_chunks * c.pieces;
  if (c.pieces == 1) return;
  w.phases = 2;
  w.shared = 2 * c.pieces * f.outputs();
}

template <class Op>
void run_fold(const Call& call, const Fold& f, float factor, int phase, int64_t chunk) {
  const Cut c = cut_up(f);
  float* y = call.out[0].f();
  double* partial = reinterpret_cast<double*>(call.shared);  // (pieces, outputs)
  const int64_t outputs = f.outputs(), terms = f.terms();
  if (phase == 1) {
    for (int64_t o = 0; o < outputs; ++o) {
      double total = Op::kIdentity;
      for (int64_t p = 0; p < c.pieces; ++p) total = Op::both(total, partial[p * outputs + o]);
      y[o] = static_cast<float>(total * factor);
    }
    return;
  }
  const int64_t piece = chunk / c.unit_chunks, first = chunk % c.unit_chunks * c.group;
  const int64_t last = first + c.group < c.units ? first + c.group : c.units;
  const int64_t t0 = terms * piece / c.pieces, t1 = terms * (piece + 1) / c.pieces;
  for (int64_t unit = first; unit < last; ++unit) {
    const int64_t k = unit / c.blocks, column = unit % c.blocks * kColumns;
    const float* x = call.in[0].f() + offset_of(k, f.kept, f.n_kept) + column;
    const int64_t width = f.inner_reduced ? 1 : f.inner - column < kColumns ? f.inner - column : kColumns;
    const int64_t at = f.inner_reduced ? k : k * f.inner + column;
    double total[kColumns];
    if (f.inner_reduced)
      total[0] = reduce_row<Op>(f, x, t0, t1);
    else
      reduce_columns<Op>(f, x, width, t0, t1, total);
    for (int64_t i = 0; i < width; ++i) {
      if (c.pieces == 1)
        y[at + i] = static_cast<float>(total[i] * factor);
      else
        partial[piece * outputs + at + i] = total[i];
    }
  }
}

Fold fold_of(const Call& c) { return fold_axes(c.in[0], static_cast<const ReduceAttrs*>(c.attrs)->axes); }

void plan_axes(const Call& c, Work& w) { plan_fold(fold_of(c), w); }

void run_sum(const Call& c, int phase, int64_t chunk, float*) {
  run_fold<SumOp>(c, fold_of(c), 1, phase, chunk);
}
void run_mean(const Call& c, int phase, int64_t chunk, float*) {
  const Fold f = fold_of(c);
  run_fold<SumOp>(c, f, 1.f / static_cast<float>(f.terms()), phase, chunk);
}
void run_max(const Call& c, int phase, int64_t chunk, float*) {
  run_fold<MaxOp>(c, fold_of(c), 1, phase, chunk);
}

void plan_sum_to(const Call& c, Work& w) { plan_fold(fold_to(c.in[0], c.out[0]), w); }
void run_sum_to(const Call& c, int phase, int64_t chunk, float*) {
  run_fold<SumOp>(c, fold_to(c.in[0], c.out[0]), 1, phase, chunk);
}

// Gradient of reduce_max: the first of equal largest elements takes all of dy.
void plan_max_grad(const Call& c, Work& w) { w.chunks[0] = (c.in[1].size() + 63) / 64; }
void run_max_grad(const Call& c, int, int64_t chunk, float*) {
  const Fold f = fold_of(c);
  const float *y = c.in[1].f(), *dy = c.in[2].f();
  const int64_t inner = f.inner_reduced ? 1 : f.inner, outputs = f.outputs();
  for (int64_t o = chunk * 64; o < outputs && o < (chunk + 1) * 64; ++o) {
    const int64_t base = offset_of(o / inner, f.kept, f.n_kept) + o % inner;
    bool found = false;
    for (int64_t t = 0; t < f.terms(); ++t) {
      const int64_t r = f.inner_reduced ? t / f.inner : t, j = f.inner_reduced ? t % f.inner : 0;
      const int64_t at = base + offset_of(r, f.reduced, f.n_reduced) + j;
      const bool largest = !found && c.in[0].f()[at] == y[o];
      c.out[0].f()[at] = largest ? dy[o] : 0;
      found = found || largest;
    }
  }
}

}  // namespace

extern const Kernel reduce_sum{&plan_axes, &run_sum};
extern const Kernel reduce_mean{&plan_axes, &run_mean};
extern const Kernel reduce_max{&plan_axes, &run_max};
extern const Kernel reduce_max_grad{&plan_max_grad, &run_max_grad};
extern const Kernel sum_to{&plan_sum_to, &run_sum_to};

}  // namespace dl::DL_ISA
