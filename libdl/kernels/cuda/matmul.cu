// matmul and affine: by cublasLt where it can, else by the engine of gemm.h.
#include "kernels/matmul.h"

#include "kernels/cuda/blas.h"
#include "kernels/cuda/gemm_load.h"
#include "kernels/cuda/gemm_write.h"

namespace dl::DL_ISA {
namespace {

// y (batch, m, n) = act(a b + bias), times the derivative that aux gives.
struct Product {
  int64_t m, n, k, batch;
  bool trans_a, trans_b;
  Arg a, b, y;
  Arg bias, aux;
  Act act;
};

Arg operand(const Call& c, int i) { return i < c.n_in ? c.in[i] : Arg{}; }

// a (..., M, K) or transposed, b (K, N) or (..., K, N), aux? (..., M, N) -> (..., M, N). With a 2-D b the leading axes of a
// are further rows.
Product matmul_product(const Call& c) {
  const MatmulAttrs& t = *static_cast<const MatmulAttrs*>(c.attrs);
  const Arg &a = c.in[0], &b = c.in[1], &y = c.out[0];
  const bool flat = b.rank == 2;
  return {.m = flat ? y.size(0, y.rank - 1) : y.dims[y.rank - 2],
          .n = y.dims[y.rank - 1],
          .k = b.dims[t.trans_b ? b.rank - 1 : b.rank - 2],
          .batch = flat ? 1 : y.size(0, y.rank - 2),
          .trans_a = t.trans_a,
          .trans_b = t.trans_b,
          .a = a,
          .b = b,
          .y = y,
          .bias = {},
          .aux = operand(c, 2),
          .act = act_of(t.epilogue)};
}

// x (..., K), w (out, K), b? (out) -> (..., out)
Product affine_product(const Call& c) {
  const Arg &x = c.in[0], &w = c.in[1], &y = c.out[0];
  return {.m = x.size(0, x.rank - 1),
          .n = w.dims[0],
          .k = w.dims[1],
          .batch = 1,
          .trans_a = false,
          .trans_b = true,
          .a = x,
          .b = w,
          .y = y,
          .bias = operand(c, 2),
          .aux = {},
          .act = act_of(static_cast<const AffineAttrs*>(c.attrs)->activation)};
}

int element_size(Elem type) { return type == Elem::f32 ? 4 : 2; }
// Whether both factors are read as they are; else one that differs in type is converted to that of the other first.
bool same_types(const Product& p) { return p.a.type == p.b.type; }

GemmGrid grid_of(const Product& p) {
  GemmGrid g;
  with_float_type(p.a.type, [&](auto zero) {
    g = gemm_grid<decltype(zero)>(p.m, p.n, p.k, p.batch, true, p.batch == 1 ? 8 * kLongSum : 0);
  });
  return g;
}

Output output_of(const Product& p) {
  Output o;
  o.y = Floats(p.y);
  o.bias = Floats(p.bias);
  o.aux = Floats(p.aux);
  o.act = p.act;
  o.picture.lanes = static_cast<int>(p.n);
  o.problem = p.m * p.n;
  o.problems = p.batch;
  o.m = static_cast<int>(p.m);
  o.n = static_cast<int>(p.n);
  o.whole = p.n % 4 == 0 && aligned16(o.y.p) && aligned16(o.aux.p);
  return o;
}

template <class T, bool kAlong>
MatrixSource<T, kAlong> source(const void* p, int64_t size, int64_t k, int64_t step) {
  const int64_t line = kAlong ? k : size;
  return {static_cast<const T*>(p),
          line,
          step,
          static_cast<int>(size),
          static_cast<int>(k),
          line % kPackSize<T> == 0 && step % kPackSize<T> == 0 && aligned16(p)};
}

bool by_blas(const Call& c, const Product& p) {
  if (!queue_of(c).blas || !same_types(p) || p.aux.present() || p.k == 0) return false;
  if (p.act != Act::none && p.act != Act::relu) return false;
  if (p.bias.present() && p.bias.type != p.y.type) return false;
  return blas_matmul(c, {.m = p.m,
                         .n = p.n,
                         .k = p.k,
                         .batch = p.batch,
                         .type = p.a.type,
                         .out = p.y.type,
                         .a = p.a.data,
                         .b = p.b.data,
                         .lda = p.trans_a ? p.m : p.k,
                         .ldb = p.trans_b ? p.k : p.n,
                         .ldd = p.n,
                         .trans_a = p.trans_a,
                         .trans_b = p.trans_b,
                         .step_a = p.m * p.k,
                         .step_b = p.k * p.n,
                         .step_d = p.m * p.n,
                         .d = p.y.data,
                         .bias = p.bias.data,
                         .relu = p.act == Act::relu});
}

// A copy of a matrix in the element type of the other factor.
template <class T>
__global__ void convert_kernel(const Floats from, T* to, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) to[i] = from_float<T>(from.one(i));
}

int64_t converted_floats(const Product& p) {
  return same_types(p) ? 0 : ceil_div(p.b.size() * element_size(p.a.type), 256) * 64;
}

void plan(const Product& p, Work& w) {
  w.shared = converted_floats(p) + part_floats(grid_of(p), output_of(p));
}

template <class T>
void multiply(const Call& c, const Product& p, const void* b) {
  const GemmGrid g = grid_of(p);
  const Output o = output_of(p);
  float* scratch = c.shared + converted_floats(p);
  const auto with_b = [&](auto a) {
    if (p.trans_b)
      run_gemm(c, g, a, source<T, true>(b, p.n, p.k, p.k * p.n), o, scratch);
    else
      run_gemm(c, g, a, source<T, false>(b, p.n, p.k, p.k * p.n), o, scratch);
  };
  if (p.trans_a)
    with_b(source<T, false>(p.a.data, p.m, p.k, p.m * p.k));
  else
    with_b(source<T, true>(p.a.data, p.m, p.k, p.m * p.k));
}

void run(const Call& c, const Product& p) {
  if (by_blas(c, p)) return;
  with_float_type(p.a.type, [&](auto zero) {
    using T = decltype(zero);
    const void* b = p.b.data;
    if (!same_types(p)) {
      b = c.shared;
      launch(c, convert_kernel<T>, blocks_for(c, p.b.size()), kThreads, 0, Floats(p.b),
             reinterpret_cast<T*>(c.shared), p.b.size());
    }
    multiply<T>(c, p, b);
  });
}

template <Product (*Of)(const Call&)>
constexpr Kernel product_kernel() {
  return {[](const Call& c, Work& w) { plan(Of(c), w); },
          [](const Call& c, int, int64_t, float*) { run(c, Of(c)); }};
}

}  // namespace

extern const Kernel matmul = product_kernel<matmul_product>();
extern const Kernel affine = product_kernel<affine_product>();

}  // namespace dl::DL_ISA
