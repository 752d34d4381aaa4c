#pragma once
// What pooling of images and of the blocked form share: where windows lie and what they count.
#include "kernels/pool2d.h"

#include "kernels/cpu/shuffle.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

// The operators on the blocked form, in pool2d_blocked.cpp.
extern const Kernel max_pool2d_blocked, max_pool2d_grad_blocked, avg_pool2d_blocked, avg_pool2d_grad_blocked;

inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// One plane: h x w in, oh x ow out, window kh x kw.
struct PoolShape {
  int64_t planes, h, w, oh, ow, kh, kw, sh, sw, pt, pl;
  int64_t row() const { return (ow - 1) * sw + kw; }      // floats under all windows of a row
  int64_t buffer() const { return row() + 3 * DL_VLEN; }  // vectors of stride 2 read past them
  int64_t first(int64_t oy) const { return max(0, oy * sh - pt); }
  int64_t end(int64_t oy) const { return min(h, oy * sh - pt + kh); }
  bool side_by_side() const {  // windows 2x2 that neither overlap nor leave the image
    return kh == 2 && kw == 2 && sh == 2 && sw == 2 && pt == 0 && pl == 0 && 2 * oh <= h && 2 * ow <= w;
  }
  int64_t per_chunk() const { return max(1, 16384 / max(1, h * w)); }
  int64_t chunks() const { return (planes + per_chunk() - 1) / per_chunk(); }
};

template <class A>
inline PoolShape shape_of(const int64_t* x, const int64_t* y, const A& a) {
  return {x[0] * x[1], x[2],        x[3],        y[2],      y[3],     a.kernel[0],
          a.kernel[1], a.stride[0], a.stride[1], a.pads[0], a.pads[1]};
}

// 1 / number of rows (or columns) that window i counts; `after`: pad at the far end, when pads count.
inline float share(int64_t i, int64_t stride, int64_t kernel, int64_t extent, int64_t before, int64_t after,
                   bool pads) {
  const int64_t start = i * stride - before, end = min(start + kernel, extent + (pads ? after : 0));
  return 1.f / static_cast<float>(end - (pads ? start : max(start, 0)));
}

template <class A>
struct Shares {
  const PoolShape& s;
  const A& a;
  float rows(int64_t oy) const { return share(oy, s.sh, s.kh, s.h, s.pt, a.pads[2], a.count_include_pad); }
  void columns(float* out) const {
    for (int64_t ox = 0; ox < s.ow; ++ox)
      out[ox] = share(ox, s.sw, s.kw, s.w, s.pl, a.pads[3], a.count_include_pad);
  }
};
template <class A>
Shares(const PoolShape&, const A&) -> Shares<A>;

}  // namespace dl::DL_ISA
