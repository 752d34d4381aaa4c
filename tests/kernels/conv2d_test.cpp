// Convolutions of the size of real layers: fused activations, and bits that do not depend on threads.
#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"
#include "kernels/conv2d.h"
#include "kernels/run_kernel.h"

using namespace dl;
using namespace dl::test;

namespace {

struct Layer {
  Shape x, w, y;
  int64_t pad, stride;
};

// LeNet-5's, one in several strips, one whose small images share products, one pointwise.
const Layer kLayers[] = {
    {{37, 1, 28, 28}, {6, 1, 5, 5}, {37, 6, 28, 28}, 2, 1},
    {{37, 6, 14, 14}, {16, 6, 5, 5}, {37, 16, 10, 10}, 0, 1},
    {{2, 24, 40, 41}, {40, 24, 3, 3}, {2, 40, 40, 41}, 1, 1},
    {{19, 40, 4, 4}, {33, 40, 3, 3}, {19, 33, 4, 4}, 1, 1},
    {{3, 20, 9, 9}, {40, 20, 1, 1}, {3, 40, 9, 9}, 0, 1},
    {{3, 5, 33, 31}, {7, 5, 3, 3}, {3, 7, 17, 16}, 1, 2},
};

void fill(Guarded& g, uint64_t sub) {
  Random random(7, stream_id("conv2d_test"), sub);
  for (int64_t i = 0; i < g.size(); ++i) g.data()[i] = static_cast<float>(random.uniform(-1, 1));
}

Arg arg(const Shape& s, Guarded& g) { return make_arg({DType::f32, s}, g.data()); }

Conv2dGradAttrs grad_attrs(const Layer& l, const Shape& of) {
  Conv2dGradAttrs a;
  for (int64_t& p : a.pads) p = l.pad;
  a.stride[0] = a.stride[1] = l.stride;
  for (int64_t extent : of) a.shape.d[a.shape.n++] = extent;
  return a;
}

Conv2dAttrs attrs(const Layer& l, Activation activation) {
  Conv2dAttrs a;
  for (int64_t& p : a.pads) p = l.pad;
  a.stride[0] = a.stride[1] = l.stride;
  a.activation = activation;
  return a;
}

// Runs on every pool and CHECKs equal bits; leaves the result in y.
void run_on(std::span<Pool* const> pools, Isa isa, const OpDef& op, const std::vector<Arg>& in,
            const Shape& shape, Guarded& y, const void* attrs) {
  Guarded again(y.size());
  for (Pool* pool : pools) {
    Guarded& to = pool == pools[0] ? y : again;
    to.poison();
    run_kernel(pool, isa, op, in, {arg(shape, to)}, attrs);
    CHECK(std::memcmp(to.data(), y.data(), static_cast<size_t>(y.size()) * 4) == 0);
  }
}

}  // namespace

TEST_CASE("convolutions of layer size have equal bits for 1, 2 and 8 threads, and instruction sets agree") {
  std::vector<Pool*> pools;
  for (int threads : {1, 2, 8}) pools.push_back(pool_create(threads));
  for (const Layer& l : kLayers) {
    CAPTURE(l.x.text());
    Guarded x(l.x.elements()), w(l.w.elements()), b(l.w[0]), dy(l.y.elements());
    fill(x, 1), fill(w, 2), fill(b, 3), fill(dy, 4);
    const Conv2dAttrs forward = attrs(l, Activation::none);
    const Conv2dGradAttrs to_x = grad_attrs(l, l.x), to_w = grad_attrs(l, l.w);
    Guarded first[3]{Guarded{dy.size()}, Guarded{x.size()}, Guarded{w.size()}};
    for (Isa isa : usable_isas()) {
      CAPTURE(name_of(isa));
      Guarded got[3]{Guarded{dy.size()}, Guarded{x.size()}, Guarded{w.size()}};
      run_on(pools, isa, op::conv2d, {arg(l.x, x), arg(l.w, w), arg({l.w[0]}, b)}, l.y, got[0], &forward);
      run_on(pools, isa, op::conv2d_grad_input, {arg(l.w, w), arg(l.y, dy)}, l.x, got[1], &to_x);
      run_on(pools, isa, op::conv2d_grad_weight, {arg(l.x, x), arg(l.y, dy)}, l.w, got[2], &to_w);
      for (int k = 0; k < 3; ++k) {
        if (isa == Isa::base)
          std::memcpy(first[k].data(), got[k].data(), static_cast<size_t>(got[k].size()) * 4);
        double worst = 0, size = 0;
        for (int64_t i = 0; i < got[k].size(); ++i) {
          worst = std::fmax(worst, std::fabs(got[k].data()[i] - first[k].data()[i]));
          size = std::fmax(size, std::fabs(first[k].data()[i]));
        }
        CAPTURE(k);
        CHECK(worst <= 2e-6 * size);
      }
    }
  }
  for (Pool* pool : pools) pool_destroy(pool);
}

TEST_CASE("a fused activation gives what the activation after the convolution gives") {
  Pool* pool = pool_create(2);
  const Layer& l = kLayers[1];
  Guarded x(l.x.elements()), w(l.w.elements()), b(l.w[0]), y(l.y.elements()), fused(y.size()),
      after(y.size());
  fill(x, 1), fill(w, 2), fill(b, 3);
  const std::vector<Arg> in{arg(l.x, x), arg(l.w, w), arg({l.w[0]}, b)};
  const std::pair<Activation, const OpDef*> pairs[] = {{Activation::relu, &op::relu},
                                                       {Activation::relu6, &op::relu6},
                                                       {Activation::tanh, &op::tanh},
                                                       {Activation::sigmoid, &op::sigmoid},
                                                       {Activation::gelu, &op::gelu}};
  for (Isa isa : usable_isas())
    for (const auto& [activation, op] : pairs) {
      CAPTURE(op->name);
      const Conv2dAttrs plain = attrs(l, Activation::none), with = attrs(l, activation);
      const Attrs defaults = op->attrs->parse(json::object(), {}, {});
      run_kernel(pool, isa, op::conv2d, in, {arg(l.y, y)}, &plain);
      run_kernel(pool, isa, *op, {arg(l.y, y)}, {arg(l.y, after)}, defaults.get());
      run_kernel(pool, isa, op::conv2d, in, {arg(l.y, fused)}, &with);
      double worst = 0;
      for (int64_t i = 0; i < y.size(); ++i)
        worst = std::fmax(worst, std::fabs(double(fused.data()[i]) - after.data()[i]));
      CHECK(worst < 1e-6);
    }
  pool_destroy(pool);
}
