// GEMM on one block. Loop order: k parts -> pack B part (L2) -> row tiles (A packed or read in place, L1) ->
// panels. 32 KiB L1, 1 MiB L2: a B part of 384 x 512 floats is 768 KiB; an A tile of 14 x 384 is 21 KiB.
#include "kernels/cpu/gemm.h"
#include <utility>
#include "kernels/cpu/gemm_dot.h"
#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_ukr.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t V = DL_VLEN, W = kGemmPackColumns;            // panel width: 2 vectors
constexpr int kMr = DL_VLEN == 16 ? 14 : DL_VLEN == 8 ? 6 : 4;  // rows of the widest tile with 2 vectors
constexpr int kMr4 = DL_VLEN == 16 ? 6 : 2;                     // rows with 4 vectors (B in place, few rows)
constexpr int64_t kNc = 512;                                    // columns of a packed B part
constexpr int64_t kInPlaceRows = 5 * kMr;                       // up to 5 row tiles B is read in place

enum Shape { kHalfTail, kTail, kOne, kTwo, kFour };  // columns: <= V/2, < V, V, 2V, 4V
template <class T, int NV, bool Tail, int... I>
constexpr void fill(Ukr (*t)[kMr + 1], std::integer_sequence<int, I...>) {
  ((t[0][I + 1] = &ukr<T, I + 1, NV, ALay::packed, Tail>, t[1][I + 1] = &ukr<T, I + 1, NV, ALay::rows, Tail>,
    t[2][I + 1] = &ukr<T, I + 1, NV, ALay::cols, Tail>),
   ...);
}
struct Table {
  Ukr at[5][3][kMr + 1]{};
  constexpr Table() {
    using R = std::make_integer_sequence<int, kMr>;
    using R4 = std::make_integer_sequence<int, kMr4>;
    fill<vh, 1, true>(at[kHalfTail], R{});
    fill<vf, 1, true>(at[kTail], R{});
    fill<vf, 1, false>(at[kOne], R{});
    fill<vf, 2, false>(at[kTwo], R{});
    fill<vf, 4, false>(at[kFour], R4{});
  }
};
constexpr Table kUkr;

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// B is read in place when few row tiles use it, or when it fits into L1 as it is.
bool b_in_place(const Gemm& g) { return !g.tb && (g.m <= kInPlaceRows || g.k * g.n <= 8192); }

// op(B) rows p..p+kp, columns j..j+n -> panels of W columns, the last one V or W wide.
void pack_b(float* dst, const float* b, int64_t ldb, bool tb, int64_t p, int64_t kp, int64_t j, int64_t n) {
  for (int64_t q = 0; q < n; q += W) {
    const int64_t w = n - q <= V ? V : W;
    if (tb)
      pack_transposed(dst + q * kp, w, b + (j + q) * ldb + p, ldb, n - q, kp);
    else
      pack_straight(dst + q * kp, w, b + p * ldb + j + q, ldb, min(n - q, w), kp);
  }
}

int64_t part_size(int64_t k) {  // equal pieces of at most kGemmKc
  const int64_t parts = ceil_div(k, kGemmKc);
  return parts > 1 ? round_up(ceil_div(k, parts), 4) : k;
}

// The rows of one A tile times all columns of a block.
struct Strip {
  int64_t k;
  const float* a = nullptr;
  int64_t lda;
  int lay = 0;               // ALay
  const float* b = nullptr;  // panels, or B itself when in_place
  int64_t ldb = 0;
  Shape wide;
  bool in_place, acc;
  float* c = nullptr;
  int64_t n, ldc;
};

void run_strip(const Strip& s, int64_t mr) {
  const int64_t step = s.wide == kFour ? 4 * V : W;
  int64_t j = 0;
  if (const int64_t full = s.n / step) {
    kUkr.at[s.wide][s.lay][mr](s.k, s.a, s.lda, s.b, s.in_place ? s.ldb : W, s.c, s.ldc, 0, s.acc, full,
                               s.in_place ? step : W * s.k);
    j = full * step;
  }
  while (j < s.n) {  // columns beyond the last full panel
    const int64_t left = s.n - j, q = j & ~(W - 1), w = s.n - q <= V ? V : W;  // q, w: panel and its width
    const Shape shape = left >= W ? kTwo : left >= V ? kOne : left > V / 2 ? kTail : kHalfTail;
    const float* b = s.in_place ? s.b + j : s.b + q * s.k + (j - q);
    kUkr.at[shape][s.lay][mr](s.k, s.a, s.lda, b, s.in_place ? s.ldb : w, s.c + j, s.ldc, left, s.acc, 1, 0);
    j += shape == kTwo ? W : shape == kOne ? V : left;
  }
}

void empty_sum(const Gemm& g, int64_t i0, int64_t j0, int64_t m, int64_t n) {
  for (int64_t i = i0; i < i0 + m && !g.acc; ++i)
    for (int64_t j = j0; j < j0 + n; ++j) g.c[i * g.ldc + j] = 0;
  epilogue(g, i0, j0, m, n);
}

}  // namespace

GemmGrid gemm_grid(const Gemm& g, int threads, bool packed) {
  // Without packing to repeat, rows are split alone, into as many blocks as workers: A then meets more panels at a time.
  if (packed && g.m >= 4 * kMr * threads && g.n <= kNc) return {threads, 1};
  const int64_t useful = g.m * g.n * g.k / (128 * 1024);  // at least 2 us each
  const int64_t blocks = threads <= 1 ? 1 : min(4 * threads, useful);
  int64_t gn = b_in_place(g) || g.n == 0 ? 1 : ceil_div(g.n, kNc),
          gm = 1;             // columns: never more than kNc at once
  while (gn * gm < blocks) {  // split the longer side: packing is repeated across the other
    const int64_t w = g.n / gn, h = g.m / gm;
    if (w >= h && w >= 2 * W)
      gn *= 2;
    else if (h >= 2 * kMr)
      gm *= 2;
    else if (w >= 2 * W)
      gn *= 2;
    else
      break;
  }
  return {gm, gn};
}

int64_t gemm_scratch(const Gemm& g, GemmGrid grid) {
  const int64_t columns = b_in_place(g) ? 0 : (ceil_div(ceil_div(g.n, W), grid.gn) + 1) * W;
  return part_size(g.k) * (columns + kMr) + V * kMr;  // pack_a_rows stores whole vectors
}

int64_t gemm_scratch(const Gemm& g) { return min(g.k, kGemmKc) * (min(g.n, kNc) + 2 * W + kMr) + V * kMr; }

bool gemm_packs(const Gemm& g) { return !dot_path(g) && !b_in_place(g); }
int64_t gemm_packed_size(const Gemm& g) { return g.k * round_up(g.n, W); }

// Parts of k one after the other, each as panels.
void gemm_pack(const Gemm& g, int64_t first, int64_t last, float* to) {
  const int64_t kc = part_size(g.k), j = first * W, n = min(g.n, last * W) - j;
  for (int64_t p = 0; p < g.k; p += kc) {
    const int64_t kp = min(kc, g.k - p);
    pack_b(to + p * round_up(g.n, W) + j * kp, g.b, g.ldb, g.tb, p, kp, j, n);
  }
}

void gemm_cell(const Gemm& g, GemmGrid grid, int64_t cell, float* scratch) {
  const int64_t i = cell % grid.gm, j = cell / grid.gm, panels = ceil_div(g.n, W);
  gemm_block(g, i * g.m / grid.gm, (i + 1) * g.m / grid.gm, min(g.n, j * panels / grid.gn * W),
             min(g.n, (j + 1) * panels / grid.gn * W), scratch);
}

void gemm(const Gemm& g, float* scratch) {
  const GemmGrid grid = gemm_grid(g, 1);
  for (int64_t cell = 0; cell < grid.gm * grid.gn; ++cell) gemm_cell(g, grid, cell, scratch);
}

void gemm_block(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1, float* scratch) {
  const int64_t m = i1 - i0, n = j1 - j0, kc = part_size(g.k);
  if (m <= 0 || n <= 0) return;
  if (g.k == 0) return empty_sum(g, i0, j0, m, n);
  if (dot_path(g)) return dot_block(g, i0, i1, j0, j1);
  const bool in_place = b_in_place(g);
  const Shape wide = in_place && m <= kMr4 ? kFour : kTwo;
  const int64_t tiles = ceil_div(m, wide == kFour          ? kMr4
                                    : g.k <= 32 && kMr > 8 ? 8
                                                           : kMr);  // short k: smaller tiles
  // A is read in place when few panels reuse it, or when its rows do not fall into the same L1 sets.
  const bool a_in_place = n <= 4 * W || (!g.ta && (g.lda * 4) % 4096 != 0 && n <= kNc);
  float* const bbuf = scratch;
  float* const abuf = scratch + (in_place ? 0 : kc * round_up(n, W));
  for (int64_t p = 0; p < g.k; p += kc) {
    const int64_t kp = min(kc, g.k - p);
    Strip s{.k = kp,
            .lda = g.lda,
            .wide = wide,
            .in_place = in_place,
            .acc = g.acc || p > 0,
            .n = n,
            .ldc = g.ldc};
    s.b = in_place ? g.b + p * g.ldb + j0 : bbuf;
    s.ldb = g.ldb;
    if (g.packed)
      s.b = g.packed + p * round_up(g.n, W) + j0 * kp;
    else if (!in_place)
      pack_b(bbuf, g.b, g.ldb, g.tb, p, kp, j0, n);
    for (int64_t t = 0, i = i0; t < tiles; ++t) {  // tiles of nearly equal height
      const int64_t mr = m / tiles + (t < m % tiles);
      s.a = g.ta ? g.a + p * g.lda + i : g.a + i * g.lda + p;
      s.lay = g.ta ? 2 : 1;
      if (!a_in_place) {
        g.ta ? pack_a_cols(abuf, mr, s.a, g.lda, kp) : pack_a_rows(abuf, mr, s.a, g.lda, kp);
        s.a = abuf;
        s.lay = 0;
      }
      s.c = g.c + i * g.ldc + j0;
      run_strip(s, mr);
      if (p + kp == g.k) epilogue(g, i, j0, mr, n);
      i += mr;
    }
  }
}

}  // namespace dl::DL_ISA
