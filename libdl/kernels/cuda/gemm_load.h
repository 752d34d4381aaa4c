#pragma once
// Plain matrices as sources of the engine (gemm.h).
#include "kernels/cuda/gemm.h"

namespace dl::DL_ISA {

// A pack of neighbours into shared memory, of which the first `present` are there and the others are zero. whole: packs
// are there or not, and aligned; `base` is any address of that alignment.
template <class T>
__device__ __forceinline__ void copy_one(T* to, const T* from, bool present, const T* base) {
  if constexpr (sizeof(T) == 4)
    copy_async4(to, present ? from : base, present);
  else
    *to = present ? __ldg(from) : from_float<T>(0);
}
template <class T>
__device__ __forceinline__ void copy_pack(T* to, const T* from, int present, bool whole, const T* base) {
  if (whole) return copy_async16(to, present > 0 ? from : base, present > 0);
#pragma unroll 1
  for (int i = 0; i < kPackSize<T>; ++i) copy_one(to + i, from + i, i < present, base);
}

// A (M, K) or B (K, N), z of them. kAlong: memory goes along k, so A is row-major, or B is column-major.
template <class Element, bool kAlong>
struct MatrixSource {
  using T = Element;
  static constexpr bool kAlongK = kAlong, kMayTf32 = true;
  const T* p;
  int64_t line, problem;  // from one line of memory to the next, from one matrix to the next
  int size, k;            // M or N; K
  bool whole;             // packs: lines begin aligned, and hold whole ones

  __device__ __forceinline__ int depth(int) const { return k; }

  template <int kTile, int kThreads>
  struct Reader {
    static constexpr int kPack = kPackSize<T>, kDepth = kSliceDepth<T>;
    static constexpr int kPacks = (kAlong ? kDepth : kTile) / kPack;  // in a row of the slice
    static constexpr int kRows = kThreads / kPacks, kTurns = (kAlong ? kTile : kDepth) / kRows;
    const T* from;
    int more, left;  // from the thread's first pack: elements along k, rows (or columns) to the end
    static_assert(kThreads % kPacks == 0 && kTurns * kRows == (kAlong ? kTile : kDepth));

    __device__ __forceinline__ void begin(const MatrixSource& s, int z, int first, int k0, int k1) {
      const int r = threadIdx.x / kPacks, p = threadIdx.x % kPacks * kPack;
      const int row = kAlong ? first + r : first + p, k = k0 + (kAlong ? p : r);
      more = k1 - k;
      left = s.size - row;
      from = s.p + z * s.problem + (kAlong ? row * s.line + k : k * s.line + row);
    }
    __device__ __forceinline__ void next(const MatrixSource& s, T* slice) {
      constexpr int kPitch = slice_pitch<T, kAlong>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks * kPack;
#pragma unroll
      for (int i = 0; i < kTurns; ++i) {
        const bool there = i * kRows < (kAlong ? left : more);
        copy_pack(to + i * kRows * kPitch, from + i * kRows * s.line, there ? (kAlong ? more : left) : 0,
                  s.whole, s.p);
      }
      more -= kDepth;
      from += kAlong ? kDepth : kDepth * s.line;
    }
  };
};

}  // namespace dl::DL_ISA
