// Convolutions of the blocked form at the size of real layers: the error of every algorithm against sums in doubles, and
// bits that do not depend on threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "kernels/blocked.h"
#include "kernels/conv2d.h"
#include "kernels/run_kernel.h"

using namespace dl;
using namespace dl::test;

namespace {

struct Layer {
  ConvAlgorithm algorithm;
  int64_t n, c, h, k, side, stride, pad, groups = 1;
  double error = 6e-6;  // largest, of what is sampled, over the root mean square
  int64_t oh() const { return (h + 2 * pad - side) / stride + 1; }
};
using enum ConvAlgorithm;

// Direct: bands of rows, many images, tiny images, one pass per residue of the stride. Winograd: weights first, tiles
// first, several superblocks, gradients of weights in parts and in groups.
const Layer kLayers[] = {
    {direct, 3, 64, 30, 64, 3, 1, 1},
    {direct, 37, 20, 13, 36, 3, 2, 1},
    {direct, 70, 32, 3, 96, 3, 1, 1},
    {direct, 5, 80, 28, 48, 1, 1, 0},
    {direct, 2, 64, 31, 64, 1, 2, 0},
    {direct, 1, 128, 7, 160, 3, 1, 1},
    {direct, 2, 64, 9, 96, 5, 1, 2, 2},
    {direct, 3, 32, 64, 64, 2, 2, 0},
    {direct, 2, 128, 16, 256, 2, 2, 0},
    {winograd, 3, 16, 60, 16, 3, 1, 1, 1, 1.5e-5},
    {winograd, 3, 64, 38, 64, 3, 1, 1, 1, 1.5e-5},
    {winograd, 9, 128, 9, 160, 3, 1, 0, 1, 1.5e-5},
    {winograd, 2, 288, 5, 304, 3, 1, 2, 1, 1.5e-5},
    {winograd, 40, 160, 8, 160, 3, 1, 1, 1, 1.5e-5},
    {depthwise, 3, 40, 57, 40, 3, 1, 1, 40},
    {depthwise, 3, 40, 56, 40, 3, 2, 1, 40},
    {depthwise, 70, 20, 7, 20, 5, 1, 2, 20},
    {planar, 37, 1, 28, 6, 5, 1, 2},
    {planar, 3, 3, 120, 64, 7, 2, 3},
};

Shape images(const Layer& l, int64_t channels, int64_t side, bool blocked) {
  if (!blocked) return {l.n, channels, side, side};
  return {l.n, channel_blocks(channels), side, side, kChannelBlock};
}

struct Tensors {
  const Layer& l;
  Shape x, y, w;
  Guarded xv, yv, wv;
  explicit Tensors(const Layer& l)
      : l(l),
        x(images(l, l.c, l.h, l.algorithm != planar)),
        y(images(l, l.k, l.oh(), true)),
        w{l.k, l.c / l.groups, l.side, l.side},
        xv(x.elements()),
        yv(y.elements()),
        wv(w.elements()) {
    uint64_t sub = 0;
    for (Guarded* g : {&xv, &yv, &wv}) {
      Random random(7, stream_id("conv_blocked_test"), sub++);
      for (int64_t i = 0; i < g->size(); ++i) g->data()[i] = static_cast<float>(random.uniform(-1, 1));
    }
  }
};

Arg arg(const Shape& s, Guarded& g) { return make_arg({DType::f32, s}, g.data()); }

// Where pixel (i, j) of a channel stands.
int64_t at(const Shape& s, int64_t n, int64_t c, int64_t i, int64_t j) {
  if (s.rank() == 4) return ((n * s[1] + c) * s[2] + i) * s[3] + j;
  return (((n * s[1] + c / 16) * s[2] + i) * s[3] + j) * 16 + c % 16;
}

// Calls visit(x index, w index, y index) for the products with the given coordinates; -1 runs over all.
template <class F>
void products(const Tensors& t, int64_t n, int64_t c, int64_t k, const int64_t (&in)[2],
              const int64_t (&tap)[2], const int64_t (&out)[2], F visit) {
  const Layer& l = t.l;
  const auto each = [](int64_t one, int64_t all, auto f) {
    for (int64_t i = one < 0 ? 0 : one; i < (one < 0 ? all : one + 1); ++i) f(i);
  };
  const int64_t cg = l.c / l.groups, kg = l.k / l.groups;
  each(n, l.n, [&](int64_t image) {
    each(k, l.k, [&](int64_t to) {
      each(c, l.c, [&](int64_t from) {
        if (from / cg != to / kg) return;
        each(tap[0], l.side, [&](int64_t a) {
          each(tap[1], l.side, [&](int64_t b) {
            each(out[0], l.oh(), [&](int64_t i) {
              const int64_t y = i * l.stride + a - l.pad;
              if (y < 0 || y >= l.h || (in[0] >= 0 && in[0] != y)) return;
              each(out[1], l.oh(), [&](int64_t j) {
                const int64_t x = j * l.stride + b - l.pad;
                if (x < 0 || x >= l.h || (in[1] >= 0 && in[1] != x)) return;
                visit(at(t.x, image, from, y, x), at(t.w, to, from % cg, a, b), at(t.y, image, to, i, j));
              });
            });
          });
        });
      });
    });
  });
}

struct Sample {
  int64_t at;
  double value;
};

// Elements of y, dx or dw (pass 0, 1, 2) as sums in doubles.
std::vector<Sample> samples(Tensors& t, int pass) {
  const Layer& l = t.l;
  Random random(8, stream_id("conv_blocked_test"), static_cast<uint64_t>(pass));
  std::vector<Sample> all;
  const float *x = t.xv.data(), *w = t.wv.data(), *y = t.yv.data();
  for (int i = 0; i < (pass == 2 ? 12 : 60); ++i) {
    const int64_t n = random.below(l.n), k = random.below(l.k), c = random.below(l.c);
    const int64_t p[2] = {random.below(l.h), random.below(l.h)},
                  o[2] = {random.below(l.oh()), random.below(l.oh())};
    const int64_t tap[2] = {random.below(l.side), random.below(l.side)};
    const int64_t cg = l.c / l.groups, kg = l.k / l.groups;
    double sum = 0;
    if (pass == 0) {
      products(t, n, -1, k, {-1, -1}, {-1, -1}, {o[0], o[1]},
               [&](int64_t a, int64_t b, int64_t) { sum += double(x[a]) * w[b]; });
      all.push_back({at(t.y, n, k, o[0], o[1]), sum});
    } else if (pass == 1) {
      products(t, n, c, -1, {p[0], p[1]}, {-1, -1}, {-1, -1},
               [&](int64_t, int64_t b, int64_t d) { sum += double(w[b]) * y[d]; });
      all.push_back({at(t.x, n, c, p[0], p[1]), sum});
    } else {
      const int64_t from = k / kg * cg + c % cg;
      products(t, -1, from, k, {-1, -1}, {tap[0], tap[1]}, {-1, -1},
               [&](int64_t a, int64_t, int64_t d) { sum += double(x[a]) * y[d]; });
      all.push_back({at(t.w, k, c % cg, tap[0], tap[1]), sum});
    }
  }
  return all;
}

Conv2dGradAttrs grad_attrs(const Layer& l, const Shape& of) {
  Conv2dGradAttrs a;
  for (int64_t& p : a.pads) p = l.pad;
  a.stride[0] = a.stride[1] = l.stride;
  a.groups = l.groups;
  a.algorithm = l.algorithm;
  a.shape.n = 4;
  std::copy(of.begin(), of.end(), a.shape.d);
  return a;
}

Conv2dAttrs attrs(const Layer& l) {
  Conv2dAttrs a;
  for (int64_t& p : a.pads) p = l.pad;
  a.stride[0] = a.stride[1] = l.stride;
  a.groups = l.groups;
  a.algorithm = l.algorithm;
  return a;
}

// Of the transposed convolution that leads from images like y to images like x.
ConvTranspose2dAttrs transposed(const Layer& l) {
  ConvTranspose2dAttrs a;
  for (int64_t& p : a.pads) p = l.pad;
  a.stride[0] = a.stride[1] = l.stride;
  a.output_padding[0] = a.output_padding[1] = l.h + 2 * l.pad - l.side - (l.oh() - 1) * l.stride;
  a.groups = l.groups;
  a.algorithm = l.algorithm;
  return a;
}

// y, dx or dw on one pool.
void run(Pool* pool, Isa isa, Tensors& t, int pass, Guarded& to) {
  if (pass == 0) {
    const Conv2dAttrs a = attrs(t.l);
    run_kernel(pool, isa, op::conv2d, {arg(t.x, t.xv), arg(t.w, t.wv)}, {arg(t.y, to)}, &a);
  } else if (pass == 1) {
    const Conv2dGradAttrs a = grad_attrs(t.l, images(t.l, t.l.c, t.l.h, false));
    run_kernel(pool, isa, op::conv2d_grad_input, {arg(t.w, t.wv), arg(t.y, t.yv)}, {arg(t.x, to)}, &a);
  } else {
    const Conv2dGradAttrs a = grad_attrs(t.l, t.w);
    run_kernel(pool, isa, op::conv2d_grad_weight, {arg(t.x, t.xv), arg(t.y, t.yv)}, {arg(t.w, to)}, &a);
  }
}

// The kernel with fixed weights, in a first run and in one that starts behind what is made once.
void check_fixed(Pool* pool, const OpDef& op, const Arg& x, const Arg& w, const Shape& shape,
                 const void* attrs, Guarded& want) {
  Guarded got(want.size());
  const Arg in[] = {x, w}, out[] = {arg(shape, got)};
  Call call{.in = in, .out = out, .n_in = 2, .n_out = 1, .attrs = attrs, .fixed_weights = true, .threads = 2};
  const Kernel& kernel = cpu_kernel(op_id(op), best_isa());
  Work work;
  kernel.plan(call, work);
  REQUIRE(work.once > 0);
  Guarded shared(work.shared);
  call.shared = shared.data();
  for (int first : {0, work.once}) {
    got.poison();
    run_call(pool, kernel, call, work, first);
    CHECK(std::memcmp(got.data(), want.data(), static_cast<size_t>(got.size()) * 4) == 0);
  }
}

}  // namespace

TEST_CASE(
    "blocked convolutions of layer size are near sums in doubles, with equal bits for 1, 2 and 8 threads") {
  std::vector<Pool*> pools;
  for (int threads : {1, 2, 8}) pools.push_back(pool_create(threads));
  for (const Layer& l : kLayers) {
    Tensors t(l);
    CAPTURE(static_cast<int>(l.algorithm));
    CAPTURE(t.x.text());
    CAPTURE(t.w.text());
    for (int pass = 0; pass < 3; ++pass) {
      if (l.algorithm == planar && pass == 1) continue;
      CAPTURE(pass);
      const std::vector<Sample> want = samples(t, pass);
      double size = 0;
      for (const Sample& s : want) size += s.value * s.value / double(want.size());
      Guarded got((pass == 0 ? t.y : pass == 1 ? t.x : t.w).elements()), again(got.size());
      for (Isa isa : usable_isas()) {
        CAPTURE(name_of(isa));
        got.poison();
        run(pools[0], isa, t, pass, got);
        double worst = 0;
        for (const Sample& s : want) worst = std::fmax(worst, std::fabs(got.data()[s.at] - s.value));
        CHECK(worst <= l.error * std::sqrt(size));
        for (Pool* pool : {pools[1], pools[2]}) {
          again.poison();
          run(pool, isa, t, pass, again);
          CHECK(std::memcmp(again.data(), got.data(), static_cast<size_t>(got.size()) * 4) == 0);
        }
      }
    }
  }
  for (Pool* pool : pools) pool_destroy(pool);
}

TEST_CASE("what is made of fixed weights serves later runs, with the bits of a run that makes it anew") {
  Pool* pool = pool_create(2);
  for (const Layer& l : kLayers) {
    Tensors t(l);
    CAPTURE(static_cast<int>(l.algorithm));
    CAPTURE(t.x.text());
    Guarded y(t.y.elements()), x(t.x.elements());
    run(pool, best_isa(), t, 0, y);
    const Conv2dAttrs a = attrs(l);
    check_fixed(pool, op::conv2d, arg(t.x, t.xv), arg(t.w, t.wv), t.y, &a, y);
    if (l.algorithm == planar) continue;
    run(pool, best_isa(), t, 1, x);
    const ConvTranspose2dAttrs back = transposed(l);
    check_fixed(pool, op::conv_transpose2d, arg(t.y, t.yv), arg(t.w, t.wv), t.x, &back, x);
  }
  pool_destroy(pool);
}
