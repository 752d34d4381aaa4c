#pragma once
// The engine of matrix products: C (M, N) = A (M, K) B (K, N), of matrices and of images (implicit convolutions). A block
// computes a tile of C. Slices of A and B of 64 bytes along k go through kStages buffers of shared memory; a warp holds
// 64 x 32 of the tile in registers, by tensor cores (16-bit, and f32 as tf32) or by fused multiply-adds (f32).
//   source (gemm_load.h, conv_load.h)  where A and B come from: struct with
//       T, kAlongK      element type; whether rows of a slice in shared memory go along k, else along m or n
//       depth(z)        K of problem z
//       Reader<kTile, kThreads>   a thread's share of the loads: begin(source, z, first row, k0, k1), next(slice)
//   target (gemm_write.h)  what becomes of a tile: write<kTile...>(tile, pitch, z, part, m0, n0)
// A grid is over tiles, problems z (batch, groups, residues of a stride) and parts of k. All of it is a function of shapes.
#include <mma.h>

#include <type_traits>

#include "kernels/cuda/launch.h"

namespace dl::DL_ISA {

DL_HD constexpr int smaller(int a, int b) { return a < b ? a : b; }

constexpr int kStages = 3;
template <class T>
constexpr int kSliceDepth = 64 / int(sizeof(T));  // elements along k of a slice
template <class T>
constexpr int kPackSize = 16 / int(sizeof(T));
constexpr int kTilePad = 4;  // floats behind a row of a finished tile

// Extents of a slice of `rows` rows of A or columns of B in shared memory; rows are padded against bank conflicts.
template <class T, bool kAlongK>
DL_HD constexpr int slice_pitch(int rows) {
  return (kAlongK ? kSliceDepth<T> : rows) + kPackSize<T>;
}
template <class T, bool kAlongK>
DL_HD constexpr int slice_size(int rows) {
  return (kAlongK ? rows : kSliceDepth<T>)*slice_pitch<T, kAlongK>(rows);
}

// Four neighbours as floats.
__device__ __forceinline__ void load4(const float* p, float (&v)[4]) {
  const float4 f = *reinterpret_cast<const float4*>(p);
  v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
}
template <class T>
__device__ __forceinline__ void load4(const T* p, float (&v)[4]) {
  struct alignas(8) {
    T v[4];
  } h;
  *reinterpret_cast<uint2*>(h.v) = *reinterpret_cast<const uint2*>(p);
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = to_float(h.v[i]);
}

// 64 x 32 of a tile in the registers of a warp: lanes are 8 x 4, each with 8 x 8 elements. In slices along k a lane takes
// every eighth row (fourth column), else two groups of four neighbours: both read shared memory without conflicts.
template <class T, bool kA, bool kB, int kM, int kN>
struct FmaTile {
  float acc[8][8] = {};

  static __device__ __forceinline__ int row(int i) {
    const int lane = threadIdx.x % kWarpLanes / 4;
    return kA ? lane + 8 * i : i / 4 * 32 + lane * 4 + i % 4;
  }
  static __device__ __forceinline__ int column(int j) {
    const int lane = threadIdx.x % 4;
    return kB ? lane + 4 * j : j / 4 * 16 + lane * 4 + j % 4;
  }
  template <bool kAlongK>
  static __device__ __forceinline__ void pick(const T* slice, int pitch, int k, int first, int second,
                                              const float (&along)[8][4], float (&v)[8]) {
    if constexpr (kAlongK) {
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = along[i][k % 4];
    } else {
      float low[4], high[4];
      load4(slice + k * pitch + first, low);
      load4(slice + k * pitch + second, high);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] = low[i], v[i + 4] = high[i];
    }
  }
  __device__ __forceinline__ void multiply(const T* a, const T* b, int m, int n) {
    constexpr int kPitchA = slice_pitch<T, kA>(kM), kPitchB = slice_pitch<T, kB>(kN);
#pragma unroll(sizeof(T) == 4 ? 4 : 1)
    for (int k4 = 0; k4 < kSliceDepth<T>; k4 += 4) {
      float ak[8][4], bk[8][4];
      if constexpr (kA)
#pragma unroll
        for (int i = 0; i < 8; ++i) load4(a + (m + row(i)) * kPitchA + k4, ak[i]);
      if constexpr (kB)
#pragma unroll
        for (int j = 0; j < 8; ++j) load4(b + (n + column(j)) * kPitchB + k4, bk[j]);
#pragma unroll
      for (int k = k4; k < k4 + 4; ++k) {
        float av[8], bv[8];
        pick<kA>(a, kPitchA, k, m + row(0), m + row(4), ak, av);
        pick<kB>(b, kPitchB, k, n + column(0), n + column(4), bk, bv);
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
          for (int j = 0; j < 8; ++j) acc[i][j] = fmaf(av[i], bv[j], acc[i][j]);
      }
    }
  }
  __device__ __forceinline__ void store(float* tile, int pitch) const {
#pragma unroll
    for (int i = 0; i < 8; ++i)
#pragma unroll
      for (int j = 0; j < 8; ++j) tile[row(i) * pitch + column(j)] = acc[i][j];
  }
};

// Processors before 8.0 have no tensor cores for bf16 and tf32, and no names for them: they multiply in floats.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool kNewTensorCores = false;
struct Tf32 {};
__device__ __forceinline__ float to_tf32(float v) { return v; }
#else
constexpr bool kNewTensorCores = true;
using Tf32 = nvcuda::wmma::precision::tf32;
__device__ __forceinline__ float to_tf32(float v) { return nvcuda::wmma::__float_to_tf32(v); }
#endif

// The same by tensor cores. Element: of the fragments.
template <class T, class Element, bool kA, bool kB, int kM, int kN>
struct TensorTile {
  static constexpr int kDepth = sizeof(T) == 4 ? 8 : 16;
  template <class Use, bool kRowMajor>
  using Fragment =
      nvcuda::wmma::fragment<Use, 16, 16, kDepth, Element,
                             std::conditional_t<kRowMajor, nvcuda::wmma::row_major, nvcuda::wmma::col_major>>;
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, kDepth, float> acc[4][2];

  __device__ __forceinline__ TensorTile() {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j) nvcuda::wmma::fill_fragment(acc[i][j], 0.f);
  }
  template <class F>
  static __device__ __forceinline__ void rounded(F& f) {
    if constexpr (sizeof(T) == 4)
#pragma unroll
      for (int i = 0; i < f.num_elements; ++i) f.x[i] = to_tf32(f.x[i]);
  }
  __device__ __forceinline__ void multiply(const T* a, const T* b, int m, int n) {
    constexpr int kPitchA = slice_pitch<T, kA>(kM), kPitchB = slice_pitch<T, kB>(kN);
#pragma unroll
    for (int k = 0; k < kSliceDepth<T>; k += kDepth) {
      Fragment<nvcuda::wmma::matrix_b, !kB> fb[2];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int at = kB ? (n + 16 * j) * kPitchB + k : k * kPitchB + n + 16 * j;
        nvcuda::wmma::load_matrix_sync(fb[j], b + at, kPitchB);
        rounded(fb[j]);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        Fragment<nvcuda::wmma::matrix_a, kA> fa;
        const int at = kA ? (m + 16 * i) * kPitchA + k : k * kPitchA + m + 16 * i;
        nvcuda::wmma::load_matrix_sync(fa, a + at, kPitchA);
        rounded(fa);
#pragma unroll
        for (int j = 0; j < 2; ++j) nvcuda::wmma::mma_sync(acc[i][j], fa, fb[j], acc[i][j]);
      }
    }
  }
  __device__ __forceinline__ void store(float* tile, int pitch) const {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j)
        nvcuda::wmma::store_matrix_sync(tile + 16 * i * pitch + 16 * j, acc[i][j], pitch,
                                        nvcuda::wmma::mem_row_major);
  }
};

template <class T, bool kTf32, bool kA, bool kB, int kM, int kN>
__device__ __forceinline__ auto warp_tile() {
  if constexpr (kNewTensorCores && kTf32 && sizeof(T) == 4)
    return TensorTile<T, Tf32, kA, kB, kM, kN>();
  else if constexpr (sizeof(T) == 2 && (kNewTensorCores || __is_same(T, f16)))
    return TensorTile<T, T, kA, kB, kM, kN>();
  else
    return FmaTile<T, kA, kB, kM, kN>();
}

struct GemmGrid {
  int tiles_m = 0, tiles_n = 0, parts = 1;
  int part = 0;          // k of a part, whole slices
  int64_t problems = 1;  // z
  int size = 0;          // which tile: kTileM, kTileN
  int64_t blocks() const { return problems * parts * tiles_m * tiles_n; }
};
constexpr int kTileM[] = {128, 128, 64}, kTileN[] = {128, 64, 64};
constexpr int kWarpRows = 64;  // of a warp's part of a tile
DL_HD constexpr int tile_threads(int m, int n) { return m * n / 64; }

// Blocks that share a processor, for their registers: with tensor cores 128 a thread in the largest tile and
// 168 in others, any number else.
template <class T, bool kTf32>
DL_HD constexpr int blocks_at_once(int threads) {
  return kTf32 || sizeof(T) == 2 ? (threads == 256 ? 2 : 384 / threads) : 1;
}

template <class A, class B, int kM, int kN>
constexpr size_t gemm_shared() {
  using T = typename A::T;
  constexpr size_t slices =
      sizeof(T) * kStages * (slice_size<T, A::kAlongK>(kM) + slice_size<T, B::kAlongK>(kN));
  const size_t tile = sizeof(float) * kWarpRows * (kN + kTilePad);
  static_assert(slices <= (64 << 10) - 32);
  return slices > tile ? slices : tile;
}

template <int kM, int kN, bool kTf32, class A, class B, class W>
__global__ void __launch_bounds__(tile_threads(kM, kN),
                                  blocks_at_once<typename A::T, kTf32>(tile_threads(kM, kN)))
    gemm_kernel(const A a, const B b, const W w, const GemmGrid grid) {
  using T = typename A::T;
  constexpr int kThreads = tile_threads(kM, kN), kWarpsM = kM / kWarpRows;
  constexpr int kSizeA = slice_size<T, A::kAlongK>(kM), kSizeB = slice_size<T, B::kAlongK>(kN);
  const auto tile_n = static_cast<int>(blockIdx.x % grid.tiles_n);
  unsigned rest = blockIdx.x / grid.tiles_n;
  const auto tile_m = static_cast<int>(rest % grid.tiles_m);
  rest /= grid.tiles_m;
  const auto part = static_cast<int>(rest % grid.parts), z = static_cast<int>(rest / grid.parts);
  const int depth = a.depth(z), k0 = smaller(part * grid.part, depth), k1 = smaller(k0 + grid.part, depth);
  const int slices = (k1 - k0 + kSliceDepth<T> - 1) / kSliceDepth<T>;

  __shared__ int cell[4];  // which tile this is, out of the way of the registers until the end
  if (threadIdx.x == 0) cell[0] = z, cell[1] = part, cell[2] = tile_m * kM, cell[3] = tile_n * kN;

  T* const shared_a = shared_memory<T>();
  T* const shared_b = shared_a + kStages * kSizeA;
  typename A::template Reader<kM, kThreads> read_a;
  typename B::template Reader<kN, kThreads> read_b;
  read_a.begin(a, z, tile_m * kM, k0, k1);
  read_b.begin(b, z, tile_n * kN, k0, k1);
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < slices) {
      read_a.next(a, shared_a + s * kSizeA);
      read_b.next(b, shared_b + s * kSizeB);
    }
    __pipeline_commit();
  }
  const auto warp = static_cast<int>(threadIdx.x / kWarpLanes);
  const int warp_m = warp % kWarpsM * kWarpRows, warp_n = warp / kWarpsM * 32;
  auto sums = warp_tile<T, kTf32, A::kAlongK, B::kAlongK, kM, kN>();
  for (int s = 0, stage = 0, fill = kStages - 1; s < slices; ++s) {
    __pipeline_wait_prior(kStages - 2);
    __syncthreads();
    if (s + kStages - 1 < slices) {
      read_a.next(a, shared_a + fill * kSizeA);
      read_b.next(b, shared_b + fill * kSizeB);
    }
    __pipeline_commit();
    sums.multiply(shared_a + stage * kSizeA, shared_b + stage * kSizeB, warp_m, warp_n);
    stage = stage + 1 == kStages ? 0 : stage + 1;
    fill = fill + 1 == kStages ? 0 : fill + 1;
  }
  __pipeline_wait_prior(0);
  __syncthreads();
  // The rows of one row of warps at a time: then a block fits the 64 KiB of processors before 8.0.
  float* const tile = shared_memory<float>();
#pragma unroll
  for (int first = 0; first < kM; first += kWarpRows) {
    if (first > 0) __syncthreads();
    if (warp_m == first) sums.store(tile + warp_n, kN + kTilePad);
    __syncthreads();
    w.template write<kWarpRows, kN, kThreads>(tile, kN + kTilePad, cell[0], cell[1], cell[2] + first,
                                              cell[3]);
  }
}

// ---- the choice of tiles and parts -----------------------------------------------------------------------------------

// A model of a large device, whatever the one at hand: bits must not depend on it.
constexpr double kProcessors = 132, kPartCost = 2.5;  // of writing and adding an element of a part
constexpr int64_t kLongSum = 8192;  // terms that one float adds up, where sums are over pixels
// Of a multiplication, by the size of the tile: small tiles read more for each, which binds tensor cores sooner.
constexpr double kTileCost[] = {1, 1.1, 1.25}, kTensorTileCost[] = {1, 1.35, 1.9};
constexpr int64_t kFullGrid = 2 * int64_t{132}, kLeastDepth = 256;  // blocks that fill it; depth worth a part

// Big tiles read less; small ones and parts of k fill the device. longest: a bound on the depth of a part, or 0.
template <class T>
GemmGrid gemm_grid(int64_t m, int64_t n, int64_t k, int64_t problems, bool may_split, int64_t longest = 0) {
  GemmGrid best;
  double least = 0;
  const int64_t slices = k > 0 ? ceil_div(k, kSliceDepth<T>) : 1;
  for (int size = 0; size < 3; ++size) {
    GemmGrid g;
    g.size = size;
    g.problems = problems;
    g.tiles_m = static_cast<int>(ceil_div(m, kTileM[size]));
    g.tiles_n = static_cast<int>(ceil_div(n, kTileN[size]));
    int64_t parts = 1;
    if (const int64_t tiles = g.blocks(); may_split && tiles > 0 && tiles < kFullGrid / 2) {
      const int64_t want = ceil_div(kFullGrid, tiles), most = k / kLeastDepth;
      parts = want < most ? want : most;
    }
    if (longest && parts < ceil_div(k, longest)) parts = ceil_div(k, longest);
    const int64_t per = ceil_div(slices, parts > 1 ? parts : 1);
    g.part = static_cast<int>(per * kSliceDepth<T>);
    g.parts = static_cast<int>(ceil_div(slices, per));
    const double waves = static_cast<double>(ceil_div(g.blocks(), static_cast<int64_t>(kProcessors)));
    double cost =
        waves * kTileM[size] * kTileN[size] * g.part * (sizeof(T) == 2 ? kTensorTileCost : kTileCost)[size];
    if (g.parts > 1) cost += kPartCost * static_cast<double>(g.parts * problems) * m * n;
    if (size == 0 || cost < least) best = g, least = cost;
  }
  return best;
}

template <int kSize, bool kTf32, class A, class B, class W>
void launch_tiles(const Call& c, const GemmGrid& g, const A& a, const B& b, const W& w) {
  constexpr int kM = kTileM[kSize], kN = kTileN[kSize];
  launch(c, gemm_kernel<kM, kN, kTf32, A, B, W>, as_unsigned(g.blocks()), tile_threads(kM, kN),
         gemm_shared<A, B, kM, kN>(), a, b, w, g);
}

template <class A, class B, class W>
void launch_gemm(const Call& c, const GemmGrid& g, const A& a, const B& b, const W& w) {
  const auto sized = [&](auto tf32) {
    if (g.size == 0)
      launch_tiles<0, tf32>(c, g, a, b, w);
    else if (g.size == 1)
      launch_tiles<1, tf32>(c, g, a, b, w);
    else
      launch_tiles<2, tf32>(c, g, a, b, w);
  };
  if constexpr (sizeof(typename A::T) == 4 && A::kMayTf32)
    if (queue_of(c).tf32) return sized(std::true_type{});
  sized(std::false_type{});
}

}  // namespace dl::DL_ISA
