#pragma once
// What the engine (gemm.h) makes of a finished tile: matrices and images with bias, residual, mask and activation; or sums
// over part of k in scratch memory, which finish_kernel adds up in their order and takes to the same end.
#include "kernels/activation.h"
#include "kernels/cuda/divide.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/math.h"
#include "kernels/matmul.h"

namespace dl::DL_ISA {

// What is done to an element last; the kinds of Activation and MatmulEpilogue in one list.
enum class Act : int32_t { none, relu, relu6, tanh, sigmoid, gelu, relu_grad, tanh_grad, sigmoid_grad };
static_assert(int(Act::gelu) == int(Activation::gelu));
static_assert(int(Act::sigmoid_grad) - int(Act::relu_grad) + 1 == int(MatmulEpilogue::sigmoid_grad));
inline Act act_of(Activation a) { return static_cast<Act>(a); }
inline Act act_of(MatmulEpilogue e) {
  return e == MatmulEpilogue::none ? Act::none : static_cast<Act>(int(e) + int(Act::relu_grad) - 1);
}

__device__ __forceinline__ float activate(Act act, float v) {
  switch (act) {
    case Act::relu:
      return v > 0 ? v : 0;
    case Act::relu6:
      return v > 0 ? (v < 6 ? v : 6) : 0;
    case Act::tanh:
      return math::tanh(v);
    case Act::sigmoid:
      return math::sigmoid(v);
    case Act::gelu:
      return math::gelu(v);
    default:
      return v;
  }
}
__device__ __forceinline__ float times_derivative(Act act, float v, float y) {
  if (act == Act::relu_grad) return y > 0 ? v : 0;
  return act == Act::tanh_grad ? v - v * y * y : v * y * (1 - y);
}

// A floating operand of a type known at run time; four neighbours or one.
struct Floats {
  void* p = nullptr;
  Elem type = Elem::f32;
  Floats() = default;
  explicit Floats(const Arg& a) : p(a.present() ? a.data : nullptr), type(a.type) {}
  __device__ __forceinline__ float one(int64_t i) const {
    if (type == Elem::f32) return static_cast<const float*>(p)[i];
    return type == Elem::bf16 ? to_float(static_cast<const bf16*>(p)[i])
                              : to_float(static_cast<const f16*>(p)[i]);
  }
  __device__ __forceinline__ void four(int64_t i, float (&v)[4]) const {
    if (type == Elem::f32)
      load4(static_cast<const float*>(p) + i, v);
    else if (type == Elem::bf16)
      load4(static_cast<const bf16*>(p) + i, v);
    else
      load4(static_cast<const f16*>(p) + i, v);
  }
  __device__ __forceinline__ void put(int64_t i, float v) const {
    if (type == Elem::f32)
      static_cast<float*>(p)[i] = v;
    else if (type == Elem::bf16)
      static_cast<bf16*>(p)[i] = from_float<bf16>(v);
    else
      static_cast<f16*>(p)[i] = from_float<f16>(v);
  }
  template <class T>
  __device__ __forceinline__ void put_half4(int64_t i, const float (&v)[4]) const {
    struct alignas(8) {
      T v[4];
    } h;
#pragma unroll
    for (int e = 0; e < 4; ++e) h.v[e] = from_float<T>(v[e]);
    *reinterpret_cast<uint2*>(static_cast<T*>(p) + i) = *reinterpret_cast<const uint2*>(h.v);
  }
  __device__ __forceinline__ void put_four(int64_t i, const float (&v)[4]) const {
    if (type == Elem::f32)
      *reinterpret_cast<float4*>(static_cast<float*>(p) + i) = make_float4(v[0], v[1], v[2], v[3]);
    else if (type == Elem::bf16)
      put_half4<bf16>(i, v);
    else
      put_half4<f16>(i, v);
  }
};

// Where the channels of images are: `lanes` side by side in a pixel, then blocks of them. NCHW has one lane.
struct Picture {
  int64_t image = 0, block = 0;  // from one image, one block to the next
  int lanes = 1, blocks = 1;
  Divisor by_lanes;
  __device__ __forceinline__ int64_t channel(int c) const {
    if (blocks == 1) return c;
    if (lanes == 1) return c * block;
    const int b = by_lanes(c);
    return b * block + (c - b * lanes);
  }
};

// Row m of C is place m of an image, image by image; its columns are channels. A plain matrix is one picture that is as wide
// as it has rows. z: group + groups * residue of the place by the strides; or number of a plain matrix.
struct Output {
  Floats y, bias, added, mask, aux;
  Act act = Act::none;
  Picture picture;
  bool plain = true;    // places stand one behind the other
  bool whole = false;   // four channels are written at once
  int64_t problem = 0;  // from one plain matrix to the next
  int m = 0, n = 0;     // of a problem
  int padding = 0;      // lanes behind the last channel, to be zero
  int groups = 1, h = 1, w = 1, step_h = 1, step_w = 1;
  Divisor by_places, by_columns;
  Divisor by_width, by_m;  // of the parts
  float* parts = nullptr;  // (part, z, m, width)
  int64_t problems = 1;

  __device__ __forceinline__ int width() const { return (n + padding + 3) / 4 * 4; }
  int64_t part_size() const { return problems * m * ((n + padding + 3) / 4 * 4); }

  // The first element of place `row`, or less than 0.
  __device__ __forceinline__ int64_t place(int z, int row) const {
    if (row >= m) return -1;
    if (plain) return z * problem + int64_t{row} * picture.lanes;
    const int residue = z / groups, r = residue / step_w;
    const int image = by_places(row), rest = row - image * static_cast<int>(by_places.d);
    const int i = by_columns(rest), j = rest - i * static_cast<int>(by_columns.d);
    const int at_i = r + i * step_h, at_j = residue - r * step_w + j * step_w;
    if (at_i >= h || at_j >= w) return -1;
    return image * picture.image + (int64_t{at_i} * w + at_j) * picture.lanes;
  }
  __device__ __forceinline__ float finished(float v, int channel, int64_t at) const {
    if (bias.p) v += bias.one(channel);
    if (added.p) v += added.one(at);
    if (mask.p && !(mask.one(at) > 0)) v = 0;
    if (aux.p) return times_derivative(act, v, aux.one(at));
    return activate(act, v);
  }
  __device__ __forceinline__ int columns(int group) const { return group == groups - 1 ? n + padding : n; }

  __device__ __forceinline__ void put(int group, int64_t at, int column, float v) const {
    if (column >= columns(group)) return;
    const int channel = group * n + column;
    at += picture.channel(channel);
    y.put(at, column < n ? finished(v, channel, at) : 0);
  }
  // Of a whole output: channels of a group are a multiple of four, but for the last.
  __device__ __forceinline__ void put_four(int group, int64_t at, int column, float (&v)[4]) const {
    if (column >= columns(group)) return;
    const int channel = group * n + column;
    at += picture.channel(channel);
    float t[4];
    if (added.p) {
      added.four(at, t);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] += t[i];
    }
    if (bias.p)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (column + i < n) v[i] += bias.one(channel + i);
    if (mask.p) {
      mask.four(at, t);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (!(t[i] > 0)) v[i] = 0;
    }
    if (aux.p) {
      aux.four(at, t);
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] = times_derivative(act, v[i], t[i]);
    } else if (act != Act::none) {
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] = activate(act, v[i]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (column + i >= n) v[i] = 0;
    y.put_four(at, v);
  }

  template <int kM, int kN, int kThreads>
  __device__ __forceinline__ void write_part(const float* tile, int pitch, int z, int part, int m0,
                                             int n0) const {
    float* to = parts + (part * problems + z) * m * width();
    for (int e = threadIdx.x; e < kM * kN / 4; e += kThreads) {
      const int r = e / (kN / 4), c = e % (kN / 4) * 4;
      if (m0 + r < m && n0 + c < width())
        *reinterpret_cast<float4*>(to + int64_t{m0 + r} * width() + n0 + c) =
            *reinterpret_cast<const float4*>(tile + r * pitch + c);
    }
  }
  template <int kM, int kN, int kThreads>
  __device__ __forceinline__ void write(const float* tile, int pitch, int z, int part, int m0, int n0) const {
    const int group = plain ? 0 : z % groups;
    if (parts) {
      write_part<kM, kN, kThreads>(tile, pitch, z, part, m0, n0);
    } else if (whole) {
      for (int e = threadIdx.x; e < kM * kN / 4; e += kThreads) {
        const int r = e / (kN / 4), c = e % (kN / 4) * 4;
        const int64_t at = place(z, m0 + r);
        if (at < 0) continue;
        float v[4];
        load4(tile + r * pitch + c, v);
        put_four(group, at, n0 + c, v);
      }
    } else {  // neighbouring places or channels, as memory has them
      const bool across = picture.lanes == 1;
      for (int e = threadIdx.x; e < kM * kN; e += kThreads) {
        const int r = across ? e % kM : e / kN, c = across ? e / kM : e % kN;
        const int64_t at = place(z, m0 + r);
        if (at >= 0) put(group, at, n0 + c, tile[r * pitch + c]);
      }
    }
  }
};

// Sums in parts are added up sixteen parts at a time, in their order: part 16 i becomes the sum of parts 16 i and on, until
// sixteen are left at most, which the caller adds. `step`: from one of these to the next.
constexpr int kFold = 16;
struct Parts {
  float* p = nullptr;
  int64_t size = 0, step = 0;
  int count = 1;
  __device__ __forceinline__ float sum(int64_t i) const {
    float v = 0;
#pragma unroll 4
    for (int k = 0; k < count; ++k) v += p[k * step + i];
    return v;
  }
};
template <class P>
__global__ void fold_kernel(P parts) {
  parts.p += blockIdx.y * kFold * parts.step;
  parts.count = smaller(parts.count - blockIdx.y * kFold, kFold);
  for (int64_t i = thread_index(); i < parts.size; i += thread_count()) parts.p[i] = parts.sum(i);
}
inline Parts folded(const Call& c, float* p, int64_t size, int count) {
  Parts parts = {p, size, size, count};
  while (parts.count > kFold) {
    const dim3 grid(blocks_for(c, size), as_unsigned(ceil_div(parts.count, kFold)));
    launch(c, fold_kernel<Parts>, grid, kThreads, 0, parts);
    parts.count = static_cast<int>(grid.y);
    parts.step *= kFold;
  }
  return parts;
}

// The end of an output that was computed in parts: one thread, one element or four.
template <class Out>
__global__ void finish_kernel(const Out out, const Parts parts) {
  const int step = out.whole ? 4 : 1;
  for (int64_t i = thread_index(); i < parts.size / step; i += thread_count()) {
    const auto first = static_cast<int>(i * step);
    const int row = out.by_width(first), column = first - row * static_cast<int>(out.by_width.d);
    const int z = out.by_m(row);
    const int64_t at = out.place(z, row - z * out.m);
    if (at < 0) continue;
    const int group = out.plain ? 0 : z % out.groups;
    if (step == 1) {
      out.put(group, at, column, parts.sum(i));
      continue;
    }
    float v[4] = {}, t[4];
#pragma unroll 4
    for (int k = 0; k < parts.count; ++k) {
      load4(parts.p + k * parts.step + i * 4, t);
#pragma unroll
      for (int e = 0; e < 4; ++e) v[e] += t[e];
    }
    out.put_four(group, at, column, v);
  }
}

// Scratch that a grid's parts take, in floats.
inline int64_t part_floats(const GemmGrid& g, const Output& out) {
  return g.parts > 1 ? g.parts * out.part_size() : 0;
}

// The product, and its end where it is computed in parts.
template <class A, class B>
void run_gemm(const Call& c, const GemmGrid& g, const A& a, const B& b, Output out, float* scratch) {
  out.parts = g.parts > 1 ? scratch : nullptr;
  out.by_width = Divisor(ceil_div(out.n + out.padding, 4) * 4);
  out.by_m = Divisor(out.m);
  launch_gemm(c, g, a, b, out);
  if (g.parts == 1) return;
  const Parts parts = folded(c, scratch, out.part_size(), g.parts);
  launch(c, finish_kernel<Output>, blocks_for(c, parts.size / (out.whole ? 4 : 1)), kThreads, 0, out, parts);
}

}  // namespace dl::DL_ISA
