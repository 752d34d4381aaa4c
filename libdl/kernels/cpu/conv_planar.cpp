// Convolution of images of few channels, into the blocked form: first layers, where blocks of the input would be mostly
// zeros. Lanes are output channels; input scalars are broadcast from a frame that holds a strip of the image and its
// padding: with few channels that copy is cheap, and it leaves no edges.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_taps.h"
#include "kernels/cpu/conv_write.h"
#include "kernels/cpu/im2col.h"

namespace dl::DL_ISA {
namespace {

constexpr int kRows = DL_VLEN == 16 ? 14 : DL_VLEN == 8 ? 6 : 2, kPair = DL_VLEN == 16 ? 2 : 1;
constexpr int64_t kFrame = 24 << 10;  // floats of a frame
constexpr int64_t kLeast = 1 << 20;   // multiply-adds that are worth a chunk
constexpr int64_t kParts = 16;        // copies of dw

struct TileArgs {
  const float* x;
  int64_t x_c, x_row, c, kh, kw;
  const float* w;  // (kb, c, kh, kw, 16)
  int64_t w_kb;
  float* y;
  int64_t y_kb;
  int64_t y_pix;
  const float *bias, *residual, *mask;
  bool cuts, past;
  float most;
};

// R neighbouring pixels, input step S, times KB blocks of output channels.
template <int R, int KB, int S>
void tile(const TileArgs& t) {
  vf acc[R][KB * kVpb];
  begin_tile<R, KB>(t, acc);
  const float* w = t.w;
  for (int64_t c = 0; c < t.c; ++c)
    for (int64_t i = 0; i < t.kh; ++i) {
      const float* x = t.x + c * t.x_c + i * t.x_row;
      for (int64_t j = 0; j < t.kw; ++j, ++x, w += kBlock) {
        vf wv[KB * kVpb];
        DL_UNROLL for (int k = 0; k < KB; ++k) DL_UNROLL for (int v = 0; v < kVpb; ++v) wv[k * kVpb + v] =
            load(w + k * t.w_kb + v * DL_VLEN);
        DL_UNROLL for (int r = 0; r < R; ++r) {
          const vf xv = splat(x[r * S]);
          DL_UNROLL for (int v = 0; v < KB * kVpb; ++v) acc[r][v] = fma(xv, wv[v], acc[r][v]);
        }
      }
    }
  write_tile<R, KB>(t, acc);
}

using TileFn = void (*)(const TileArgs&);
template <int KB, int S, int... R>
TileFn pick(int64_t r, std::integer_sequence<int, R...>) {
  static constexpr TileFn fn[] = {&tile<R + 1, KB, S>...};
  return fn[r - 1];
}
TileFn tile_fn(int64_t r, int64_t kb, int64_t step) {
  using Rows = std::make_integer_sequence<int, kRows>;
  if (kb == kPair) return step == 1 ? pick<kPair, 1>(r, Rows{}) : pick<kPair, 2>(r, Rows{});
  return step == 1 ? pick<1, 1>(r, Rows{}) : pick<1, 2>(r, Rows{});
}

// Strips of output rows whose frames stay in L2.
struct Strips {
  ConvShape s;
  int64_t nkb, size, strips, rows;  // floats of a block's weights; strips of an image, rows of the highest

  explicit Strips(const ConvShape& s) : s(s), nkb(blocks_of(s.k)), size(s.c * s.taps() * kBlock) {
    const int64_t row = s.c * s.frame_w() * s.sh;
    strips = ceil_div(s.oh, clamp(kFrame / row, min(s.oh, 4), s.oh));
    rows = ceil_div(s.oh, strips);
  }
  int64_t frame() const { return line(s.c * s.frame_h(rows) * s.frame_w()); }
  Strip at(int64_t i) const {
    const int64_t first = i * s.oh / strips;
    return {first, (i + 1) * s.oh / strips - first};
  }
  int64_t units() const { return s.n * strips; }
  // Units that make a chunk of forward work.
  int64_t per() const { return clamp(kLeast / (rows * s.ow * nkb * size), 1, max(1, units() / 32)); }
};

void plan_forward(const Call& c, Work& w) {
  const Strips f(forward_shape(c));
  w.phases = 2;
  w.chunks[0] = f.nkb;
  w.chunks[1] = ceil_div(f.units(), f.per());
  w.shared = f.nkb * (f.size + kBlock);
  w.once = 1;
  w.local = f.frame();
}

struct Forward {
  const Strips& f;
  const float *weights, *frame;
  float* y;
  ConvEpilogue e;
  bool past;
};

// One strip of one image.
void convolve(const Forward& c, int64_t image, Strip t) {
  const ConvShape& s = c.f.s;
  const int64_t plane = s.pixels() * kBlock, fw = s.frame_w();
  const int64_t parts = ceil_div(s.ow, short_sum(s.c * s.taps()) ? kRows / 2 : kRows);
  for (int64_t kb = 0, g; kb < c.f.nkb; kb += g) {
    g = c.f.nkb - kb >= kPair ? kPair : 1;
    for (int64_t i = 0; i < t.rows; ++i) {
      const int64_t row = (image * c.f.nkb + kb) * plane + (t.row + i) * s.ow * kBlock;
      for (int64_t q = 0; q < parts; ++q) {
        const int64_t j = s.ow * q / parts, r = s.ow * (q + 1) / parts - j, at = row + j * kBlock;
        tile_fn(r, g, s.sw)({.x = c.frame + i * s.sh * fw + j * s.sw,
                             .x_c = s.frame_h(t.rows) * fw,
                             .x_row = fw,
                             .c = s.c,
                             .kh = s.kh,
                             .kw = s.kw,
                             .w = c.weights + kb * c.f.size,
                             .w_kb = c.f.size,
                             .y = c.y + at,
                             .y_kb = plane,
                             .y_pix = kBlock,
                             .bias = c.e.bias ? c.e.bias + kb * kBlock : nullptr,
                             .residual = c.e.residual ? c.e.residual + at : nullptr,
                             .mask = nullptr,
                             .cuts = c.e.cuts(),
                             .past = c.past,
                             .most = c.e.most()});
      }
      if (c.e.looks_twice())
        for (int64_t k = 0; k < g; ++k) finish(c.e, kb + k, c.y + row + k * plane, kBlock, s.ow);
    }
  }
}

void run_forward(const Call& c, int phase, int64_t chunk, float* local) {
  const Strips f(forward_shape(c));
  float *weights = c.shared, *bias = weights + f.nkb * f.size;
  if (phase == 0) {
    if (chunk == 0) block_bias(operand(c, kBias), f.s.k, 0, f.nkb, bias);
    return block_columns(c.in[1].f(), f.s.k, f.size / kBlock, chunk, weights + chunk * f.size);
  }
  const ConvEpilogue e = conv_epilogue(c, f.s, bias);
  const bool past = goes_past(c.out[0].f(), c.out[0].size()) && !e.looks_twice();
  for (int64_t u = chunk * f.per(); u < min(f.units(), (chunk + 1) * f.per()); ++u) {
    const Strip t = f.at(u % f.strips);
    fill_frame(f.s, t, c.in[0].f() + u / f.strips * f.s.c * f.s.h * f.s.w, f.s.c, local);
    convolve({f, weights, local, c.out[0].f(), e, past}, u / f.strips, t);
  }
  fence(past);
}

// dw (rows, KW, 16) += sum over a strip, where a row is a kernel row of an input channel: ROWS x KW accumulators share
// one load of dy. x: where the rows start in the frame.
template <int ROWS, int KW>
void add_rows(const ConvShape& s, const float* const* x, const float* dy, int64_t rows, float* dw) {
  const int64_t fw = s.frame_w() * s.sh, step = s.sw;
  for (int l = 0; l < kBlock; l += DL_VLEN) {
    vf acc[ROWS][KW];
    DL_UNROLL for (int i = 0; i < ROWS; ++i) DL_UNROLL for (int j = 0; j < KW; ++j) acc[i][j] =
        load(dw + (i * KW + j) * kBlock + l);
    for (int64_t a = 0; a < rows; ++a) {
      const float* xr[ROWS];
      DL_UNROLL for (int i = 0; i < ROWS; ++i) xr[i] = x[i] + a * fw;
      const float* d = dy + a * s.ow * kBlock + l;
      for (int64_t b = 0; b < s.ow; ++b) {
        const vf dv = load(d + b * kBlock);
        DL_UNROLL for (int i = 0; i < ROWS; ++i) DL_UNROLL for (int j = 0; j < KW; ++j) acc[i][j] =
            fma(splat(xr[i][b * step + j]), dv, acc[i][j]);
      }
    }
    DL_UNROLL for (int i = 0; i < ROWS; ++i) DL_UNROLL for (int j = 0; j < KW; ++j)
        store(dw + (i * KW + j) * kBlock + l, acc[i][j]);
  }
}

template <int KW>
void add_strip(const ConvShape& s, const float* frame, int64_t rows, const float* dy, float* dw) {
  constexpr int kMost = DL_VLEN == 16 ? 28 : 13;  // accumulators
  constexpr int group = kMost / KW;               // 3x3 of three channels: all 27 taps at once on AVX-512
  const int64_t all = s.c * s.kh;
  for (int64_t r = 0; r < all;) {
    const bool whole = all - r >= group;
    const float* x[group];
    for (int i = 0; i < (whole ? group : 1); ++i)
      x[i] = frame + ((r + i) / s.kh * s.frame_h(rows) + (r + i) % s.kh) * s.frame_w();
    (whole ? add_rows<group, KW> : add_rows<1, KW>)(s, x, dy, rows, dw + r * KW * kBlock);
    r += whole ? group : 1;
  }
}

using StripFn = void (*)(const ConvShape&, const float*, int64_t, const float*, float*);
template <int... KW>
StripFn strip_fn(int64_t kw, std::integer_sequence<int, KW...>) {
  static constexpr StripFn fn[] = {&add_strip<KW + 1>...};
  return fn[kw - 1];
}

int64_t parts_of(const Strips& f) { return clamp(f.units(), 1, kParts); }

void plan_grad_weight(const Call& c, Work& w) {
  const Strips f(grad_weight_shape(c));
  w.phases = 2;
  w.chunks[0] = parts_of(f);
  w.chunks[1] = f.nkb;
  w.shared = parts_of(f) * f.nkb * f.size;
  w.local = f.frame();
}

void run_grad_weight(const Call& c, int phase, int64_t chunk, float* local) {
  const Strips f(grad_weight_shape(c));
  if (phase == 1)
    return sum_columns(c.shared + chunk * f.size, parts_of(f), f.nkb * f.size, f.s.k, f.size / kBlock, chunk,
                       c.out[0].f());
  const ConvShape& s = f.s;
  float* dw = c.shared + chunk * f.nkb * f.size;
  zero_row(dw, f.nkb * f.size);
  const int64_t end = f.units() * (chunk + 1) / parts_of(f);
  for (int64_t u = f.units() * chunk / parts_of(f); u < end; ++u) {
    const Strip t = f.at(u % f.strips);
    fill_frame(s, t, c.in[0].f() + u / f.strips * s.c * s.h * s.w, s.c, local);
    for (int64_t kb = 0; kb < f.nkb; ++kb) {
      const float* dy = c.in[1].f() + ((u / f.strips * f.nkb + kb) * s.pixels() + t.row * s.ow) * kBlock;
      strip_fn(s.kw, std::make_integer_sequence<int, kMaxSide>{})(s, local, t.rows, dy, dw + kb * f.size);
    }
  }
}

}  // namespace

extern const Kernel conv_planar{&plan_forward, &run_forward};
extern const Kernel conv_planar_grad_weight{&plan_grad_weight, &run_grad_weight};

}  // namespace dl::DL_ISA
