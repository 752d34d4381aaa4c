// The packed GEMM through matmul and affine: shapes around every tile and path border, against double.
#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"
#include "kernels/matmul.h"
#include "kernels/run_kernel.h"

using namespace dl;
using namespace dl::test;

namespace {

struct Problem {
  int64_t m, n, k;
  bool ta, tb;
  int variant;  // matmul: epilogue; affine: activation
  bool affine, bias;
};

void fill(Guarded& g, uint64_t sub) {
  Random random(7, stream_id("gemm_test"), sub);
  for (int64_t i = 0; i < g.size(); ++i) g.data()[i] = static_cast<float>(random.uniform(-1, 1));
}

double finish(const Problem& p, double x, double y) {
  if (p.affine) switch (static_cast<Activation>(p.variant)) {
      case Activation::none:
        return x;
      case Activation::relu:
        return x > 0 ? x : 0;
      case Activation::relu6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
      case Activation::tanh:
        return std::tanh(x);
      case Activation::sigmoid:
        return 1 / (1 + std::exp(-x));
      case Activation::gelu:
        return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    }
  switch (static_cast<MatmulEpilogue>(p.variant)) {
    case MatmulEpilogue::none:
      return x;
    case MatmulEpilogue::relu_grad:
      return y > 0 ? x : 0;
    case MatmulEpilogue::tanh_grad:
      return x * (1 - y * y);
    case MatmulEpilogue::sigmoid_grad:
      return x * y * (1 - y);
  }
  return 0;
}

// Largest |error| over the sum of |a b|, for one instruction set.
double worst_error(const Problem& p, Guarded& a, Guarded& b, Guarded& bias, Guarded& aux, const float* c) {
  double worst = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double s = 0, size = 1;
      for (int64_t q = 0; q < p.k; ++q) {
        const double v =
            double(a.data()[p.ta ? q * p.m + i : i * p.k + q]) * b.data()[p.tb ? j * p.k + q : q * p.n + j];
        s += v;
        size += std::fabs(v);
      }
      if (p.bias) s += bias.data()[j];
      const double e = std::fabs(finish(p, s, aux.data()[i * p.n + j]) - c[i * p.n + j]) / size;
      worst = e <= worst ? worst : e;  // NaN comes through
    }
  return worst;
}

void check(const Problem& p, std::span<Pool* const> pools) {
  CAPTURE(p.m);
  CAPTURE(p.n);
  CAPTURE(p.k);
  CAPTURE(p.ta);
  CAPTURE(p.tb);
  CAPTURE(p.variant);
  CAPTURE(p.affine);
  Guarded a(p.m * p.k), b(p.n * p.k), bias(p.n), aux(p.m * p.n), c(p.m * p.n), first(p.m * p.n);
  fill(a, 1), fill(b, 2), fill(bias, 3), fill(aux, 4);
  const auto arg = [](Shape s, Guarded& g) { return make_arg({DType::f32, s}, g.data()); };
  std::vector<Arg> in{arg(p.ta ? Shape{p.k, p.m} : Shape{p.m, p.k}, a),
                      arg(p.tb ? Shape{p.n, p.k} : Shape{p.k, p.n}, b)};
  if (p.bias)
    in.push_back(arg({p.n}, bias));
  else if (!p.affine && p.variant)
    in.push_back(arg({p.m, p.n}, aux));
  const MatmulAttrs matmul{p.ta, p.tb, static_cast<MatmulEpilogue>(p.variant)};
  const AffineAttrs affine{static_cast<Activation>(p.variant)};
  const void* attrs = p.affine ? static_cast<const void*>(&affine) : &matmul;
  for (Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (Pool* pool : pools) {
      Guarded& y = pool == pools[0] ? first : c;
      y.poison();
      run_kernel(pool, isa, p.affine ? op::affine : op::matmul, in, {arg({p.m, p.n}, y)}, attrs);
      if (pool != pools[0])
        CHECK(std::memcmp(y.data(), first.data(), static_cast<size_t>(p.m * p.n) * 4) == 0);
    }
    CHECK(worst_error(p, a, b, bias, aux, first.data()) < 4e-7);
  }
}

constexpr int64_t kOdd[][3] = {{0, 3, 4},     {3, 0, 4},      {3, 4, 0},     {1, 1, 1},      {1, 17, 3},
                               {2, 15, 16},   {3, 33, 64},    {5, 8, 65},    {6, 784, 25},   {7, 100, 70},
                               {13, 49, 130}, {14, 64, 33},   {15, 31, 515}, {16, 100, 150}, {20, 300, 256},
                               {28, 47, 100}, {29, 65, 9},    {31, 10, 256}, {33, 24, 200},  {71, 16, 600},
                               {85, 513, 40}, {128, 10, 256}, {128, 70, 10}, {97, 1100, 35}, {141, 97, 530}};

}  // namespace

TEST_CASE("matmul and affine agree with double and have equal bits for 1, 2, 3 and 8 threads") {
  std::vector<Pool*> pools;
  for (int threads : {1, 2, 3, 8}) pools.push_back(pool_create(threads));
  int n = 0;
  for (const auto& s : kOdd) {
    for (int layout = 0; layout < 4; ++layout, ++n)
      check({s[0], s[1], s[2], (layout & 1) != 0, (layout & 2) != 0, n % 4, false, false}, pools);
    for (int bias = 0; bias < 2; ++bias, ++n)
      check({s[0], s[1], s[2], false, true, n % 6, true, bias == 1}, pools);
  }
  for (Pool* pool : pools) pool_destroy(pool);
}
