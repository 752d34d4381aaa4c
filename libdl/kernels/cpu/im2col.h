#pragma once
// The windows of a convolution as columns of a matrix, a strip of output rows at a time. Images are first
// copied into a frame that holds the padding, so that no window needs a case of its own.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/shuffle.h"

namespace dl::DL_ISA {

// Output rows [row, row + rows).
struct Strip {
  int64_t row, rows;
};

// Reads beyond a frame and writes beyond the columns go no further than this.
constexpr int64_t kFrameSlack = 3 * DL_VLEN;

// frame (channels, frame_h, frame_w) <- x (channels, h, w), padding as zeros.
void fill_frame(const ConvShape& s, Strip t, const float* x, int64_t channels, float* frame);
// col (channels kh kw, ld) <- frame; columns are the pixels of the strip.
void im2col(const ConvShape& s, Strip t, const float* frame, int64_t channels, float* col, int64_t ld);
// frame of the whole image += col of a strip. The memory around col must be readable for a frame row to both sides;
// mask: scratch of mask_size floats.
void col2im(const ConvShape& s, Strip t, const float* col, int64_t ld, int64_t channels, float* frame,
            float* mask);
DL_INLINE int64_t mask_size(const ConvShape& s) { return s.sw == 1 ? (s.frame_w() + DL_VLEN) * s.kw : 0; }
// dx (channels, h, w) <- frame of the whole image; pixels that no window touches become zero.
void empty_frame(const ConvShape& s, const float* frame, int64_t channels, float* dx);

}  // namespace dl::DL_ISA
