// Rows and references of the activations.
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

template <class F>
void map(Reference& r, F f) {
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = f(r.x()[i]);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

const AddReference kReferences[] = {
    {"relu", [](Reference& r) { map(r, [](double x) { return x > 0 ? x : 0; }); }},
    {"relu6", [](Reference& r) { map(r, [](double x) { return x < 0   ? 0
                                                              : x > 6 ? 6
                                                                      : x; }); }},
    {"sigmoid", [](Reference& r) { map(r, sigmoid); }},
    {"tanh", [](Reference& r) { map(r, [](double x) { return std::tanh(x); }); }},
    {"leaky_relu",
     [](Reference& r) {
       const double slope = r.attr("slope");
       map(r, [=](double x) { return x > 0 ? x : slope * x; });
     }},
    {"elu",
     [](Reference& r) {
       const double alpha = r.attr("alpha");
       map(r, [=](double x) { return x > 0 ? x : alpha * std::expm1(x); });
     }},
    {"gelu",
     [](Reference& r) {
       if (r.attr<std::string>("approximate") == "none")
         return map(r, [](double x) { return x * normal_cdf(x); });
       map(r, [](double x) {
         return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       });
     }},
    {"softplus",
     [](Reference& r) {
       map(r, [](double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); });
     }},
    {"softsign", [](Reference& r) { map(r, [](double x) { return x / (1 + std::fabs(x)); }); }},
    {"swish", [](Reference& r) { map(r, [](double x) { return x * sigmoid(x); }); }},
    {"selu",
     [](Reference& r) {
       constexpr double scale = 1.0507009873554805, alpha = 1.6732632423543772;
       map(r, [](double x) { return scale * (x > 0 ? x : alpha * std::expm1(x)); });
     }},
    {"celu",
     [](Reference& r) {
       const double alpha = r.attr("alpha");
       map(r, [=](double x) { return x > 0 ? x : alpha * std::expm1(x / alpha); });
     }},
    {"hard_sigmoid",
     [](Reference& r) {
       const double slope = r.attr("slope"), shift = r.attr("shift");
       map(r, [=](double x) { return std::fmin(1, std::fmax(0, slope * x + shift)); });
     }},
    {"hard_swish",
     [](Reference& r) { map(r, [](double x) { return x * std::fmin(6, std::fmax(0, x + 3)) / 6; }); }},
    {"mish", [](Reference& r) { map(r, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }); }},
    {"log_sigmoid",
     [](Reference& r) {
       map(r, [](double x) { return std::fmin(x, 0) - std::log1p(std::exp(-std::fabs(x))); });
     }},
    {"thresholded_relu",
     [](Reference& r) {
       const double threshold = r.attr("threshold");
       map(r, [=](double x) { return x > threshold ? x : 0; });
     }},
    {"step",
     [](Reference& r) {
       const double threshold = r.attr("threshold");
       map(r, [=](double x) { return x > threshold ? 1 : 0; });
     }},
};

const AddRows kRows({
    {"relu", {"f32[N]"}, "{}", {.avoid = {0}}},
    {"relu", {"f32[2,3,4,5]"}, "{}", {.avoid = {0}, .out = {"f32[2,3,4,5]"}}},
    {"relu6", {"f32[N] -3..9"}, "{}", {.avoid = {0, 6}}},
    {"relu", {"f32[2100003]"}, "{}", {.grad = false}},  // stores around the cache
    {"sigmoid", {"f32[N]"}},
    {"sigmoid", {"f32[500] -100..100"}, "{}", {.grad = false}},
    {"tanh", {"f32[N]"}},
    {"tanh", {"f32[500] -20..20"}},
    {"tanh", {"f32[500] -1e-3..1e-3"}},
    {"softsign", {"f32[N]"}, "{}", {.avoid = {0}}},
    {"softsign", {"f32[500] -100..100"}, "{}", {.grad = false}},
    {"leaky_relu", {"f32[N]"}, "{}", {.avoid = {0}}},
    {"leaky_relu", {"f32[100]"}, R"({"slope": 0.25})", {.avoid = {0}}},
    {"elu", {"f32[N]"}},
    {"elu", {"f32[500] -30..1"}, R"({"alpha": 0.5})", {.avoid = {0}}},
    {"elu", {"f32[500] -1e-4..0"}},
    {"gelu", {"f32[N]"}},
    {"gelu", {"f32[500] -8..8"}},
    {"gelu", {"f32[N]"}, R"({"approximate": "tanh"})"},
    {"gelu", {"f32[500] -8..8"}, R"({"approximate": "tanh"})"},
    {"softplus", {"f32[N]"}},
    {"softplus", {"f32[500] -90..90"}},
    {"swish", {"f32[N]"}},
    {"swish", {"f32[500] -30..30"}},
    {"selu", {"f32[N]"}, "{}", {.avoid = {0}}},
    {"selu", {"f32[500] -30..1"}, "{}", {.avoid = {0}}},
    {"celu", {"f32[N]"}},
    {"celu", {"f32[500] -30..1"}, R"({"alpha": 2.5})"},
    {"hard_sigmoid", {"f32[N] -5..5"}, "{}", {.avoid = {-3, 3}}},
    {"hard_sigmoid", {"f32[500] -5..5"}, R"({"slope": 0.2, "shift": 0.5})", {.avoid = {-2.5, 2.5}}},
    {"hard_swish", {"f32[N] -5..5"}, "{}", {.avoid = {-3, 3}}},
    {"mish", {"f32[N]"}},
    {"mish", {"f32[500] -30..30"}},
    {"log_sigmoid", {"f32[N]"}},
    {"log_sigmoid", {"f32[500] -90..90"}},
    {"thresholded_relu", {"f32[N]"}, R"({"threshold": 0.75})", {.avoid = {0.75}}},
    {"thresholded_relu", {"f32[100]"}, R"({"threshold": -0.5})", {.avoid = {-0.5}}},
    {"step", {"f32[N]"}},
    {"step", {"f32[100] 2..4"}, R"({"threshold": 3})"},
});

}  // namespace
}  // namespace dl::test
