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
  int64_t planes, pixel;         // floats of a pixel
  int64_t rows, columns, row;    // of the result; floats of one of its rows
  int64_t from_row, from_plane;  // floats of what is read
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
    from_row = x.dims[3] * pixel;
    from_plane = x.dims[2] * from_row;
    band = clamp(kChunkFloats / max(1, row), 1, max(1, rows));
    bands = ceil_div(rows, band);
  }
};

// A pixel, or part of it, is one float or one vector.
DL_INLINE float get(const float* p, float) { return *p; }
DL_INLINE vf get(const float* p, vf) { return load(p); }
DL_INLINE void put(float* p, float v) { *p = v; }
DL_INLINE void put(float* p, vf v) { store(p, v); }

// to = (first ? 0 : to) + w from, for `size` floats that stand side by side.
void add_row(const float* from, float w, bool first, int64_t size, float* to) {
  for (int64_t i = 0; i < size; i += DL_VLEN) {
    const int64_t n = min(DL_VLEN, size - i);
    const vf term = load_n(from + i, n) * w;
    store_n(to + i, first ? term : load_n(to + i, n) + term, n);
  }
}

// y of a row of x.
template <class V>
void enlarge(const Images& s, const float* x, float* y) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float);
  const float part = 1 / static_cast<float>(2 * s.h.scale);
  int64_t lo = 0, twice = s.h.linear ? 1 - s.h.scale : 0;  // as Axis::of, without its divisions
  for (int64_t j = 0; j < s.columns; ++j) {
    const float w = s.h.linear && twice > 0 ? static_cast<float>(twice) * part : 0;
    const float *left = x + lo * s.pixel, *right = x + min(lo + 1, s.h.in - 1) * s.pixel;
    for (int64_t l = 0; l < s.pixel; l += kLanes, y += kLanes)
      put(y, w == 0 ? get(left + l, V{}) : get(left + l, V{}) * (1 - w) + get(right + l, V{}) * w);
    twice += 2;
    if (twice >= 2 * s.h.scale) twice -= 2 * s.h.scale, ++lo;
  }
}

// dx of a row of dy; weights: of the outputs of each column, h.reach() side by side.
template <class V>
void gather(const Images& s, const float* dy, const float* weights, float* dx) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float);
  for (int64_t j = 0; j < s.columns; ++j) {
    const float* w = weights + j * s.h.reach();
    const int64_t first = s.h.first(j), count = s.h.end(j) - first;
    for (int64_t l = 0; l < s.pixel; l += kLanes, dx += kLanes) {
      const float* from = dy + first * s.pixel + l;
      V sum{};
      for (int64_t p = 0; p < count; ++p) sum += get(from + p * s.pixel, V{}) * w[p];
      put(dx, sum);
    }
  }
}

int64_t row_floats(const Images& s) { return line(s.from_row); }

void plan(const Call& c, Work& w) {
  const Images s(c, false);
  w.chunks[0] = s.planes * s.bands;
  w.local = row_floats(s);
}

// Rows first, which are long, then columns.
void run(const Call& c, int, int64_t chunk, float* between) {
  const Images s(c, false);
  const int64_t plane = chunk / s.bands, first = chunk % s.bands * s.band;
  const float* x = c.in[0].f() + plane * s.from_plane;
  for (int64_t i = first; i < min(s.rows, first + s.band); ++i) {
    const Axis::Source r = s.v.of(i);
    const float* row = x + r.lo * s.from_row;
    if (r.w > 0) {
      add_row(row, 1 - r.w, true, s.from_row, between);
      add_row(x + r.hi * s.from_row, r.w, false, s.from_row, between);
      row = between;
    }
    (s.pixel == 1 ? enlarge<float> : enlarge<vf>)(s, row, c.out[0].f() + (plane * s.rows + i) * s.row);
  }
}

void plan_grad(const Call& c, Work& w) {
  const Images s(c, true);
  w.chunks[0] = s.planes * s.bands;
  w.local = row_floats(s) + s.columns * s.h.reach();
}

void run_grad(const Call& c, int, int64_t chunk, float* sum) {
  const Images s(c, true);
  float* weights = sum + row_floats(s);
  for (int64_t j = 0; j < s.columns; ++j)
    for (int64_t o = s.h.first(j); o < s.h.end(j); ++o)
      weights[j * s.h.reach() + o - s.h.first(j)] = s.h.weight(o, j);
  const int64_t plane = chunk / s.bands, first = chunk % s.bands * s.band;
  const float* dy = c.in[0].f() + plane * s.from_plane;
  for (int64_t i = first; i < min(s.rows, first + s.band); ++i) {
    bool none = true;
    for (int64_t o = s.v.first(i); o < s.v.end(i); ++o)
      if (const float w = s.v.weight(o, i); w > 0) {
        add_row(dy + o * s.from_row, w, none, s.from_row, sum);
        none = false;
      }
    (s.pixel == 1 ? gather<float> : gather<vf>)(s, sum, weights, c.out[0].f() + (plane * s.rows + i) * s.row);
  }
}

}  // namespace

extern const Kernel upsample2d{&plan, &run};
extern const Kernel upsample2d_grad{&plan_grad, &run_grad};

}  // namespace dl::DL_ISA
