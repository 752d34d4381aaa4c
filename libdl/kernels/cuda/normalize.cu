// Kernels of normalize, (x - shift) * scale from bytes, integers or floats, and of cast between all element types. A thread
// takes four elements a turn.
#include "kernels/cuda/index.h"
#include "kernels/elementwise_attrs.h"

namespace dl::DL_ISA {
namespace {

// ---- four elements of any type ----

template <class T>
struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) Four {
  T v[4];
};
template <class W, class T>
__device__ __forceinline__ void move_words(T* to, const T* from) {
#pragma unroll
  for (unsigned i = 0; i < 4 * sizeof(T) / sizeof(W); ++i)
    reinterpret_cast<W*>(to)[i] = reinterpret_cast<const W*>(from)[i];
}
// to and from are aligned for four elements, up to 16 bytes.
template <class T>
__device__ __forceinline__ void move_four(T* to, const T* from) {
  if constexpr (sizeof(T) == 1)
    move_words<unsigned>(to, from);
  else if constexpr (sizeof(T) == 2)
    move_words<uint2>(to, from);
  else
    move_words<uint4>(to, from);
}

// ---- normalize ----

__device__ __forceinline__ float number(uint8_t v) { return static_cast<float>(v); }
__device__ __forceinline__ float number(int32_t v) { return static_cast<float>(v); }
__device__ __forceinline__ float number(float v) { return v; }
__device__ __forceinline__ float number(bf16 v) { return to_float(v); }
__device__ __forceinline__ float number(f16 v) { return to_float(v); }

// Rows of `length` elements; those of row r share shift[r % channels], or, where channels is 0, element j takes shift[j].
struct NormalizeRows {
  int64_t count, length, channels;
};
NormalizeRows rows_of(const Call& c) {
  const Arg &x = c.in[0], &shift = c.in[1];
  if (shift.rank == 0 && x.size() <= kMostItems) return {1, x.size(), 1};
  if (shift.rank == 0) return {x.dims[0], x.size(1, x.rank), 1};
  if (shift.rank == 1 && x.rank > 2) return {x.dims[0] * x.dims[1], x.size(2, x.rank), x.dims[1]};
  return {x.dims[0], x.size(1, x.rank), 0};
}

// V = 1 or 4 elements.
template <int V, class T>
__device__ __forceinline__ void move(T* to, const T* from) {
  if constexpr (V == 4)
    move_four(to, from);
  else
    *to = *from;
}

// V elements a turn; length: of a row, in turns.
template <class T, class Y, int V>
__global__ void normalize_kernel(const T* __restrict__ x, const float* __restrict__ shift,
                                 const float* __restrict__ scale, Y* __restrict__ y, Divisor length,
                                 Divisor channels, bool shared, uint32_t n) {
  for (uint32_t i = first_item(); i < n; i += item_step()) {
    uint32_t j = i, row = length.split(j);
    channels.split(row);
    Four<T> in;
    Four<float> a, b;
    Four<Y> out;
    move<V>(in.v, x + int64_t{i} * V);
    if (shared) {
#pragma unroll
      for (int k = 0; k < V; ++k) a.v[k] = shift[row], b.v[k] = scale[row];
    } else {
      move<V>(a.v, shift + int64_t{j} * V);
      move<V>(b.v, scale + int64_t{j} * V);
    }
#pragma unroll
    for (int k = 0; k < V; ++k) out.v[k] = from_float<Y>((number(in.v[k]) - a.v[k]) * b.v[k]);
    move<V>(y + int64_t{i} * V, out.v);
  }
}

template <class T, class Y, int V>
void normalize_rows(const Call& c, const NormalizeRows& r) {
  const auto channels = static_cast<int64_t>(most(1, r.channels));
  // Stretches begin at the first channel.
  for_stretches(r.count / channels, channels * r.length / V, [&](int64_t first, int64_t count) {
    const int64_t at = first * channels * r.length, n = count * channels * r.length / V;
    launch(c, normalize_kernel<T, Y, V>, blocks_for(c, n), kThreads, 0, data<T>(c.in[0]) + at, c.in[1].f(),
           c.in[2].f(), data<Y>(c.out[0]) + at, Divisor(r.length / V), Divisor(channels), r.channels > 0, n);
  });
}

template <class T>
void normalize_from(const Call& c) {
  const NormalizeRows r = rows_of(c);
  with_float_type(c.out[0].type, [&](auto zero) {
    using Y = decltype(zero);
    if (r.length % 4 == 0)
      normalize_rows<T, Y, 4>(c, r);
    else
      normalize_rows<T, Y, 1>(c, r);
  });
}

void run_normalize(const Call& c, int, int64_t, float*) {
  switch (c.in[0].type) {
    case Elem::u8:
      return normalize_from<uint8_t>(c);
    case Elem::i32:
      return normalize_from<int32_t>(c);
    case Elem::bf16:
      return normalize_from<bf16>(c);
    case Elem::f16:
      return normalize_from<f16>(c);
    default:
      return normalize_from<float>(c);
  }
}

// ---- cast ----

// Towards zero, held within the range of T; NaN gives 0.
template <class T, class F>
__device__ __forceinline__ T convert(F v) {
  constexpr bool kSixteen = __is_same(T, bf16) || __is_same(T, f16);
  if constexpr (__is_same(F, bf16) || __is_same(F, f16)) {
    return convert<T>(to_float(v));
  } else if constexpr (kSixteen) {
    return from_float<T>(static_cast<float>(v));
  } else if constexpr (T(0.5) == T(0) && F(0.5) != F(0)) {
    constexpr int bits = sizeof(T) * 8 - (T(-1) < T(0));
    constexpr F above = F(uint64_t{1} << (bits - 1)) * 2;
    if (!(v == v)) return 0;
    if (v >= above) return static_cast<T>(T(-1) < T(0) ? ~(uint64_t{1} << bits) : ~uint64_t{0});
    if (v <= (T(-1) < T(0) ? -above : F(0))) return static_cast<T>(T(-1) < T(0) ? uint64_t{1} << bits : 0);
    return static_cast<T>(v);
  } else if constexpr (sizeof(T) == 1 && sizeof(F) > 1) {
    return static_cast<T>(v < 0 ? 0 : v > 255 ? 255 : v);
  } else {
    return static_cast<T>(v);
  }
}

template <class T, class F>
__global__ void cast_kernel(const F* __restrict__ x, T* __restrict__ y, int64_t n) {
  each_item(
      n / 4,
      [&](int64_t i) {
        Four<F> in;
        move_four(in.v, x + i * 4);
        return in;
      },
      [&](int64_t i, const Four<F>& in) {
        Four<T> out;
#pragma unroll
        for (int k = 0; k < 4; ++k) out.v[k] = convert<T>(in.v[k]);
        move_four(y + i * 4, out.v);
      });
  for (int64_t i = n / 4 * 4 + thread_index(); i < n; i += thread_count()) y[i] = convert<T>(x[i]);
}

template <class F>
void with_elem(Elem type, F&& f) {
  switch (type) {
    case Elem::f32:
      return f(float{});
    case Elem::f64:
      return f(double{});
    case Elem::i32:
      return f(int32_t{});
    case Elem::i64:
      return f(int64_t{});
    case Elem::u8:
      return f(uint8_t{});
    case Elem::bf16:
      return f(bf16{});
    case Elem::f16:
      return f(f16{});
  }
}

void run_cast(const Call& c, int, int64_t, float*) {
  const int64_t n = c.out[0].size();
  with_elem(c.in[0].type, [&](auto from) {
    with_elem(c.out[0].type, [&](auto to) {
      using F = decltype(from);
      using T = decltype(to);
      launch(c, cast_kernel<T, F>, blocks_for(c, ceil_div(n, 4)), kThreads, 0, data<F>(c.in[0]),
             data<T>(c.out[0]), n);
    });
  });
}

}  // namespace

extern const Kernel normalize{&plan_nothing, &run_normalize};
extern const Kernel cast{&plan_nothing, &run_cast};

}  // namespace dl::DL_ISA
