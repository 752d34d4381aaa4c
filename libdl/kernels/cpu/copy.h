#pragma once
// Moving elements of any type: kernels that compute nothing see bytes.
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

constexpr int64_t kCopyChunk = 1 << 16;  // bytes of output

DL_INLINE int64_t elem_size(Elem e) {
  switch (e) {
    case Elem::f32:
    case Elem::i32:
      return 4;
    case Elem::f64:
    case Elem::i64:
      return 8;
    case Elem::u8:
      return 1;
    case Elem::bf16:
    case Elem::f16:
      return 2;
  }
  return 0;
}
DL_INLINE char* bytes(const Arg& a) { return static_cast<char*>(a.data); }
DL_INLINE int64_t size_in_bytes(const Arg& a) { return a.size() * elem_size(a.type); }
DL_INLINE int64_t copy_chunks(const Arg& out) { return (size_in_bytes(out) + kCopyChunk - 1) / kCopyChunk; }
DL_INLINE void copy_bytes(char* to, const char* from, int64_t n) {
  __builtin_memcpy(to, from, static_cast<__SIZE_TYPE__>(n));
}
DL_INLINE void zero_bytes(char* to, int64_t n) { __builtin_memset(to, 0, static_cast<__SIZE_TYPE__>(n)); }

}  // namespace dl::DL_ISA
