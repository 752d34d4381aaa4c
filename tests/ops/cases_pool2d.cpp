// Rows and references of pooling.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

using Ints = std::vector<int64_t>;

// A window: the part inside the image, in which pixel (y, x) is element at(y, x), and the cells inside image and pads. Of
// blocked images the last axis is part of the channel.
struct Window {
  int64_t plane, h, w, lanes, lane;
  int64_t y0, y1, x0, x1, cells;
  int64_t at(int64_t y, int64_t x) const { return ((plane * h + y) * w + x) * lanes + lane; }
};

// Calls f(i, window) for every element i of y, pooled images x.
template <class F>
void for_each_window(const Reference& r, const Shape& x, const Shape& y, F f) {
  const Ints kernel = r.attr<Ints>("kernel"), stride = r.attr<Ints>("stride"), pads = r.attr<Ints>("pads");
  const int64_t h = x[2], w = x[3], oh = y[2], ow = y[3], lanes = x.rank() == 5 ? x[4] : 1;
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t pixel = i / lanes, plane = pixel / (ow * oh);
    const int64_t top = pixel / ow % oh * stride[0] - pads[0], left = pixel % ow * stride[1] - pads[1];
    const int64_t bottom = std::min(top + kernel[0], h + pads[2]),
                  right = std::min(left + kernel[1], w + pads[3]);
    f(i, Window{plane, h, w, lanes, i % lanes, std::max<int64_t>(top, 0), std::min(bottom, h),
                std::max<int64_t>(left, 0), std::min(right, w), (bottom - top) * (right - left)});
  }
}

const AddReference kMax("max_pool2d", [](Reference& r) {
  for_each_window(r, r.x().shape(), r.y().shape(), [&](int64_t i, const Window& w) {
    r.y()[i] = -INFINITY;
    for (int64_t y = w.y0; y < w.y1; ++y)
      for (int64_t x = w.x0; x < w.x1; ++x) r.y()[i] = std::max(r.y()[i], r.x()[w.at(y, x)]);
  });
});

const AddReference kMaxGrad("max_pool2d_grad", [](Reference& r) {
  for_each_window(r, r.x().shape(), r.x(1).shape(), [&](int64_t i, const Window& w) {
    int64_t best = w.at(w.y0, w.x0);
    for (int64_t y = w.y0; y < w.y1; ++y)
      for (int64_t x = w.x0; x < w.x1; ++x)
        if (r.x()[w.at(y, x)] > r.x()[best]) best = w.at(y, x);
    r.y()[best] += r.x(1)[i];
  });
});

double counted(const Reference& r, const Window& w) {
  return static_cast<double>(r.attr<bool>("count_include_pad") ? w.cells : (w.y1 - w.y0) * (w.x1 - w.x0));
}

const AddReference kAvg("avg_pool2d", [](Reference& r) {
  for_each_window(r, r.x().shape(), r.y().shape(), [&](int64_t i, const Window& w) {
    for (int64_t y = w.y0; y < w.y1; ++y)
      for (int64_t x = w.x0; x < w.x1; ++x) r.y()[i] += r.x()[w.at(y, x)] / counted(r, w);
  });
});

const AddReference kAvgGrad("avg_pool2d_grad", [](Reference& r) {
  for_each_window(r, r.y().shape(), r.x().shape(), [&](int64_t i, const Window& w) {
    for (int64_t y = w.y0; y < w.y1; ++y)
      for (int64_t x = w.x0; x < w.x1; ++x) r.y()[w.at(y, x)] += r.x()[i] / counted(r, w);
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
    {"max_pool2d_grad", {"f32[1,2,6,7] =1", "f32[1,2,3,4]"}, R"({"kernel": 3, "stride": 2, "pads": 1})"},
    {"max_pool2d_grad", {"f32[1,2,6,7] =1", "f32[1,2,3,3]"}, R"({"kernel": 2, "stride": 2})"},
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
