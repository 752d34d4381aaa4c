#include "kernels/cpu/conv_tile.h"

namespace dl::DL_ISA {
namespace {

// One tap of one input block, of which an even number of channels counts. kAhead: fetches the same block of the next
// tile's pixels, a line or two for each channel: all at once they would fill the queue of misses.
template <int R, int KB, int AS, bool kAhead>
DL_INLINE void fma_block(vf (&acc)[R][KB * kVpb], const TileArgs& t, int64_t channels, const float* a,
                         const float* b) {
  const int64_t as = AS ? AS : t.a_pix;
  constexpr int kLines = (R + kBlock - 1) / kBlock;
  for (int64_t c = 0; c < channels; c += 2) DL_UNROLL for (int64_t i = c; i < c + 2; ++i) {
      if constexpr (kAhead)
        DL_UNROLL for (int r = 0; r < kLines; ++r) __builtin_prefetch(a + t.ahead + (i * kLines + r) * as);
      vf bv[KB * kVpb];
      DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int v = 0; v < kVpb; ++v) bv[k * kVpb + v] =
          load(b + k * t.b_kb + i * kBlock + v * DL_VLEN);
      DL_UNROLL for (int r = 0; r < R; ++r) {
        const vf av = splat(a[r * as + i]);
        DL_UNROLL for (int v = 0; v < KB * kVpb; ++v) acc[r][v] = fma(av, bv[v], acc[r][v]);
      }
    }
}

template <int R, int KB, int AS>
void tile(const TileArgs& t) {
  vf acc[R][KB * kVpb];
  begin_tile<R, KB>(t, acc);
  for (int64_t cb = 0; cb < t.ncb; ++cb) {
    const float *a = t.a + cb * t.a_cb, *b = t.b + cb * t.b_cb;
    const int64_t channels = cb + 1 < t.ncb ? kBlock : t.last;
    if (t.ntaps) fma_block<R, KB, AS, true>(acc, t, channels, a + t.taps[0].a, b + t.taps[0].b);
    for (int64_t i = 1; i < t.ntaps; ++i)
      fma_block<R, KB, AS, false>(acc, t, channels, a + t.taps[i].a, b + t.taps[i].b);
  }
  write_tile<R, KB>(t, acc);
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
