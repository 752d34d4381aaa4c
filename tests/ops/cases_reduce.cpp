// Rows and references of the reductions.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// For each element of x the position of its result.
std::vector<int64_t> targets(const Shape& x, const std::vector<bool>& reduced) {
  std::vector<int64_t> out(static_cast<size_t>(x.elements()));
  for (int64_t i = 0; i < x.elements(); ++i) {
    int64_t rest = i, at = 0, stride = 1;
    for (int k = x.rank() - 1; k >= 0; --k) {
      const int64_t d = rest % x[k];
      rest /= x[k];
      if (reduced[static_cast<size_t>(k)]) continue;
      at += d * stride;
      stride *= x[k];
    }
    out[static_cast<size_t>(i)] = at;
  }
  return out;
}

std::vector<int64_t> targets_by_axes(Reference& r) {
  const int rank = r.x().shape().rank();
  const auto axes = r.attr<std::vector<int>>("axes");
  std::vector<bool> reduced(static_cast<size_t>(rank), axes.empty());
  for (int a : axes) reduced[static_cast<size_t>(a < 0 ? a + rank : a)] = true;
  return targets(r.x().shape(), reduced);
}

void sum(Reference& r, const std::vector<int64_t>& to, double factor) {
  for (int64_t i = 0; i < r.x().size(); ++i) r.y()[to[static_cast<size_t>(i)]] += r.x()[i];
  for (double& y : r.y().v) y *= factor;
}

void max(Reference& r) {
  const std::vector<int64_t> to = targets_by_axes(r);
  std::fill(r.y().v.begin(), r.y().v.end(), -INFINITY);
  for (int64_t i = 0; i < r.x().size(); ++i) {
    double& y = r.y()[to[static_cast<size_t>(i)]];
    y = std::fmax(y, r.x()[i]);
  }
}

void sum_to(Reference& r) {
  const Shape &x = r.x().shape(), &y = r.y().shape();
  std::vector<bool> reduced;
  for (int i = 0; i < x.rank(); ++i) {
    const int at = i - (x.rank() - y.rank());
    reduced.push_back(at < 0 || y[at] != x[i]);
  }
  sum(r, targets(x, reduced), 1);
}

const AddReference kReferences[] = {
    {"reduce_sum", [](Reference& r) { sum(r, targets_by_axes(r), 1); }},
    {"reduce_mean",
     [](Reference& r) {
       sum(r, targets_by_axes(r), static_cast<double>(r.y().size()) / static_cast<double>(r.x().size()));
     }},
    {"reduce_max", max},
    {"sum_to", sum_to},
};

const AddRows kRows({
    {"reduce_sum", {"f32[N]"}},
    {"reduce_sum", {"f32[N]"}, R"({"keepdims": true})"},
    {"reduce_sum", {"f32[3,N]"}, R"({"axes": [1]})"},
    {"reduce_sum", {"f32[3,N]"}, R"({"axes": [0]})"},
    {"reduce_sum", {"f32[N,3]"}, R"({"axes": [0]})"},
    {"reduce_sum", {"f32[N,3]"}, R"({"axes": [-1], "keepdims": true})"},
    {"reduce_sum", {"f32[300,130]"}, R"({"axes": [0]})", {.out = {"f32[130]"}}},
    {"reduce_sum", {"f32[5000,70]"}, R"({"axes": [0]})"},
    {"reduce_sum", {"f32[4,3,9,7]"}, R"({"axes": [0, 2, 3]})", {.out = {"f32[3]"}}},
    {"reduce_sum", {"f32[5,3,9,7,16]"}, R"({"axes": [0, 2, 3]})", {.out = {"f32[3,16]"}}},
    {"reduce_mean", {"f32[5,3,9,7,16]"}, R"({"axes": [2, 3]})", {.out = {"f32[5,3,16]"}}},
    {"reduce_sum", {"f32[64,3,33,33]"}, R"({"axes": [0, 2, 3]})"},
    {"reduce_sum", {"f32[4,3,9,7]"}, R"({"axes": [1, 3], "keepdims": true})", {.out = {"f32[4,1,9,1]"}}},
    {"reduce_sum", {"f32[4,3,9,7]"}, R"({"axes": [0, 2]})"},
    {"reduce_sum", {"f32[2,3,2,3,2,3]"}, R"({"axes": [0, 2, 4]})"},
    {"reduce_sum", {"f32[3,4000,20]"}, R"({"axes": [1]})"},
    {"reduce_sum", {"f32[4,3,90,70]"}, R"({"axes": [0, 2]})"},
    {"reduce_sum", {"f32[2,90,3,100]"}, R"({"axes": [1, 3]})"},
    {"reduce_sum", {"f32[2,20002]"}, R"({"axes": [1]})"},
    {"reduce_sum", {"f32[3,0,4]"}, R"({"axes": [1]})"},
    {"reduce_sum", {"f32[3,0]"}, R"({"axes": [0]})"},
    {"reduce_sum", {"f32[]"}},
    {"reduce_sum", {"f32[300000]"}, "{}", {.grad = false}},
    {"reduce_sum", {"f32[2,3]"}, R"({"axes": [2]})", {.error = "axis 2 is out of range for x of rank 2"}},
    {"reduce_sum", {"f32[2,3]"}, R"({"axes": [1, -1]})", {.error = "axis -1 is given twice"}},
    {"reduce_mean", {"f32[4,3,7,7]"}, R"({"axes": [2, 3]})", {.out = {"f32[4,3]"}}},
    {"reduce_mean", {"f32[4,3,7,7]"}, R"({"axes": [2, 3], "keepdims": true})", {.out = {"f32[4,3,1,1]"}}},
    {"reduce_mean", {"f32[9,300]"}, R"({"axes": [0]})"},
    {"reduce_mean", {"f32[40001]"}},
    {"reduce_max", {"f32[4,3,7,7] distinct"}, R"({"axes": [2, 3]})"},
    {"reduce_max", {"f32[50,9] distinct"}, R"({"axes": [0]})"},
    {"reduce_max", {"f32[3,40] distinct"}, R"({"axes": [-1], "keepdims": true})"},
    {"reduce_max", {"f32[40001] distinct"}},
    {"reduce_max", {"f32[2,5000] distinct"}, R"({"axes": [1]})"},
    {"reduce_max", {"f32[6,50,9] distinct"}, R"({"axes": [0, 2]})"},
    {"reduce_max", {"f32[4,1,1] -3..-1"}},
    {"reduce_max", {"f32[4,0]"}, R"({"axes": [1]})", {.error = "nothing to take the maximum of"}},
    {"sum_to", {"f32[4,3,9,7]"}, R"({"shape": [3, 1, 1]})", {.out = {"f32[3,1,1]"}}},
    {"sum_to", {"f32[4,3,9,7]"}, R"({"shape": [1, 3, 9, 1]})"},
    {"sum_to", {"f32[300,17]"}, R"({"shape": [17]})"},
    {"sum_to", {"f32[30,17]"}, R"({"shape": []})"},
    {"sum_to", {"f32[30,17]"}, R"({"shape": [30, 17]})"},
    {"sum_to", {"f32[30,17]"}, R"({"shape": [16]})", {.error = "is not a stretched 16"}},
});

}  // namespace
}  // namespace dl::test
