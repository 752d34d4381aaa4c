// Elementwise operators of the ONNX reference.
#include <cmath>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

template <double (*F)(double)>
void map(OnnxCall& c) {
  c.y() = c.x();
  for (double& v : c.y().v) v = F(v);
}

template <class F>
void map_with(OnnxCall& c, F f) {
  c.y() = c.x();
  for (double& v : c.y().v) v = f(v);
}

double relu(double x) { return x > 0 || std::isnan(x) ? x : 0; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double softsign(double x) { return x / (1 + std::abs(x)); }
double negate(double x) { return -x; }
double reciprocal(double x) { return 1 / x; }
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double same(double x) { return x; }
double hard_swish(double x) { return x * std::fmax(0, std::fmin(1, x / 6 + 0.5)); }
double mish(double x) { return x * std::tanh(softplus(x)); }

void leaky_relu(OnnxCall& c) {
  const double a = c.real("alpha", 0.01);
  map_with(c, [a](double x) { return x < 0 ? a * x : x; });
}

void elu(OnnxCall& c) {
  const double a = c.real("alpha", 1);
  map_with(c, [a](double x) { return x < 0 ? a * std::expm1(x) : x; });
}

void selu(OnnxCall& c) {
  const double a = c.real("alpha", 1.67326319217681884765625), g = c.real("gamma", 1.05070102214813232421875);
  map_with(c, [a, g](double x) { return g * (x > 0 ? x : a * std::expm1(x)); });
}

void celu(OnnxCall& c) {
  const double a = c.real("alpha", 1);
  map_with(c, [a](double x) { return x < 0 ? a * std::expm1(x / a) : x; });
}

void thresholded_relu(OnnxCall& c) {
  const double a = c.real("alpha", 1);
  map_with(c, [a](double x) { return x > a ? x : 0; });
}

void hard_sigmoid(OnnxCall& c) {
  const double a = c.real("alpha", 0.2), b = c.real("beta", 0.5);
  map_with(c, [a, b](double x) { return std::fmax(0, std::fmin(1, a * x + b)); });
}

void gelu(OnnxCall& c) {
  const bool tanh_form = c.text("approximate", "none") == "tanh";
  map_with(c, [tanh_form](double x) {
    if (tanh_form) return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  });
}

void clip(OnnxCall& c) {
  const double lo = c.has(1) ? c.number(1) : -INFINITY, hi = c.has(2) ? c.number(2) : INFINITY;
  map_with(c, [lo, hi](double x) { return std::fmin(std::fmax(x, lo), hi); });
}

void cast(OnnxCall& c) {
  const auto to = static_cast<int32_t>(c.integer("to", 0));
  map_with(c, [to](double x) {
    if (to == onnx::TensorProto::DOUBLE) return x;
    if (to == onnx::TensorProto::FLOAT) return static_cast<double>(static_cast<float>(x));
    if (to == onnx::TensorProto::BOOL) return x != 0 ? 1.0 : 0.0;
    return std::trunc(x);
  });
  c.y().type = to;
}

template <class F>
void combine(OnnxCall& c, F f, int32_t type = 0) {
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (i == 0) {
      c.y() = c.x();
      continue;
    }
    const OnnxValue a = std::move(c.y()), &b = c.x(i);
    c.require(a.type == b.type, "operands are of different types");
    c.y() = onnx_zeros(a.type, onnx_broadcast(c, a.shape, b.shape));
    for (int64_t k = 0; k < c.y().size(); ++k)
      c.y().v[static_cast<size_t>(k)] = f(a.v[static_cast<size_t>(onnx_source(a.shape, c.y().shape, k))],
                                          b.v[static_cast<size_t>(onnx_source(b.shape, c.y().shape, k))]);
  }
  if (type) c.y().type = type;
}

template <double (*F)(double, double)>
void fold(OnnxCall& c) {
  combine(c, F);
}
template <double (*F)(double, double)>
void compare(OnnxCall& c) {
  combine(c, F, onnx::TensorProto::BOOL);
}

double add(double a, double b) { return a + b; }
double sub(double a, double b) { return a - b; }
double mul(double a, double b) { return a * b; }
double div(double a, double b) { return a / b; }
double least(double a, double b) { return a < b || std::isnan(a) ? a : b; }
double most(double a, double b) { return a > b || std::isnan(a) ? a : b; }
double equal(double a, double b) { return a == b; }
double less(double a, double b) { return a < b; }
double greater(double a, double b) { return a > b; }
double less_equal(double a, double b) { return a <= b; }
double greater_equal(double a, double b) { return a >= b; }

void divide(OnnxCall& c) {
  combine(c, div);
  if (c.y().type != onnx::TensorProto::FLOAT && c.y().type != onnx::TensorProto::DOUBLE)
    for (double& v : c.y().v) v = std::trunc(v);
}

void prelu(OnnxCall& c) {
  c.require(onnx_broadcast(c, c.x(0).shape, c.x(1).shape) == c.x(0).shape, "the slope has other extents");
  combine(c, [](double x, double slope) { return x < 0 ? slope * x : x; });
}

void power(OnnxCall& c) {  // the exponent may be of another type
  OnnxValue exponent = c.x(1);
  exponent.type = c.x(0).type;
  c.in[1] = &exponent;
  combine(c, [](double a, double b) { return std::pow(a, b); });
}

void mean(OnnxCall& c) {
  const auto n = static_cast<double>(c.in.size());
  combine(c, add);
  for (double& v : c.y().v) v /= n;
}

void where(OnnxCall& c) {
  const OnnxValue &p = c.x(0), &a = c.x(1), &b = c.x(2);
  c.y() = onnx_zeros(a.type, onnx_broadcast(c, p.shape, onnx_broadcast(c, a.shape, b.shape)));
  for (int64_t k = 0; k < c.y().size(); ++k) {
    const OnnxValue& from = p.v[static_cast<size_t>(onnx_source(p.shape, c.y().shape, k))] != 0 ? a : b;
    c.y().v[static_cast<size_t>(k)] = from.v[static_cast<size_t>(onnx_source(from.shape, c.y().shape, k))];
  }
}

}  // namespace

std::vector<OnnxEntry> onnx_pointwise_ops() {
  return {{"Relu", map<relu>},
          {"Sigmoid", map<sigmoid>},
          {"Tanh", map<std::tanh>},
          {"Softplus", map<softplus>},
          {"Softsign", map<softsign>},
          {"Erf", map<std::erf>},
          {"Exp", map<std::exp>},
          {"Log", map<std::log>},
          {"Sqrt", map<std::sqrt>},
          {"Abs", map<std::fabs>},
          {"Neg", map<negate>},
          {"Reciprocal", map<reciprocal>},
          {"Sign", map<sign>},
          {"Floor", map<std::floor>},
          {"Ceil", map<std::ceil>},
          {"Round", map<std::nearbyint>},
          {"Sin", map<std::sin>},
          {"Cos", map<std::cos>},
          {"Identity", map<same>},
          {"HardSwish", map<hard_swish>},
          {"Mish", map<mish>},
          {"LeakyRelu", leaky_relu},
          {"Elu", elu},
          {"Selu", selu},
          {"Celu", celu},
          {"ThresholdedRelu", thresholded_relu},
          {"PRelu", prelu},
          {"HardSigmoid", hard_sigmoid},
          {"Gelu", gelu},
          {"Clip", clip},
          {"Cast", cast},
          {"Add", fold<add>},
          {"Sum", fold<add>},
          {"Sub", fold<sub>},
          {"Mul", fold<mul>},
          {"Div", divide},
          {"Min", fold<least>},
          {"Max", fold<most>},
          {"Mean", mean},
          {"Pow", power},
          {"Equal", compare<equal>},
          {"Less", compare<less>},
          {"Greater", compare<greater>},
          {"LessOrEqual", compare<less_equal>},
          {"GreaterOrEqual", compare<greater_equal>},
          {"Where", where}};
}

}  // namespace dl
