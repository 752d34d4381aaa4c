// Winograd F(4x4,3x3), forward and gradient of the input, which is a forward pass with rotated, turned weights.
// Tiles go through in superblocks, output channels in chunks, so that M stays in L2. Two ways to spread the work:
//   many tiles: phase 0 transforms all weights, a chunk of phase 1 is a superblock whose V stays in L2;
//   few tiles, or more weights than fit L3 when transformed: phase 0 transforms all tiles, a chunk of phase 1 is
//   (superblock, chunk of output channels) and transforms the weights of its channels.
// Weights that stay the same over many runs are always transformed first, and once; where there are few tiles, several
// chunks then share a superblock, each with its part of the output channels.
// An output is the same sum in either.
#include "kernels/cpu/conv_winograd.h"

#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_tile.h"

namespace dl::DL_ISA {
namespace {

using winograd::kPoints;
using winograd::kSkew;
using winograd::Run;
using winograd::Tiles;

constexpr int64_t kLargeU = 10 << 18;    // floats of U that leave no room in L3
constexpr int64_t kLargeV = 16 << 20;    // floats of V of all tiles that are too many to keep
constexpr int64_t kSquaresPerChunk = 8;  // of weights
constexpr int64_t kBlocksPerChunk = 4;   // of V

struct Plan {
  ConvShape s;
  bool back;
  Tiles g;
  int64_t nib, nob;  // blocks in and out
  bool tiles_first;
  int64_t parts;             // chunks of a superblock
  int64_t sb, nsb, kc, nch;  // tiles of a superblock, blocks of a chunk of output channels; how many of them
  int64_t v_p, v_cb, m_p, m_kb, u_p;

  Plan(const ConvShape& s, bool back, bool fixed_weights = false)
      : s(s), back(back), g(s, back), nib(blocks_of(back ? s.k : s.c)), nob(blocks_of(back ? s.c : s.k)) {
    const int64_t tiles = max(1, g.count()), v_tile = kPoints * nib * kBlock;
    const int64_t u = kPoints * nib * nob * kSquare;
    const auto superblocks = [&](int64_t floats, int64_t least) {
      return ceil_div(tiles, clamp(max(least, floats / v_tile / 14 * 14), 1, tiles));
    };
    nsb = superblocks(64 << 10, 28);
    tiles_first = !fixed_weights && (u > kLargeU || nsb < 8) && tiles * v_tile <= kLargeV;
    if (tiles_first)
      nsb = superblocks(2 << 20, 28);
    else if (u > kLargeU)
      nsb = superblocks(2 << 20, 112);  // the weights stream from memory once per superblock
    sb = ceil_div(tiles, nsb);
    nsb = ceil_div(tiles, sb);
    kc = min(nob, !tiles_first ? 4 : nsb * ceil_div(nob, 2) >= 16 ? 2 : 1);
    nch = ceil_div(nob, kc);
    parts = tiles_first ? nch : fixed_weights ? clamp(ceil_div(16, nsb), 1, nch) : 1;
    v_cb = sb * kBlock;
    v_p = nib * v_cb + kSkew;
    m_kb = sb * kBlock;
    m_p = kc * m_kb + kSkew;
    u_p = (tiles_first ? kc : nob) * nib * kSquare + kSkew;
  }
  int64_t v_size() const { return kPoints * v_p; }
  int64_t u_size() const { return kPoints * u_p; }
  int64_t m_size() const { return kPoints * m_p; }
  int64_t bias_size() const { return nob * kBlock; }
  int64_t v_groups() const { return ceil_div(nib, kBlocksPerChunk); }

  void work(Work& w) const {
    w.phases = 2;
    w.chunks[0] = tiles_first ? nsb * v_groups() : ceil_div(nib * nob, kSquaresPerChunk);
    w.chunks[1] = g.count() == 0 ? 0 : nsb * parts;
    w.shared = bias_size() + (tiles_first ? nsb * v_size() : u_size());
    w.local = m_size() + (tiles_first ? u_size() : v_size());
    w.once = tiles_first ? 0 : 1;
  }
  Run run(int64_t superblock, int64_t block, int64_t blocks, int64_t all) const {
    return {superblock * sb, min(sb, g.count() - superblock * sb), block, blocks, all};
  }
};

// m[kb][t][16] = v[cb][t][16] u[kb][c][16] for nt tiles, nkb blocks, at every point.
void products(const Plan& p, const float* v, const float* u, int64_t nt, int64_t nkb, float* m) {
  static constexpr Tap tap{0, 0};
  const int64_t pair = DL_VLEN == 16 ? 2 : 1;
  for (int64_t i = 0; i < kPoints; ++i)
    for (int64_t kb = 0, b; kb < nkb; kb += b) {
      b = kb + pair <= nkb ? pair : 1;
      const int64_t parts = ceil_div(nt, best_rows(p.nib * kBlock, b));
      for (int64_t q = 0; q < parts; ++q) {
        const int64_t t = nt * q / parts, r = nt * (q + 1) / parts - t;
        tile_fn(r, b, kBlock)({.a = v + i * p.v_p + t * kBlock,
                               .a_cb = p.v_cb,
                               .ncb = p.nib,
                               .b = u + i * p.u_p + kb * p.nib * kSquare,
                               .b_cb = kSquare,
                               .b_kb = p.nib * kSquare,
                               .taps = &tap,
                               .ntaps = 1,
                               .y = m + i * p.m_p + kb * p.m_kb + t * kBlock,
                               .y_kb = p.m_kb});
      }
    }
}

struct Tensors {
  const float *x, *w;
  float *y, *shared;
  ConvEpilogue e;
  bool past;
};

void transform(const Plan& p, const Tensors& t, int64_t chunk) {
  if (p.tiles_first) {
    const int64_t b = chunk / p.v_groups(), first = chunk % p.v_groups() * kBlocksPerChunk;
    if (p.g.count() == 0) return;
    const Run r = p.run(b, first, min(kBlocksPerChunk, p.nib - first), p.nib);
    return input_tiles(p.g, r, t.x, t.shared + b * p.v_size() + first * p.v_cb, p.v_p, p.v_cb);
  }
  const int64_t first = chunk * kSquaresPerChunk, last = min(p.nib * p.nob, first + kSquaresPerChunk);
  winograd::weight_squares(p.s, t.w, p.back, first, last, t.shared + first * kSquare, p.u_p);
}

void convolve(const Plan& p, const Tensors& t, int64_t chunk, float* local) {
  float *m = local, *own = local + p.m_size();  // own: V or U of this chunk
  const int64_t b = chunk / p.parts, part = chunk % p.parts;
  const int64_t first = part * p.nch / p.parts, last = (part + 1) * p.nch / p.parts;
  const Run all = p.run(b, 0, p.nib, p.nib);
  const float* v = p.tiles_first ? t.shared + b * p.v_size() : own;
  if (!p.tiles_first) input_tiles(p.g, all, t.x, own, p.v_p, p.v_cb);
  for (int64_t ch = first; ch < last; ++ch) {
    const Run r = p.run(b, ch * p.kc, min(p.kc, p.nob - ch * p.kc), p.nob);
    const float* u = p.tiles_first ? own : t.shared + r.block * p.nib * kSquare;
    if (p.tiles_first)
      winograd::weight_squares(p.s, t.w, p.back, r.block * p.nib, (r.block + r.blocks) * p.nib, own, p.u_p);
    products(p, v, u, r.count, r.blocks, m);
    output_tiles(p.g, r, m, p.m_p, p.m_kb, t.y, t.e, t.past);
  }
  fence(t.past);
}

void plan_forward(const Call& c, Work& w) { Plan(forward_shape(c), false, c.fixed_weights).work(w); }

void run_forward(const Call& c, int phase, int64_t chunk, float* local) {
  const Plan p(forward_shape(c), false, c.fixed_weights);
  const ConvEpilogue e = conv_epilogue(c, p.s, c.shared);
  const bool past = goes_past(c.out[0].f(), c.out[0].size()) && !e.looks_twice();
  const Tensors t{c.in[0].f(), c.in[1].f(), c.out[0].f(), c.shared + p.bias_size(), e, past};
  if (phase == 1) return convolve(p, t, chunk, local);
  if (chunk == 0) block_bias(operand(c, kBias), p.s.k, 0, p.nob, c.shared);
  transform(p, t, chunk);
}

void plan_grad_input(const Call& c, Work& w) {
  Plan(grad_input_shape(c), true, c.fixed_weights).work(w);
  w.once = 0;
}

void run_grad_input(const Call& c, int phase, int64_t chunk, float* local) {
  const Plan p(grad_input_shape(c), true, c.fixed_weights);
  const ConvEpilogue e = grad_input_epilogue(c, p.s, c.shared);
  const bool past = goes_past(c.out[0].f(), c.out[0].size()) && !e.looks_twice();
  const Tensors t{c.in[1].f(), c.in[0].f(), c.out[0].f(), c.shared + p.bias_size(), e, past};
  if (phase == 1) return convolve(p, t, chunk, local);
  if (chunk == 0) block_bias(operand(c, kTransposedBias), p.s.c, 0, p.nob, c.shared);
  transform(p, t, chunk);
}

}  // namespace

extern const Kernel conv_winograd{&plan_forward, &run_forward};
extern const Kernel conv_winograd_grad_input{&plan_grad_input, &run_grad_input};

}  // namespace dl::DL_ISA
