// Kernel of transpose. Axes that stay together are one. Where the last axis stays, or an axis is short, elements are gathered
// in the order of the output; else tiles of the last axes of input and output are turned in shared memory.
#include "kernels/cuda/copy.h"
#include "kernels/cuda/index.h"
#include "kernels/slice.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kTile = 32;
constexpr int64_t kShort = 8;  // of a tile it would leave most idle

// Axes of the output, outermost first, with distances in elements of the input and output.
struct Axes {
  int n = 0;
  int64_t dims[Dims::kMost], from[Dims::kMost], to[Dims::kMost];

  explicit Axes(const Call& c) {
    const Dims& perm = static_cast<const TransposeAttrs*>(c.attrs)->perm;
    const int rank = c.out[0].rank;
    int64_t own[Dims::kMost], product = 1;
    for (int i = rank; i-- > 0; product *= c.in[0].dims[i]) own[i] = product;
    for (int i = 0; i < rank; ++i) {
      const int64_t d = c.out[0].dims[i], stride = own[perm.d[i]];
      if (d == 1) continue;
      if (n > 0 && from[n - 1] == stride * d) {
        dims[n - 1] *= d;
        from[n - 1] = stride;
      } else {
        dims[n] = d;
        from[n++] = stride;
      }
    }
    set_outputs();
  }
  void set_outputs() {
    int64_t product = 1;
    for (int i = n; i-- > 0; product *= dims[i]) to[i] = product;
  }
  // Units instead of elements: `size` of them make the last axis, which input and output have in one piece.
  void widen(int64_t size) {
    const int64_t per_unit = dims[n - 1] / size;
    dims[n - 1] = size;
    for (int i = 0; i + 1 < n; ++i) from[i] /= per_unit;
    set_outputs();
  }
  int64_t count() const { return n ? dims[0] * to[0] : 1; }
};

// Axes to walk over, outermost first.
struct Walk {
  int n = 0;
  Divisor dims[Dims::kMost];
  int64_t from[Dims::kMost], to[Dims::kMost];
  void add(const Axes& a, int i) {
    dims[n] = Divisor(a.dims[i]);
    from[n] = a.from[i];
    to[n++] = a.to[i];
  }
};

// Elements of the output in their order. x is shifted by the host.
template <class U>
__global__ void gather_kernel(const U* __restrict__ x, U* __restrict__ y, Walk w, uint32_t n) {
  each_item(
      n,
      [&](uint32_t i) {
        int64_t at = 0;
        for (int k = w.n - 1; k > 0; --k) {
          const uint32_t q = w.dims[k].divide(i);
          at += (i - q * w.dims[k].d) * w.from[k];
          i = q;
        }
        return x[at + i * w.from[0]];
      },
      [&](uint32_t i, const U& v) { y[i] = v; });
}

// A tile of a (the output's last axis, a_from apart in the input) by b (the input's last axis, b_to apart in the output).
struct Tiles {
  int64_t a, b, a_from, b_to;
  Divisor a_tiles, b_tiles;
  Walk rest;
};

template <class U>
__global__ void tile_kernel(const U* __restrict__ x, U* __restrict__ y, Tiles s) {
  __shared__ U tile[kTile][kTile + 1];  // (a, b)
  uint32_t rest = blockIdx.x;
  uint32_t q = s.a_tiles.divide(rest);
  const int64_t a0 = (rest - q * s.a_tiles.d) * kTile;
  rest = q;
  q = s.b_tiles.divide(rest);
  const int64_t b0 = (rest - q * s.b_tiles.d) * kTile;
  rest = q;
  for (int k = s.rest.n - 1; k >= 0; --k) {
    q = s.rest.dims[k].divide(rest);
    x += (rest - q * s.rest.dims[k].d) * s.rest.from[k];
    y += (rest - q * s.rest.dims[k].d) * s.rest.to[k];
    rest = q;
  }
  const unsigned lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  constexpr unsigned kWarps = kThreads / kWarpLanes;
#pragma unroll
  for (unsigned i = 0; i < kTile; i += kWarps)
    if (a0 + warp + i < s.a && b0 + lane < s.b)
      tile[warp + i][lane] = x[(a0 + warp + i) * s.a_from + b0 + lane];
  __syncthreads();
#pragma unroll
  for (unsigned i = 0; i < kTile; i += kWarps)
    if (b0 + warp + i < s.b && a0 + lane < s.a)
      y[(b0 + warp + i) * s.b_to + a0 + lane] = tile[lane][warp + i];
}

template <class U>
void gather(const Call& c, const Axes& a) {
  int first = 0;  // axes that stretches of the launch cut
  int64_t outer = 1, items = a.count();
  while (items > kMostItems && first + 1 < a.n) outer *= a.dims[first], items /= a.dims[first], ++first;
  Walk w;
  for (int i = first; i < a.n; ++i) w.add(a, i);
  for (int64_t o = 0; o < outer; ++o) {
    int64_t from = 0, rest = o;
    for (int i = first; i-- > 0; rest /= a.dims[i]) from += rest % a.dims[i] * a.from[i];
    launch(c, gather_kernel<U>, blocks_for(c, items), kThreads, 0, data<U>(c.in[0]) + from,
           data<U>(c.out[0]) + o * items, w, items);
  }
}

void turn_tiles(const Call& c, const Axes& a, int b, int64_t size) {
  const int last = a.n - 1;
  Tiles s{a.dims[last],
          a.dims[b],
          a.from[last],
          a.to[b],
          Divisor(ceil_div(a.dims[last], kTile)),
          Divisor(ceil_div(a.dims[b], kTile)),
          {}};
  int64_t blocks = int64_t{s.a_tiles.d} * s.b_tiles.d;
  for (int i = 0; i < last; ++i)
    if (i != b) s.rest.add(a, i), blocks *= a.dims[i];
  with_unit(size, [&](auto zero) {
    using U = decltype(zero);
    if constexpr (sizeof(U) <= 8)
      launch(c, tile_kernel<U>, as_unsigned(blocks), kThreads, 0, data<U>(c.in[0]), data<U>(c.out[0]), s);
  });
}

void run_transpose(const Call& c, int, int64_t, float*) {
  if (c.out[0].size() == 0) return;
  Axes a(c);
  int64_t size = elem_size(c.out[0].type);
  if (a.n <= 1) {
    const int64_t n = size_in_bytes(c.out[0]);
    return copy_rows(c, bytes(c.out[0]), n, bytes(c.in[0]), n, n, 1);
  }
  const int last = a.n - 1;
  if (a.from[last] == 1) {
    const int64_t row = a.dims[last] * size;
    size = unit_of(row);
    a.widen(row / size);
  }
  int b = 0;
  while (a.from[b] != 1) ++b;
  if (b != last && a.dims[last] >= kShort && a.dims[b] >= kShort) return turn_tiles(c, a, b, size);
  with_unit(size, [&](auto zero) { gather<decltype(zero)>(c, a); });
}

}  // namespace

extern const Kernel transpose{&plan_nothing, &run_transpose};

}  // namespace dl::DL_ISA
