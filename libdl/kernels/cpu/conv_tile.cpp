#include "kernels/cpu/conv_tile.h"

namespace dl::DL_ISA {
namespace {

template <int R, int KB, int AS>
DL_INLINE void fma_block(vf (&acc)[R][KB * kVpb], const float* a, int64_t a_pix, const float* b,
                         int64_t b_kb) {
  const int64_t as = AS ? AS : a_pix;
#pragma GCC unroll 2
  for (int c = 0; c < kBlock; ++c) {
    vf bv[KB * kVpb];
    DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int v = 0; v < kVpb; ++v) bv[k * kVpb + v] =
        load(b + k * b_kb + c * kBlock + v * DL_VLEN);
    DL_UNROLL for (int r = 0; r < R; ++r) {
      const vf av = splat(a[r * as + c]);
      DL_UNROLL for (int v = 0; v < KB * kVpb; ++v) acc[r][v] = fma(av, bv[v], acc[r][v]);
    }
  }
}

template <int R, int KB, int AS>
void tile(const TileArgs& t) {
  vf acc[R][KB * kVpb];
  DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int v = 0; v < kVpb; ++v) {
    const vf b0 = t.bias ? load(t.bias + k * kBlock + v * DL_VLEN) : vf{};
    DL_UNROLL for (int r = 0; r < R; ++r) acc[r][k * kVpb + v] = b0;
  }
  for (int64_t cb = 0; cb < t.ncb; ++cb)
    for (int64_t i = 0; i < t.ntaps; ++i)
      fma_block<R, KB, AS>(acc, t.a + cb * t.a_cb + t.taps[i].a, t.a_pix, t.b + cb * t.b_cb + t.taps[i].b,
                           t.b_kb);
  DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int r = 0; r < R; ++r)
      DL_UNROLL for (int v = 0; v < kVpb; ++v) {
    const int64_t at = k * t.y_kb + r * t.y_pix + v * DL_VLEN;
    vf o = acc[r][k * kVpb + v];
    if (t.residual) o += load(t.residual + at);
    if (t.cuts) o = cut(o, t.most);
    store(t.y + at, o, t.past);
  }
}

template <int KB, int AS, int... R>
TileFn pick(int64_t r, std::integer_sequence<int, R...>) {
  static constexpr TileFn fn[] = {&tile<R + 1, KB, AS>...};
  return fn[r - 1];
}
template <int KB>
TileFn pick(int64_t r, int64_t as) {
  using Rows = std::make_integer_sequence<int, max_rows(KB)>;
  return as == 16   ? pick<KB, 16>(r, Rows{})
         : as == 32 ? pick<KB, 32>(r, Rows{})
                    : pick<KB, 0>(r, std::make_integer_sequence<int, max_rows(KB, 0)>{});
}

}  // namespace

TileFn tile_fn(int64_t r, int64_t kb, int64_t as) {
  if constexpr (DL_VLEN == 16) {
    if (kb == 4) return pick<4>(r, as);
    if (kb == 2) return pick<2>(r, as);
  }
  (void)kb;
  return pick<1>(r, as);
}

}  // namespace dl::DL_ISA
