// Rows and reference of upsample2d, plain and on the blocked form.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// Index of the first of the two inputs of an output, and the weight of the second.
std::pair<int64_t, double> source(int64_t o, int64_t scale, bool linear) {
  if (!linear) return {o / scale, 0};
  const double x = std::max(0.0, (static_cast<double>(o) + 0.5) / static_cast<double>(scale) - 0.5);
  return {static_cast<int64_t>(std::floor(x)), x - std::floor(x)};
}

const AddReference kUpsample2d("upsample2d", [](Reference& r) {
  const auto scale = r.attr<std::vector<int64_t>>("scale");
  const bool linear = r.attr<std::string>("mode") == "bilinear";
  const Array& x = r.x(0);
  const int64_t h = x.dim(2), w = x.dim(3), oh = r.y().dim(2), ow = r.y().dim(3);
  const int64_t pixel = x.shape().rank() == 5 ? 16 : 1;
  for (int64_t at = 0; at < r.y().size(); ++at) {
    const int64_t lane = at % pixel, j = at / pixel % ow, i = at / pixel / ow % oh,
                  plane = at / pixel / ow / oh;
    const auto [y0, wy] = source(i, scale[0], linear);
    const auto [x0, wx] = source(j, scale[1], linear);
    const auto pick = [&, y = y0, q = x0](int64_t a, int64_t b) {
      return x[((plane * h + std::min(y + a, h - 1)) * w + std::min(q + b, w - 1)) * pixel + lane];
    };
    r.y()[at] =
        (1 - wy) * ((1 - wx) * pick(0, 0) + wx * pick(0, 1)) + wy * ((1 - wx) * pick(1, 0) + wx * pick(1, 1));
  }
});

std::vector<Row> all() {
  std::vector<Row> rows;
  for (const char* mode : {"nearest", "bilinear"}) {
    const auto add = [&](const std::string& in, const std::string& scale, const std::string& out) {
      rows.push_back(
          {"upsample2d", {in}, str(R"({"mode": ")", mode, R"(", "scale": )", scale, "}"), {.out = {out}}});
    };
    add("f32[2,3,4,5]", "2", "f32[2,3,8,10]");
    add("f32[1,2,3,4]", "[3,1]", "f32[1,2,9,4]");
    add("f32[2,1,1,3]", "[4,5]", "f32[2,1,4,15]");
    add("f32[1,1,120,90]", "2", "f32[1,1,240,180]");
    add("f32[0,2,3,3]", "2", "f32[0,2,6,6]");
    add("f32[2,3,4,5,16]", "2", "f32[2,3,8,10,16]");
    add("f32[1,2,3,1,16]", "[3,4]", "f32[1,2,9,4,16]");
    add("f32[1,1,33,40,16]", "[1,3]", "f32[1,1,33,120,16]");
  }
  rows.push_back(
      {"upsample2d", {"f32[2,3,4]"}, "{}", {.error = "expected f32 (batch, channels, height, width)"}});
  return rows;
}

const AddRows kShared(all());
const AddRows kGrad({
    {"upsample2d_grad", {"f32[1,1,5,4]"}, R"({"scale": 2})", {.error = "which is not 2x2 times an image"}},
});

}  // namespace
}  // namespace dl::test
