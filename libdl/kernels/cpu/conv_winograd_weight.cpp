// Winograd F(4x4,3x3), gradient of the weight:  dU[p] = V[p]^T (A dy A^T)[p],  dw = G^T dU G.
// Chunks are (part of the tiles, group of blocks of output channels); each part makes its own copy of dw, and the last
// phase adds the copies in order. Small dU: one group, many parts. Large dU: many groups; V is then transformed once for
// all of them in a phase before, where there is room to keep it. Few tiles: dU exists for one square at a time.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/conv_wtile.h"

namespace dl::DL_ISA {
namespace {

using winograd::kPoints;
using winograd::kSkew;
using winograd::Run;
using winograd::Tiles;

constexpr int64_t kParts = 16;
constexpr int64_t kSmallU = 3 << 18, kLargeV = 6 << 20;  // floats
constexpr int64_t kBlocksPerChunk = 4;                   // of V

struct GradWeight {
  ConvShape s;
  Tiles g;
  int64_t ncb, nkb;
  bool tiles_first, few;
  int64_t groups, kg, parts, sb, nsb;  // blocks of a group; superblocks of sb tiles, nsb of a part
  int64_t v_p, v_cb, d_p, u_p;

  explicit GradWeight(const Call& c)
      : s(grad_weight_shape(c)), g(s, false), ncb(blocks_of(s.c)), nkb(blocks_of(s.k)) {
    const int64_t tiles = max(1, g.count()), v_tile = kPoints * kBlock * ncb;
    const bool small = kPoints * ncb * nkb * kSquare <= kSmallU;
    tiles_first = !small && tiles * v_tile <= kLargeV;
    kg = small ? nkb : !tiles_first ? 8 : nkb >= 32 ? 4 : nkb >= 16 ? 2 : 1;
    groups = ceil_div(nkb, kg);
    const int64_t most = max(1, kParts / groups);  // 8 copies cost less to add than 16
    parts = tiles_first ? 1 : clamp(max(min(8, tiles / 64), tiles / 192), 1, most);
    const int64_t of_part = ceil_div(tiles, parts);
    nsb = ceil_div(of_part, clamp((small ? 64 << 10 : 5 << 19) / v_tile, min(72, of_part), of_part));
    sb = ceil_div(of_part, nsb);
    few = sb <= 72 && nsb == 1;
    v_cb = sb * kBlock;
    v_p = ncb * v_cb + kSkew;
    d_p = kg * v_cb + kSkew;
    u_p = (few ? 1 : kg * ncb) * kSquare + kSkew;
  }
  int64_t v_size() const { return kPoints * v_p; }
  int64_t v_groups() const { return ceil_div(ncb, kBlocksPerChunk); }
  int64_t copies() const { return parts > 1 ? parts * weight_floats(s) : 0; }  // floats
  int64_t first_of(int64_t part) const { return g.count() * part / parts; }
  Run run(int64_t first, int64_t end, int64_t block, int64_t blocks, int64_t all) const {
    return {first, min(sb, end - first), block, blocks, all};
  }
};

void plan_grad_weight(const Call& c, Work& w) {
  const GradWeight f(c);
  const int64_t first = f.tiles_first ? 1 : 0;
  w.phases = static_cast<int>(first + (f.parts > 1 ? 2 : 1));
  w.chunks[0] = f.nsb * f.v_groups();
  w.chunks[first] = f.parts * f.groups;
  if (f.parts > 1) w.chunks[first + 1] = weight_chunks(f.s);
  w.shared = f.copies() + first * f.nsb * f.v_size();
  w.local = kPoints * (f.d_p + f.u_p) + (f.tiles_first ? 0 : f.v_size());
}

// dU (+)= V^T D of a square over the tiles of one superblock, at one point.
void add_product(const float* v, const float* d, int64_t tiles, bool first, float* du) {
  wtile({.a = v,
         .a_img = 0,
         .a_row = 0,
         .a_pix = kBlock,
         .b = d,
         .b_img = 0,
         .b_row = 0,
         .images = 1,
         .rows = 1,
         .pixels = tiles,
         .dw = du,
         .accumulate = !first});
}

// `count` squares from block (kb, cb) on are complete: into the copy of the part, or where it is the only one into dw.
void finish_squares(const Call& c, const GradWeight& f, int64_t part, int64_t block, int64_t count,
                    const float* du) {
  if (f.parts > 1)
    return winograd::weight_grad_squares(du, f.u_p, count,
                                         c.shared + part * weight_floats(f.s) + block * 9 * kSquare);
  alignas(64) float dw[9 * kSquare];
  for (int64_t b = 0; b < count; ++b) {
    winograd::weight_grad_squares(du + b * kSquare, f.u_p, 1, dw);
    sum_weights(f.s, dw, 1, block + b, block + b + 1, c.out[0].f());
  }
}

void add_part(const Call& c, const GradWeight& f, int64_t chunk, float* local) {
  const int64_t part = chunk / f.groups, kb0 = chunk % f.groups * f.kg, nkb = min(f.kg, f.nkb - kb0);
  float *d = local, *du = d + kPoints * f.d_p, *own = du + kPoints * f.u_p;
  const int64_t first = f.first_of(part), end = f.first_of(part + 1);
  for (int64_t t = first; t < end; t += f.sb) {
    const Run r = f.run(t, end, kb0, nkb, f.nkb);
    const float* v = f.tiles_first ? c.shared + f.copies() + t / f.sb * f.v_size() : own;
    if (!f.tiles_first) input_tiles(f.g, f.run(t, end, 0, f.ncb, f.ncb), c.in[0].f(), own, f.v_p, f.v_cb);
    grad_tiles(f.g, r, c.in[1].f(), d, f.d_p, f.v_cb);
    if (f.few) {
      for (int64_t cb = 0; cb < f.ncb; ++cb)
        for (int64_t kb = 0; kb < nkb; ++kb) {
          for (int64_t i = 0; i < kPoints; ++i)
            add_product(v + i * f.v_p + cb * f.v_cb, d + i * f.d_p + kb * f.v_cb, r.count, true,
                        du + i * f.u_p);
          finish_squares(c, f, part, (kb0 + kb) * f.ncb + cb, 1, du);
        }
      return;
    }
    for (int64_t i = 0; i < kPoints; ++i)
      for (int64_t kb = 0; kb < nkb; ++kb)
        for (int64_t cb = 0; cb < f.ncb; ++cb)
          add_product(v + i * f.v_p + cb * f.v_cb, d + i * f.d_p + kb * f.v_cb, r.count, t == first,
                      du + i * f.u_p + (kb * f.ncb + cb) * kSquare);
  }
  if (first == end && f.few) {  // no images
    zero_row(du, kPoints * f.u_p);
    for (int64_t b = 0; b < nkb * f.ncb; ++b) finish_squares(c, f, part, kb0 * f.ncb + b, 1, du);
    return;
  }
  finish_squares(c, f, part, kb0 * f.ncb, nkb * f.ncb, du);
}

void run_grad_weight(const Call& c, int phase, int64_t chunk, float* local) {
  const GradWeight f(c);
  if (f.tiles_first && phase == 0) {
    const int64_t b = chunk / f.v_groups(), block = chunk % f.v_groups() * kBlocksPerChunk;
    float* v = c.shared + f.copies() + b * f.v_size() + block * f.v_cb;
    const Run r = f.run(b * f.sb, f.g.count(), block, min(kBlocksPerChunk, f.ncb - block), f.ncb);
    return input_tiles(f.g, r, c.in[0].f(), v, f.v_p, f.v_cb);
  }
  if (phase == (f.tiles_first ? 1 : 0)) return add_part(c, f, chunk, local);
  const int64_t per = blocks_per_chunk(f.s), first = chunk * per;
  sum_weights(f.s, c.shared + first * 9 * kSquare, f.parts, first, min(weight_blocks(f.s), first + per),
              c.out[0].f());
}

}  // namespace

extern const Kernel conv_winograd_grad_weight{&plan_grad_weight, &run_grad_weight};

}  // namespace dl::DL_ISA
