// blas.h by cublasLt. The library's algorithm for a product is asked for once and kept; all work of a device goes through
// one stream and one workspace, so bits do not change from run to run. Not part of the emulation, which has no library.
#include "kernels/cuda/blas.h"

#include <cublasLt.h>

namespace dl::DL_ISA {
namespace {

constexpr size_t kWorkspace = 32u << 20;
constexpr int kKept = 1024;  // products whose algorithms are kept

// What tells products apart. All of it is compared, so it has no gaps.
struct Key {
  int64_t m, n, k, batch, lda, ldb, ldd, step_a, step_b, step_d;
  int32_t type, out, trans_a, trans_b, added, bias, relu, tf32, align_a, align_b;
  bool operator==(const Key&) const = default;
};

struct Kept {
  Key key;
  bool works;
  cublasLtMatmulAlgo_t algorithm;
};

struct Blas {
  cublasLtHandle_t handle = nullptr;
  void* workspace = nullptr;
  int count = 0;
  Kept kept[kKept];
};

cudaDataType_t type_of(Elem e) {
  return e == Elem::bf16 ? CUDA_R_16BF : e == Elem::f16 ? CUDA_R_16F : CUDA_R_32F;
}

// The largest power of two up to 256 that an address is a multiple of.
uint32_t alignment(const void* p) {
  uint32_t a = 256;
  while (a > 1 && reinterpret_cast<uintptr_t>(p) % a) a /= 2;
  return a;
}

// The library takes matrices by columns: it computes the transpose of D as B^T A^T.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  bool good = true;

  explicit Plan(const BlasProduct& p, bool tf32) {
    const cublasComputeType_t compute =
        p.type == Elem::f32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    check(cublasLtMatmulDescCreate(&product, compute, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, p.bias
                                           ? (p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                           : (p.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT));
    if (p.bias) {
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(p.out));
    }
    layout(&a, p.type, p.trans_b ? p.k : p.n, p.trans_b ? p.n : p.k, p.ldb, p.batch, p.step_b);
    layout(&b, p.type, p.trans_a ? p.m : p.k, p.trans_a ? p.k : p.m, p.lda, p.batch, p.step_a);
    layout(&d, p.out, p.n, p.m, p.ldd, p.batch, p.step_d);
  }
  ~Plan() {
    if (a) cublasLtMatrixLayoutDestroy(a);
    if (b) cublasLtMatrixLayoutDestroy(b);
    if (d) cublasLtMatrixLayoutDestroy(d);
    if (product) cublasLtMatmulDescDestroy(product);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

 private:
  void check(cublasStatus_t s) { good = good && s == CUBLAS_STATUS_SUCCESS; }
  template <class V>
  void set(cublasLtMatmulDescAttributes_t what, const V& v) {
    if (good) check(cublasLtMatmulDescSetAttribute(product, what, &v, sizeof v));
  }
  void layout(cublasLtMatrixLayout_t* l, Elem type, int64_t rows, int64_t columns, int64_t ld, int64_t batch,
              int64_t step) {
    if (good)
      check(cublasLtMatrixLayoutCreate(l, type_of(type), static_cast<uint64_t>(rows),
                                       static_cast<uint64_t>(columns), ld));
    if (!good || batch == 1) return;
    const auto count = static_cast<int32_t>(batch);
    check(cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    check(cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step,
                                           sizeof step));
  }
};

// The library's first proposal.
bool choose(const Blas& blas, const BlasProduct& p, const Plan& plan, cublasLtMatmulAlgo_t* algorithm) {
  cublasLtMatmulPreference_t wish = nullptr;
  if (cublasLtMatmulPreferenceCreate(&wish) != CUBLAS_STATUS_SUCCESS) return false;
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& v) {
    cublasLtMatmulPreferenceSetAttribute(wish, what, &v, sizeof v);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(p.b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(p.a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(p.added ? p.added : p.d));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(p.d));
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  const cublasStatus_t s = cublasLtMatmulAlgoGetHeuristic(blas.handle, plan.product, plan.a, plan.b, plan.d,
                                                          plan.d, wish, 1, &found, &count);
  cublasLtMatmulPreferenceDestroy(wish);
  if (s != CUBLAS_STATUS_SUCCESS || count == 0) return false;
  *algorithm = found.algo;
  return true;
}

Key key_of(const BlasProduct& p, bool tf32) {
  return {p.m,
          p.n,
          p.k,
          p.batch,
          p.lda,
          p.ldb,
          p.ldd,
          p.step_a,
          p.step_b,
          p.step_d,
          int32_t(p.type),
          int32_t(p.out),
          p.trans_a,
          p.trans_b,
          p.added ? int32_t(alignment(p.added)) : 0,
          p.bias != nullptr,
          p.relu,
          tf32,
          int32_t(alignment(p.a) | alignment(p.d) << 16),
          int32_t(alignment(p.b))};
}

}  // namespace

void* blas_create() {
  auto* blas = new Blas;
  if (cublasLtCreate(&blas->handle) == CUBLAS_STATUS_SUCCESS &&
      cudaMalloc(&blas->workspace, kWorkspace) == cudaSuccess)
    return blas;
  cudaGetLastError();
  blas_destroy(blas);
  return nullptr;
}

void blas_destroy(void* p) {
  auto* blas = static_cast<Blas*>(p);
  if (blas->workspace) cudaFree(blas->workspace);
  if (blas->handle) cublasLtDestroy(blas->handle);
  delete blas;
}

bool blas_matmul(const Call& c, const BlasProduct& p) {
  const Queue& queue = queue_of(c);
  if (!queue.blas) return false;
  if (p.m == 0 || p.n == 0 || p.batch == 0) return true;
  if (p.k == 0 || p.batch > INT32_MAX) return false;
  Blas& blas = *static_cast<Blas*>(queue.blas);
  const Plan plan(p, queue.tf32);
  if (!plan.good) return false;
  const Key key = key_of(p, queue.tf32);
  int at = 0;
  while (at < blas.count && !(blas.kept[at].key == key)) ++at;
  if (at == blas.count) {
    if (at == kKept) at = blas.count = 0;  // begin again
    Kept& fresh = blas.kept[at];
    fresh.key = key;
    fresh.works = choose(blas, p, plan, &fresh.algorithm);
    ++blas.count;
  }
  const Kept& kept = blas.kept[at];
  if (!kept.works) return false;
  const float one = 1, beta = p.added ? 1 : 0;
  return cublasLtMatmul(blas.handle, plan.product, &one, p.b, plan.a, p.a, plan.b, &beta,
                        p.added ? p.added : p.d, plan.d, p.d, plan.d, &kept.algorithm, blas.workspace,
                        kWorkspace, queue.stream) == CUBLAS_STATUS_SUCCESS;
}

}  // namespace dl::DL_ISA
