// Rows and references of broadcasting pairs.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// Position in a tensor of shape `in` of element i of a tensor of shape `out`, aligned to the right.
int64_t stretched(int64_t i, const Shape& out, const Shape& in) {
  int64_t at = 0, stride = 1;
  for (int k = out.rank() - 1, j = in.rank() - 1; k >= 0; --k, --j) {
    const int64_t d = i % out[k];
    i /= out[k];
    if (j < 0) continue;
    if (in[j] != 1) at += d * stride;
    stride *= in[j];
  }
  return at;
}

template <class F>
void pairs(Reference& r, F f) {
  for (int64_t i = 0; i < r.y().size(); ++i)
    r.y()[i] = f(r.x(0)[stretched(i, r.y().shape(), r.x(0).shape())],
                 r.x(1)[stretched(i, r.y().shape(), r.x(1).shape())]);
}

void broadcast_to_reference(Reference& r) {
  const json& axes = r.attrs.at("axes");
  Shape from = r.x().shape();
  if (!axes.empty()) {
    from = r.y().shape();
    int next = 0;
    for (int i = 0; i < from.rank(); ++i) {
      const bool inserted = std::find(axes.begin(), axes.end(), json(i)) != axes.end();
      from[i] = inserted ? 1 : r.x().shape()[next++];
    }
  }
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = r.x()[stretched(i, r.y().shape(), from)];
}

const AddReference kReferences[] = {
    {"add", [](Reference& r) { pairs(r, [](double a, double b) { return a + b; }); }},
    {"sub", [](Reference& r) { pairs(r, [](double a, double b) { return a - b; }); }},
    {"mul", [](Reference& r) { pairs(r, [](double a, double b) { return a * b; }); }},
    {"div", [](Reference& r) { pairs(r, [](double a, double b) { return a / b; }); }},
    {"maximum", [](Reference& r) { pairs(r, [](double a, double b) { return std::fmax(a, b); }); }},
    {"minimum", [](Reference& r) { pairs(r, [](double a, double b) { return std::fmin(a, b); }); }},
    {"greater_equal", [](Reference& r) { pairs(r, [](double a, double b) { return a >= b; }); }},
    {"less", [](Reference& r) { pairs(r, [](double a, double b) { return a < b; }); }},
    {"prelu", [](Reference& r) { pairs(r, [](double x, double slope) { return x > 0 ? x : slope * x; }); }},
    {"prelu_slope", [](Reference& r) { pairs(r, [](double x, double slope) { return x > 0 ? 1 : slope; }); }},
    {"broadcast_to", broadcast_to_reference},
};

const AddRows kRows({
    {"prelu",
     {"f32[N]", "f32[]"},
     "{}",
     {.grad_tol = 1e-4, .avoid = {0}}},  // sums of 40001 terms of either sign
    {"prelu", {"f32[5,7,3,4]", "f32[7,1,1]"}, "{}", {.avoid = {0}}},
    {"prelu", {"f32[40,19]", "f32[19]"}, "{}", {.avoid = {0}}},
    {"prelu_slope", {"f32[5,7,3,4]", "f32[7,1,1]"}, "{}", {.tol = 0}},
    {"add", {"f32[N]", "f32[N]"}},
    {"add", {"f32[N]", "f32[]"}},
    {"add", {"f32[1]", "f32[N]"}},
    {"add", {"f32[7,N]", "f32[N]"}},
    {"add", {"f32[]", "f32[]"}, "{}", {.out = {"f32[]"}}},
    {"add", {"f32[4,3,5,7]", "f32[1,3,1,1]"}, "{}", {.out = {"f32[4,3,5,7]"}}},
    {"add", {"f32[2100003]", "f32[2100003]"}, "{}", {.grad = false}},  // stores around the cache
    {"add", {"f32[3,1,5]", "f32[2,1,4,1]"}, "{}", {.out = {"f32[2,3,4,5]"}}},
    {"add", {"f32[2,1,3,1,2,1]", "f32[1,2,1,3,1,2]"}},
    {"add", {"f32[2,3]", "f32[4]"}, "{}", {.error = "do not fit"}},
    {"add", {"f32[2]", "i32[2]"}, "{}", {.error = "takes f32"}},
    {"sub", {"f32[N]", "f32[N]"}},
    {"sub", {"f32[5]", "f32[300,5]"}},
    {"sub", {"f32[3,1]", "f32[1,70]"}},
    {"mul", {"f32[N]", "f32[N]"}},
    {"mul", {"f32[4,3,5,7]", "f32[4,3,1,1]"}},
    {"mul", {"f32[1,3,1,1]", "f32[4,3,5,7]"}},
    {"div", {"f32[N]", "f32[N] 0.5..2"}},
    {"div", {"f32[6,9]", "f32[6,1] 0.5..2"}},
    {"div", {"f32[9]", "f32[6,9] 0.5..2"}},
    {"maximum", {"f32[N]", "f32[N]"}},
    {"maximum", {"f32[6,9]", "f32[9]"}},
    {"minimum", {"f32[N]", "f32[N]"}},
    {"minimum", {"f32[1,9]", "f32[6,1]"}},
    {"greater_equal", {"f32[N]", "f32[N]"}},
    {"less", {"f32[6,9]", "f32[6,1]"}},

    {"broadcast_to", {"f32[3,1,17]"}, R"({"shape": [2, 3, 4, 17]})", {.out = {"f32[2,3,4,17]"}}},
    {"broadcast_to", {"f32[17,1]"}, R"({"shape": [17, 2000]})"},
    {"broadcast_to", {"f32[]"}, R"({"shape": [5, 7]})"},
    {"broadcast_to", {"f32[2,4]"}, R"({"shape": [2, 3, 4, 5], "axes": [1, 3]})"},
    {"broadcast_to", {"f32[14,3,16]"}, R"({"shape": [14, 3, 56, 56, 16], "axes": [2, 3]})", {.grad = false}},
    {"broadcast_to", {"f32[3]"}, R"({"shape": [2, 4]})", {.error = "does not stretch"}},
    {"broadcast_to", {"f32[3]"}, R"({"shape": [3, 4], "axes": [2]})", {.error = "axis 2 is out of range"}},
});

}  // namespace
}  // namespace dl::test
