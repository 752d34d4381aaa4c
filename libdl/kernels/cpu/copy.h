#pragma once
// Moving elements of any type: kernels that compute nothing see bytes.
#include "kernels/cpu/vec.h"
#include "kernels/elem.h"

namespace dl::DL_ISA {

constexpr int64_t kCopyChunk = 1 << 16;  // bytes of output

DL_INLINE int64_t copy_chunks(const Arg& out) { return (size_in_bytes(out) + kCopyChunk - 1) / kCopyChunk; }
DL_INLINE void copy_bytes(char* to, const char* from, int64_t n) {
  __builtin_memcpy(to, from, static_cast<__SIZE_TYPE__>(n));
}
DL_INLINE void zero_bytes(char* to, int64_t n) { __builtin_memset(to, 0, static_cast<__SIZE_TYPE__>(n)); }

}  // namespace dl::DL_ISA
