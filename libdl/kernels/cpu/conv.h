#pragma once
// The algorithms behind conv2d and its gradients. What each can do is in kernels/conv_support.h.
#include "kernels/cpu/conv_shape.h"

namespace dl::DL_ISA {

extern const Kernel conv_im2col, conv_im2col_grad_input, conv_im2col_grad_weight;
extern const Kernel conv_direct, conv_direct_grad_input, conv_direct_grad_weight;
extern const Kernel conv_winograd, conv_winograd_grad_input, conv_winograd_grad_weight;
extern const Kernel conv_depthwise, conv_depthwise_grad_input, conv_depthwise_grad_weight;
extern const Kernel conv_planar, conv_planar_grad_weight;

}  // namespace dl::DL_ISA
