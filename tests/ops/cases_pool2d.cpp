// Rows and references of pooling.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

using Ints = std::vector<int64_t>;

// Calls window(at, y0, y1, x0, x1, cells) for every output: the part inside the image, in which pixel (y, x) is element
// at(y, x), and the cells inside image and pads. Of blocked images the last axis is part of the channel.
template <class F>
void for_each_window(Reference& r, F window) {
  const Ints kernel = r.attr<Ints>("kernel"), stride = r.attr<Ints>("stride"), pads = r.attr<Ints>("pads");
  const int64_t h = r.x().dim(2), w = r.x().dim(3), oh = r.y().dim(2), ow = r.y().dim(3);
  const int64_t lanes = r.x().shape().rank() == 5 ? r.x().dim(4) : 1;
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const int64_t pixel = i / lanes, plane = pixel / (ow * oh);
    const int64_t y = pixel / ow % oh * stride[0] - pads[0], x = pixel % ow * stride[1] - pads[1];
    const int64_t yp = std::min(y + kernel[0], h + pads[2]), xp = std::min(x + kernel[1], w + pads[3]);
    const auto at = [=](int64_t row, int64_t column) {
      return ((plane * h + row) * w + column) * lanes + i % lanes;
    };
    r.y()[i] = window(at, std::max<int64_t>(y, 0), std::min(yp, h), std::max<int64_t>(x, 0), std::min(xp, w),
                      (yp - y) * (xp - x));
  }
}

const AddReference kMax("max_pool2d", [](Reference& r) {
  for_each_window(r, [&](auto at, int64_t y0, int64_t y1, int64_t x0, int64_t x1, int64_t) {
    double best = -INFINITY;
    for (int64_t y = y0; y < y1; ++y)
      for (int64_t x = x0; x < x1; ++x) best = std::max(best, r.x()[at(y, x)]);
    return best;
  });
});

const AddReference kAvg("avg_pool2d", [](Reference& r) {
  const bool pads = r.attr<bool>("count_include_pad");
  for_each_window(r, [&](auto at, int64_t y0, int64_t y1, int64_t x0, int64_t x1, int64_t cells) {
    double sum = 0;
    for (int64_t y = y0; y < y1; ++y)
      for (int64_t x = x0; x < x1; ++x) sum += r.x()[at(y, x)];
    return sum / static_cast<double>(pads ? cells : (y1 - y0) * (x1 - x0));
  });
});

std::vector<Row> both(const std::string& in, const std::string& attrs, const std::string& out) {
  return {{"max_pool2d", {in + " distinct"}, attrs, {.out = {out}}},
          {"avg_pool2d", {in}, attrs, {.out = {out}}}};
}

std::vector<Row> all() {
  std::vector<Row> rows;
  const auto add = [&](const std::string& in, const std::string& attrs, const std::string& out) {
    for (Row& r : both(in, attrs, out)) rows.push_back(std::move(r));
  };
  add("f32[2,3,8,8]", R"({"kernel": 2, "stride": 2})", "f32[2,3,4,4]");
  add("f32[1,2,5,70]", R"({"kernel": 2, "stride": 2})", "f32[1,2,2,35]");
  add("f32[2,2,7,67]", R"({"kernel": 2, "stride": 2})", "f32[2,2,3,33]");
  add("f32[2,2,7,7]", R"({"kernel": 2, "stride": 2, "ceil_mode": true})", "f32[2,2,4,4]");
  add("f32[1,3,9,41]", R"({"kernel": 3, "stride": 2, "pads": 1})", "f32[1,3,5,21]");
  add("f32[1,3,8,40]", R"({"kernel": 3, "stride": 2, "pads": 1, "ceil_mode": true})", "f32[1,3,5,21]");
  add("f32[1,2,6,20]", R"({"kernel": 3, "pads": [1,1,1,1]})", "f32[1,2,6,20]");
  add("f32[1,2,7,11]", R"({"kernel": [3,4], "stride": [1,3], "pads": [2,0,0,3]})", "f32[1,2,7,4]");
  add("f32[1,2,10,13]", R"({"kernel": [2,3], "stride": [3,4], "pads": [0,1,1,0], "ceil_mode": true})",
      "f32[1,2,4,4]");
  add("f32[2,3,5,6]", R"({"kernel": [5,6]})", "f32[2,3,1,1]");
  add("f32[70,3,16,16]", R"({"kernel": 2, "stride": 2})", "f32[70,3,8,8]");
  add("f32[0,3,4,4]", R"({"kernel": 2, "stride": 2})", "f32[0,3,2,2]");
  return rows;
}

const AddRows kShared(all());

const AddRows kRows({
    {"avg_pool2d", {"f32[1,2,9,41]"}, R"({"kernel": 3, "stride": 2, "pads": 1, "count_include_pad": true})"},
    {"avg_pool2d",
     {"f32[1,2,8,40]"},
     R"({"kernel": 3, "stride": 2, "pads": [0,1,1,1], "ceil_mode": true, "count_include_pad": true})"},
    {"max_pool2d",
     {"f32[1,2,4,4]"},
     R"({"kernel": 3, "pads": 3})",
     {.error = "padding 3 must be smaller than the kernel"}},
    {"max_pool2d",
     {"f32[1,2,4,2]"},
     R"({"kernel": 3})",
     {.error = "kernel of width 3 does not fit the input of width 2"}},
    {"avg_pool2d",
     {"f32[2,4,2]"},
     R"({"kernel": 2})",
     {.error = "expected f32 (batch, channels, height, width)"}},
});

}  // namespace
}  // namespace dl::test
