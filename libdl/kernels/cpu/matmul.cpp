// matmul and affine: the packed GEMM over a grid of blocks, one chunk each.
#include "kernels/matmul.h"

#include "kernels/cpu/gemm.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {
namespace {

Act act_of(Activation a) { return static_cast<Act>(a); }
static_assert(int(Act::gelu) == int(Activation::gelu));

Act act_of(MatmulEpilogue e) {
  return e == MatmulEpilogue::none ? Act::none : static_cast<Act>(int(e) + int(Act::relu_grad) - 1);
}
static_assert(int(Act::sigmoid_grad) - int(Act::relu_grad) + 1 == int(MatmulEpilogue::sigmoid_grad));

// a (..., M, K) or transposed, b (K, N) or (..., K, N), aux? (..., M, N) -> (..., M, N). With a 2-D b the
// leading axes of a are further rows.
struct Batched {
  Gemm g;                  // of the first product of the batch
  int64_t batch, a, b, c;  // how many products, and the distances between them
};

Batched batched(const Call& c) {
  const MatmulAttrs& t = *static_cast<const MatmulAttrs*>(c.attrs);
  const Arg &a = c.in[0], &b = c.in[1], &y = c.out[0];
  const bool flat = b.rank == 2;
  const int ra = a.rank, rb = b.rank;
  const int64_t n = y.dims[y.rank - 1], m = flat ? y.size(0, y.rank - 1) : y.dims[y.rank - 2];
  const int64_t k = b.dims[t.trans_b ? rb - 1 : rb - 2];
  Batched r{{.m = m,
             .n = n,
             .k = k,
             .a = a.f(),
             .lda = a.dims[ra - 1],
             .ta = t.trans_a,
             .b = b.f(),
             .ldb = b.dims[rb - 1],
             .tb = t.trans_b,
             .c = y.f(),
             .ldc = n,
             .act = act_of(t.epilogue)},
            flat ? 1 : y.size(0, y.rank - 2),
            m * k,
            k * n,
            m * n};
  if (c.n_in > 2 && c.in[2].present()) r.g.aux = c.in[2].f();
  return r;
}

void plan_matmul(const Call& c, Work& w) {
  const Batched b = batched(c);
  const GemmGrid grid = gemm_grid(b.g, b.batch >= 4 * c.threads ? 1 : c.threads);
  w.chunks[0] = b.batch * grid.gm * grid.gn;
  w.local = gemm_scratch(b.g, grid);
}

void run_matmul(const Call& c, int, int64_t chunk, float* local) {
  const Batched b = batched(c);
  const GemmGrid grid = gemm_grid(b.g, b.batch >= 4 * c.threads ? 1 : c.threads);
  const int64_t cells = grid.gm * grid.gn, i = chunk / cells;
  Gemm g = b.g;
  g.a += i * b.a;
  g.b += i * b.b;
  g.c += i * b.c;
  if (g.aux) g.aux += i * b.c;
  gemm_cell(g, grid, chunk % cells, local);
}

// x (..., K), w (out, K), b? (out) -> (..., out)
Gemm affine_gemm(const Call& c) {
  const Arg &x = c.in[0], &w = c.in[1], &y = c.out[0];
  const int64_t k = w.dims[1], n = w.dims[0];
  return {.m = x.size(0, x.rank - 1),
          .n = n,
          .k = k,
          .a = x.f(),
          .lda = k,
          .ta = false,
          .b = w.f(),
          .ldb = k,
          .tb = true,
          .c = y.f(),
          .ldc = n,
          .bias = c.n_in > 2 && c.in[2].present() ? c.in[2].f() : nullptr,
          .act = act_of(static_cast<const AffineAttrs*>(c.attrs)->activation)};
}

// Weights that stay the same are packed once, in a phase of their own, which these chunks of columns share.
constexpr int64_t kPackChunk = 4 * kGemmPackColumns;
bool packs_once(const Call& c, const Gemm& g) { return c.fixed_weights && gemm_packs(g); }

void plan_affine(const Call& c, Work& w) {
  const Gemm g = affine_gemm(c);
  const bool packed = packs_once(c, g);
  const GemmGrid grid = gemm_grid(g, c.threads, packed);
  int phase = 0;
  if (packed) {
    w.phases = 2;
    w.once = 1;
    w.chunks[phase++] = (g.n + kPackChunk - 1) / kPackChunk;
    w.shared = gemm_packed_size(g);
  }
  w.chunks[phase] = grid.gm * grid.gn;
  w.local = gemm_scratch(g, grid);
}

void run_affine(const Call& c, int phase, int64_t chunk, float* local) {
  Gemm g = affine_gemm(c);
  const bool packed = packs_once(c, g);
  if (packed) {
    constexpr int64_t kPanels = kPackChunk / kGemmPackColumns;
    if (phase == 0) return gemm_pack(g, chunk * kPanels, (chunk + 1) * kPanels, c.shared);
    g.packed = c.shared;
  }
  gemm_cell(g, gemm_grid(g, c.threads, packed), chunk, local);
}

}  // namespace

extern const Kernel matmul{&plan_matmul, &run_matmul};
extern const Kernel affine{&plan_affine, &run_affine};

}  // namespace dl::DL_ISA
