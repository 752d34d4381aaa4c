#pragma once
// The random words of a node, as cpu/philox.h has them, and the elements that four neighbouring counters belong to.
#include <type_traits>

#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

__device__ __forceinline__ uint64_t random_high(uint64_t stream, int64_t step) {
  return stream ^ (static_cast<uint64_t>(step) * 0x9E3779B97F4A7C15ull);
}

struct Words {
  uint32_t v[4];
};
__device__ __forceinline__ Words random_words(uint32_t k0, uint32_t k1, uint64_t high, uint64_t counter) {
  auto c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  auto c2 = static_cast<uint32_t>(high), c3 = static_cast<uint32_t>(high >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t h0 = __umulhi(c0, 0xD2511F53u), h1 = __umulhi(c2, 0xCD9E8D57u);
    const uint32_t l0 = c0 * 0xD2511F53u, l1 = c2 * 0xCD9E8D57u;
    c0 = h1 ^ c1 ^ k0;
    c2 = h0 ^ c3 ^ k1;
    c1 = l1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Four elements; those behind the last are neither read nor written.
template <class T>
struct alignas(4 * sizeof(T)) Four {
  using Word = std::conditional_t<sizeof(T) == 4, uint4, uint2>;
  T v[4];
  __device__ __forceinline__ void load(const T* x, int64_t i, int64_t n) {
    if (i + 4 <= n)
      *reinterpret_cast<Word*>(v) = *reinterpret_cast<const Word*>(x + i);
    else
      for (int k = 0; k < 4; ++k) v[k] = i + k < n ? x[i + k] : T{};
  }
  __device__ __forceinline__ void store(T* y, int64_t i, int64_t n) const {
    if (i + 4 <= n)
      *reinterpret_cast<Word*>(y + i) = *reinterpret_cast<const Word*>(v);
    else
      for (int k = 0; k < 4; ++k)
        if (i + k < n) y[i + k] = v[k];
  }
};

}  // namespace dl::DL_ISA
