// Rows and reference of conv2d; its gradients run with the rows that check gradients.
#include <algorithm>

#include "ops/fused_activation.h"
#include "ops/plane.h"

namespace dl::test {
namespace {

using Ints = std::vector<int64_t>;

// Output places [lo, hi) of an axis whose tap at offset d hits [0, extent).
struct Places {
  int64_t lo = 0, hi;
  Places(int64_t count, int64_t d, int64_t stride, int64_t extent) : hi(count) {
    while (lo < hi && lo * stride + d < 0) ++lo;
    while (hi > lo && (hi - 1) * stride + d >= extent) --hi;
  }
};

const AddReference kConv2d("conv2d", [](Reference& r) {
  const Ints stride = r.attr<Ints>("stride"), pads = r.attr<Ints>("pads"),
             dilation = r.attr<Ints>("dilation");
  const int64_t groups = r.attr<int64_t>("groups");
  const Array &x = r.x(0), &w = r.x(1);
  const int64_t k = w.dim(0), cg = w.dim(1), kh = w.dim(2), kw = w.dim(3);
  const int64_t h = x.dim(2), wd = x.dim(3), oh = r.y().dim(2), ow = r.y().dim(3);
  std::vector<double> sum(static_cast<size_t>(oh * ow));
  const auto add_tap = [&](const Plane& in, double weight, int64_t a, int64_t b) {
    const int64_t dy = a * dilation[0] - pads[0], dx = b * dilation[1] - pads[1];
    const Places rows(oh, dy, stride[0], h), columns(ow, dx, stride[1], wd);
    for (int64_t i = rows.lo; i < rows.hi; ++i) {
      double* to = sum.data() + i * ow;
      const double* from = x.v.data() + in.at((i * stride[0] + dy) * wd + dx);
      for (int64_t j = columns.lo; j < columns.hi; ++j) to[j] += weight * from[j * stride[1] * in.step];
    }
  };
  for (int64_t image = 0; image < x.dim(0); ++image)
    for (int64_t out = 0; out < k; ++out) {
      std::fill(sum.begin(), sum.end(), r.has(2) ? r.x(2)[out] : 0);
      for (int64_t in = 0; in < cg; ++in) {
        const Plane plane(x, cg * groups, image, out / (k / groups) * cg + in);
        for (int64_t t = 0; t < kh * kw; ++t)
          add_tap(plane, w[(out * cg + in) * kh * kw + t], t / kw, t % kw);
      }
      const Plane to(r.y(), k, image, out);
      for (int64_t i = 0; i < oh * ow; ++i)
        r.y()[to.at(i)] =
            fused_activation(r, sum[static_cast<size_t>(i)] + (r.has(3) ? r.x(3)[to.at(i)] : 0));
    }
});

// With the operands that a fused graph gives it: r is added, and y masks.
const AddReference kGradInput("conv2d_grad_input", [](Reference& r) {
  const Ints stride = r.attr<Ints>("stride"), pads = r.attr<Ints>("pads"),
             dilation = r.attr<Ints>("dilation"), x = r.attr<Ints>("shape");
  const int64_t groups = r.attr<int64_t>("groups");
  const Array &w = r.x(0), &dy = r.x(1);
  const int64_t k = w.dim(0), cg = w.dim(1), kh = w.dim(2), kw = w.dim(3), oh = dy.dim(2), ow = dy.dim(3);
  for (int64_t image = 0; image < x[0]; ++image) {
    for (int64_t out = 0; out < k; ++out)
      for (int64_t in = 0; in < cg; ++in) {
        const Plane from(dy, k, image, out), to(r.y(), x[1], image, out / (k / groups) * cg + in);
        for (int64_t t = 0; t < kh * kw * oh * ow; ++t) {
          const int64_t a = t / ow / oh / kw, b = t / ow / oh % kw, i = t / ow % oh, j = t % ow;
          const int64_t row = i * stride[0] + a * dilation[0] - pads[0];
          const int64_t column = j * stride[1] + b * dilation[1] - pads[1];
          if (row >= 0 && row < x[2] && column >= 0 && column < x[3])
            r.y()[to.at(row * x[3] + column)] +=
                w[((out * cg + in) * kh + a) * kw + b] * dy[from.at(i * ow + j)];
        }
      }
    for (int64_t c = 0; c < x[1]; ++c) {
      const Plane to(r.y(), x[1], image, c);
      for (int64_t i = 0; i < x[2] * x[3]; ++i) {
        double& v = r.y()[to.at(i)];
        if (r.has(2)) v += r.x(2)[to.at(i)];
        if (r.has(3) && !(r.x(3)[to.at(i)] > 0)) v = 0;
      }
    }
  }
});

const AddRows kRows({
    {"conv2d", {"f32[2,1,12,12]", "f32[6,1,5,5]", ""}, R"({"pads": 2})", {.out = {"f32[2,6,12,12]"}}},
    {"conv2d", {"f32[3,6,9,9]", "f32[4,6,5,5]", ""}, "{}", {.out = {"f32[3,4,5,5]"}}},
    {"conv2d", {"f32[2,3,7,6]", "f32[4,3,1,1]", ""}, "{}", {.out = {"f32[2,4,7,6]"}}},
    {"conv2d", {"f32[2,3,7,6]", "f32[4,3,1,1]", ""}, R"({"stride": 2})", {.out = {"f32[2,4,4,3]"}}},
    {"conv2d",
     {"f32[1,2,7,9]", "f32[3,2,3,2]", ""},
     R"({"stride": [3,2], "pads": [1,0,2,1]})",
     {.out = {"f32[1,3,3,5]"}}},
    {"conv2d",
     {"f32[2,2,9,8]", "f32[3,2,3,3]", ""},
     R"({"dilation": [2,3], "pads": [2,3,2,3]})",
     {.out = {"f32[2,3,9,8]"}}},
    {"conv2d",
     {"f32[2,6,5,5]", "f32[4,3,3,3]", ""},
     R"({"groups": 2, "pads": 1})",
     {.out = {"f32[2,4,5,5]"}}},
    {"conv2d",
     {"f32[2,5,6,6]", "f32[10,1,3,3]", ""},
     R"({"groups": 5, "stride": 2, "pads": 1})",
     {.out = {"f32[2,10,3,3]"}}},
    {"conv2d", {"f32[1,2,3,2]", "f32[2,2,5,5]", ""}, R"({"pads": [4,3,4,5]})"},
    {"conv2d", {"f32[70,3,2,2]", "f32[5,3,1,1]", ""}},
    {"conv2d", {"f32[67,3,3,2]", "f32[5,3,3,2]", ""}, R"({"pads": 1})"},
    {"conv2d",
     {"f32[2,2,23,40]", "f32[3,2,3,3]", ""},
     R"({"stride": [2,1], "dilation": [3,2], "pads": [3,2,1,0]})"},
    {"conv2d", {"f32[1,2,60,37]", "f32[3,2,4,3]", ""}, R"({"stride": [3,1], "dilation": [2,1], "pads": 1})"},
    {"conv2d", {"f32[1,3,90,40]", "f32[2,3,3,3]", ""}, R"({"pads": 1})", {.grad_tol = 1e-4}},
    {"conv2d", {"f32[40,2,4,4]", "f32[3,2,3,3]", ""}, R"({"pads": 1})"},
    {"conv2d", {"f32[1,20,17,33]", "f32[33,20,3,3]", ""}, R"({"pads": 1})", {.tol = 4e-6, .grad_tol = 1e-4}},
    {"conv2d", {"f32[1,1,40,70]", "f32[2,1,3,3]", ""}, R"({"stride": [1,2]})"},
    {"conv2d", {"f32[1,130,33,19]", "f32[8,130,3,3]", ""}, "{}", {.tol = 4e-6, .grad_tol = 1e-4}},
    {"conv2d", {"f32[0,1,5,5]", "f32[2,1,3,3]", ""}},
    {"conv2d", {"f32[2,4,5,5]", "f32[2,2,3,3]", "f32[2]"}, R"({"groups": 2})"},
    {"conv2d", {"f32[2,1,5,5]", "f32[2,1,3,3]", "f32[2]"}, R"({"activation": "relu"})", {.grad = false}},
    {"conv2d",
     {"f32[2,1,5,5]", "f32[2,1,3,3]", "f32[2] 0..8"},
     R"({"activation": "relu6"})",
     {.grad = false}},
    {"conv2d", {"f32[2,1,5,5]", "f32[2,1,3,3]", "f32[2]"}, R"({"activation": "tanh"})", {.grad = false}},
    {"conv2d",
     {"f32[2,4,5,5]", "f32[2,2,3,3]", "f32[2]"},
     R"({"activation": "sigmoid", "groups": 2})",
     {.grad = false}},
    {"conv2d", {"f32[2,1,5,5]", "f32[2,1,3,3]", "f32[2]"}, R"({"activation": "gelu"})", {.grad = false}},
    {"conv2d",
     {"f32[2,32,5,5]", "f32[8,64,3,3]", ""},
     "{}",
     {.error = "input has 32 channels, weight expects 64"}},
    {"conv2d",
     {"f32[2,3,5,5]", "f32[8,3,7,3]", ""},
     R"({"pads": [0,0,1,0]})",
     {.error = "kernel of height 7 does not fit the input of height 5 (6 with padding)"}},
    {"conv2d",
     {"f32[2,3,5,5]", "f32[8,3,3,3]", ""},
     R"({"dilation": [1,3]})",
     {.error = "kernel of width 7 (3 dilated by 3)"}},
    {"conv2d",
     {"f32[2,4,5,5]", "f32[9,2,3,3]", ""},
     R"({"groups": 2})",
     {.error = "9 output channels cannot be split into 2 groups"}},
    {"conv2d",
     {"f32[2,4,5]", "f32[9,2,3,3]", ""},
     "{}",
     {.error = "expected f32 (batch, channels, height, width)"}},
    {"conv2d",
     {"f32[2,4,5,5]", "f32[8,4,3,3]", "f32[4]"},
     "{}",
     {.error = "bias is f32[4], expected f32[8]"}},
});

}  // namespace
}  // namespace dl::test
