#pragma once
// Convolution of images into few maps: lanes are neighbouring pixels, weights are broadcast. Where a matrix product would have
// too few rows to fill the registers.
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/im2col.h"

namespace dl::DL_ISA {

DL_INLINE bool pixel_form(const ConvShape& s) {
  return s.sw == 1 && s.kg() <= 8 && s.ow >= 8 && !s.pointwise();
}
// One group, one strip: g.c (g.m, pixels of the strip) from its frame with the weights g.a; bias and activation of g. Reads up
// to DL_VLEN floats behind the frame.
void pixel_strip(const ConvShape& s, Strip t, const float* frame, const Gemm& g);

}  // namespace dl::DL_ISA
