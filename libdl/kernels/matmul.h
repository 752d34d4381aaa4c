#pragma once
// Attributes of matmul and affine.
#include "kernels/activation.h"

namespace dl {

// Multiplies the product by the derivative of an activation, expressed in that activation's output (input
// aux).
enum class MatmulEpilogue : int32_t { none, relu_grad, tanh_grad, sigmoid_grad };

struct MatmulAttrs {
  bool trans_a = false, trans_b = false;
  MatmulEpilogue epilogue = MatmulEpilogue::none;
};

struct AffineAttrs {
  Activation activation = Activation::none;
};

}  // namespace dl
