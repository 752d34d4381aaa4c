#include "kernels/cpu/conv_pixel.h"

#include <utility>

#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/rows.h"

namespace dl::DL_ISA {
namespace {

constexpr int kVectors = 4;                   // of pixels
constexpr int kMaps = DL_VLEN == 16 ? 6 : 3;  // output channels; with the vectors they fill the registers

struct PixelTile {
  const float* x[kVectors];
  float* y[kVectors];
  int64_t lanes[kVectors];
  int n;  // so many vectors are real
  int64_t y_k, x_c, x_row, x_tap, c, kh, kw;
  const float* w;  // (maps, c, kh, kw)
  int64_t w_k;
};

template <int K>
void tile(const PixelTile& t) {
  vf acc[K][kVectors] = {};
  const float* w = t.w;
  for (int64_t c = 0; c < t.c; ++c)
    for (int64_t i = 0; i < t.kh; ++i) {
      int64_t at = c * t.x_c + i * t.x_row;
      for (int64_t j = 0; j < t.kw; ++j, ++w, at += t.x_tap) {
        vf x[kVectors];
#pragma GCC unroll 4
        for (int p = 0; p < kVectors; ++p) x[p] = load(t.x[p] + at);
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) {
          const vf wk = splat(w[k * t.w_k]);
#pragma GCC unroll 4
          for (int p = 0; p < kVectors; ++p) acc[k][p] = fma(wk, x[p], acc[k][p]);
        }
      }
    }
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 4
    for (int p = 0; p < kVectors; ++p) {
      if (p >= t.n) continue;
      store_lanes(t.y[p] + k * t.y_k, acc[k][p], t.lanes[p]);
    }
}

using TileFn = void (*)(const PixelTile&);
template <int... K>
TileFn pick(int64_t maps, std::integer_sequence<int, K...>) {
  static constexpr TileFn fn[] = {&tile<K + 1>...};
  return fn[maps - 1];
}

}  // namespace

void pixel_strip(const ConvShape& s, Strip strip, const float* frame, const Gemm& g) {
  const int64_t fw = s.frame_w(), per_row = ceil_div(s.ow, DL_VLEN), vectors = strip.rows * per_row;
  PixelTile t{.x = {},
              .y = {},
              .lanes = {},
              .n = 0,
              .y_k = g.ldc,
              .x_c = s.frame_h(strip.rows) * fw,
              .x_row = s.dh * fw,
              .x_tap = s.dw,
              .c = s.cg(),
              .kh = s.kh,
              .kw = s.kw,
              .w = nullptr,
              .w_k = g.lda};
  for (int64_t v = 0, row = 0, column = 0; v < vectors; v += kVectors) {
    t.n = static_cast<int>(min(kVectors, vectors - v));
    for (int p = 0; p < kVectors; ++p) {
      if (p >= t.n) {  // reads what the last one reads
        t.x[p] = t.x[t.n - 1];
        continue;
      }
      t.x[p] = frame + row * s.sh * fw + column;
      t.y[p] = g.c + row * s.ow + column;
      t.lanes[p] = min(DL_VLEN, s.ow - column);
      column += DL_VLEN;
      if (column >= s.ow) ++row, column = 0;
    }
    for (int64_t k = 0, maps; k < g.m; k += maps) {
      maps = min(kMaps, g.m - k);
      t.w = g.a + k * g.lda;
      pick(maps, std::make_integer_sequence<int, kMaps>{})(t);
      for (int p = 0; p < t.n; ++p) t.y[p] += maps * g.ldc;
    }
  }
  epilogue(g, 0, 0, g.m, strip.rows * s.ow);
}

}  // namespace dl::DL_ISA
