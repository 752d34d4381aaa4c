// Rows and reference of conv_transpose2d, plain and on the blocked form.
#include "ops/fused_activation.h"
#include "ops/plane.h"

namespace dl::test {
namespace {

using Ints = std::vector<int64_t>;

// By the definition: every pixel of x, times w, is added to the result at stride times its place.
const AddReference kConvTranspose2d("conv_transpose2d", [](Reference& r) {
  const Ints stride = r.attr<Ints>("stride"), pads = r.attr<Ints>("pads"),
             dilation = r.attr<Ints>("dilation");
  const int64_t groups = r.attr<int64_t>("groups");
  const Array &x = r.x(0), &w = r.x(1);
  const int64_t c = w.dim(0), kg = w.dim(1), kh = w.dim(2), kw = w.dim(3), k = kg * groups;
  const int64_t h = x.dim(2), wd = x.dim(3), oh = r.y().dim(2), ow = r.y().dim(3);
  const auto add_plane = [&](const Plane& from, const double* taps, const Plane& to) {
    for (int64_t p = 0; p < h * wd; ++p)
      for (int64_t t = 0; t < kh * kw; ++t) {
        const int64_t i = p / wd * stride[0] + t / kw * dilation[0] - pads[0];
        const int64_t j = p % wd * stride[1] + t % kw * dilation[1] - pads[1];
        if (i >= 0 && i < oh && j >= 0 && j < ow) r.y()[to.at(i * ow + j)] += x[from.at(p)] * taps[t];
      }
  };
  for (int64_t image = 0; image < x.dim(0); ++image) {
    for (int64_t in = 0; in < c; ++in)
      for (int64_t j = 0; j < kg; ++j)
        add_plane(Plane(x, c, image, in), w.v.data() + (in * kg + j) * kh * kw,
                  Plane(r.y(), k, image, in / (c / groups) * kg + j));
    for (int64_t out = 0; out < k; ++out) {
      const Plane to(r.y(), k, image, out);
      for (int64_t i = 0; i < oh * ow; ++i) {
        double& y = r.y()[to.at(i)];
        y = fused_activation(r, y + (r.has(2) ? r.x(2)[out] : 0));
      }
    }
  }
});

const AddRows kPlain({
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,2,2]", "f32[2]"},
     R"({"stride": 2})",
     {.out = {"f32[2,2,8,10]"}}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2]"},
     R"({"stride": 2, "pads": 1, "output_padding": 1})",
     {.out = {"f32[2,2,8,10]"}}},
    {"conv_transpose2d", {"f32[2,3,4,5]", "f32[3,4,3,3]", ""}, R"({"pads": 1})", {.out = {"f32[2,4,4,5]"}}},
    {"conv_transpose2d", {"f32[2,5,4,6]", "f32[5,7,1,1]", "f32[7]"}, R"({})"},
    {"conv_transpose2d",
     {"f32[2,5,4,6]", "f32[5,7,1,1]", "f32[7]"},
     R"({"stride": 2, "output_padding": 1})",
     {.out = {"f32[2,7,8,12]"}}},
    {"conv_transpose2d",
     {"f32[1,2,3,4]", "f32[2,3,2,3]", "f32[3]"},
     R"({"stride": [3,1], "output_padding": [2,0]})",
     {.out = {"f32[1,3,10,6]"}}},
    {"conv_transpose2d",
     {"f32[2,2,3,4]", "f32[2,3,4,5]", "f32[3]"},
     R"({"stride": [2,3], "pads": [1,0,2,3], "output_padding": [1,2]})"},
    {"conv_transpose2d",
     {"f32[1,2,5,4]", "f32[2,3,3,2]", ""},
     R"({"stride": [1,2], "dilation": [2,3], "pads": [2,1,1,0]})"},
    {"conv_transpose2d",
     {"f32[2,6,4,3]", "f32[6,2,3,3]", "f32[4]"},
     R"({"groups": 2, "stride": 2, "pads": 1})"},
    {"conv_transpose2d", {"f32[2,4,4,3]", "f32[4,1,3,3]", "f32[4]"}, R"({"groups": 4, "stride": 2})"},
    {"conv_transpose2d",
     {"f32[2,4,4,3]", "f32[4,3,2,2]", "f32[12]"},
     R"({"groups": 4, "stride": 3, "output_padding": 1})"},
    {"conv_transpose2d",
     {"f32[1,20,9,17]", "f32[20,33,3,3]", "f32[33]"},
     R"({"stride": 2, "pads": 1, "output_padding": [0,1]})",
     {.tol = 4e-6, .grad_tol = 1e-4}},
    {"conv_transpose2d",
     {"f32[1,3,60,23]", "f32[3,2,4,4]", ""},
     R"({"stride": 2, "pads": 1})",
     {.grad_tol = 1e-4}},
    {"conv_transpose2d", {"f32[0,2,4,4]", "f32[2,3,2,2]", "f32[3]"}, R"({"stride": 2})"},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2]"},
     R"({"stride": 2, "activation": "relu"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2] 0..8"},
     R"({"stride": 2, "activation": "relu6"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2]"},
     R"({"stride": 2, "activation": "tanh"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2]"},
     R"({"stride": 2, "activation": "sigmoid"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,3,3]", "f32[2]"},
     R"({"stride": 2, "activation": "gelu"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,3,4,5]", "f32[3,2,1,1]", "f32[2]"},
     R"({"activation": "sigmoid"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,4,5,5]", "f32[3,2,2,2]", ""},
     R"({})",
     {.error = "input has 4 channels, weight expects 3"}},
    {"conv_transpose2d",
     {"f32[2,3,5,5]", "f32[3,2,2,2]", "f32[3]"},
     R"({})",
     {.error = "bias is f32[3], expected f32[2]"}},
    {"conv_transpose2d",
     {"f32[2,3,5,5]", "f32[3,2,2,2]", ""},
     R"({"groups": 2})",
     {.error = "3 input channels cannot be split into 2 groups"}},
    {"conv_transpose2d",
     {"f32[2,3,5,5]", "f32[3,2,2,2]", ""},
     R"({"stride": 2, "output_padding": [0,2]})",
     {.error = "output_padding of width is 2, expected less than the stride 2"}},
    {"conv_transpose2d",
     {"f32[2,3,1,1]", "f32[3,2,3,3]", ""},
     R"({"pads": [2,0,1,0]})",
     {.error = "pads cut 3 off a result of height 3"}},
    {"conv_transpose2d", {"f32[2,3,0,1]", "f32[3,2,3,3]", ""}, R"({})", {.error = "the input has no height"}},
    {"conv_transpose2d",
     {"f32[2,3,5]", "f32[3,2,3,3]", ""},
     R"({})",
     {.error = "expected f32 (batch, channels, height, width)"}},
    {"conv_transpose2d",
     {"f32[2,3,5,5]", "f32[3,2,3]", ""},
     R"({})",
     {.error = "expected f32 (in, out/groups, height, width)"}},
    {"conv_transpose2d", {"f32[2,3,5,5]", "f32[3,2,3,0]", ""}, R"({})", {.error = "is empty"}},
    {"conv_transpose2d",
     {"f32[2,1,5,5,16]", "f32[3,2,3,3]", ""},
     R"({"algorithm": "planar"})",
     {.error = "planar has no transpose"}},
});

// Windows that do not overlap, with tiles of every width; windows that do; strides that leave gaps; groups; epilogues.
const AddRows kDirect({
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,16,2,2]", "f32[16]"},
     R"({"algorithm": "direct", "stride": 2})",
     {.out = {"f32[2,1,8,10,16]"}}},
    {"conv_transpose2d",
     {"f32[2,3,3,5,16]", "f32[40,24,2,2]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2})"},
    {"conv_transpose2d",
     {"f32[1,2,3,4,16]", "f32[32,112,2,2]", "f32[112]"},
     R"({"algorithm": "direct", "stride": 2})"},
    {"conv_transpose2d",
     {"f32[1,1,3,37,16]", "f32[16,48,2,2]", ""},
     R"({"algorithm": "direct", "stride": 2})"},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[5,17,3,3]", "f32[17]"},
     R"({"algorithm": "direct", "stride": 2, "pads": 1, "output_padding": 1})"},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,20,4,4]", ""},
     R"({"algorithm": "direct", "stride": 2, "pads": [1,0,2,3], "output_padding": [0,1]})"},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,20,1,1]", "f32[20]"},
     R"({"algorithm": "direct", "stride": 2, "output_padding": 1})"},
    {"conv_transpose2d", {"f32[2,2,5,4,16]", "f32[18,33,1,1]", "f32[33]"}, R"({"algorithm": "direct"})"},
    {"conv_transpose2d",
     {"f32[1,1,5,6,16]", "f32[16,7,3,2]", ""},
     R"({"algorithm": "direct", "stride": [1,2], "dilation": [2,3], "pads": [2,1,1,0]})"},
    {"conv_transpose2d",
     {"f32[2,2,4,5,16]", "f32[32,16,3,3]", "f32[32]"},
     R"({"algorithm": "direct", "groups": 2, "stride": 2})"},
    {"conv_transpose2d",
     {"f32[2,4,4,3,16]", "f32[64,48,2,2]", "f32[96]"},
     R"({"algorithm": "direct", "groups": 2, "stride": 2})"},
    {"conv_transpose2d",
     {"f32[9,2,2,2,16]", "f32[17,70,2,2]", "f32[70]"},
     R"({"algorithm": "direct", "stride": 2})"},
    {"conv_transpose2d",
     {"f32[3,1,3,4,16]", "f32[16,20,2,3]", "f32[20]"},
     R"({"algorithm": "direct", "stride": 3, "output_padding": [2,0]})"},
    {"conv_transpose2d",
     {"f32[1,1,40,50,16]", "f32[3,16,2,2]", ""},
     R"({"algorithm": "direct", "stride": 2})",
     {.grad_tol = 1e-4}},
    {"conv_transpose2d",
     {"f32[0,1,4,4,16]", "f32[2,3,2,2]", "f32[3]"},
     R"({"algorithm": "direct", "stride": 2})"},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,2,2]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2, "activation": "relu"})",
     {.tol = 4e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,2,2]", "f32[24] 0..8"},
     R"({"algorithm": "direct", "stride": 2, "activation": "relu6"})",
     {.tol = 4e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,2,2]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2, "activation": "tanh"})",
     {.tol = 4e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,2,2]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2, "activation": "sigmoid"})",
     {.tol = 4e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,2,2]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2, "activation": "gelu"})",
     {.tol = 4e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,4,5,16]", "f32[16,24,1,1]", "f32[24]"},
     R"({"algorithm": "direct", "stride": 2, "activation": "sigmoid"})",
     {.grad = false}},
});

const AddRows kOthers({
    {"conv_transpose2d",
     {"f32[2,1,5,6,16]", "f32[7,5,3,3]", "f32[5]"},
     R"({"algorithm": "winograd", "pads": 1})",
     {.tol = 8e-6}},
    {"conv_transpose2d",
     {"f32[1,3,8,8,16]", "f32[33,17,3,3]", "f32[17]"},
     R"({"algorithm": "winograd"})",
     {.tol = 8e-6, .grad_tol = 4e-5}},
    {"conv_transpose2d",
     {"f32[3,1,4,2,16]", "f32[16,16,3,3]", "f32[16]"},
     R"({"algorithm": "winograd", "pads": [1,2,2,0], "activation": "relu"})",
     {.tol = 8e-6, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,1,5,6,16]", "f32[16,24,3,3]", "f32[24]"},
     R"({"algorithm": "winograd", "activation": "sigmoid"})",
     {.tol = 2e-5, .grad = false}},
    {"conv_transpose2d",
     {"f32[2,2,5,7,16]", "f32[21,1,3,3]", "f32[21]"},
     R"({"algorithm": "depthwise", "groups": 21, "pads": 1})"},
    {"conv_transpose2d",
     {"f32[2,1,5,7,16]", "f32[16,1,2,2]", "f32[16]"},
     R"({"algorithm": "depthwise", "groups": 16, "stride": 2})"},
    {"conv_transpose2d",
     {"f32[1,1,4,5,16]", "f32[5,1,3,3]", "f32[5]"},
     R"({"algorithm": "depthwise", "groups": 5, "stride": [3,4], "dilation": [1,2], "output_padding": [1,3]})"},
    {"conv_transpose2d",
     {"f32[2,2,4,5,16]", "f32[20,1,3,3]", "f32[20] 0..8"},
     R"({"algorithm": "depthwise", "groups": 20, "stride": 2, "pads": 1, "activation": "relu6"})",
     {.grad = false}},
    {"conv_transpose2d",
     {"f32[2,2,4,5,16]", "f32[20,1,5,5]", "f32[20]"},
     R"({"algorithm": "depthwise", "groups": 20, "stride": 2, "activation": "sigmoid"})",
     {.grad = false}},
});

}  // namespace
}  // namespace dl::test
