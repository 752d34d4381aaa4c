// Rows and references of concat, slice and transpose.
#include <algorithm>

#include "ops/harness.h"

namespace dl::test {
namespace {

int axis_of(const Reference& r) {
  const int axis = r.attr<int>("axis");
  return axis < 0 ? axis + r.x().shape().rank() : axis;
}

const AddReference kConcat("concat", [](Reference& r) {
  const int axis = axis_of(r);
  const Shape& y = r.y().shape();
  const int64_t inner = y.elements(axis + 1, y.rank());
  for (int64_t i = 0; i < r.y().size(); ++i) {
    int64_t at = i / inner % y[axis];
    const int64_t outer = i / inner / y[axis];
    size_t k = 0;
    for (; at >= r.x(k).dim(axis); ++k) at -= r.x(k).dim(axis);
    r.y()[i] = r.x(k)[(outer * r.x(k).dim(axis) + at) * inner + i % inner];
  }
});

const AddReference kSlice("slice", [](Reference& r) {
  const int axis = axis_of(r);
  const Shape& y = r.y().shape();
  const int64_t inner = y.elements(axis + 1, y.rank()), extent = r.x().dim(axis);
  const int64_t begin = r.attr<int64_t>("begin"),
                first = std::max<int64_t>(0, begin < 0 ? begin + extent : begin);
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const int64_t at = i / inner % y[axis], outer = i / inner / y[axis];
    r.y()[i] = r.x()[(outer * extent + first + at) * inner + i % inner];
  }
});

const AddReference kTranspose("transpose", [](Reference& r) {
  const auto perm = r.attr<std::vector<int>>("perm");
  const Shape &x = r.x().shape(), &y = r.y().shape();
  for (int64_t i = 0; i < r.y().size(); ++i) {
    int64_t rest = i, from = 0;
    for (int a = y.rank(); a-- > 0; rest /= y[a])
      from += rest % y[a] * x.elements(perm[static_cast<size_t>(a)] + 1, x.rank());
    r.y()[i] = r.x()[from];
  }
});

const AddRows kRows({
    {"concat", {"f32[2,3]", "f32[4,3]"}, "{}", {.out = {"f32[6,3]"}}},
    {"concat",
     {"f32[2,3,5]", "f32[2,1,5]", "f32[2,0,5]", "f32[2,4,5]"},
     R"({"axis": 1})",
     {.out = {"f32[2,8,5]"}}},
    {"concat", {"f32[3,2]", "f32[3,5]"}, R"({"axis": -1})", {.out = {"f32[3,7]"}}},
    {"concat", {"f32[7]"}, "{}", {.out = {"f32[7]"}}},
    {"concat", {"f32[9000,3]", "f32[9000,2]"}, R"({"axis": 1})"},
    {"concat", {"u8[2,3]", "u8[2,2]"}, R"({"axis": 1})", {.out = {"u8[2,5]"}}},
    {"concat", {"f32[2,3]", "f32[3,3]"}, R"({"axis": 1})", {.error = "must differ along axis 1 only"}},
    {"concat", {"f32[2,3]", "i32[2,3]"}, "{}", {.error = "must differ along axis 0 only"}},
    {"concat", {"f32[2,3]"}, R"({"axis": 2})", {.error = "axis 2 is not one of the 2 axes"}},

    {"slice", {"f32[5,3]"}, R"({"begin": 1, "end": 4})", {.out = {"f32[3,3]"}}},
    {"slice", {"f32[4,5,3]"}, R"({"axis": 1, "begin": -2})", {.out = {"f32[4,2,3]"}}},
    {"slice", {"f32[4,5]"}, R"({"axis": -1, "begin": 0, "end": -1})", {.out = {"f32[4,4]"}}},
    {"slice", {"f32[4,5]"}, R"({"begin": 3, "end": 2})", {.grad = false, .out = {"f32[0,5]"}}},
    {"slice", {"f32[9000,5]"}, R"({"axis": 1, "begin": 1, "end": 3})"},
    {"slice", {"i64[6]"}, R"({"begin": 2, "end": 100})", {.out = {"i64[4]"}}},
    {"slice", {"f32[4]"}, R"({"axis": 1})", {.error = "axis 1 is not one of the 1 axes"}},

    {"transpose", {"f32[3,5]"}, R"({"perm": [1,0]})", {.out = {"f32[5,3]"}}},
    {"transpose", {"f32[2,3,4,5]"}, R"({"perm": [2,0,3,1]})", {.out = {"f32[4,2,5,3]"}}},
    {"transpose", {"f32[2,3,4]"}, R"({"perm": [1,0,2]})", {.out = {"f32[3,2,4]"}}},
    {"transpose", {"f32[300,170]"}, R"({"perm": [1,0]})"},
    {"transpose", {"f32[3,40,50]"}, R"({"perm": [0,2,1]})"},
    {"transpose", {"f32[9,10,11,12]"}, R"({"perm": [2,0,3,1]})"},
    {"transpose", {"f32[9,34,8]"}, R"({"perm": [2,0,1]})"},
    {"transpose", {"f32[7,5,9,8]"}, R"({"perm": [2,0,1,3]})"},
    {"transpose", {"i64[17,9,8]"}, R"({"perm": [2,1,0]})"},
    {"transpose", {"u8[33,1,70]"}, R"({"perm": [2,1,0]})"},
    {"transpose", {"f32[0,9,8]"}, R"({"perm": [2,1,0]})"},
    {"transpose", {"u8[2,3,4]"}, R"({"perm": [2,1,0]})", {.out = {"u8[4,3,2]"}}},
    {"transpose", {"f32[3,5]"}, R"({"perm": [1,1]})", {.error = "perm must name each axis from 0 to 1 once"}},
    {"transpose", {"f32[3,5]"}, R"({"perm": [0,1,2]})", {.error = "perm has 3 axes"}},
});

}  // namespace
}  // namespace dl::test
