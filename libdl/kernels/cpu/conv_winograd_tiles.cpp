#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/conv_winograd_math.h"

namespace dl::DL_ISA::winograd {
namespace {

struct Place {
  int64_t n, i, j;
};
DL_INLINE Place place(const Tiles& g, int64_t t) {
  const int64_t per = g.th * g.tw, r = t % per;
  return {t / per, r / g.tw, r % g.tw};
}
DL_INLINE void next(const Tiles& g, Place& q) {
  if (++q.j < g.tw) return;
  q.j = 0;
  if (++q.i < g.th) return;
  q.i = 0;
  ++q.n;
}

// The four rows that the tile below will add: 4 to 8 % where the tensor comes from memory. Past the end is harmless.
DL_INLINE void prefetch_rows(const float* p, int64_t w) {
  DL_UNROLL for (int i = 0; i < 4; ++i) DL_UNROLL for (int j = 0; j < 4; ++j)
      __builtin_prefetch(p + (i * w + j) * kBlock);
}

alignas(64) const float kZeros[kBlock * 8] = {};

}  // namespace

// Rows outside the image come from kZeros, columns outside are left out.
void input_tiles(const Tiles& g, const Run& r, const float* x, float* v, int64_t v_p, int64_t v_cb) {
  const int64_t plane = g.h * g.w * kBlock;
  for (int64_t b = 0; b < r.blocks; ++b) {
    Place q = place(g, r.first);
    float* out = v + b * v_cb;
    for (int64_t t = 0; t < r.count; ++t, next(g, q), out += kBlock) {
      const float* img = x + (q.n * r.all + r.block + b) * plane;
      const int64_t h0 = q.i * 4 - g.pt, w0 = q.j * 4 - g.pl;
      const float* row[6];
      int64_t step[6];
      DL_UNROLL for (int i = 0; i < 6; ++i) {
        const bool in = uint64_t(h0 + i) < uint64_t(g.h);
        row[i] = in ? img + ((h0 + i) * g.w + w0) * kBlock : kZeros;
        step[i] = in ? kBlock : 0;
      }
      prefetch_rows(img + ((h0 + 6) * g.w + w0 + 1) * kBlock, g.w);
      for (int l = 0; l < kBlock; l += DL_VLEN) {
        vf tmp[6][6];
        for (int j = 0; j < 6; ++j) {
          vf d[6], o[6];
          if (uint64_t(w0 + j) < uint64_t(g.w)) {
            DL_UNROLL for (int i = 0; i < 6; ++i) d[i] = load(row[i] + j * step[i] + l);
            input(d, o);
            DL_UNROLL for (int i = 0; i < 6; ++i) tmp[i][j] = o[i];
          } else {
            DL_UNROLL for (int i = 0; i < 6; ++i) tmp[i][j] = vf{};
          }
        }
        for (int i = 0; i < 6; ++i) {
          vf o[6];
          input(tmp[i], o);
          DL_UNROLL for (int j = 0; j < 6; ++j) store(out + (i * 6 + j) * v_p + l, o[j]);
        }
      }
    }
  }
}

void output_tiles(const Tiles& g, const Run& r, const float* m, int64_t m_p, int64_t m_kb, float* y,
                  const ConvEpilogue& e, bool past) {
  const int64_t plane = g.oh * g.ow * kBlock;
  for (int64_t kb = 0; kb < r.blocks; ++kb) {
    Place q = place(g, r.first);
    const float* in = m + kb * m_kb;
    for (int64_t t = 0; t < r.count; ++t, next(g, q), in += kBlock) {
      const int64_t h0 = q.i * 4, w0 = q.j * 4, rows = min(4, g.oh - h0), cols = min(4, g.ow - w0);
      const int64_t at = (q.n * r.all + r.block + kb) * plane + (h0 * g.ow + w0) * kBlock;
      for (int l = 0; l < kBlock; l += DL_VLEN) {
        vf tmp[4][6];
        for (int j = 0; j < 6; ++j) {
          vf d[6], o[4];
          DL_UNROLL for (int i = 0; i < 6; ++i) d[i] = load(in + (i * 6 + j) * m_p + l);
          output(d, o);
          DL_UNROLL for (int i = 0; i < 4; ++i) tmp[i][j] = o[i];
        }
        const vf bias = e.bias ? load(e.bias + (r.block + kb) * kBlock + l) : vf{};
        for (int64_t i = 0; i < rows; ++i) {
          vf o[4];
          output(tmp[i], o);
          const int64_t to = at + i * g.ow * kBlock + l;
          DL_UNROLL for (int j = 0; j < 4; ++j) if (j < cols) {
            vf out = o[j] + bias;
            if (e.residual) out += load(e.residual + to + j * kBlock);
            if (e.mask) out = where_positive(load(e.mask + to + j * kBlock), out);
            if (e.cuts()) out = cut(out, e.most());
            store(y + to + j * kBlock, out, past);
          }
        }
      }
      if (e.looks_twice())
        for (int64_t i = 0; i < rows; ++i) finish(e, r.block + kb, y + at + i * g.ow * kBlock, kBlock, cols);
    }
  }
}

void grad_tiles(const Tiles& g, const Run& r, const float* dy, float* d, int64_t d_p, int64_t d_kb) {
  const int64_t plane = g.oh * g.ow * kBlock;
  for (int64_t kb = 0; kb < r.blocks; ++kb) {
    Place q = place(g, r.first);
    float* out = d + kb * d_kb;
    for (int64_t t = 0; t < r.count; ++t, next(g, q), out += kBlock) {
      const int64_t h0 = q.i * 4, w0 = q.j * 4;
      const float* img = dy + (q.n * r.all + r.block + kb) * plane;
      const float* row[4];
      int64_t step[4];
      DL_UNROLL for (int i = 0; i < 4; ++i) {
        const bool in = h0 + i < g.oh;
        row[i] = in ? img + ((h0 + i) * g.ow + w0) * kBlock : kZeros;
        step[i] = in ? kBlock : 0;
      }
      prefetch_rows(img + ((h0 + 4) * g.ow + w0) * kBlock, g.ow);
      for (int l = 0; l < kBlock; l += DL_VLEN) {
        vf tmp[6][4];
        for (int j = 0; j < 4; ++j) {
          vf y[4] = {}, o[6];
          if (w0 + j < g.ow) { DL_UNROLL for (int i = 0; i < 4; ++i) y[i] = load(row[i] + j * step[i] + l); }
          output_t(y, o);
          DL_UNROLL for (int i = 0; i < 6; ++i) tmp[i][j] = o[i];
        }
        for (int i = 0; i < 6; ++i) {
          vf o[6];
          output_t(tmp[i], o);
          DL_UNROLL for (int j = 0; j < 6; ++j) store(out + (i * 6 + j) * d_p + l, o[j]);
        }
      }
    }
  }
}

void weight_squares(const ConvShape& s, const float* w, bool back, int64_t first, int64_t last, float* u,
                    int64_t u_p) {
  const int64_t ncb = blocks_of(s.c), nib = back ? blocks_of(s.k) : ncb;
  alignas(64) float taps[9 * kSquare], scratch[9 * kSquare];
  for (int64_t b = first; b < last; ++b) {
    if (back)
      turn_block(s, w, b % nib, b / nib, taps, scratch);
    else
      block_weights(s, w, b, b + 1, taps);
    const float* from = back ? taps + 8 * kSquare : taps;  // rotated: the last tap first
    const int64_t step = back ? -kSquare : kSquare;
    float* out = u + (b - first) * kSquare;
    for (int at = 0; at < kSquare; at += DL_VLEN) {
      vf tmp[6][3], o[6];
      DL_UNROLL for (int j = 0; j < 3; ++j) {
        vf g[3];
        DL_UNROLL for (int i = 0; i < 3; ++i) g[i] = load(from + (i * 3 + j) * step + at);
        weight(g, o);
        DL_UNROLL for (int i = 0; i < 6; ++i) tmp[i][j] = o[i];
      }
      DL_UNROLL for (int i = 0; i < 6; ++i) {
        weight(tmp[i], o);
        DL_UNROLL for (int j = 0; j < 6; ++j) store(out + (i * 6 + j) * u_p + at, o[j]);
      }
    }
  }
}

void weight_grad_squares(const float* du, int64_t u_p, int64_t count, float* dw) {
  for (int64_t b = 0; b < count; ++b) {
    const float* in = du + b * kSquare;
    float* out = dw + b * 9 * kSquare;
    for (int at = 0; at < kSquare; at += DL_VLEN) {
      vf tmp[3][6];
      DL_UNROLL for (int j = 0; j < 6; ++j) {
        vf u[6], o[3];
        DL_UNROLL for (int i = 0; i < 6; ++i) u[i] = load(in + (i * 6 + j) * u_p + at);
        weight_t(u, o);
        DL_UNROLL for (int i = 0; i < 3; ++i) tmp[i][j] = o[i];
      }
      DL_UNROLL for (int i = 0; i < 3; ++i) {
        vf o[3];
        weight_t(tmp[i], o);
        DL_UNROLL for (int j = 0; j < 3; ++j) store(out + (i * 3 + j) * kSquare + at, o[j]);
      }
    }
  }
}

}  // namespace dl::DL_ISA::winograd
