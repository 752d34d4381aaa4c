#pragma once
// Images and weights of convolutions as sources of the engine (gemm.h): windows are gathered on their way into shared
// memory, there is no column matrix.
#include "kernels/cuda/conv.h"
#include "kernels/cuda/gemm_load.h"

namespace dl::DL_ISA {

// A pack of channels of one pixel, beginning at the group's channel c; `from`: channel 0 of the pixel.
template <class T>
__device__ __forceinline__ void copy_channels(T* to, const T* from, const Picture& p, int first, int c,
                                              int channels, bool inside, bool whole, const T* base) {
  if (whole)
    return copy_async16(to, inside && c < channels ? from + p.channel(first + c) : base,
                        inside && c < channels);
#pragma unroll 1
  for (int i = 0; i < kPackSize<T>; ++i) {
    const bool there = inside && c + i < channels;
    copy_one(to + i, there ? from + p.channel(first + c + i) : base, there, base);
  }
}

// A place of the output in its image, and where its windows begin in the input.
struct Place {
  int image, row, column;
  __device__ __forceinline__ void find(const Sweep& s, int m, int row_base, int column_base) {
    image = s.by_places(m);
    const int rest = m - image * static_cast<int>(s.by_places.d);
    const int i = s.by_columns(rest), j = rest - i * static_cast<int>(s.by_columns.d);
    row = i * s.v.step() + row_base;
    column = j * s.l.step() + column_base;
  }
};
__device__ __forceinline__ bool is_inside(const Sweep& s, int row, int column) {
  return static_cast<unsigned>(row) < static_cast<unsigned>(s.h) &&
         static_cast<unsigned>(column) < static_cast<unsigned>(s.w);
}
constexpr int kOutside = -(1 << 30);  // a row that no tap brings back into the image

// A of forward passes and gradients of the input: rows are places. kChannels: memory goes along channels, else along pixels.
template <class Element, bool kChannels>
struct WindowSource {
  using T = Element;
  static constexpr bool kAlongK = kChannels, kMayTf32 = kChannels;
  const T* x;
  Picture picture;
  Sweep s;
  bool whole;

  __device__ __forceinline__ int depth(int z) const {
    return s.rows(z).count * s.columns(z).count * s.padded;
  }

  template <int kTile, int kThreads>
  struct Reader {
    static constexpr int kPack = kPackSize<T>, kDepth = kSliceDepth<T>;
    static constexpr int kPacks = kChannels ? kDepth / kPack : kTile;  // that neighbouring threads take
    static constexpr int kRows = kThreads / kPacks, kTurns = kChannels ? kTile / kRows : kDepth / kRows;
    static constexpr int kPlaces = kChannels ? kTurns : 1;
    int image[kPlaces], row[kPlaces], column[kPlaces];
    int more, first, columns, reach_v, reach_l;
    Walk walk;
    static_assert(kThreads % kPacks == 0 && kRows >= 1);

    __device__ __forceinline__ void begin(const WindowSource& a, int z, int m0, int k0, int k1) {
      const int r = threadIdx.x / kPacks, p = threadIdx.x % kPacks;
      const Taps v = a.s.rows(z), l = a.s.columns(z);
      columns = l.count, reach_v = v.reach, reach_l = l.reach;
      first = z % a.s.groups * a.s.channels;
      const int k = k0 + (kChannels ? p * kPack : r);
      more = k1 - k;
      walk.begin(k, a.s.padded, columns);
#pragma unroll
      for (int i = 0; i < kPlaces; ++i) {
        const int m = kChannels ? m0 + r + i * kRows : m0 + p;
        Place place;
        place.find(a.s, m < a.s.m ? m : 0, v.base, l.base);
        row[i] = m < a.s.m ? place.row : kOutside;
        column[i] = place.column;
        image[i] = place.image;
      }
    }
    __device__ __forceinline__ void next(const WindowSource& a, T* slice) {
      if constexpr (kChannels)
        next_packs(a, slice);
      else
        next_pixels(a, slice);
    }
    __device__ __forceinline__ void next_packs(const WindowSource& a, T* slice) {
      constexpr int kPitch = slice_pitch<T, true>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks * kPack;
#pragma unroll
      for (int i = 0; i < kTurns; ++i) {
        const int r = row[i] + walk.i * reach_v, c = column[i] + walk.j * reach_l;
        copy_channels(to + i * kRows * kPitch,
                      a.x + image[i] * a.picture.image + (int64_t{r} * a.s.w + c) * a.picture.lanes,
                      a.picture, first, walk.c, a.s.channels, more > 0 && is_inside(a.s, r, c), a.whole, a.x);
      }
      more -= kDepth;
      walk.advance(kDepth, a.s.padded, columns);
    }
    __device__ __forceinline__ void next_pixels(const WindowSource& a, T* slice) {
      constexpr int kPitch = slice_pitch<T, false>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks;
#pragma unroll
      for (int i = 0; i < kTurns; ++i) {
        const int r = row[0] + walk.i * reach_v, c = column[0] + walk.j * reach_l;
        const bool there = more > 0 && is_inside(a.s, r, c);
        copy_one(to + i * kRows * kPitch,
                 a.x + image[0] * a.picture.image + a.picture.channel(first + walk.c) +
                     (int64_t{r} * a.s.w + c) * a.picture.lanes,
                 there, a.x);
        more -= kRows;
        walk.advance(kRows, a.s.padded, columns);
      }
    }
  };
};

// B of the same: weights as reorder_weights leaves them.
template <class Element>
struct TapSource {
  using T = Element;
  static constexpr bool kAlongK = false;
  const T* w;
  Sweep s;
  int width;

  template <int kTile, int kThreads>
  struct Reader {
    static constexpr int kPack = kPackSize<T>, kDepth = kSliceDepth<T>;
    static constexpr int kPacks = kTile / kPack, kRows = kThreads / kPacks, kTurns = kDepth / kRows;
    static_assert(kThreads % kPacks == 0 && kTurns >= 1);
    const T* from;
    int more, columns, step_v, step_l;
    Walk walk;

    __device__ __forceinline__ void begin(const TapSource& b, int z, int n0, int k0, int k1) {
      const int r = threadIdx.x / kPacks, n = n0 + threadIdx.x % kPacks * kPack;
      const Taps v = b.s.rows(z), l = b.s.columns(z);
      const int group = z % b.s.groups, taps = b.s.v.kernel * b.s.l.kernel;
      columns = l.count;
      step_v = v.step * b.s.l.kernel, step_l = l.step;
      from = b.w + ((int64_t{group} * taps + v.first * b.s.l.kernel + l.first) * b.s.padded) * b.width + n;
      const bool there = n < b.width;
      more = there ? k1 - k0 - r : 0;
      walk.begin(k0 + r, b.s.padded, columns);
    }
    __device__ __forceinline__ void next(const TapSource& b, T* slice) {
      constexpr int kPitch = slice_pitch<T, false>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks * kPack;
#pragma unroll
      for (int i = 0; i < kTurns; ++i) {
        const int row = (walk.i * step_v + walk.j * step_l) * b.s.padded + walk.c;
        const bool present = more > 0;
        copy_async16(to + i * kRows * kPitch, present ? from + int64_t{row} * b.width : b.w, present);
        more -= kRows;
        walk.advance(kRows, b.s.padded, columns);
      }
    }
  };
};

// A and B of gradients of the weight: k counts places, rows (columns) are (tap row, tap column, channel). The gradient of
// the output is its own 1x1 convolution. kChannels: memory goes along channels, else along pixels.
template <class Element, bool kChannels>
struct PixelSource {
  using T = Element;
  static constexpr bool kAlongK = !kChannels, kMayTf32 = kChannels;
  const T* x;
  Picture picture;
  Sweep s;
  Divisor by_padded, by_kernel;  // of the channels; of the tap columns
  bool whole;

  __device__ __forceinline__ int depth(int) const { return s.m; }

  template <int kTile, int kThreads>
  struct Reader {
    static constexpr int kPack = kPackSize<T>, kDepth = kSliceDepth<T>;
    static constexpr int kPacks = kChannels ? kTile / kPack : kDepth;
    static constexpr int kRows = kThreads / kPacks, kTurns = kChannels ? kDepth / kRows : kTile / kRows;
    static_assert(kThreads % kPacks == 0 && kTurns >= 1);
    int k, end, first, mn;  // mn: of the thread's first row
    Walk at;                // of it, where that stays
    bool there;

    __device__ __forceinline__ Walk split(const PixelSource& b, int n) const {
      const int tap = b.by_padded(n), i = b.by_kernel(tap);
      return {n - tap * b.s.padded, i, tap - i * b.s.l.kernel};
    }
    __device__ __forceinline__ void begin(const PixelSource& b, int z, int n0, int k0, int k1) {
      const int r = threadIdx.x / kPacks, p = threadIdx.x % kPacks;
      first = z % b.s.groups * b.s.channels;
      mn = n0 + (kChannels ? p * kPack : r);
      k = k0 + (kChannels ? r : p);
      end = k1;
      at = split(b, mn);
      there = at.i < b.s.v.kernel;
    }
    __device__ __forceinline__ void next(const PixelSource& b, T* slice) {
      if constexpr (kChannels)
        next_packs(b, slice);
      else
        next_pixels(b, slice);
      k += kDepth;
    }
    __device__ __forceinline__ void next_packs(const PixelSource& b, T* slice) {
      constexpr int kPitch = slice_pitch<T, false>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks * kPack;
      const int row = at.i * b.s.v.dilation - b.s.v.pad, column = at.j * b.s.l.dilation - b.s.l.pad;
#pragma unroll
      for (int i = 0; i < kTurns; ++i) {
        const bool counts = there && k + i * kRows < end;
        Place place;
        place.find(b.s, counts ? k + i * kRows : 0, row, column);
        copy_channels(to + i * kRows * kPitch,
                      b.x + place.image * b.picture.image +
                          (int64_t{place.row} * b.s.w + place.column) * b.picture.lanes,
                      b.picture, first, at.c, b.s.channels, counts && is_inside(b.s, place.row, place.column),
                      b.whole, b.x);
      }
    }
    __device__ __forceinline__ void next_pixels(const PixelSource& b, T* slice) {
      constexpr int kPitch = slice_pitch<T, true>(kTile);
      T* to = slice + threadIdx.x / kPacks * kPitch + threadIdx.x % kPacks;
      Place place;
      place.find(b.s, k < end ? k : 0, -b.s.v.pad, -b.s.l.pad);
      const T* image = b.x + place.image * b.picture.image;
#pragma unroll 4
      for (int i = 0; i < kTurns; ++i) {
        const Walk t = split(b, mn + i * kRows);
        const int row = place.row + t.i * b.s.v.dilation, column = place.column + t.j * b.s.l.dilation;
        const bool counts =
            k < end && t.i < b.s.v.kernel && t.c < b.s.channels && is_inside(b.s, row, column);
        copy_one(to + i * kRows * kPitch,
                 image + b.picture.channel(first + t.c) + (int64_t{row} * b.s.w + column) * b.picture.lanes,
                 counts, b.x);
      }
    }
  };
};

}  // namespace dl::DL_ISA
