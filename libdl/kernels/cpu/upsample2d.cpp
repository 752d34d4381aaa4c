// upsample2d and its gradient, of images and of their blocked form: planes of pixels of 1 or 16 floats. A chunk is a band of
// rows of a plane of the result. The gradient gathers: every pixel of dx sums what its outputs hold of it, in their order.
#include "kernels/upsample2d.h"

#include "kernels/cpu/conv_block.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunkFloats = 32 << 10;

// One axis of `in` inputs: the two that an output lies between, and the weight of the second.
struct Axis {
  int64_t scale, in;
  bool linear;
  struct Source {
    int64_t lo, hi;
    float w;
  };
  Source of(int64_t o) const {
    if (!linear) return {o / scale, o / scale, 0};
    const int64_t twice = max(0, 2 * o + 1 - scale), lo = twice / (2 * scale);  // of 2 scale
    return {lo, min(lo + 1, in - 1), static_cast<float>(twice % (2 * scale)) / static_cast<float>(2 * scale)};
  }
  // The outputs that may hold something of input i, `reach` at most.
  int64_t first(int64_t i) const { return linear ? max(0, (i - 1) * scale) : i * scale; }
  int64_t end(int64_t i) const { return min(in, linear ? i + 2 : i + 1) * scale; }
  int64_t reach() const { return linear ? 3 * scale : scale; }
  float weight(int64_t o, int64_t i) const {
    const Source s = of(o);
    return (s.lo == i ? 1 - s.w : 0) + (s.hi == i ? s.w : 0);
  }
};

struct Images {
  Axis v, h;
  int64_t planes, pixel;  // floats of a pixel
  int64_t rows, columns, row,
      from_plane;  // of the result; floats of one of its rows, of a plane of what is read
  int64_t band, bands;

  Images(const Call& c, bool back) {
    const Arg &x = c.in[0], &y = c.out[0], &small = back ? y : x;
    const auto& a = *static_cast<const Upsample2dAttrs*>(c.attrs);
    const bool linear = a.mode == UpsampleMode::bilinear;
    v = {a.scale[0], small.dims[2], linear};
    h = {a.scale[1], small.dims[3], linear};
    planes = y.dims[0] * y.dims[1];
    pixel = y.rank == 5 ? kBlock : 1;
    rows = y.dims[2];
    columns = y.dims[3];
    row = columns * pixel;
    from_plane = x.dims[2] * x.dims[3] * pixel;
    band = clamp(kChunkFloats / max(1, row), 1, max(1, rows));
    bands = ceil_div(rows, band);
  }
};

// A pixel, or part of it, is one float or one vector.
DL_INLINE float get(const float* p, float) { return *p; }
DL_INLINE vf get(const float* p, vf) { return load(p); }
DL_INLINE void put(float* p, float v) { *p = v; }
DL_INLINE void put(float* p, vf v) { store(p, v); }

// Row i of y from the plane x.
template <class V>
void enlarge_row(const Images& s, const float* x, int64_t i, float* y) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float);
  const Axis::Source r = s.v.of(i);
  const float *above = x + r.lo * s.h.in * s.pixel, *below = x + r.hi * s.h.in * s.pixel;
  for (int64_t j = 0; j < s.columns; ++j) {
    const Axis::Source q = s.h.of(j);
    for (int64_t l = 0; l < s.pixel; l += kLanes, y += kLanes) {
      const int64_t left = q.lo * s.pixel + l, right = q.hi * s.pixel + l;
      if (!s.h.linear) {
        put(y, get(above + left, V{}));
        continue;
      }
      const V a = get(above + left, V{}) * (1 - q.w) + get(above + right, V{}) * q.w;
      const V b = get(below + left, V{}) * (1 - q.w) + get(below + right, V{}) * q.w;
      put(y, a * (1 - r.w) + b * r.w);
    }
  }
}

// Row i of dx from the plane dy; weights: of the outputs of each column, h.reach() side by side.
template <class V>
void gather_row(const Images& s, const float* dy, int64_t i, const float* weights, float* dx) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float);
  const int64_t wide = s.h.in * s.h.scale * s.pixel;
  for (int64_t j = 0; j < s.columns; ++j) {
    const float* w = weights + j * s.h.reach();
    const int64_t first = s.h.first(j), count = s.h.end(j) - first;
    for (int64_t l = 0; l < s.pixel; l += kLanes, dx += kLanes) {
      V sum{};
      for (int64_t o = s.v.first(i); o < s.v.end(i); ++o) {
        const float* from = dy + o * wide + first * s.pixel + l;
        V part{};
        for (int64_t p = 0; p < count; ++p) part += get(from + p * s.pixel, V{}) * w[p];
        sum += part * s.v.weight(o, i);
      }
      put(dx, sum);
    }
  }
}

void plan(const Call& c, Work& w) {
  const Images s(c, false);
  w.chunks[0] = s.planes * s.bands;
}

void run(const Call& c, int, int64_t chunk, float*) {
  const Images s(c, false);
  const int64_t plane = chunk / s.bands, first = chunk % s.bands * s.band;
  const float* x = c.in[0].f() + plane * s.from_plane;
  for (int64_t i = first; i < min(s.rows, first + s.band); ++i)
    (s.pixel == 1 ? enlarge_row<float> : enlarge_row<vf>)(s, x, i,
                                                          c.out[0].f() + (plane * s.rows + i) * s.row);
}

void plan_grad(const Call& c, Work& w) {
  const Images s(c, true);
  w.chunks[0] = s.planes * s.bands;
  w.local = s.columns * s.h.reach();
}

void run_grad(const Call& c, int, int64_t chunk, float* weights) {
  const Images s(c, true);
  for (int64_t j = 0; j < s.columns; ++j)
    for (int64_t o = s.h.first(j); o < s.h.end(j); ++o)
      weights[j * s.h.reach() + o - s.h.first(j)] = s.h.weight(o, j);
  const int64_t plane = chunk / s.bands, first = chunk % s.bands * s.band;
  const float* dy = c.in[0].f() + plane * s.from_plane;
  for (int64_t i = first; i < min(s.rows, first + s.band); ++i)
    (s.pixel == 1 ? gather_row<float> : gather_row<vf>)(s, dy, i, weights,
                                                        c.out[0].f() + (plane * s.rows + i) * s.row);
}

}  // namespace

extern const Kernel upsample2d{&plan, &run};
extern const Kernel upsample2d_grad{&plan_grad, &run_grad};

}  // namespace dl::DL_ISA
