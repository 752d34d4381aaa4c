// Rows and references of the norms that look at one sample alone.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// How rows of x lie in memory, and which factor an element has.
struct RowView {
  int64_t length, rows, channels, plane, groups;
  RowView(const Reference& r, bool group) {
    const Shape& x = r.x().shape();
    if (group) {
      groups = r.attr<int64_t>("groups");
      channels = x[1] / groups;
      plane = x.elements(2, x.rank());
      rows = x[0] * groups;
    } else {
      const int axis = r.attr<int>("axis");
      groups = plane = 1;
      channels = x.elements(axis < 0 ? axis + x.rank() : axis, x.rank());
      rows = x.elements(0, axis < 0 ? axis + x.rank() : axis);
    }
    length = channels * plane;
  }
  int64_t factor(int64_t row, int64_t i) const { return row % groups * channels + i / plane; }
};

template <bool kGroup>
void row_norm(Reference& r) {
  const RowView v(r, kGroup);
  const auto n = static_cast<double>(v.length);
  for (int64_t row = 0; row < v.rows; ++row) {
    const int64_t from = row * v.length;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < v.length; ++i) mean += r.x()[from + i] / n;
    for (int64_t i = 0; i < v.length; ++i) squares += (r.x()[from + i] - mean) * (r.x()[from + i] - mean);
    const double rstd = 1 / std::sqrt(squares / n + r.attr("epsilon"));
    for (int64_t i = 0; i < v.length; ++i) {
      const int64_t k = v.factor(row, i);
      r.y()[from + i] = (r.x()[from + i] - mean) * rstd * r.x(1)[k] + r.x(2)[k];
    }
    r.y(1)[row] = mean;
    r.y(2)[row] = rstd;
  }
}

void rms_norm(Reference& r) {
  const RowView v(r, false);
  for (int64_t row = 0; row < v.rows; ++row) {
    const int64_t from = row * v.length;
    double squares = 0;
    for (int64_t i = 0; i < v.length; ++i) squares += r.x()[from + i] * r.x()[from + i];
    r.y(1)[row] = 1 / std::sqrt(squares / static_cast<double>(v.length) + r.attr("epsilon"));
    for (int64_t i = 0; i < v.length; ++i) r.y()[from + i] = r.x()[from + i] * r.y(1)[row] * r.x(1)[i];
  }
}

void local_response_norm(Reference& r) {
  const Shape& s = r.x().shape();
  const int64_t channels = s[1], inner = s.elements(2, s.rank()), size = r.attr<int64_t>("size");
  for (int64_t i = 0; i < r.x().size(); ++i) {
    const int64_t k = i / inner % channels;
    double sum = 0;
    for (int64_t j = std::max<int64_t>(0, k - (size - 1) / 2); j <= std::min(channels - 1, k + size / 2); ++j)
      sum += r.x()[i + (j - k) * inner] * r.x()[i + (j - k) * inner];
    r.y(1)[i] = r.attr("k") + r.attr("alpha") / static_cast<double>(size) * sum;
    r.y()[i] = r.x()[i] / std::pow(r.y(1)[i], r.attr("beta"));
  }
}

const AddReference kReferences[] = {{"layer_norm", row_norm<false>},
                                    {"group_norm", row_norm<true>},
                                    {"rms_norm", rms_norm},
                                    {"local_response_norm", local_response_norm}};

const Options kNorm{.tol = 4e-6, .grad_tol = 2e-4};

const AddRows kRows({
    {"layer_norm",
     {"f32[6,20]", "f32[20]", "f32[20]"},
     "{}",
     {.tol = 4e-6, .grad_tol = 2e-4, .out = {"f32[6,20]", "f32[6]", "f32[6]"}}},
    {"layer_norm", {"f32[7,1]", "f32[1]", "f32[1]"}, R"({"epsilon": 0.5})", kNorm},
    {"layer_norm", {"f32[3,16]", "f32[16]", "f32[16]"}, R"({"epsilon": 0.01})", kNorm},
    {"layer_norm", {"f32[300,17]", "f32[17]", "f32[17]"}, "{}", kNorm},
    {"layer_norm", {"f32[5,700]", "f32[700]", "f32[700]"}, "{}", kNorm},
    {"layer_norm", {"f32[2,20011]", "f32[20011]", "f32[20011]"}, "{}", kNorm},
    {"layer_norm", {"f32[2,3,4,5]", "f32[3,4,5]", "f32[3,4,5]"}, R"({"axis": 1})", kNorm},
    {"layer_norm", {"f32[2,3,40]", "f32[40]", "f32[40]"}, R"({"axis": 2})", kNorm},
    {"layer_norm", {"f32[6,20] 98..102", "f32[20]", "f32[20]"}, "{}", {.tol = 4e-5, .grad_tol = 1e-3}},
    {"layer_norm", {"f32[0,4]", "f32[4]", "f32[4]"}, "{}", kNorm},
    {"layer_norm", {"f32[3,4]", "f32[3]", "f32[4]"}, "{}", {.error = "input 1 is f32[3], expected f32[4]"}},
    {"layer_norm", {"f32[3,4]", "f32[4]", "f32[4]"}, R"({"axis": 2})", {.error = "axis 2 is out of range"}},
    {"layer_norm", {"f32[3,0]", "f32[0]", "f32[0]"}, "{}", {.error = "no elements to average"}},

    {"group_norm",
     {"f32[4,6,5,7]", "f32[6]", "f32[6]"},
     R"({"groups": 2})",
     {.tol = 4e-6, .grad_tol = 2e-4, .out = {"f32[4,6,5,7]", "f32[4,2]", "f32[4,2]"}}},
    {"group_norm", {"f32[3,8,3,3]", "f32[8]", "f32[8]"}, R"({"groups": 8})", kNorm},
    {"group_norm", {"f32[2,4,60,61]", "f32[4]", "f32[4]"}, "{}", kNorm},
    {"group_norm", {"f32[70,12]", "f32[12]", "f32[12]"}, R"({"groups": 3, "epsilon": 0.01})", kNorm},
    {"group_norm", {"f32[2,32,9]", "f32[32]", "f32[32]"}, R"({"groups": 4})", kNorm},
    {"group_norm", {"f32[0,4,2,2]", "f32[4]", "f32[4]"}, R"({"groups": 2})", kNorm},
    {"group_norm",
     {"f32[2,6,3,3]", "f32[6]", "f32[6]"},
     R"({"groups": 4})",
     {.error = "6 channels cannot be split into 4"}},
    {"group_norm", {"f32[2,6,3,3]", "f32[6]", "f32[2]"}, R"({"groups": 2})", {.error = "input 2 is f32[2]"}},

    {"rms_norm",
     {"f32[6,20]", "f32[20]"},
     "{}",
     {.tol = 4e-6, .grad_tol = 2e-4, .out = {"f32[6,20]", "f32[6]"}}},
    {"rms_norm", {"f32[300,17]", "f32[17]"}, R"({"epsilon": 0.01})", kNorm},
    {"rms_norm", {"f32[2,3,40]", "f32[3,40]"}, R"({"axis": -2})", kNorm},
    {"rms_norm", {"f32[2,20011]", "f32[20011]"}, "{}", kNorm},

    {"local_response_norm", {"f32[2,9,5,7]"}, "{}", {.out = {"f32[2,9,5,7]", "f32[2,9,5,7]"}}},
    {"local_response_norm", {"f32[2,9,5,7]"}, R"({"size": 3, "alpha": 1.5, "beta": 0.5, "k": 2})"},
    {"local_response_norm", {"f32[3,6,11]"}, R"({"size": 4, "alpha": 1.5})"},
    {"local_response_norm", {"f32[3,5,4,4]"}, R"({"size": 30, "alpha": 2})"},
    {"local_response_norm", {"f32[33,6]"}, R"({"size": 5, "alpha": 1})"},
    {"local_response_norm", {"f32[2,1,40,33]"}, R"({"size": 1, "alpha": 3})"},
    {"local_response_norm", {"f32[0,4,3]"}},
    {"local_response_norm", {"f32[4]"}, "{}", {.error = "takes f32 (N, C, ...)"}},
});

}  // namespace
}  // namespace dl::test
