// Rows and references of elementwise mathematics, casts and normalize.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

template <class F>
void map(Reference& r, F f) {
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = f(r.x()[i]);
}

void cast_reference(Reference& r) {
  const std::string to = r.attr<std::string>("to");
  map(r, [&](double x) {
    if (to == "u8") return std::clamp(std::trunc(x), 0.0, 255.0);
    if (to == "i32" || to == "i64") return std::trunc(x);
    return x;
  });
}

// The nearest multiple of the step of numbers with `digits` binary digits and exponents down to `least`.
double nearest(double x, int digits, int least) {
  int exponent = 0;
  std::frexp(x, &exponent);
  const double step = std::ldexp(1, std::max(exponent - digits, least));
  return std::nearbyint(x / step) * step;
}
void round_to_reference(Reference& r) {
  const bool bf16 = r.attr<std::string>("to") == "bf16";
  map(r, [&](double x) {
    const double y = bf16 ? nearest(x, 8, -133) : nearest(x, 11, -24);
    return !bf16 && std::fabs(y) > 65504 ? std::copysign(INFINITY, y) : y;
  });
}

void normalize_reference(Reference& r) {
  const Array &x = r.x(), &shift = r.x(1);
  const int64_t per_channel = x.type.shape.rank() > 2 ? x.type.shape.elements(2, x.type.shape.rank()) : 1;
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t k = 0;
    if (shift.shape().rank() == 1)
      k = i / per_channel % shift.size();
    else if (shift.shape().rank() > 1)
      k = i % shift.size();
    r.y()[i] = (x[i] - shift[k]) * r.x(2)[k];
  }
}

void one_hot_reference(Reference& r) {
  const int64_t classes = r.attr<int64_t>("classes"), inner = r.y().shape().elements(2, r.y().shape().rank());
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const int64_t row = i / inner;
    r.y()[i] = r.x()[row / classes * inner + i % inner] == static_cast<double>(row % classes);
  }
}

const AddReference kReferences[] = {
    {"round_to", round_to_reference},
    {"exp", [](Reference& r) { map(r, [](double x) { return std::exp(x); }); }},
    {"log", [](Reference& r) { map(r, [](double x) { return std::log(x); }); }},
    {"sqrt", [](Reference& r) { map(r, [](double x) { return std::sqrt(x); }); }},
    {"square", [](Reference& r) { map(r, [](double x) { return x * x; }); }},
    {"abs", [](Reference& r) { map(r, [](double x) { return std::fabs(x); }); }},
    {"neg", [](Reference& r) { map(r, [](double x) { return -x; }); }},
    {"clip",
     [](Reference& r) { map(r, [&](double x) { return std::clamp(x, r.attr("min"), r.attr("max")); }); }},
    {"scale_shift",
     [](Reference& r) { map(r, [&](double x) { return r.attr("scale") * x + r.attr("shift"); }); }},
    {"sin", [](Reference& r) { map(r, [](double x) { return std::sin(x); }); }},
    {"cos", [](Reference& r) { map(r, [](double x) { return std::cos(x); }); }},
    {"pow", [](Reference& r) { map(r, [&](double x) { return std::pow(x, r.attr("exponent")); }); }},
    {"one_hot", one_hot_reference},
    {"cast", cast_reference},
    {"normalize", normalize_reference},
};

const AddRows kRows({
    {"round_to", {"f32[N]"}, "{}", {.tol = 0}},
    {"round_to", {"f32[4001] -1e30..1e30"}, "{}", {.tol = 0}},
    {"round_to", {"f32[4001] -70000..70000"}, R"({"to": "f16"})", {.tol = 0}},
    {"round_to", {"f32[4001] -0.0001..0.0001"}, R"({"to": "f16"})", {.tol = 0}},
    {"round_to", {"f32[4001] -1e-7..1e-7"}, R"({"to": "f16"})", {.tol = 0}},
    {"round_to", {"f32[3]"}, R"({"to": "u8"})", {.error = "rounds to bf16 or f16"}},
    {"exp", {"f32[N]"}},
    {"exp", {"f32[500] -80..80"}, "{}", {.grad = false}},
    {"log", {"f32[N] 0.1..10"}},
    {"log", {"f32[500] 0.9..1.1"}},
    {"log", {"f32[500] 1e-30..1e-20"}, "{}", {.grad = false}},
    {"log", {"f32[500] 1e30..3e38"}, "{}", {.grad = false}},
    {"sqrt", {"f32[N] 0.1..10"}},
    {"square", {"f32[N]"}},
    {"abs", {"f32[N]"}, "{}", {.avoid = {0}}},
    {"neg", {"f32[N]"}},
    {"clip", {"f32[N]"}, R"({"min": -0.5, "max": 1.25})", {.avoid = {-0.5, 1.25}}},
    {"clip", {"f32[3]"}, R"({"min": 2, "max": 1})", {.error = "min 2 is above max 1"}},
    {"scale_shift", {"f32[N]"}, R"({"scale": -1.5, "shift": 0.25})"},

    {"sin", {"f32[N]"}},
    {"sin", {"f32[2000] -20..20"}},
    {"sin", {"f32[2000] -10000..10000"}, "{}", {.grad = false}},
    {"cos", {"f32[N]"}},
    {"cos", {"f32[2000] -20..20"}},
    {"cos", {"f32[2000] -10000..10000"}, "{}", {.grad = false}},
    {"pow", {"f32[N] 0.05..3"}, R"({"exponent": 1.5})"},
    {"pow", {"f32[100] 0.1..3"}, R"({"exponent": -2.25})"},
    {"pow", {"f32[100]"}, R"({"exponent": 3})", {.tol = 4e-6}},
    {"pow", {"f32[100]"}, "{}", {.tol = 4e-6}},
    {"pow", {"f32[100]"}, R"({"exponent": 1})", {.avoid = {0}}},
    {"pow", {"f32[100]"}, R"({"exponent": 0})"},
    {"pow", {"f32[20] =0"}, R"({"exponent": 2})"},
    {"pow", {"f32[20] -2..-1"}, R"({"exponent": 0.5})", {.grad = false}},
    {"one_hot", {"i32[N] -1..5"}, R"({"classes": 5})", {.tol = 0}},
    {"one_hot", {"u8[3,4,5] 0..7"}, R"({"classes": 7})", {.tol = 0, .out = {"f32[3,7,4,5]"}}},
    {"one_hot", {"i32[700,3] 0..32"}, R"({"classes": 33})", {.tol = 0}},
    {"one_hot", {"f32[3]"}, R"({"classes": 5})", {.error = "labels of i32 or u8"}},
    {"cast", {"f32[N] -3..300"}, R"({"to": "u8"})", {.tol = 0}},
    {"cast", {"f32[100] -1e6..1e6"}, R"({"to": "i32"})", {.tol = 0, .out = {"i32[100]"}}},
    {"cast", {"u8[N] 0..255"}, R"({"to": "f32"})", {.tol = 0}},
    {"cast", {"i64[100] -5..300"}, R"({"to": "u8"})", {.tol = 0}},
    {"cast", {"i32[100] -5..300"}, R"({"to": "i64"})", {.tol = 0}},
    {"cast", {"f64[100]"}, R"({"to": "f32"})"},

    {"normalize", {"u8[3,N] 0..255", "f32[]", "f32[]"}},
    {"normalize",
     {"u8[4,3,5,7] 0..255", "f32[3] 100..150", "f32[3] 0.01..0.02"},
     "{}",
     {.out = {"f32[4,3,5,7]"}}},
    {"normalize", {"u8[2,3,96,96] 0..255", "f32[3,96,96] 100..150", "f32[3,96,96] 0.01..0.02"}},
    {"normalize", {"f32[300,17]", "f32[17]", "f32[17]"}},
    {"normalize", {"i32[N] -1000..1000", "f32[]", "f32[]"}},
    {"normalize", {"i32[5,3,2] -1000..1000", "f32[3,2]", "f32[3,2]"}},
    {"normalize",
     {"u8[4,3,5,7]", "f32[4]", "f32[4]"},
     "{}",
     {.error = "fits neither the channels nor the samples"}},
    {"normalize", {"i64[4,3]", "f32[3]", "f32[3]"}, "{}", {.error = "takes x of u8, i32 or f32"}},
});

}  // namespace
}  // namespace dl::test
