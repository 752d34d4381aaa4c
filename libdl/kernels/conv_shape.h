#pragma once
// The extents of a convolution, read off the operands of conv2d and its gradients in any form of the images.
#include "kernels/conv2d.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

// n images, c channels h x w in, k channels oh x ow out, kernel kh x kw, stride sh sw, dilation dh dw, pads
// pt pl.
struct ConvShape {
  int64_t n, c, h, w, k, kh, kw, sh, sw, dh, dw, pt, pl, groups, oh, ow;
  __attribute__((always_inline)) inline int64_t cg() const {
    return c / groups;
  }  // input channels of a group
  __attribute__((always_inline)) inline int64_t kg() const {
    return k / groups;
  }  // output channels of a group
  __attribute__((always_inline)) inline int64_t taps() const { return kh * kw; }
  __attribute__((always_inline)) inline int64_t pixels() const { return oh * ow; }
  __attribute__((always_inline)) inline int64_t frame_w() const { return (ow - 1) * sw + (kw - 1) * dw + 1; }
  __attribute__((always_inline)) inline int64_t frame_h(int64_t rows) const {
    return (rows - 1) * sh + (kh - 1) * dh + 1;
  }  // under `rows` rows of y
  // 1x1 windows that touch each pixel once: the image is the matrix already.
  __attribute__((always_inline)) inline bool pointwise() const {
    return kh == 1 && kw == 1 && sh == 1 && sw == 1 && pt == 0 && pl == 0 && oh == h && ow == w;
  }
};

// Only rows, columns and the batch of x and y are looked at: these stand in the same places in both forms.
template <class A>
__attribute__((always_inline)) inline ConvShape conv_shape(const Arg& x, const Arg& w, const Arg& y,
                                                           const A& a) {
  return {.n = x.dims[0],
          .c = w.dims[1] * a.groups,
          .h = x.dims[2],
          .w = x.dims[3],
          .k = w.dims[0],
          .kh = w.dims[2],
          .kw = w.dims[3],
          .sh = a.stride[0],
          .sw = a.stride[1],
          .dh = a.dilation[0],
          .dw = a.dilation[1],
          .pt = a.pads[0],
          .pl = a.pads[1],
          .groups = a.groups,
          .oh = y.dims[2],
          .ow = y.dims[3]};
}

}  // namespace dl::DL_ISA
