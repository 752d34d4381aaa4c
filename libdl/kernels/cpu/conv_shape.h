#pragma once
// The extents of the convolution that a call of conv2d or of one of its gradients stands for.
#include "kernels/conv_shape.h"
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace dl::DL_ISA {

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t clamp(int64_t x, int64_t low, int64_t high) { return max(low, min(x, high)); }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t line(int64_t floats) { return (floats + 15) / 16 * 16; }  // whole cache lines

DL_INLINE const Conv2dAttrs& conv_attrs(const Call& c) { return *static_cast<const Conv2dAttrs*>(c.attrs); }
DL_INLINE const Conv2dGradAttrs& conv_grad_attrs(const Call& c) {
  return *static_cast<const Conv2dGradAttrs*>(c.attrs);
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
