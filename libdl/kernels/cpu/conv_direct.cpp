// Direct convolution of the blocked form, without im2col and without padded copies. Everything is a sweep: the
// correlation of an input with a list of row taps and column taps.
//   forward                 taps d = i * dilation - pad, input step = stride
//   gradient of the input   one sweep for each residue of the output row and column by the stride, weights turned
// An output row uses only the taps that hit the image; the columns where all taps hit are cut into horizontal tiles, the
// few columns at the edges into vertical ones, each with its own taps. Tiny images take their tiles across the batch.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_taps.h"
#include "kernels/cpu/conv_tile.h"

namespace dl::DL_ISA {
namespace {

struct Sweep {
  const float* x;                          // (n, groups * ncb, h, w, 16)
  int64_t n, groups, channels, ncb, h, w;  // input channels of a group, also in blocks
  const float* b;  // (groups * nkb, ncb, taps, 16, 16), from block `first` on; so is the bias
  int64_t taps, kw;
  float* y;  // (n, groups * nkb, y_blk), of which this sweep writes a grid
  int64_t nkb, rows, cols, y_row, y_pix, y_blk;
  int64_t sh, sw;  // input steps
  TapLine v, l;    // of rows and columns
  int64_t first = 0;
  ConvEpilogue e = {};
  bool past = false;
};

// The chunks: blocks of output channels whose weights stay in L2, outermost; images; bands of rows. Where each chunk has
// channels of its own it puts their weights into blocks itself; else, and for weights that stay the same over many runs,
// that is a phase before.
struct Grid {
  int64_t kc, nk, ni, nn, rb, nr;
  bool own_weights;
  int64_t chunks(const Sweep& c) const { return c.groups * nk * nn * nr; }
};

bool tiny(const Sweep& c) { return c.h * c.w <= 16 && c.n > 1; }
int64_t blocks_at_once(int64_t left, int64_t wide) {
  return DL_VLEN != 16 ? 1 : left >= 4 && wide <= 7 ? 4 : left >= 2 ? 2 : 1;
}

constexpr int64_t kChunks = 32;            // enough for 8 workers
constexpr int64_t kLeast = 2 << 20;        // multiply-adds that are worth a chunk
constexpr int64_t kManyWeights = 1 << 20;  // floats whose second copy would come from memory
constexpr int64_t kWeightCache = 160 << 10, kInputCache = 64 << 10;  // floats

Grid grid_of(const Sweep& c, bool fixed_weights) {
  Grid g;
  const int64_t kb_size = c.ncb * c.taps * kSquare, row_size = c.ncb * c.w * kBlock * c.sh;
  const int64_t all = kb_size * c.nkb * c.groups;  // weights
  const int64_t together = c.cols <= 7 ? 4 : 2;    // blocks that a tile may hold
  const int64_t fewest = c.groups * ceil_div(c.nkb, together) >= kChunks / 4 ? together : 1;
  g.nk = ceil_div(c.nkb, clamp(kWeightCache / kb_size, fewest, c.nkb));
  g.nr = tiny(c) ? 1 : ceil_div(c.rows, clamp(kInputCache / row_size, 1, c.rows));
  g.nn = c.n;
  if (tiny(c)) {
    g.nn = max(1, min(ceil_div(c.n, 24), ceil_div(c.n * c.h * c.w, 64)));
  } else if (c.groups * g.nk * g.nr * c.n > 2 * kChunks) {
    const int64_t work = ceil_div(c.rows, g.nr) * c.cols * ceil_div(c.nkb, g.nk) * kb_size;
    g.nn = ceil_div(c.n, clamp(kLeast / max(1, work), 1, max(1, c.n * c.groups * g.nk * g.nr / kChunks)));
  }
  const int64_t most = c.rows * c.cols * c.n * all / (kLeast / 4);  // chunks of a quarter of that
  const auto wanted = [&] { return min(kChunks, most) / max(1, g.chunks(c)); };
  const int64_t alone = ceil_div(c.nkb, fewest);
  if (all > kManyWeights && alone * c.groups >= kChunks / 4 && g.nn * g.nr <= 16) {
    g.nn = g.nr = 1;
    g.nk = alone;
  } else {
    if (wanted() > 1) g.nk = min(g.nk * wanted(), alone);
    if (wanted() > 1 && !tiny(c)) g.nr = min(g.nr * wanted(), ceil_div(c.rows, c.taps == 1 ? 1 : 4));
  }
  g.kc = ceil_div(ceil_div(c.nkb, g.nk), fewest) * fewest;
  g.nk = ceil_div(c.nkb, g.kc);
  if (g.chunks(c) < 8 && g.chunks(c) % 2 != 0 && g.kc > fewest)
    g.nk = ceil_div(c.nkb, --g.kc);  // share out evenly
  g.rb = ceil_div(c.rows, g.nr);
  g.nr = ceil_div(c.rows, g.rb);
  g.ni = ceil_div(c.n, max(1, g.nn));
  g.nn = ceil_div(c.n, max(1, g.ni));
  g.own_weights = !fixed_weights && g.nn * g.nr == 1;
  return g;
}

// The blocks of output channels of a chunk.
Range blocks_of_chunk(const Sweep& c, const Grid& g, int64_t chunk) {
  const int64_t part = chunk / g.nr / g.nn, k0 = part % g.nk * g.kc, group = part / g.nk * c.nkb;
  return {group + k0, group + min(c.nkb, k0 + g.kc)};
}

int64_t list_taps(const Sweep& c, Range v, Range l, Tap* out) {
  int64_t n = 0;
  for (int64_t i = v.lo; i < v.hi; ++i)
    for (int64_t j = l.lo; j < l.hi; ++j)
      out[n++] = {(c.v.d[i] * c.w + c.l.d[j]) * kBlock, (c.v.k[i] * c.kw + c.l.k[j]) * kSquare};
  return n;
}

// A row of tiles: `count` pixels from (n, i, j) on, nkb blocks from kb on. as = 0: the pixels are a_pix and y_pix apart,
// along a column, the batch, or a row at large strides.
struct Strip {
  int64_t n, kb, nkb, i, j, count, as, a_pix, y_pix;
  int64_t ahead = 0;  // distance to the next strip
};

void strip(const Sweep& c, const Strip& p, const Tap* taps, int64_t ntaps) {
  const int64_t plane = c.h * c.w * kBlock, b_kb = c.ncb * c.taps * kSquare;
  const int64_t yo = (p.n * c.groups * c.nkb + p.kb) * c.y_blk + p.i * c.y_row + p.j * c.y_pix;
  TileArgs t{
      .a = c.x + (p.n * c.groups + p.kb / c.nkb) * c.ncb * plane + (p.i * c.sh * c.w + p.j * c.sw) * kBlock,
      .a_cb = plane,
      .ncb = c.ncb,
      .b = c.b + (p.kb - c.first) * b_kb,
      .b_cb = c.taps * kSquare,
      .b_kb = b_kb,
      .taps = taps,
      .ntaps = ntaps,
      .y = c.y + yo,
      .y_kb = c.y_blk,
      .a_pix = p.a_pix,
      .y_pix = p.y_pix,
      .bias = c.e.bias ? c.e.bias + (p.kb - c.first) * kBlock : nullptr,
      .residual = c.e.residual ? c.e.residual + yo : nullptr,
      .mask = c.e.mask ? c.e.mask + yo : nullptr,
      .last = ceil_div(lanes_of(c.channels, c.ncb - 1), 2) * 2,
      .cuts = c.e.cuts(),
      .past = c.past,
      .most = c.e.most()};
  const int64_t parts = ceil_div(p.count, best_rows(c.channels * ntaps, p.nkb, p.as));
  const int64_t pixel = p.as ? p.as : p.a_pix;
  for (int64_t q = 0, at = 0; q < parts; ++q) {
    const int64_t next = p.count * (q + 1) / parts, r = next - at;
    const int64_t step = r * pixel;
    t.ahead = q + 1 < parts ? step : p.ahead + step - p.count * pixel;
    tile_fn(r, p.nkb, p.as)(t);
    t.a += step;
    t.y += r * p.y_pix;
    if (t.residual) t.residual += r * p.y_pix;
    if (t.mask) t.mask += r * p.y_pix;
    at = next;
  }
  if (c.e.looks_twice())
    for (int64_t k = 0; k < p.nkb; ++k) finish(c.e, p.kb + k, c.y + yo + k * c.y_blk, p.y_pix, p.count);
}

// Rows [row0, row1) of the blocks [kb, kb + nkb) of image n; ri, ci: where all taps hit.
void sweep_rows(const Sweep& c, int64_t n, int64_t kb, int64_t nkb, int64_t row0, int64_t row1, Range ri,
                Range ci) {
  Tap taps[kMaxTaps];
  int64_t full = -1;  // number of taps listed for inner rows
  const int64_t step = c.sw * kBlock;
  if (ci.lo < ci.hi)
    for (int64_t i = row0; i < row1; ++i) {
      const bool in = i >= ri.lo && i < ri.hi;
      int64_t nt = full;
      if (!in || full < 0) nt = list_taps(c, hits(c.v, i, c.sh, c.h), {0, c.l.n}, taps);
      full = in ? nt : -1;
      strip(c,
            {n, kb, nkb, i, ci.lo, ci.hi - ci.lo, step <= 2 * kBlock ? step : 0, step, c.y_pix,
             c.sh * c.w * kBlock},
            taps, nt);
    }
  for (int64_t j = 0; j < c.cols; ++j) {
    if (j == ci.lo) j = ci.hi;
    if (j >= c.cols) break;
    const Range cols = hits(c.l, j, c.sw, c.w);
    for (int64_t i = row0, next; i < row1; i = next) {
      const bool in = i >= ri.lo && i < ri.hi;
      next = in ? min(row1, ri.hi) : i + 1;
      const int64_t nt = list_taps(c, hits(c.v, i, c.sh, c.h), cols, taps);
      strip(c, {n, kb, nkb, i, j, next - i, 0, c.w * c.sh * kBlock, c.y_row}, taps, nt);
    }
  }
}

void sweep_batch(const Sweep& c, int64_t n0, int64_t n1, int64_t kb, int64_t nkb) {
  Tap taps[kMaxTaps];
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.cols; ++j) {
      const int64_t nt = list_taps(c, hits(c.v, i, c.sh, c.h), hits(c.l, j, c.sw, c.w), taps);
      strip(
          c,
          {n0, kb, nkb, i, j, n1 - n0, 0, c.groups * c.ncb * c.h * c.w * kBlock, c.groups * c.nkb * c.y_blk},
          taps, nt);
    }
}

// The chunk of a grid; a sweep may have fewer rows than the one the grid was made for.
void sweep(const Sweep& c, const Grid& g, int64_t chunk) {
  const int64_t r0 = chunk % g.nr * g.rb, r1 = min(c.rows, r0 + g.rb);
  const int64_t n0 = chunk / g.nr % g.nn * g.ni, n1 = min(c.n, n0 + g.ni);
  const Range k = blocks_of_chunk(c, g, chunk);
  const Range ri = inner(c.v, c.rows, c.sh, c.h), ci = inner(c.l, c.cols, c.sw, c.w);
  for (int64_t n = n0; n < n1; n = tiny(c) ? n1 : n + 1)
    for (int64_t kb = k.lo, step; kb < k.hi; kb += step) {
      step = blocks_at_once(k.hi - kb, tiny(c) ? 14 : ci.hi - ci.lo);
      if (tiny(c))
        sweep_batch(c, n0, n1, kb, step);
      else
        sweep_rows(c, n, kb, step, r0, r1, ri, ci);
    }
  fence(c.past);
}

// Pixels of an image are one long row where windows are single pixels; rows of it make bands.
void flatten(const ConvShape& s, Sweep& c) {
  if (!s.pointwise()) return;
  const int64_t pixels = s.h * s.w;
  int64_t rows = s.h;
  if (pixels % 28 == 0)
    rows = pixels / 28;
  else if (pixels <= 512)
    rows = 1;
  else
    while (pixels / rows < 28 && rows % 2 == 0) rows /= 2;
  c.h = c.rows = rows;
  c.w = c.cols = pixels / rows;
  c.y_row = c.w * kBlock;
}

Sweep forward_sweep(const ConvShape& s) {
  Sweep c{.x = nullptr,
          .n = s.n,
          .groups = s.groups,
          .channels = s.cg(),
          .ncb = blocks_of(s.cg()),
          .h = s.h,
          .w = s.w,
          .b = nullptr,
          .taps = s.taps(),
          .kw = s.kw,
          .y = nullptr,
          .nkb = blocks_of(s.kg()),
          .rows = s.oh,
          .cols = s.ow,
          .y_row = s.ow * kBlock,
          .y_pix = kBlock,
          .y_blk = s.oh * s.ow * kBlock,
          .sh = s.sh,
          .sw = s.sw,
          .v = forward_line(s.kh, s.pt, s.dh),
          .l = forward_line(s.kw, s.pl, s.dw)};
  flatten(s, c);
  return c;
}

// Of the input rows a, a + stride, ... and columns b, b + stride, ...
Sweep backward_sweep(const ConvShape& s, int64_t a, int64_t b) {
  Sweep c{.x = nullptr,
          .n = s.n,
          .groups = s.groups,
          .channels = s.kg(),
          .ncb = blocks_of(s.kg()),
          .h = s.oh,
          .w = s.ow,
          .b = nullptr,
          .taps = s.taps(),
          .kw = s.kw,
          .y = nullptr,
          .nkb = blocks_of(s.cg()),
          .rows = ceil_div(s.h - a, s.sh),
          .cols = ceil_div(s.w - b, s.sw),
          .y_row = s.w * s.sh * kBlock,
          .y_pix = s.sw * kBlock,
          .y_blk = s.h * s.w * kBlock,
          .sh = 1,
          .sw = 1,
          .v = backward_line(a, s.kh, s.sh, s.pt, s.dh),
          .l = backward_line(b, s.kw, s.sw, s.pl, s.dw)};
  flatten(s, c);
  return c;
}

// Phase 0 puts weights and bias into blocks, the last one sweeps.
void plan_sweep(const Call& c, const ConvShape& s, const Sweep& f, bool turned, Work& w) {
  const Grid g = grid_of(f, c.fixed_weights);
  const int64_t kb_size = f.ncb * f.taps * kSquare;
  w.phases = g.own_weights ? 1 : 2;
  w.chunks[0] = g.own_weights ? g.chunks(f) : weight_chunks(s);
  w.chunks[1] = g.chunks(f);
  w.shared = g.own_weights ? 0 : weight_floats(s) + blocks_of(turned ? s.c : s.k) * kBlock;
  w.once = g.own_weights || turned ? 0 : 1;
  w.local = (turned ? s.taps() * kSquare : 0) + (g.own_weights ? g.kc * (kb_size + kBlock) : 0);
}

void plan_forward(const Call& c, Work& w) {
  const ConvShape s = forward_shape(c);
  plan_sweep(c, s, forward_sweep(s), false, w);
}

void run_forward(const Call& c, int phase, int64_t chunk, float* local) {
  const ConvShape s = forward_shape(c);
  Sweep f = forward_sweep(s);
  const Grid g = grid_of(f, c.fixed_weights);
  float *weights = c.shared, *bias = weights + weight_floats(s);
  if (g.own_weights) {
    const Range k = blocks_of_chunk(f, g, chunk);
    bias = local;
    weights = local + g.kc * kBlock;
    f.first = k.lo;
    block_bias(operand(c, kBias), s.k, k.lo, k.hi, bias);
    block_weights(s, c.in[1].f(), k.lo * f.ncb, k.hi * f.ncb, weights);
  } else if (phase == 0) {
    const int64_t per = blocks_per_chunk(s), first = chunk * per;
    block_weights(s, c.in[1].f(), first, min(weight_blocks(s), first + per),
                  weights + first * s.taps() * kSquare);
    if (chunk == 0) block_bias(operand(c, kBias), s.k, 0, blocks_of(s.k), bias);
    return;
  }
  f.x = c.in[0].f();
  f.b = weights;
  f.y = c.out[0].f();
  f.e = conv_epilogue(c, s, bias);
  f.past = goes_past(f.y, c.out[0].size()) && !f.e.looks_twice();
  sweep(f, g, chunk);
}

void plan_grad_input(const Call& c, Work& w) {
  const ConvShape s = grad_input_shape(c);
  plan_sweep(c, s, backward_sweep(s, 0, 0), true, w);
}

// Blocks in the order (groups, c / groups / 16, k / groups / 16).
void turn_weights(const ConvShape& s, const float* w, int64_t first, int64_t last, float* to,
                  float* scratch) {
  const int64_t ncb = blocks_of(s.cg()), nkb = blocks_of(s.kg());
  for (int64_t b = first; b < last; ++b) {
    const int64_t kb = b % nkb, cb = b / nkb % ncb, group = b / nkb / ncb;
    turn_block(s, w, group * nkb + kb, cb, to + (b - first) * s.taps() * kSquare, scratch);
  }
}

// A chunk does all residues of rows and columns by the stride.
void run_grad_input(const Call& c, int phase, int64_t chunk, float* local) {
  const ConvShape s = grad_input_shape(c);
  const Sweep even = backward_sweep(s, 0, 0);
  const Grid g = grid_of(even, c.fixed_weights);
  float *weights = c.shared, *bias = weights + weight_floats(s);
  int64_t first = 0;
  if (g.own_weights) {
    const Range k = blocks_of_chunk(even, g, chunk);
    bias = local + s.taps() * kSquare;
    weights = bias + g.kc * kBlock;
    first = k.lo;
    block_bias(operand(c, kTransposedBias), s.c, k.lo, k.hi, bias);
    turn_weights(s, c.in[0].f(), k.lo * even.ncb, k.hi * even.ncb, weights, local);
  } else if (phase == 0) {
    const int64_t per = blocks_per_chunk(s), b = chunk * per;
    if (chunk == 0) block_bias(operand(c, kTransposedBias), s.c, 0, blocks_of(s.c), bias);
    return turn_weights(s, c.in[0].f(), b, min(weight_blocks(s), b + per), c.shared + b * s.taps() * kSquare,
                        local);
  }
  for (int64_t a = 0; a < min(s.sh, s.h); ++a)
    for (int64_t b = 0; b < min(s.sw, s.w); ++b) {
      Sweep f = backward_sweep(s, a, b);  // without taps it writes the epilogue alone
      f.x = c.in[1].f();
      f.b = weights;
      f.first = first;
      const int64_t at = (a * s.w + b) * kBlock;
      f.y = c.out[0].f() + at;
      f.e = grad_input_epilogue(c, s, bias);
      if (f.e.residual) f.e.residual += at;
      if (f.e.mask) f.e.mask += at;
      f.past = goes_past(f.y, c.out[0].size()) && !f.e.looks_twice();
      sweep(f, g, chunk);
    }
}

}  // namespace

extern const Kernel conv_direct{&plan_forward, &run_forward};
extern const Kernel conv_direct_grad_input{&plan_grad_input, &run_grad_input};

}  // namespace dl::DL_ISA
