#pragma once
// The extents of a convolution, read off the operands of conv2d and its gradients in either form of the images.
#include "kernels/conv2d.h"
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t clamp(int64_t x, int64_t low, int64_t high) { return max(low, min(x, high)); }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t line(int64_t floats) { return (floats + 15) / 16 * 16; }  // whole cache lines

// n images, c channels h x w in, k channels oh x ow out, kernel kh x kw, stride sh sw, dilation dh dw, pads
// pt pl.
struct ConvShape {
  int64_t n, c, h, w, k, kh, kw, sh, sw, dh, dw, pt, pl, groups, oh, ow;
  DL_INLINE int64_t cg() const { return c / groups; }  // input channels of a group
  DL_INLINE int64_t kg() const { return k / groups; }  // output channels of a group
  DL_INLINE int64_t taps() const { return kh * kw; }
  DL_INLINE int64_t pixels() const { return oh * ow; }
  DL_INLINE int64_t frame_w() const { return (ow - 1) * sw + (kw - 1) * dw + 1; }
  DL_INLINE int64_t frame_h(int64_t rows) const {
    return (rows - 1) * sh + (kh - 1) * dh + 1;
  }  // under `rows` rows of y
  // 1x1 windows that touch each pixel once: the image is the matrix already.
  DL_INLINE bool pointwise() const {
    return kh == 1 && kw == 1 && sh == 1 && sw == 1 && pt == 0 && pl == 0 && oh == h && ow == w;
  }
};

DL_INLINE const Conv2dAttrs& conv_attrs(const Call& c) { return *static_cast<const Conv2dAttrs*>(c.attrs); }
DL_INLINE const Conv2dGradAttrs& conv_grad_attrs(const Call& c) {
  return *static_cast<const Conv2dGradAttrs*>(c.attrs);
}

// Only rows, columns and the batch of x and y are looked at: these stand in the same places in both forms.
template <class A>
DL_INLINE ConvShape conv_shape(const Arg& x, const Arg& w, const Arg& y, const A& a) {
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
DL_INLINE ConvShape forward_shape(const Call& c) {
  return conv_shape(c.in[0], c.in[1], c.out[0], conv_attrs(c));
}
DL_INLINE ConvShape grad_input_shape(const Call& c) {
  return conv_shape(c.out[0], c.in[0], c.in[1], conv_grad_attrs(c));
}
DL_INLINE ConvShape grad_weight_shape(const Call& c) {
  return conv_shape(c.in[0], c.out[0], c.in[1], conv_grad_attrs(c));
}

// An optional operand. The bias of conv2d is one; conv_transpose2d hands its own to the kernels of conv2d_grad_input behind
// their operands w dy r? y?.
DL_INLINE const float* operand(const Call& c, int i) {
  return i < c.n_in && c.in[i].present() ? c.in[i].f() : nullptr;
}
constexpr int kBias = 2, kTransposedBias = 4;

}  // namespace dl::DL_ISA
