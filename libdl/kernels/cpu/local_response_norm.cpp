// local_response_norm and its gradient, a few neighbouring pixels at a time along all channels.
#include "kernels/cpu/rows.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {
namespace {

const LocalResponseNormAttrs& attrs_of(const Call& c) {
  return *static_cast<const LocalResponseNormAttrs*>(c.attrs);
}

void plan(const Call& c, Work& w) { w.chunks[0] = split_at(c.in[0], 1).chunks; }

// Channels whose window reaches channel k are those of a window mirrored: `below` and `above` exchanged.
struct Window {
  int64_t below, above, channels;
  explicit Window(const Call& c)
      : below((attrs_of(c).size - 1) / 2), above(attrs_of(c).size / 2), channels(c.in[0].dims[1]) {}
  template <class F>
  DL_INLINE vf sum(int64_t k, int64_t down, int64_t up, F f) const {
    const int64_t from = k > down ? k - down : 0, to = k + up < channels ? k + up + 1 : channels;
    vf s = {};
    for (int64_t j = from; j < to; ++j) s += f(j);
    return s;
  }
};

// Calls f(offset, lanes) for blocks of neighbouring pixels.
template <class F>
DL_INLINE void each_block(const Split& s, int64_t chunk, F f) {
  for (int64_t u = chunk * s.group; u < s.units && u < (chunk + 1) * s.group; ++u) {
    const int64_t j = u % s.blocks * DL_VLEN, left = s.inner - j;
    f(u / s.blocks * s.n * s.inner + j, left < DL_VLEN ? left : DL_VLEN);
  }
}

// x -> y scale
void run(const Call& c, int, int64_t chunk, float*) {
  const auto& a = attrs_of(c);
  const Split s = split_at(c.in[0], 1);
  const Window window(c);
  const float alpha = a.alpha / static_cast<float>(a.size);
  each_block(s, chunk, [&](int64_t at, int64_t lanes) {
    const float* x = c.in[0].f() + at;
    for (int64_t k = 0; k < s.n; ++k) {
      const vf squares = window.sum(
          k, window.below, window.above, [&](int64_t j) __attribute__((always_inline)) {
            const vf v = load_lanes(x + j * s.inner, lanes);
            return v * v;
          });
      const vf scale = a.k + alpha * squares;
      store_lanes(c.out[1].f() + at + k * s.inner, scale, lanes);
      store_lanes(c.out[0].f() + at + k * s.inner,
                  load_lanes(x + k * s.inner, lanes) * math::exp(-a.beta * math::log(scale)), lanes);
    }
  });
}

void plan_grad(const Call& c, Work& w) {
  plan(c, w);
  w.local = c.in[0].dims[1] * DL_VLEN;
}

// x y scale dy -> dx
void run_grad(const Call& c, int, int64_t chunk, float* ratio) {
  const auto& a = attrs_of(c);
  const Split s = split_at(c.in[0], 1);
  const Window window(c);
  const float factor = 2 * a.alpha * a.beta / static_cast<float>(a.size);
  each_block(s, chunk, [&](int64_t at, int64_t lanes) {
    const float *x = c.in[0].f() + at, *y = c.in[1].f() + at, *scale = c.in[2].f() + at,
                *dy = c.in[3].f() + at;
    for (int64_t k = 0; k < s.n; ++k) {
      const int64_t i = k * s.inner;
      // Lanes behind the last hold 0 / 0.
      store(ratio + k * DL_VLEN,
            load_lanes(dy + i, lanes) * load_lanes(y + i, lanes) / load_lanes(scale + i, lanes));
    }
    for (int64_t k = 0; k < s.n; ++k) {
      const int64_t i = k * s.inner;
      const vf sum = window.sum(
          k, window.above,
          window.below, [&](int64_t j) __attribute__((always_inline)) { return load(ratio + j * DL_VLEN); });
      const vf direct =
          load_lanes(dy + i, lanes) * math::exp(-a.beta * math::log(load_lanes(scale + i, lanes)));
      store_lanes(c.out[0].f() + at + i, direct - factor * load_lanes(x + i, lanes) * sum, lanes);
    }
  });
}

}  // namespace

extern const Kernel local_response_norm{&plan, &run};
extern const Kernel local_response_norm_grad{&plan_grad, &run_grad};

}  // namespace dl::DL_ISA
