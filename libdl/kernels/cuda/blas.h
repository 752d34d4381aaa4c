#pragma once
// Matrix products by NVIDIA's library cublasLt. In tests without a device there is none, and nothing it can do.
#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

// Row-major D (m, n) = act(A (m, k) B (k, n) + C + bias (n)), `batch` times; act is relu or nothing.
struct BlasProduct {
  int64_t m, n, k, batch = 1;
  Elem type;        // of A, B, C and D
  Elem out = type;  // of C and D
  const void *a, *b;
  int64_t lda, ldb, ldd;                       // elements from one line to the next
  bool trans_a = false, trans_b = false;       // A is stored (k, m), B (n, k)
  int64_t step_a = 0, step_b = 0, step_d = 0;  // from one product to the next
  void* d;
  const void* added = nullptr;  // C, laid out as D
  const void* bias = nullptr;   // of the type of D
  bool relu = false;
};

void* blas_create();  // null where there is no library
void blas_destroy(void* blas);
// Enqueues the product; false where the library cannot compute it.
bool blas_matmul(const Call& c, const BlasProduct& p);

}  // namespace dl::DL_ISA
