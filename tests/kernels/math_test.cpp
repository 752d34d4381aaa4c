// Errors of the vector functions, sampled over all floats, on every instruction set.
#include <bit>
#include <cmath>

#include "base/json.h"
#include "kernels/run_kernel.h"
#include "ops/registry.h"

using namespace dl;
using namespace dl::test;

namespace {

struct Function {
  const OpDef* op;
  const char* attrs;
  double (*exact)(double);
  double ulps;      // bound for normal results, in units of the last place of the exact one
  double absolute;  // bound where |y| < 2; one of the two must hold
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double relu(double x) { return x < 0 ? 0 : x; }
double elu(double x) { return x > 0 ? x : std::expm1(x); }

const Function kFunctions[] = {
    {&op::relu, "{}", relu, 0.5, 0},
    {&op::exp, "{}", [](double x) { return std::exp(x); }, 1.1, 0},
    {&op::log, "{}", [](double x) { return std::log(x); }, 1.2, 0},
    {&op::sqrt, "{}", [](double x) { return std::sqrt(x); }, 0.5001, 0},
    {&op::tanh, "{}", [](double x) { return std::tanh(x); }, 2.6, 0},
    {&op::sigmoid, "{}", sigmoid, 2.5, 0},
    {&op::softplus, "{}", softplus, 2.5, 0},
    {&op::elu, "{}", elu, 1.6, 0},
    {&op::gelu, "{}", gelu, 2, 2.5e-7},
    {&op::gelu, R"({"approximate": "tanh"})", gelu_tanh, 4, 4e-7},
};

// Spacing of floats at y; below the normal ones it is fixed.
double ulp(double y) {
  int e;
  std::frexp(y, &e);
  return std::ldexp(1.0, (e < -125 ? -125 : e) - 24);
}

// Every kStep-th float, and the special ones.
std::vector<float> samples() {
  constexpr uint64_t kStep = 9973;
  std::vector<float> x{0.f,   -0.f,   1.f,    -1.f,   INFINITY, -INFINITY, NAN,
                       88.7f, -87.3f, -103.f, 1e-45f, 3.4e38f,  -3.4e38f};
  for (uint64_t b = 0; b < uint64_t{1} << 32; b += kStep)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(b)));
  return x;
}

struct Worst {
  double ratio = 0;
  float x = 0, y = 0;
  int special = 0;  // wrong NaN or infinity
};

Worst worst_of(const Function& f, const std::vector<float>& x, const std::vector<float>& y) {
  Worst w;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = f.exact(x[i]);
    if (std::isnan(e) || std::isnan(y[i])) {
      w.special += std::isnan(e) != std::isnan(y[i]) && !std::isinf(x[i]);  // 0 inf in some
      continue;
    }
    if (static_cast<float>(e) == y[i]) continue;
    if (!std::isfinite(y[i])) {
      w.special += std::fabs(e) < 3.4028e38;
      continue;
    }
    const double d = std::fabs(y[i] - e), units = d / ulp(e) / f.ulps;
    const double ratio = f.absolute > 0 && std::fabs(e) < 2 ? std::fmin(units, d / f.absolute) : units;
    if (std::fabs(e) >= 0x1p-126 && ratio > w.ratio) w.ratio = ratio, w.x = x[i], w.y = y[i];
  }
  return w;
}

}  // namespace

TEST_CASE("vector functions keep their stated error over all floats") {
  const std::vector<float> x = samples();
  std::vector<float> y(x.size());
  const TensorType type{DType::f32, Shape{static_cast<int64_t>(x.size())}};
  Pool* pool = pool_create(1);
  for (const Function& f : kFunctions)
    for (Isa isa : usable_isas()) {
      INFO(std::string(f.op->name), std::string(f.attrs), " on ", std::string(name_of(isa)));
      const Attrs attrs = f.op->attrs->parse(json::parse(f.attrs), {}, {});
      run_kernel(pool, isa, *f.op, {make_arg(type, const_cast<float*>(x.data()))}, {make_arg(type, y.data())},
                 attrs.get());
      const Worst w = worst_of(f, x, y);
      CHECK_MESSAGE(w.ratio <= 1, "f(", w.x, ") = ", w.y, ", exact ", f.exact(w.x), ": ", w.ratio,
                    " of the bound");
      CHECK(w.special == 0);
    }
  pool_destroy(pool);
}
