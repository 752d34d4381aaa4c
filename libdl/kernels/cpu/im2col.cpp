#include "kernels/cpu/im2col.h"

namespace dl::DL_ISA {
namespace {

// n floats at distance `step`. May write up to a vector too many: the rows after it are written later.
// kVectors: how many vectors hold n floats at distance 1; -1: any number; 0: any distance.
template <int kVectors>
DL_INLINE void gather_row(float* dst, const float* src, int64_t n, int64_t step) {
  if constexpr (kVectors > 0) {
    for (int i = 0; i < kVectors; ++i) store(dst + i * DL_VLEN, load(src + i * DL_VLEN));
  } else if (kVectors < 0) {
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

template <int kVectors>
void im2col_rows(const ConvShape& s, Strip t, const float* frame, int64_t channels, float* col, int64_t ld) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(t.rows), last = t.rows - 1, ow = s.ow, down = s.sh * fw;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < s.kh; ++i)
      for (int64_t j = 0; j < s.kw; ++j, col += ld) {
        const float* src = frame + (c * fh + i * s.dh) * fw + j * s.dw;
        for (int64_t r = 0; r < last; ++r) gather_row<kVectors>(col + r * ow, src + r * down, ow, s.sw);
        gather_row_exactly(col + last * ow, src + last * down, ow, s.sw);
      }
}

// mask (vectors of a frame row, kw, DL_VLEN): all bits where tap j falls on a column.
void fill_masks(const ConvShape& s, float* mask) {
  for (int64_t x = 0; x < s.frame_w(); x += DL_VLEN)
    for (int64_t j = 0; j < s.kw; ++j, mask += DL_VLEN) {
      vi m;
      for (int64_t lane = 0; lane < DL_VLEN; ++lane) {
        const int64_t column = x + lane - j * s.dw;
        m[lane] = column >= 0 && column < s.ow ? -1 : 0;
      }
      store(mask, as_float(m));
    }
}

// The taps of a column of the kernel that reach row `y` below the strip's first: tap `first` meets the strip's row `row`,
// the next one is `step` taps further and meets a row `up` above.
struct Reach {
  int64_t first = 0, row = 0, step, up, count = 0;
  Reach(const ConvShape& s, int64_t rows, int64_t y) {
    for (step = 1; step * s.dh % s.sh != 0;) ++step;
    up = step * s.dh / s.sh;
    while (first < s.kh && ((y - first * s.dh) % s.sh != 0 || (y - first * s.dh) / s.sh >= rows)) ++first;
    if (first >= s.kh || y < first * s.dh) return;
    row = (y - first * s.dh) / s.sh;
    count = min((s.kh - 1 - first) / step, row / up) + 1;
  }
};

// With stride 1 a row of the frame gathers its taps in registers, whole vectors at a time. Lanes that a tap does not
// reach are masked away, once for all taps of a column of the kernel.
void col2im_gather(const ConvShape& s, Strip t, const float* col, int64_t ld, int64_t channels, float* frame,
                   float* mask) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(s.oh), low = t.row * s.sh, under = s.frame_h(t.rows);
  fill_masks(s, mask);
  for (int64_t y = 0; y < under; ++y) {
    const Reach reach(s, t.rows, y);
    const int64_t next = reach.step * s.kw * ld - reach.up * s.ow;
    for (int64_t c = 0; c < channels && reach.count; ++c) {
      float* row = frame + (c * fh + low + y) * fw;
      const float *m = mask, *taps = col + (c * s.taps() + reach.first * s.kw) * ld + reach.row * s.ow;
      for (int64_t x = 0; x < fw; x += DL_VLEN, m += s.kw * DL_VLEN) {
        const int64_t n = min(DL_VLEN, fw - x);
        vf sum = load_n(row + x, n);
        const float* column = taps + x;
        for (int64_t j = 0; j < s.kw; ++j, column += ld - s.dw) {
          vf part = load(column);
          for (int64_t i = 1; i < reach.count; ++i) part += load(column + i * next);
          sum += as_float(as_int(part) & as_int(load(m + j * DL_VLEN)));
        }
        store_n(row + x, sum, n);
      }
    }
  }
}

void col2im_scatter(const ConvShape& s, Strip t, const float* col, int64_t ld, int64_t channels,
                    float* frame) {
  const int64_t fw = s.frame_w(), fh = s.frame_h(s.oh);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < s.kh; ++i)
      for (int64_t j = 0; j < s.kw; ++j, col += ld)
        for (int64_t r = 0; r < t.rows; ++r) {
          float* dst = frame + (c * fh + (t.row + r) * s.sh + i * s.dh) * fw + j * s.dw;
          const float* src = col + r * s.ow;
          for (int64_t x = 0; x < s.ow; ++x) dst[x * s.sw] += src[x];
        }
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
  if (s.sw != 1) return im2col_rows<0>(s, t, frame, channels, col, ld);
  if (s.ow <= DL_VLEN) return im2col_rows<1>(s, t, frame, channels, col, ld);
  if (s.ow <= 2 * DL_VLEN) return im2col_rows<2>(s, t, frame, channels, col, ld);
  im2col_rows<-1>(s, t, frame, channels, col, ld);
}

void col2im(const ConvShape& s, Strip t, const float* col, int64_t ld, int64_t channels, float* frame,
            float* mask) {
  s.sw == 1 ? col2im_gather(s, t, col, ld, channels, frame, mask)
            : col2im_scatter(s, t, col, ld, channels, frame);
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
