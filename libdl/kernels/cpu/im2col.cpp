#include "kernels/cpu/im2col.h"

namespace dl::DL_ISA {
namespace {

DL_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
DL_INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// n floats at distance `step`. May write up to a vector too many: the rows after it are written later.
DL_INLINE void gather_row(float* dst, const float* src, int64_t n, int64_t step) {
  if (step == 1) {
    for (int64_t i = 0; i < n; i += DL_VLEN) store(dst + i, load(src + i));
  } else if (step == 2) {
    for (int64_t i = 0; i < n; i += DL_VLEN)
      store(dst + i, even(load(src + 2 * i), load(src + 2 * i + DL_VLEN)));
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * step];
  }
}
DL_INLINE void gather_row_exactly(float* dst, const float* src, int64_t n, int64_t step) {
  if (step == 1) return copy_row(dst, src, n);
  for (int64_t i = 0; i < n; ++i) dst[i] = src[i * step];
}

}  // namespace

void fill_frame(const ConvShape& s, Strip t, const float* x, int64_t channels, float* frame) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(t.rows), y0 = t.row * s.sh - s.pt;
  const int64_t left = min(s.pl, fw), columns = max(0, min(s.w, fw - s.pl));
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < fh; ++i, frame += fw) {
      const int64_t y = y0 + i;
      if (y < 0 || y >= s.h) {
        zero_row(frame, fw);
        continue;
      }
      zero_row(frame, left);
      copy_row(frame + left, x + (c * s.h + y) * s.w, columns);
      zero_row(frame + left + columns, fw - left - columns);
    }
}

void im2col(const ConvShape& s, Strip t, const float* frame, int64_t channels, float* col, int64_t ld) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(t.rows), last = t.rows - 1;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < s.kh; ++i)
      for (int64_t j = 0; j < s.kw; ++j, col += ld) {
        const float* src = frame + (c * fh + i * s.dh) * fw + j * s.dw;
        for (int64_t r = 0; r < last; ++r) gather_row(col + r * s.ow, src + r * s.sh * fw, s.ow, s.sw);
        gather_row_exactly(col + last * s.ow, src + last * s.sh * fw, s.ow, s.sw);
      }
}

void col2im(const ConvShape& s, Strip t, const float* col, int64_t ld, int64_t channels, float* frame) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(s.oh);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < s.kh; ++i)
      for (int64_t j = 0; j < s.kw; ++j, col += ld)
        for (int64_t r = 0; r < t.rows; ++r) {
          float* dst = frame + (c * fh + (t.row + r) * s.sh + i * s.dh) * fw + j * s.dw;
          const float* src = col + r * s.ow;
          if (s.sw == 1)
            add_row(dst, src, s.ow);
          else
            for (int64_t x = 0; x < s.ow; ++x) dst[x * s.sw] += src[x];
        }
}

void empty_frame(const ConvShape& s, const float* frame, int64_t channels, float* dx) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(s.oh), columns = max(0, min(s.w, fw - s.pl));
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < s.h; ++y, dx += s.w) {
      const bool touched = y + s.pt < fh;
      if (touched) copy_row(dx, frame + (c * fh + y + s.pt) * fw + s.pl, columns);
      zero_row(dx + (touched ? columns : 0), s.w - (touched ? columns : 0));
    }
}

}  // namespace dl::DL_ISA
