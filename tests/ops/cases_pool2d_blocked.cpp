// Rows of pooling on the blocked form; references are in cases_pool2d.cpp.
#include "ops/harness.h"

namespace dl::test {
namespace {

std::vector<Row> all() {
  std::vector<Row> rows;
  const auto add = [&](const std::string& in, const std::string& attrs, const std::string& out) {
    rows.push_back({"max_pool2d", {in + " distinct"}, attrs, {.out = {out}}});
    rows.push_back({"avg_pool2d", {in}, attrs, {.out = {out}}});
  };
  add("f32[2,3,8,8,16]", R"({"kernel": 2, "stride": 2})", "f32[2,3,4,4,16]");
  add("f32[2,2,7,5,16]", R"({"kernel": 2, "stride": 2})", "f32[2,2,3,2,16]");
  add("f32[2,2,7,7,16]", R"({"kernel": 2, "stride": 2, "ceil_mode": true})", "f32[2,2,4,4,16]");
  add("f32[1,3,9,11,16]", R"({"kernel": 3, "stride": 2, "pads": 1})", "f32[1,3,5,6,16]");
  add("f32[1,1,8,10,16]", R"({"kernel": 3, "stride": 2, "pads": 1, "ceil_mode": true})", "f32[1,1,5,6,16]");
  add("f32[1,2,6,5,16]", R"({"kernel": 3, "pads": [1,1,1,1]})", "f32[1,2,6,5,16]");
  add("f32[1,2,7,11,16]", R"({"kernel": [3,4], "stride": [1,3], "pads": [2,0,0,3]})", "f32[1,2,7,4,16]");
  add("f32[1,2,10,13,16]", R"({"kernel": [2,3], "stride": [3,4], "pads": [0,1,1,0], "ceil_mode": true})",
      "f32[1,2,4,4,16]");
  add("f32[2,1,5,6,16]", R"({"kernel": [5,6]})", "f32[2,1,1,1,16]");
  add("f32[1,1,2,3,16]", R"({"kernel": 3, "stride": 2, "pads": 1})", "f32[1,1,1,2,16]");
  add("f32[70,2,4,4,16]", R"({"kernel": 2, "stride": 2})", "f32[70,2,2,2,16]");
  add("f32[0,3,4,4,16]", R"({"kernel": 2, "stride": 2})", "f32[0,3,2,2,16]");
  return rows;
}

const AddRows kShared(all());

const AddRows kRows({
    // equal values; stores around the cache
    {"max_pool2d_grad",
     {"f32[1,2,6,7,16] =1", "f32[1,2,3,4,16]"},
     R"({"kernel": 3, "stride": 2, "pads": 1})"},
    {"max_pool2d_grad", {"f32[1,2,6,6,16] =1", "f32[1,2,3,3,16]"}, R"({"kernel": 2, "stride": 2})"},
    {"max_pool2d_grad", {"f32[11,4,56,56,16]", "f32[11,4,28,28,16]"}, R"({"kernel": 2, "stride": 2})"},
    {"max_pool2d_grad", {"f32[11,4,56,56,16]", "f32[11,4,27,27,16]"}, R"({"kernel": 3, "stride": 2})"},
    {"max_pool2d_grad", {"f32[1,1,9,8,16]", "f32[1,1,3,3,16]"}, R"({"kernel": 2, "stride": 3})"},
    {"avg_pool2d_grad", {"f32[11,4,28,28,16]"}, R"({"kernel": 2, "stride": 2, "shape": [11, 50, 56, 56]})"},
    {"avg_pool2d",
     {"f32[1,2,9,11,16]"},
     R"({"kernel": 3, "stride": 2, "pads": 1, "count_include_pad": true})"},
    {"avg_pool2d",
     {"f32[1,2,8,10,16]"},
     R"({"kernel": 3, "stride": 2, "pads": [0,1,1,1], "ceil_mode": true, "count_include_pad": true})"},
    {"max_pool2d", {"f32[1,2,6,6,8]"}, R"({"kernel": 2})", {.error = "expected f32 (batch, channels"}},
});

}  // namespace
}  // namespace dl::test
