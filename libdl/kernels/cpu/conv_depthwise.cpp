// Depthwise convolution of the blocked form: one vector per pixel, the taps' weights in registers. A plane falls into
// rectangles of output places that use the same taps (3x3 with pad 1: nine); a rectangle is one call of a kernel with the
// number of taps as template argument. One kernel serves forward and gradient of the input at every stride. The inner
// rectangle of 3x3 kernels takes the window kernels, where a vector of the input is loaded once for the taps of several
// neighbouring pixels: nine loads a pixel would bind.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_block.h"
#include "kernels/cpu/conv_taps.h"

namespace dl::DL_ISA {
namespace {

constexpr int kMostTaps = 9;                // of a call; more go in several, accumulating
constexpr int64_t kChunkFloats = 64 << 10;  // of planes in and out that make a chunk
constexpr int64_t kWeightChunks = 32;       // enough for 8 workers
constexpr int64_t kFramed = 100;            // pixels of small planes

struct Rect {
  const float* x;                // the input of the first place
  int64_t x_row, x_pix, x_line;  // steps between places; from one input row to the next
  const int64_t* x_tap;          // offsets of the taps
  float* w;                      // weights, or their gradient
  const int64_t* w_tap;
  float* y;  // output, or its gradient
  int64_t y_row, y_pix, rows, cols;
  bool accumulate;
  const float *bias, *residual;
  bool cuts, past;
  float most;
};
using RectFn = void (*)(const Rect&);

template <int T>
void forward_rect(const Rect& r) {
  for (int l = 0; l < kBlock; l += DL_VLEN) {
    vf w[T ? T : 1];
    const float* x[T ? T : 1];
    DL_UNROLL for (int t = 0; t < T; ++t) {
      w[t] = load(r.w + r.w_tap[t] + l);
      x[t] = r.x + r.x_tap[t] + l;
    }
    const vf bias = r.bias ? load(r.bias + l) : vf{};
    const bool plain = !r.accumulate && !r.residual && !r.cuts;
    for (int64_t i = 0; i < r.rows; ++i) {
      float* y = r.y + i * r.y_row + l;
      const int64_t xi = i * r.x_row;
      if (plain) {
        for (int64_t j = 0; j < r.cols; ++j) {
          vf acc = bias;
          DL_UNROLL for (int t = 0; t < T; ++t) acc = fma(load(x[t] + xi + j * r.x_pix), w[t], acc);
          store(y + j * r.y_pix, acc, r.past);
        }
      } else {
        for (int64_t j = 0; j < r.cols; ++j) {
          vf acc = bias;
          if (r.accumulate) acc += load(y + j * r.y_pix);
          DL_UNROLL for (int t = 0; t < T; ++t) acc = fma(load(x[t] + xi + j * r.x_pix), w[t], acc);
          if (r.residual) acc += load(r.residual + i * r.y_row + j * r.y_pix + l);
          if (r.cuts) acc = cut(acc, r.most);
          store(y + j * r.y_pix, acc, r.past);
        }
      }
    }
  }
}

template <int T>
void weights_rect(const Rect& r) {  // w += sum x y
  for (int l = 0; l < kBlock; l += DL_VLEN) {
    vf acc[T ? T : 1];
    const float* x[T ? T : 1];
    DL_UNROLL for (int t = 0; t < T; ++t) {
      acc[t] = load(r.w + r.w_tap[t] + l);
      x[t] = r.x + r.x_tap[t] + l;
    }
    for (int64_t i = 0; i < r.rows; ++i)
      for (int64_t j = 0; j < r.cols; ++j) {
        const vf d = load(r.y + i * r.y_row + j * r.y_pix + l);
        DL_UNROLL for (int t = 0; t < T; ++t) acc[t] = fma(load(x[t] + i * r.x_row + j * r.x_pix), d, acc[t]);
      }
    DL_UNROLL for (int t = 0; t < T; ++t) store(r.w + r.w_tap[t] + l, acc[t]);
  }
}

// A vector that stays in its register for all uses: the compiler would load it again as an operand of each.
DL_INLINE vf loaded(const float* p) {
  vf v = load(p);
#if DL_VLEN > 4
  asm("" : "+v"(v));
#endif
  return v;
}

// 3x3 window, input step S: Q pixels share S Q + 3 - S loads a row instead of 3 Q. The taps are all nine, in order.
template <int S, int Q, bool Weights>
DL_INLINE void window(const Rect& r, const float* const (&x)[3], float* y, vf (&w)[9], vf bias, int64_t j0) {
  vf d[Q];  // outputs, or their gradients
  DL_UNROLL for (int q = 0; q < Q; ++q) d[q] = Weights ? load(y + (j0 + q) * r.y_pix) : bias;
  DL_UNROLL for (int a = 0; a < 3; ++a) DL_UNROLL for (int t = 0; t < S * Q + 3 - S; ++t) {
    const vf v = loaded(x[a] + (j0 * S + t) * kBlock);
    DL_UNROLL for (int b = 0; b < 3; ++b) if ((t - b) % S == 0 && t - b >= 0 && (t - b) / S < Q) {
      if constexpr (Weights)
        w[a * 3 + b] = fma(v, d[(t - b) / S], w[a * 3 + b]);
      else
        d[(t - b) / S] = fma(v, w[a * 3 + b], d[(t - b) / S]);
    }
  }
  if constexpr (!Weights)
    DL_UNROLL for (int q = 0; q < Q; ++q)
        store(y + (j0 + q) * r.y_pix, r.cuts ? cut(d[q], r.most) : d[q], r.past);
}

template <int S, bool Weights>
void window_rect(const Rect& rect) {
  const Rect r = rect;  // a copy that no store can change
  const int64_t wide = r.cols / 4 * 4;
  for (int l = 0; l < kBlock; l += DL_VLEN) {
    vf w[9];
    DL_UNROLL for (int t = 0; t < 9; ++t) w[t] = load(r.w + r.w_tap[t] + l);
    const vf bias = !Weights && r.bias ? load(r.bias + l) : vf{};
    for (int64_t i = 0; i < r.rows; ++i) {
      const float* x0 = r.x + r.x_tap[0] + i * r.x_row + l;
      const float* const x[3] = {x0, x0 + r.x_line, x0 + 2 * r.x_line};
      float* y = r.y + i * r.y_row + l;
      for (int64_t j = 0; j < wide; j += 4) window<S, 4, Weights>(r, x, y, w, bias, j);
      if (r.cols - wide == 3) window<S, 3, Weights>(r, x, y, w, bias, wide);
      if (r.cols - wide == 2) window<S, 2, Weights>(r, x, y, w, bias, wide);
      if (r.cols - wide == 1) window<S, 1, Weights>(r, x, y, w, bias, wide);
    }
    if constexpr (Weights) DL_UNROLL for (int t = 0; t < 9; ++t) store(r.w + r.w_tap[t] + l, w[t]);
  }
}

template <bool Weights, int... T>
RectFn rect_fn(int64_t taps, std::integer_sequence<int, T...>) {
  static constexpr RectFn fn[] = {(Weights ? &weights_rect<T> : &forward_rect<T>)...};
  return fn[taps];
}
template <bool Weights>
RectFn window_fn(int64_t step) {
  return step == 1 ? &window_rect<1, Weights> : &window_rect<2, Weights>;
}

// One image of one channel block.
struct Plane {
  const float* x;  // (h, w, 16)
  int64_t h, w, sh, sw;
  float* y;
  int64_t rows, cols, y_row, y_pix;
  TapLine v, l;
  int64_t kw;
  float* weights;  // (kh, kw, 16)
  int64_t block = 0;
  const float *bias = nullptr, *residual = nullptr;
  ConvEpilogue e = {};
  bool past = false;
};

bool windows(const Plane& p) {
  return p.v.n == 3 && p.l.n == 3 && p.sw <= 2 && p.v.d[2] - p.v.d[0] == 2 && p.l.d[2] - p.l.d[0] == 2;
}

// The places [i, i1) x [j, j1), which use the same taps v x l.
template <bool Weights>
void rect(const Plane& p, int64_t i, int64_t i1, int64_t j, int64_t j1, Range v, Range l) {
  int64_t x_tap[kMaxTaps], w_tap[kMaxTaps], n = 0;
  for (int64_t a = v.lo; a < v.hi; ++a)
    for (int64_t b = l.lo; b < l.hi; ++b) {
      x_tap[n] = (p.v.d[a] * p.w + p.l.d[b]) * kBlock;
      w_tap[n++] = (p.v.k[a] * p.kw + p.l.k[b]) * kBlock;
    }
  const int64_t yo = i * p.y_row + j * p.y_pix;
  for (int64_t t = 0; t == 0 || t < n; t += kMostTaps) {
    const int64_t taps = min(kMostTaps, n - t);
    const bool last = t + kMostTaps >= n;
    const Rect r{.x = p.x + (i * p.sh * p.w + j * p.sw) * kBlock,
                 .x_row = p.sh * p.w * kBlock,
                 .x_pix = p.sw * kBlock,
                 .x_line = p.w * kBlock,
                 .x_tap = x_tap + t,
                 .w = p.weights,
                 .w_tap = w_tap + t,
                 .y = p.y + yo,
                 .y_row = p.y_row,
                 .y_pix = p.y_pix,
                 .rows = i1 - i,
                 .cols = j1 - j,
                 .accumulate = t > 0,
                 .bias = t ? nullptr : p.bias,
                 .residual = last && p.residual ? p.residual + yo : nullptr,
                 .cuts = last && p.e.cuts(),
                 .past = p.past && n <= kMostTaps,
                 .most = p.e.most()};
    const bool window = taps == 9 && windows(p) && !r.residual;
    const auto fn = window ? window_fn<Weights>(p.sw)
                           : rect_fn<Weights>(taps, std::make_integer_sequence<int, kMostTaps + 1>{});
    fn(r);
  }
  if (!Weights && p.e.looks_twice())
    for (int64_t a = i; a < i1; ++a) finish(p.e, p.block, p.y + a * p.y_row + j * p.y_pix, p.y_pix, j1 - j);
}

// Small planes, where edges are much of the work, are copied into a frame of zeros: all places have nine taps there.
struct Frame {
  int64_t h = 0, w = 0;  // 0: not for this plane
  explicit Frame(const Plane& p) {
    if (!windows(p) || p.sh * p.sw > 1 || p.residual || p.rows * p.cols > kFramed) return;
    h = p.rows + 2;
    w = p.cols + 2;
  }
  int64_t floats() const { return h * w * kBlock; }
  // Columns that the image covers, and the plane that reads the frame.
  Plane copy(const Plane& p, float* to) const {
    const int64_t left = clamp(-p.l.d[0], 0, w), right = clamp(p.w - p.l.d[0], left, w);
    for (int64_t i = 0; i < h; ++i) {
      float* row = to + i * w * kBlock;
      const int64_t at = i + p.v.d[0];
      const bool inside = at >= 0 && at < p.h;
      zero_row(row, (inside ? left : w) * kBlock);
      if (!inside) continue;
      copy_row(row + left * kBlock, p.x + (at * p.w + left + p.l.d[0]) * kBlock, (right - left) * kBlock);
      zero_row(row + right * kBlock, (w - right) * kBlock);
    }
    Plane f = p;
    f.x = to;
    f.h = h;
    f.w = w;
    for (int64_t t = 0; t < 3; ++t) f.v.d[t] = f.l.d[t] = t;
    return f;
  }
};

// scratch: of Frame::floats.
template <bool Weights>
void plane(const Plane& whole, float* scratch) {
  const Frame frame(whole);
  const Plane p = frame.h ? frame.copy(whole, scratch) : whole;
  for (int64_t i = 0, i1; i < p.rows; i = i1) {
    i1 = same_until(p.v, i, p.rows, p.sh, p.h);
    const Range v = hits(p.v, i, p.sh, p.h);
    for (int64_t j = 0, j1; j < p.cols; j = j1) {
      j1 = same_until(p.l, j, p.cols, p.sw, p.w);
      rect<Weights>(p, i, i1, j, j1, v, hits(p.l, j, p.sw, p.w));
    }
  }
}

// Of the weights of a block, (kh, kw, 16).
int64_t block_floats(const ConvShape& s) { return s.taps() * kBlock; }

// Enough for the frame of a plane of the input or of the output, wherever there is one.
int64_t frame_floats(const ConvShape& s) {
  const auto framed = [](int64_t rows, int64_t cols) {
    return rows * cols > kFramed ? 0 : (rows + 2) * (cols + 2) * kBlock;
  };
  return max(framed(s.oh, s.ow), framed(s.h, s.w));
}

struct Planes {  // chunks of planes of all images
  int64_t per, count;
  explicit Planes(const ConvShape& s) : count(s.n * blocks_of(s.c)) {
    per = clamp(kChunkFloats / ((s.h * s.w + s.pixels()) * kBlock), 1, max(1, count / 32));
  }
};

void plan(const ConvShape& s, Work& w) {
  const Planes p(s);
  w.phases = 2;
  w.chunks[0] = blocks_of(s.c);
  w.chunks[1] = ceil_div(p.count, p.per);
  w.shared = blocks_of(s.c) * (block_floats(s) + kBlock);
  w.local = frame_floats(s);
}

void plan_forward(const Call& c, Work& w) {
  plan(forward_shape(c), w);
  w.once = 1;
}

void run_forward(const Call& c, int phase, int64_t chunk, float* local) {
  const ConvShape s = forward_shape(c);
  float *weights = c.shared, *bias = weights + blocks_of(s.c) * block_floats(s);
  if (phase == 0) {
    if (chunk == 0) block_bias(operand(c, kBias), s.k, 0, blocks_of(s.k), bias);
    return block_columns(c.in[1].f(), s.c, s.taps(), chunk, weights + chunk * block_floats(s));
  }
  const Planes planes(s);
  const ConvEpilogue e = conv_epilogue(c, s, bias);
  const int64_t x_plane = s.h * s.w * kBlock, y_plane = s.pixels() * kBlock;
  Plane p{.x = nullptr,
          .h = s.h,
          .w = s.w,
          .sh = s.sh,
          .sw = s.sw,
          .y = nullptr,
          .rows = s.oh,
          .cols = s.ow,
          .y_row = s.ow * kBlock,
          .y_pix = kBlock,
          .v = forward_line(s.kh, s.pt, s.dh),
          .l = forward_line(s.kw, s.pl, s.dw),
          .kw = s.kw,
          .weights = nullptr,
          .e = e,
          .past = goes_past(c.out[0].f(), c.out[0].size()) && !e.looks_twice()};
  for (int64_t q = chunk * planes.per; q < min(planes.count, (chunk + 1) * planes.per); ++q) {
    p.block = q % blocks_of(s.c);
    p.x = c.in[0].f() + q * x_plane;
    p.y = c.out[0].f() + q * y_plane;
    p.weights = weights + p.block * block_floats(s);
    p.bias = e.bias ? e.bias + p.block * kBlock : nullptr;
    p.residual = e.residual ? e.residual + q * y_plane : nullptr;
    plane<false>(p, local);
  }
  fence(p.past);
}

void plan_grad_input(const Call& c, Work& w) { plan(grad_input_shape(c), w); }

// One plane for each residue of rows and columns by the stride; without taps it writes zeros, or the bias.
void run_grad_input(const Call& c, int phase, int64_t chunk, float* local) {
  const ConvShape s = grad_input_shape(c);
  float* bias = c.shared + blocks_of(s.c) * block_floats(s);
  if (phase == 0) {
    if (chunk == 0) block_bias(operand(c, kTransposedBias), s.c, 0, blocks_of(s.c), bias);
    return block_columns(c.in[0].f(), s.c, s.taps(), chunk, c.shared + chunk * block_floats(s));
  }
  const Planes planes(s);
  const ConvEpilogue e = grad_input_epilogue(c, s, bias);
  const int64_t x_plane = s.h * s.w * kBlock, y_plane = s.pixels() * kBlock;
  const bool past = goes_past(c.out[0].f(), c.out[0].size()) && !e.looks_twice();
  for (int64_t q = chunk * planes.per; q < min(planes.count, (chunk + 1) * planes.per); ++q)
    for (int64_t a = 0; a < min(s.sh, s.h); ++a)
      for (int64_t b = 0; b < min(s.sw, s.w); ++b)
        plane<false>({.x = c.in[1].f() + q * y_plane,
                      .h = s.oh,
                      .w = s.ow,
                      .sh = 1,
                      .sw = 1,
                      .y = c.out[0].f() + q * x_plane + (a * s.w + b) * kBlock,
                      .rows = ceil_div(s.h - a, s.sh),
                      .cols = ceil_div(s.w - b, s.sw),
                      .y_row = s.w * s.sh * kBlock,
                      .y_pix = s.sw * kBlock,
                      .v = backward_line(a, s.kh, s.sh, s.pt, s.dh),
                      .l = backward_line(b, s.kw, s.sw, s.pl, s.dw),
                      .kw = s.kw,
                      .weights = c.shared + q % blocks_of(s.c) * block_floats(s),
                      .block = q % blocks_of(s.c),
                      .bias = e.bias ? e.bias + q % blocks_of(s.c) * kBlock : nullptr,
                      .e = e,
                      .past = past},
                     local);
  fence(past);
}

// Gradient of the weight: phase 0 sums part of the images of a block into a copy, phase 1 adds the copies in order.
int64_t parts_of(const ConvShape& s) {
  return clamp(ceil_div(kWeightChunks, blocks_of(s.c)), 1, max(1, s.n));
}

void plan_grad_weight(const Call& c, Work& w) {
  const ConvShape s = grad_weight_shape(c);
  w.phases = 2;
  w.chunks[0] = parts_of(s) * blocks_of(s.c);
  w.chunks[1] = blocks_of(s.c);
  w.shared = w.chunks[0] * block_floats(s);
  w.local = frame_floats(s);
}

void run_grad_weight(const Call& c, int phase, int64_t chunk, float* local) {
  const ConvShape s = grad_weight_shape(c);
  const int64_t parts = parts_of(s), blocks = blocks_of(s.c);
  if (phase == 1)
    return sum_columns(c.shared + chunk * block_floats(s), parts, blocks * block_floats(s), s.c, s.taps(),
                       chunk, c.out[0].f());
  const int64_t part = chunk / blocks, block = chunk % blocks;
  float* dw = c.shared + chunk * block_floats(s);
  zero_row(dw, block_floats(s));
  for (int64_t n = s.n * part / parts; n < s.n * (part + 1) / parts; ++n) {
    const int64_t q = n * blocks + block;
    plane<true>({.x = c.in[0].f() + q * s.h * s.w * kBlock,
                 .h = s.h,
                 .w = s.w,
                 .sh = s.sh,
                 .sw = s.sw,
                 .y = c.in[1].f() + q * s.pixels() * kBlock,
                 .rows = s.oh,
                 .cols = s.ow,
                 .y_row = s.ow * kBlock,
                 .y_pix = kBlock,
                 .v = forward_line(s.kh, s.pt, s.dh),
                 .l = forward_line(s.kw, s.pl, s.dw),
                 .kw = s.kw,
                 .weights = dw},
                local);
  }
}

}  // namespace

extern const Kernel conv_depthwise{&plan_forward, &run_forward};
extern const Kernel conv_depthwise_grad_input{&plan_grad_input, &run_grad_input};
extern const Kernel conv_depthwise_grad_weight{&plan_grad_weight, &run_grad_weight};

}  // namespace dl::DL_ISA
