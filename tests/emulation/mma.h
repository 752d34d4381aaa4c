#pragma once
// Matrix products of a warp (nvcuda::wmma). Every lane holds an equal share of a tile in an order of its own, as on a
// device; mma_sync() is a meeting of the warp.
#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace nvcuda::wmma {

struct row_major {};
struct col_major {};
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32 {};
}  // namespace precision

inline float __float_to_tf32(float v) {
  return __uint_as_float((__float_as_uint(v) + 0x1000u) & 0xffffe000u);
}

template <class T>
struct Stored {
  using type = T;
};
template <>
struct Stored<precision::tf32> {
  using type = float;
};

inline float to_float(float v) { return v; }
inline float to_float(__half v) { return __half2float(v); }
inline float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class Use, int M, int N, int K>
constexpr int elements() {
  if constexpr (std::is_same_v<Use, matrix_a>)
    return M * K / 32;
  else if constexpr (std::is_same_v<Use, matrix_b>)
    return K * N / 32;
  else
    return M * N / 32;
}

template <class Use, int M, int N, int K, class T, class Order = void>
struct fragment {
  static constexpr int num_elements = elements<Use, M, N, K>();
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M,
                       columns = std::is_same_v<Use, matrix_a> ? K : N;
  typename Stored<T>::type x[num_elements];
};

template <class Use, int M, int N, int K, class T, class Order>
void fill_fragment(fragment<Use, M, N, K, T, Order>& f, typename Stored<T>::type v) {
  for (auto& e : f.x) e = v;
}

template <class Use, int M, int N, int K, class T, class Order>
void load_matrix_sync(fragment<Use, M, N, K, T, Order>& f, const typename Stored<T>::type* p, unsigned ld) {
  using F = fragment<Use, M, N, K, T, Order>;
  for (int i = 0; i < F::num_elements; ++i) {
    const int e = emulation::lane() * F::num_elements + i, r = e / F::columns, c = e % F::columns;
    f.x[i] =
        std::is_same_v<Order, row_major> ? p[r * static_cast<int>(ld) + c] : p[c * static_cast<int>(ld) + r];
  }
  __syncwarp();
}

template <int M, int N, int K>
void store_matrix_sync(float* p, const fragment<accumulator, M, N, K, float>& f, unsigned ld,
                       layout_t order) {
  using F = fragment<accumulator, M, N, K, float>;
  for (int i = 0; i < F::num_elements; ++i) {
    const int e = emulation::lane() * F::num_elements + i, r = e / N, c = e % N;
    p[order == mem_row_major ? r * static_cast<int>(ld) + c : c * static_cast<int>(ld) + r] = f.x[i];
  }
  __syncwarp();
}

template <int M, int N, int K, class T, class OrderA, class OrderB>
void mma_sync(fragment<accumulator, M, N, K, float>& d, const fragment<matrix_a, M, N, K, T, OrderA>& a,
              const fragment<matrix_b, M, N, K, T, OrderB>& b,
              const fragment<accumulator, M, N, K, float>& c) {
  struct Share {
    float a[M * K / 32], b[K * N / 32];
  } mine;
  for (int i = 0; i < a.num_elements; ++i) mine.a[i] = to_float(a.x[i]);
  for (int i = 0; i < b.num_elements; ++i) mine.b[i] = to_float(b.x[i]);
  const auto* all = static_cast<const Share*>(emulation::meet(&mine, sizeof mine));
  constexpr int na = M * K / 32, nb = K * N / 32;
  for (int i = 0; i < d.num_elements; ++i) {
    const int e = emulation::lane() * d.num_elements + i, r = e / N, col = e % N;
    float sum = c.x[i];
    for (int k = 0; k < K; ++k) {
      const int ia = r * K + k, ib = k * N + col;
      sum += all[ia / na].a[ia % na] * all[ib / nb].b[ib % nb];
    }
    d.x[i] = sum;
  }
}

}  // namespace nvcuda::wmma
