// Rows and references of the blocked form of images.
#include "ops/harness.h"

namespace dl::test {
namespace {

// Calls f(i, j): element i of the images is element j of their blocked form.
template <class F>
void each_pair(const Shape& images, F f) {
  const int64_t channels = images[1], pixels = images[2] * images[3], blocks = (channels + 15) / 16;
  for (int64_t i = 0; i < images.elements(); ++i) {
    const int64_t n = i / pixels / channels, c = i / pixels % channels;
    f(i, ((n * blocks + c / 16) * pixels + i % pixels) * 16 + c % 16);
  }
}

const AddReference kReferences[] = {
    {"to_blocked",
     [](Reference& r) { each_pair(r.x().shape(), [&](int64_t i, int64_t j) { r.y()[j] = r.x()[i]; }); }},
    {"from_blocked",
     [](Reference& r) { each_pair(r.y().shape(), [&](int64_t i, int64_t j) { r.y()[i] = r.x()[j]; }); }},
};

std::vector<Row> all() {
  std::vector<Row> rows;
  const auto add = [&](const std::string& images, int64_t channels, const std::string& blocked) {
    rows.push_back({"to_blocked", {images}, "{}", {.out = {blocked}}});
    rows.push_back(
        {"from_blocked", {blocked}, R"({"channels": )" + std::to_string(channels) + "}", {.out = {images}}});
  };
  add("f32[2,16,4,4]", 16, "f32[2,1,4,4,16]");
  add("f32[2,19,3,5]", 19, "f32[2,2,3,5,16]");
  add("f32[1,3,7,7]", 3, "f32[1,1,7,7,16]");
  add("f32[3,33,1,1]", 33, "f32[3,3,1,1,16]");
  add("f32[1,29,17,19]", 29, "f32[1,2,17,19,16]");  // more than one stretch
  add("f32[0,4,5,5]", 4, "f32[0,1,5,5,16]");
  return rows;
}

const AddRows kShared(all());

const AddRows kRows({
    {"to_blocked", {"f32[11,50,56,56]"}, "{}", {.grad = false}},  // stores around the cache
    {"from_blocked", {"f32[11,4,56,56,16]"}, R"({"channels": 62})", {.grad = false}},
    {"to_blocked", {"f32[2,3,4]"}, "{}", {.error = "expected f32 (batch, channels, height, width)"}},
    {"from_blocked", {"f32[2,1,4,4,16]"}, R"({"channels": 17})", {.error = "17 channels in blocked form"}},
});

}  // namespace
}  // namespace dl::test
