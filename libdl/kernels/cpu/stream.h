#pragma once
// Stores that go around the caches: a large output is written without reading its lines first, and leaves in the
// caches what the next pass can use.
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

constexpr int64_t kStreamBytes = 8 << 20;  // outputs above this

// Whether y is to be written with store_stream at multiples of DL_VLEN floats. a, b: operands whose memory y may have
// taken; their lines are in the cache then, so ordinary stores are better.
inline bool streams(const Arg& y, const void* a = nullptr, const void* b = nullptr) {
  return DL_VLEN > 4 && y.size() * int64_t{sizeof(float)} > kStreamBytes && y.data != a && y.data != b &&
         reinterpret_cast<uintptr_t>(y.data) % 64 == 0;
}
DL_INLINE void store_either(float* p, vf v, bool stream) { stream ? store_stream(p, v) : store(p, v); }
// Once at the end of a chunk that used store_stream: other workers see what it wrote.
DL_INLINE void stream_fence() {
#if DL_VLEN > 4
  _mm_sfence();
#endif
}

}  // namespace dl::DL_ISA
