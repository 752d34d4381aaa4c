#include "kernels/cpu/conv_block.h"

#include "kernels/cpu/math.h"

namespace dl::DL_ISA {
namespace {

// Column j of 16 of a block of w (rows k, columns (c, taps)) is a vector over k at c * 16 + tap * 256.
struct Column {
  int64_t c, tap, taps;
  Column(int64_t j, int64_t taps) : c(j / taps), tap(j % taps), taps(taps) {}
  DL_INLINE int64_t at() const { return tap * kSquare + c * kBlock; }
  DL_INLINE void next() {
    if (++tap == taps) tap = 0, ++c;
  }
};

void block_one(const ConvShape& s, const float* w, int64_t kb, int64_t cb, float* to) {
  const int64_t taps = s.taps(), ld = s.cg() * taps, rows = lanes_of(s.k, kb);
  const int64_t columns = lanes_of(s.cg(), cb) * taps;
  const float* from = w + kb * kBlock * ld + cb * kBlock * taps;
  for (int64_t j = 0; j < kBlock * taps; j += DL_VLEN)
    for (int64_t i = 0; i < kBlock; i += DL_VLEN) {
      vf a[DL_VLEN];
      const int64_t n = clamp(columns - j, 0, DL_VLEN);
      if (n == DL_VLEN && rows == kBlock) {
        DL_UNROLL for (int r = 0; r < DL_VLEN; ++r) a[r] = load(from + (i + r) * ld + j);
      } else {
        for (int r = 0; r < DL_VLEN; ++r)
          a[r] = n && i + r < rows ? load_n(from + (i + r) * ld + j, n) : vf{};
      }
      transpose_square(a);
      Column at(j, taps);
      DL_UNROLL for (int r = 0; r < DL_VLEN; ++r, at.next()) store(to + at.at() + i, a[r]);
    }
}

void sum_one(const ConvShape& s, const float* from, int64_t copies, int64_t kb, int64_t cb, float* dw) {
  const int64_t taps = s.taps(), ld = s.cg() * taps, rows = lanes_of(s.k, kb), size = weight_floats(s);
  const int64_t columns = lanes_of(s.cg(), cb) * taps;
  float* to = dw + kb * kBlock * ld + cb * kBlock * taps;
  for (int64_t j = 0; j < columns; j += DL_VLEN)
    for (int64_t i = 0; i < rows; i += DL_VLEN) {
      vf a[DL_VLEN];
      Column at(j, taps);
      DL_UNROLL for (int r = 0; r < DL_VLEN; ++r, at.next()) a[r] = load(from + at.at() + i);
      for (int64_t p = 1; p < copies; ++p) {
        Column again(j, taps);
        const float* copy = from + p * size + i;
        DL_UNROLL for (int r = 0; r < DL_VLEN; ++r, again.next()) a[r] += load(copy + again.at());
      }
      transpose_square(a);
      const int64_t n = min(DL_VLEN, columns - j);
      for (int64_t r = 0; r < min(DL_VLEN, rows - i); ++r) {
        if (n == DL_VLEN)
          store(to + (i + r) * ld + j, a[r]);
        else
          store_n(to + (i + r) * ld + j, a[r], n);
      }
    }
}

// Lanes [0, lanes) of a pixel at y become f of themselves, the others zero.
template <class F>
void map_pixels(float* y, int64_t step, int64_t count, int64_t lanes, F f) {
  for (int64_t i = 0; i < count; ++i, y += step)
    for (int64_t l = 0; l < kBlock; l += DL_VLEN)
      if (lanes - l >= DL_VLEN) {
        store(y + l, f(load(y + l)));
      } else {
        const int64_t n = max(0, lanes - l);
        const vf v = n ? f(load_n(y + l, n)) : vf{};
        store(y + l, vf{});
        if (n) store_n(y + l, v, n);
      }
}

}  // namespace

void block_weights(const ConvShape& s, const float* w, int64_t first, int64_t last, float* to) {
  const int64_t ncb = blocks_of(s.cg());
  for (int64_t b = first; b < last; ++b)
    block_one(s, w, b / ncb, b % ncb, to + (b - first) * s.taps() * kSquare);
}

void turn_block(const ConvShape& s, const float* w, int64_t kb, int64_t cb, float* to, float* scratch) {
  block_one(s, w, kb, cb, scratch);
  for (int64_t t = 0; t < s.taps(); ++t)
    for (int64_t i = 0; i < kBlock; i += DL_VLEN)
      for (int64_t j = 0; j < kBlock; j += DL_VLEN) {
        vf a[DL_VLEN];
        const float* from = scratch + t * kSquare + i * kBlock + j;
        float* dst = to + t * kSquare + j * kBlock + i;
        DL_UNROLL for (int r = 0; r < DL_VLEN; ++r) a[r] = load(from + r * kBlock);
        transpose_square(a);
        DL_UNROLL for (int r = 0; r < DL_VLEN; ++r) store(dst + r * kBlock, a[r]);
      }
}

void sum_weights(const ConvShape& s, const float* from, int64_t copies, int64_t first, int64_t last,
                 float* dw) {
  const int64_t ncb = blocks_of(s.cg());
  for (int64_t b = first; b < last; ++b)
    sum_one(s, from + (b - first) * s.taps() * kSquare, copies, b / ncb, b % ncb, dw);
}

void block_columns(const float* w, int64_t k, int64_t columns, int64_t block, float* to) {
  const int64_t lanes = lanes_of(k, block);
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t l = 0; l < kBlock; ++l)
      to[j * kBlock + l] = l < lanes ? w[(block * kBlock + l) * columns + j] : 0;
}

void sum_columns(const float* from, int64_t copies, int64_t step, int64_t k, int64_t columns, int64_t block,
                 float* w) {
  const int64_t lanes = lanes_of(k, block);
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < lanes; i += DL_VLEN) {
      const float* at = from + j * kBlock + i;
      vf sum = load(at);
      for (int64_t p = 1; p < copies; ++p) sum += load(at + p * step);
      float* to = w + (block * kBlock + i) * columns + j;
      for (int64_t l = 0; l < min(DL_VLEN, lanes - i); ++l) to[l * columns] = sum[l];
    }
}

ConvEpilogue conv_epilogue(const Call& c, const ConvShape& s, const float* bias) {
  ConvEpilogue e;
  e.bias = operand(c, kBias) ? bias : nullptr;
  e.residual = operand(c, 3);
  e.activation = conv_attrs(c).activation;
  e.k = s.k;
  return e;
}

ConvEpilogue grad_input_epilogue(const Call& c, const ConvShape& s, const float* bias) {
  ConvEpilogue e;
  e.bias = operand(c, kTransposedBias) ? bias : nullptr;
  e.residual = operand(c, 2);
  e.mask = operand(c, 3);
  e.activation = conv_grad_attrs(c).activation;
  e.k = s.c;
  return e;
}

void block_bias(const float* bias, int64_t channels, int64_t first, int64_t last, float* to) {
  if (!bias) return;
  zero_row(to, (last - first) * kBlock);
  copy_row(to, bias + first * kBlock, min(channels, last * kBlock) - first * kBlock);
}

void finish(const ConvEpilogue& e, int64_t kb, float* y, int64_t step, int64_t count) {
  const int64_t lanes = lanes_of(e.k, kb);
  const auto map = [&](auto f) { map_pixels(y, step, count, lanes, f); };
  switch (e.activation) {
    case Activation::none:
    case Activation::relu:
    case Activation::relu6:
      if (e.residual && lanes < kBlock) map([](vf x) { return x; });
      return;
    case Activation::tanh:
      return map([](vf x) { return math::tanh(x); });
    case Activation::sigmoid:
      return map([](vf x) { return math::sigmoid(x); });
    case Activation::gelu:
      return map([](vf x) { return math::gelu(x); });
  }
}

}  // namespace dl::DL_ISA
