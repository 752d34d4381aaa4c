#pragma once
// Row-major single-precision GEMM: C[M][N] (+)= op(A)[M][K] op(B)[K][N], then bias and activation. Works on
// one block of C; kernels spread the blocks of a grid over their chunks.
#include "kernels/cpu/vec.h"

namespace dl::DL_ISA {

// The _grad forms multiply by the derivative, expressed in the forward output aux[M][N] (leading dimension
// ldc).
enum class Act : int32_t { none, relu, relu6, tanh, sigmoid, gelu, relu_grad, tanh_grad, sigmoid_grad };

struct Gemm {
  int64_t m, n, k;
  const float* a;
  int64_t lda;
  bool ta;  // A is stored [K][M]
  const float* b;
  int64_t ldb;
  bool tb;  // B is stored [N][K]
  float* c;
  int64_t ldc;
  bool acc = false;                 // add to C
  const float* bias = nullptr;      // [N], added before the activation
  const float* row_bias = nullptr;  // [M], likewise: the bias of a convolution
  Act act = Act::none;
  const float* aux = nullptr;
  const float* packed = nullptr;  // B as gemm_pack has put it, where it stays the same over many products
};

// Grid of gm x gn independent blocks of nearly equal size; column borders are multiples of the panel width.
// Bits do not depend on it: every element of C is the same sum over k in any block.
struct GemmGrid {
  int64_t gm, gn;
};

// k is summed in equal parts of at most this: a function of K alone.
constexpr int64_t kGemmKc = 512;

// Pointers are not looked at. packed: whether B will be.
GemmGrid gemm_grid(const Gemm& g, int threads, bool packed = false);
int64_t gemm_scratch(const Gemm& g, GemmGrid grid);                          // floats that each worker needs
void gemm_cell(const Gemm& g, GemmGrid grid, int64_t cell, float* scratch);  // cell < gm * gn
void gemm_block(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1, float* scratch);
// The whole product on the calling worker. Its scratch is enough for every smaller product too.
void gemm(const Gemm& g, float* scratch);
int64_t gemm_scratch(const Gemm& g);

// B in panels, once and for all: columns [first, last) of kGemmPackColumns each, into `to` of gemm_packed_size floats.
// Not for products that read B in place, gemm_packs() tells.
constexpr int64_t kGemmPackColumns = 2 * DL_VLEN;
bool gemm_packs(const Gemm& g);
int64_t gemm_packed_size(const Gemm& g);
void gemm_pack(const Gemm& g, int64_t first, int64_t last, float* to);

}  // namespace dl::DL_ISA
