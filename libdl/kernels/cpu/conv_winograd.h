#pragma once
// Winograd F(4x4,3x3): the two-dimensional transforms, for runs of tiles. Transform points p = 0..35, tiles t:
//   V[p][cb][t][16] = B^T d B      of 6x6 tiles of the input
//   U[p][kb][c][16] = G g G^T      of the weights
//   M[p][kb][t][16] = V[p] U[p]    36 matrix products
//   y = A^T M A                    4x4 tiles of the output
#include "kernels/cpu/conv_block.h"

namespace dl::DL_ISA::winograd {

constexpr int kPoints = 36;
constexpr int64_t kSkew = 16;  // a line between points: no strides of a power of two

struct Tiles {  // 4x4 tiles of the output of a batch
  int64_t n, h, w, oh, ow, pt, pl, th, tw;
  // back: the gradient of the input is a convolution of dy with the rotated weights.
  DL_INLINE Tiles(const ConvShape& s, bool back)
      : n(s.n),
        h(back ? s.oh : s.h),
        w(back ? s.ow : s.w),
        oh(back ? s.h : s.oh),
        ow(back ? s.w : s.ow),
        pt(back ? 2 - s.pt : s.pt),
        pl(back ? 2 - s.pl : s.pl),
        th(ceil_div(oh, 4)),
        tw(ceil_div(ow, 4)) {}
  DL_INLINE int64_t count() const { return n * th * tw; }
};

// Tiles [first, first + count) of the blocks [block, block + blocks) of a tensor that has `all`.
struct Run {
  int64_t first, count, block, blocks, all;
};

// V of x; block b of the run goes to v + (b - block) v_cb.
void input_tiles(const Tiles& g, const Run& r, const float* x, float* v, int64_t v_p, int64_t v_cb);
// y of M; block b comes from m + (b - block) m_kb.
void output_tiles(const Tiles& g, const Run& r, const float* m, int64_t m_p, int64_t m_kb, float* y,
                  const ConvEpilogue& e, bool past);
// A dy A^T, for the gradient of the weights; what lies beyond the image counts as zero.
void grad_tiles(const Tiles& g, const Run& r, const float* dy, float* d, int64_t d_p, int64_t d_kb);
// U of w (k, c, 3, 3), for the squares [first, last) in the order (out blocks, in blocks); square b goes to
// u + (b - first) 256. back: out blocks are input channels, weights rotated and turned.
void weight_squares(const ConvShape& s, const float* w, bool back, int64_t first, int64_t last, float* u,
                    int64_t u_p);
// G^T dU G for `count` squares: dw in blocks.
void weight_grad_squares(const float* du, int64_t u_p, int64_t count, float* dw);

}  // namespace dl::DL_ISA::winograd
