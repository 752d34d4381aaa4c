#pragma once
// One SIMD vector of DL_VLEN floats. GCC vector extensions carry the arithmetic; the few things they cannot
// say (fused multiply-add, masked load/store, scale by 2^n, min/max) are the only intrinsics in the code base.
// DL_VLEN is 16 (AVX-512), 8 (AVX2) or 4: the last needs no intrinsics, so it is both baseline x86-64 and the plain
// build for other processors. Everything lives in namespace dl::DL_ISA: no inline function leaks between sets.
#include <cstdint>
#if DL_VLEN > 4
#include <immintrin.h>
#endif

#define DL_INLINE inline __attribute__((always_inline))

namespace dl::DL_ISA {

typedef float vf __attribute__((vector_size(DL_VLEN * 4)));
typedef float vf_u __attribute__((vector_size(DL_VLEN * 4), aligned(4), may_alias));  // unaligned access
typedef int32_t vi __attribute__((vector_size(DL_VLEN * 4)));
typedef uint32_t vu __attribute__((vector_size(DL_VLEN * 4)));

#if DL_VLEN == 16
typedef float vh
    __attribute__((vector_size(32)));  // half a vector: two run per cycle where 512 bits take one
#else
typedef vf vh;
#endif

DL_INLINE vf splat(float x) { return x - vf{}; }
DL_INLINE vf load(const float* p) { return *reinterpret_cast<const vf_u*>(p); }
template <class T>
DL_INLINE T load_as(const float* p) {
  T v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
DL_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_u*>(p) = v; }
DL_INLINE vi as_int(vf v) { return reinterpret_cast<vi>(v); }
DL_INLINE vf as_float(vi v) { return reinterpret_cast<vf>(v); }
DL_INLINE vf select(vi m, vf a, vf b) { return m ? a : b; }

#if DL_VLEN == 16
DL_INLINE vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
DL_INLINE vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }  // NaN in b is kept
DL_INLINE vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
DL_INLINE vf vround(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
DL_INLINE vf vsqrt(vf a) { return _mm512_sqrt_ps(a); }
DL_INLINE vf scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }  // a 2^n, n integral, full range
DL_INLINE vf load_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p); }
DL_INLINE void store_n(float* p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), v); }
DL_INLINE vh fma(vh a, vh b, vh c) { return _mm256_fmadd_ps(a, b, c); }
DL_INLINE void store_n(float* p, vh v, int64_t n) { _mm256_mask_storeu_ps(p, __mmask8((1u << n) - 1), v); }
template <class T>
DL_INLINE T load_n_as(const float* p, int64_t n) {
  if constexpr (sizeof(T) == 64)
    return load_n(p, n);
  else
    return _mm256_maskz_loadu_ps(__mmask8((1u << n) - 1), p);
}
DL_INLINE float hsum(vf v) { return _mm512_reduce_add_ps(v); }
DL_INLINE float hmax(vf v) { return _mm512_reduce_max_ps(v); }
DL_INLINE void store_stream(float* p, vf v) { _mm512_stream_ps(p, v); }
#elif DL_VLEN == 8
DL_INLINE vf fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
DL_INLINE vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
DL_INLINE vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
DL_INLINE vf vround(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
DL_INLINE vf vsqrt(vf a) { return _mm256_sqrt_ps(a); }
DL_INLINE vf scale2(vf a, vf n) {  // two steps: subnormal and infinite results
  const vi i = __builtin_convertvector(n, vi), h = i >> 1;
  return a * as_float((h + 127) << 23) * as_float((i - h + 127) << 23);
}
DL_INLINE vi mask_n(int64_t n) {
  const vi l = {0, 1, 2, 3, 4, 5, 6, 7};
  return l < (int32_t(n) - vi{});
}
DL_INLINE vf load_n(const float* p, int64_t n) {
  return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(mask_n(n)));
}
DL_INLINE void store_n(float* p, vf v, int64_t n) {
  _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(mask_n(n)), v);
}
template <class T>
DL_INLINE T load_n_as(const float* p, int64_t n) {
  return load_n(p, n);
}
DL_INLINE float hsum(vf v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
DL_INLINE float hmax(vf v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
DL_INLINE void store_stream(float* p, vf v) { _mm256_stream_ps(p, v); }
#elif DL_VLEN == 4
DL_INLINE vf fma(vf a, vf b, vf c) { return a * b + c; }  // rounds twice
DL_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }   // NaN in b is kept
DL_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
DL_INLINE vf vround(vf a) {  // to nearest even, |a| < 2^22
  const vf big = splat(12582912.f);
  return (a + big) - big;
}
DL_INLINE vf vsqrt(vf a) {
  vf r;
  for (int i = 0; i < DL_VLEN; ++i) r[i] = __builtin_sqrtf(a[i]);
  return r;
}
DL_INLINE vf scale2(vf a, vf n) {  // two steps: subnormal and infinite results
  const vi i = __builtin_convertvector(n, vi), h = i >> 1;
  return a * as_float((h + 127) << 23) * as_float((i - h + 127) << 23);
}
DL_INLINE vf load_n(const float* p, int64_t n) {
  vf r = {};
  for (int64_t i = 0; i < n; ++i) r[i] = p[i];
  return r;
}
DL_INLINE void store_n(float* p, vf v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}
template <class T>
DL_INLINE T load_n_as(const float* p, int64_t n) {
  T r = {};
  for (int64_t i = 0; i < n; ++i) r[i] = p[i];
  return r;
}
DL_INLINE float hsum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
DL_INLINE float hmax(vf v) {
  const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}
DL_INLINE void store_stream(float* p, vf v) { store(p, v); }
#else
#error "DL_VLEN must be 4 (base), 8 (avx2) or 16 (avx512)"
#endif

}  // namespace dl::DL_ISA
