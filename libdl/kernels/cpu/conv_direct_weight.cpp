// Gradient of the weight of a direct convolution. Chunks are (part of the images or of their rows, run of blocks of dw).
// Large dw: there is one part, and a run goes to dw as soon as it is complete. Small dw: each part sums into its own copy,
// and phase 1 adds the copies in order. How many there are depends on shapes alone.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_wtile.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunks = 16;
constexpr int64_t kCopies = 1 << 20;  // floats of all copies of dw
constexpr int64_t kRun = 64 << 10;    // floats of a run that stays in L2
constexpr int64_t kCache = 96 << 10;  // floats of x and dy that stay in L2 while all taps and blocks use them

struct GradWeight {
  ConvShape s;
  int64_t ncb, nkb, blocks;                     // of a group; of all
  int64_t image_parts, row_parts, parts, runs;  // runs of blocks
  int64_t band, batch;                          // rows of dy, or images, of one pass over the blocks

  explicit GradWeight(const Call& c) : s(grad_weight_shape(c)) {
    ncb = blocks_of(s.cg());
    nkb = blocks_of(s.kg());
    blocks = s.groups * nkb * ncb;
    const int64_t fit = clamp(kCopies / weight_floats(s), 1, kChunks), most = fit < 4 ? 1 : fit;
    image_parts = s.n ? ceil_div(s.n, ceil_div(s.n, most)) : 1;  // of equal size where that is possible
    row_parts = clamp(most / image_parts, 1, ceil_div(s.oh, 8));
    parts = image_parts * row_parts;
    runs = parts == 1   ? clamp(ceil_div(size(), kRun), kChunks, blocks)
           : parts >= 8 ? 1
                        : ceil_div(kChunks, parts);
    runs = min(blocks, runs);
    const int64_t of_run =
        min(s.groups * nkb, ceil_div(blocks, runs * ncb) + 1);  // blocks of dy that a run meets
    const int64_t of_x = ceil_div(of_run, nkb) * ncb * min(s.sh, s.kh) * min(s.sw, s.kw);
    const int64_t row = s.ow * kBlock * (of_run + of_x);
    band = clamp(kCache / row, 1, s.oh);
    batch = band < s.oh || row_parts > 1 ? 1 : max(s.pixels() <= 16 ? 16 : 1, kCache / (row * s.oh));
  }
  int64_t block_size() const { return s.taps() * kSquare; }
  int64_t size() const { return blocks * block_size(); }
};

// Output places [lo, hi) within [from, to) whose tap at distance d hits [0, size).
struct Places {
  int64_t lo, hi;
  Places(int64_t from, int64_t to, int64_t d, int64_t step, int64_t size)
      : lo(max(from, ceil_div(max(0, -d), step))),
        hi(min(to, size - 1 < d ? 0 : (size - 1 - d) / step + 1)) {}
};

// All taps of block b over the images [n0, n1) and the rows [r0, r1) of dy; dw: of this block.
void add_block(const GradWeight& f, const float* x, const float* dy, int64_t b, int64_t n0, int64_t n1,
               int64_t r0, int64_t r1, bool first, float* dw, int64_t images, int64_t rows) {
  const ConvShape& s = f.s;
  const int64_t kb = b / f.ncb, cb = kb / f.nkb * f.ncb + b % f.ncb;  // of all groups
  const int64_t x_blk = s.h * s.w * kBlock, y_blk = s.pixels() * kBlock;
  const int64_t x_img = s.groups * f.ncb * x_blk, y_img = s.groups * f.nkb * y_blk;
  const float *xi = x + n0 * x_img + cb * x_blk, *yi = dy + n0 * y_img + kb * y_blk;
  for (int64_t i = 0; i < s.kh; ++i)
    for (int64_t j = 0; j < s.kw; ++j) {
      const int64_t dh = i * s.dh - s.pt, dw_ = j * s.dw - s.pl;
      const Places h(r0, r1, dh, s.sh, s.h), w(0, s.ow, dw_, s.sw, s.w);
      const bool none = h.hi <= h.lo || w.hi <= w.lo;
      if (none && !first) continue;
      wtile({.a = xi + ((h.lo * s.sh + dh) * s.w + w.lo * s.sw + dw_) * kBlock,
             .a_img = x_img,
             .a_row = s.sh * s.w * kBlock,
             .a_pix = s.sw * kBlock,
             .b = yi + (h.lo * s.ow + w.lo) * kBlock,
             .b_img = y_img,
             .b_row = s.ow * kBlock,
             .images = none ? 0 : n1 - n0,
             .rows = h.hi - h.lo,
             .pixels = w.hi - w.lo,
             .dw = dw + (i * s.kw + j) * kSquare,
             .accumulate = !first,
             .a_ahead = images * x_img + rows * s.sh * s.w * kBlock,
             .b_ahead = images * y_img + rows * s.ow * kBlock});
    }
}

void plan_grad_weight(const Call& c, Work& w) {
  const GradWeight f(c);
  w.chunks[0] = f.parts * f.runs;
  if (f.parts == 1) {
    w.local = ceil_div(f.blocks, f.runs) * f.block_size();
    return;
  }
  w.phases = 2;
  w.chunks[1] = weight_chunks(f.s);
  w.shared = f.parts * f.size();
}

void run_grad_weight(const Call& c, int phase, int64_t chunk, float* local) {
  const GradWeight f(c);
  if (phase == 1) {
    const int64_t per = blocks_per_chunk(f.s), first = chunk * per;
    return sum_weights(f.s, c.shared + first * f.block_size(), f.parts, first,
                       min(weight_blocks(f.s), first + per), c.out[0].f());
  }
  const int64_t run = chunk % f.runs, part = chunk / f.runs;
  const int64_t ip = part / f.row_parts, rp = part % f.row_parts;
  const int64_t b0 = f.blocks * run / f.runs, b1 = f.blocks * (run + 1) / f.runs;
  const int64_t n0 = f.s.n * ip / f.image_parts, n1 = f.s.n * (ip + 1) / f.image_parts;
  const int64_t r0 = f.s.oh * rp / f.row_parts, r1 = f.s.oh * (rp + 1) / f.row_parts;
  float* dw = f.parts == 1 ? local : c.shared + part * f.size() + b0 * f.block_size();
  if (n0 == n1 || r0 == r1) zero_row(dw, (b1 - b0) * f.block_size());
  for (int64_t n = n0; n < n1; n += f.batch)
    for (int64_t r = r0; r < r1; r += f.band)
      for (int64_t b = b0; b < b1; ++b)
        add_block(f, c.in[0].f(), c.in[1].f(), b, n, min(n1, n + f.batch), r, min(r1, r + f.band),
                  n == n0 && r == r0, dw + (b - b0) * f.block_size(), r + f.band < r1 ? 0 : f.batch,
                  r + f.band < r1 ? f.band : r0 - r);
  if (f.parts == 1) sum_weights(f.s, dw, 1, b0, b1, c.out[0].f());
}

}  // namespace

extern const Kernel conv_direct_grad_weight{&plan_grad_weight, &run_grad_weight};

}  // namespace dl::DL_ISA
