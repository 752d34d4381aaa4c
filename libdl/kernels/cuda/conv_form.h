#pragma once
// The operands of conv2d, conv2d_grad_input and conv_transpose2d as those of one kind of product.
#include "kernels/cuda/conv.h"

namespace dl::DL_ISA {

// One product: y = act(x * w + bias + added), zero where mask is not positive.
struct Convolution {
  ConvShape s;
  bool transposed;
  Arg x, w, y;  // what is read and written, whatever its name in the operator
  Arg bias, added, mask;
  Activation activation;
  ConvAlgorithm algorithm;
  int64_t channels() const { return transposed ? s.kg() : s.cg(); }  // of a group, read
  int64_t n() const { return transposed ? s.cg() : s.kg(); }         // of a group, written
};

inline Convolution forward_of(const Call& c) {
  const auto& a = *static_cast<const Conv2dAttrs*>(c.attrs);
  return {.s = conv_shape(c.in[0], c.in[1], c.out[0], a),
          .transposed = false,
          .x = c.in[0],
          .w = c.in[1],
          .y = c.out[0],
          .bias = operand(c, 2),
          .added = operand(c, 3),
          .mask = {},
          .activation = a.activation,
          .algorithm = a.algorithm};
}
// w dy r? y?
inline Convolution grad_input_of(const Call& c) {
  const auto& a = *static_cast<const Conv2dGradAttrs*>(c.attrs);
  return {.s = conv_shape(c.out[0], c.in[0], c.in[1], a),
          .transposed = true,
          .x = c.in[1],
          .w = c.in[0],
          .y = c.out[0],
          .bias = {},
          .added = operand(c, 2),
          .mask = operand(c, 3),
          .activation = Activation::none,
          .algorithm = a.algorithm};
}
// x w b?
inline Convolution transpose_of(const Call& c) {
  const auto& a = *static_cast<const ConvTranspose2dAttrs*>(c.attrs);
  return {.s = conv_shape(c.out[0], c.in[1], c.in[0], a),
          .transposed = true,
          .x = c.in[0],
          .w = c.in[1],
          .y = c.out[0],
          .bias = operand(c, 2),
          .added = {},
          .mask = {},
          .activation = a.activation,
          .algorithm = a.algorithm};
}

// Channels of a group in k.
inline int64_t padded_of(const Convolution& v) {
  const int64_t pack = is_blocked(v.x) ? pack_of(v.x.type) : 1;
  return ceil_div(v.channels(), pack) * pack;
}

inline int64_t period_of(int64_t stride, int64_t dilation) {
  int64_t a = stride, b = dilation;
  while (b) {
    const int64_t t = a % b;
    a = b;
    b = t;
  }
  return stride / a;
}

inline Axis axis_of(int64_t kernel, int64_t stride, int64_t dilation, int64_t pad, bool transposed) {
  return {static_cast<int>(kernel),
          static_cast<int>(stride),
          static_cast<int>(dilation),
          static_cast<int>(pad),
          static_cast<int>(period_of(stride, dilation)),
          transposed};
}

inline Sweep sweep_of(const Convolution& v) {
  const ConvShape& s = v.s;
  const int64_t step_h = v.transposed ? s.sh : 1, step_w = v.transposed ? s.sw : 1;
  const int64_t rows = ceil_div(v.y.dims[2], step_h), columns = ceil_div(v.y.dims[3], step_w);
  Sweep w;
  w.v = axis_of(s.kh, s.sh, s.dh, s.pt, v.transposed);
  w.l = axis_of(s.kw, s.sw, s.dw, s.pl, v.transposed);
  w.h = static_cast<int>(v.x.dims[2]);
  w.w = static_cast<int>(v.x.dims[3]);
  w.groups = static_cast<int>(s.groups);
  w.channels = static_cast<int>(v.channels());
  w.padded = static_cast<int>(padded_of(v));
  w.m = static_cast<int>(s.n * rows * columns);
  w.step_h = static_cast<int>(step_h);
  w.step_w = static_cast<int>(step_w);
  w.by_places = Divisor(rows * columns);
  w.by_columns = Divisor(columns);
  return w;
}

inline Output output_of(const Convolution& v, const Sweep& s) {
  Output o;
  o.y = Floats(v.y);
  o.bias = Floats(v.bias);
  o.added = Floats(v.added);
  o.mask = Floats(v.mask);
  o.act = act_of(v.activation);
  o.picture = picture_of(v.y);
  o.m = s.m;
  o.n = static_cast<int>(v.n());
  o.groups = s.groups;
  o.padding = is_blocked(v.y) ? static_cast<int>(padded_channels(v.y) - v.n() * s.groups) : 0;
  o.h = static_cast<int>(v.y.dims[2]);
  o.w = static_cast<int>(v.y.dims[3]);
  o.step_h = s.step_h;
  o.step_w = s.step_w;
  o.by_places = s.by_places;
  o.by_columns = s.by_columns;
  o.problems = s.problems();
  o.plain = o.picture.blocks == 1 && s.problems() == 1;
  o.whole = o.picture.lanes % 4 == 0 && (s.groups == 1 || o.n % 4 == 0);
  return o;
}

// Depthwise ones (conv_depthwise.cu).
void plan_depthwise(const Convolution& v, Work& w);
void run_depthwise(const Call& c, const Convolution& v, int phase);

}  // namespace dl::DL_ISA
