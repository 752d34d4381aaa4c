// Rows and references of matmul, affine, reshape and stop_gradient.
#include "ops/fused_activation.h"

namespace dl::test {
namespace {

// The derivative in the output y of the activation.
double derivative(const std::string& name, double y) {
  if (name == "relu_grad") return y > 0;
  if (name == "tanh_grad") return 1 - y * y;
  if (name == "sigmoid_grad") return y * (1 - y);
  return 1;
}

const AddReference kMatmul("matmul", [](Reference& r) {
  const bool ta = r.attr<bool>("trans_a"), tb = r.attr<bool>("trans_b");
  const Array &a = r.x(0), &b = r.x(1);
  const bool flat = b.shape().rank() == 2;
  const int64_t n = r.y().dim(-1), k = b.dim(tb ? -1 : -2);
  const int64_t m = flat ? (n ? r.y().size() / n : 0) : r.y().dim(-2);
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const int64_t batch = i / (m * n), row = i / n % m, col = i % n;
    double s = 0;
    for (int64_t p = 0; p < k; ++p)
      s += a[batch * m * k + (ta ? p * m + row : row * k + p)] *
           b[batch * k * n + (tb ? col * k + p : p * n + col)];
    r.y()[i] = s * (r.has(2) ? derivative(r.attr<std::string>("epilogue"), r.x(2)[i]) : 1);
  }
});

const AddReference kAffine("affine", [](Reference& r) {
  const int64_t n = r.x(1).dim(0), k = r.x(1).dim(1);
  for (int64_t i = 0; i < r.y().size(); ++i) {
    double s = r.has(2) ? r.x(2)[i % n] : 0;
    for (int64_t p = 0; p < k; ++p) s += r.x(0)[i / n * k + p] * r.x(1)[i % n * k + p];
    r.y()[i] = fused_activation(r, s);
  }
});

const AddReference kReshape("reshape", [](Reference& r) { r.y().v = r.x().v; });
const AddReference kStopGradient("stop_gradient", [](Reference& r) { r.y().v = r.x().v; });

const AddRows kRows({
    {"matmul", {"f32[3,5]", "f32[5,4]"}, "{}", {.out = {"f32[3,4]"}}},
    {"matmul", {"f32[5,3]", "f32[5,4]"}, R"({"trans_a": true})"},
    {"matmul", {"f32[3,5]", "f32[4,5]"}, R"({"trans_b": true})"},
    {"matmul", {"f32[5,3]", "f32[4,5]"}, R"({"trans_a": true, "trans_b": true})"},
    {"matmul", {"f32[33,70]", "f32[70,65]"}},
    {"matmul", {"f32[2,3,4,5]", "f32[2,3,5,7]"}, "{}", {.out = {"f32[2,3,4,7]"}}},
    {"matmul",
     {"f32[3,17,4]", "f32[3,9,17]"},
     R"({"trans_a": true, "trans_b": true})",
     {.out = {"f32[3,4,9]"}}},
    {"matmul", {"f32[2,3,5]", "f32[5,4]"}, "{}", {.out = {"f32[2,3,4]"}}},
    {"matmul", {"f32[2,3,5]", "f32[4,5]"}, R"({"trans_b": true})"},
    {"matmul", {"f32[2,0]", "f32[0,3]"}, "{}", {.out = {"f32[2,3]"}}},
    {"matmul", {"f32[3,5]", "f32[5,4]", "f32[3,4]"}, R"({"epilogue": "relu_grad"})", {.grad = false}},
    {"matmul", {"f32[3,5]", "f32[5,4]", "f32[3,4]"}, R"({"epilogue": "tanh_grad"})", {.grad = false}},
    {"matmul",
     {"f32[3,50]", "f32[40,50]", "f32[3,40]"},
     R"({"epilogue": "sigmoid_grad", "trans_b": true})",
     {.grad = false}},
    {"matmul", {"f32[3,5]", "f32[4,5]"}, "{}", {.error = "5 columns meet 4 rows"}},
    {"matmul", {"f32[2,3,5]", "f32[3,5,4]"}, "{}", {.error = "leading axes must be equal"}},
    {"matmul", {"f32[5]", "f32[5,4]"}, "{}", {.error = "takes matrices"}},
    {"matmul", {"f32[3,5]", "i32[5,4]"}, "{}", {.error = "takes f32"}},
    {"matmul", {"f32[3,5]", "f32[5,4]"}, R"({"epilogue": "relu_grad"})", {.error = "needs the input aux"}},

    {"affine", {"f32[6,5]", "f32[4,5]", "f32[4]"}, "{}", {.out = {"f32[6,4]"}}},
    {"affine", {"f32[6,5]", "f32[4,5]", ""}, "{}", {.out = {"f32[6,4]"}}},
    {"affine", {"f32[2,3,70]", "f32[33,70]", "f32[33]"}, "{}", {.out = {"f32[2,3,33]"}}},
    {"affine", {"f32[97,600]", "f32[40,600]", "f32[40]"}, "{}", {.grad_tol = 1e-4}},
    {"affine", {"f32[65,30]", "f32[161,30]", ""}},
    {"affine", {"f32[6,5]", "f32[40,5]", "f32[40]"}, R"({"activation": "relu"})", {.grad = false}},
    {"affine", {"f32[6,5]", "f32[40,5]", "f32[40] 0..8"}, R"({"activation": "relu6"})", {.grad = false}},
    {"affine", {"f32[6,5]", "f32[40,5]", "f32[40]"}, R"({"activation": "tanh"})", {.grad = false}},
    {"affine", {"f32[6,5]", "f32[40,5]", "f32[40]"}, R"({"activation": "sigmoid"})", {.grad = false}},
    {"affine", {"f32[6,5]", "f32[40,5]", "f32[40]"}, R"({"activation": "gelu"})", {.grad = false}},
    {"affine", {"f32[6,5]", "f32[4,7]", ""}, "{}", {.error = "input has 5 features, weight expects 7"}},
    {"affine", {"f32[6,5]", "f32[4,5]", "f32[5]"}, "{}", {.error = "bias is f32[5], expected f32[4]"}},

    {"reshape", {"f32[2,3,4]"}, R"({"shape": [0,-1]})", {.out = {"f32[2,12]"}}},
    {"reshape", {"f32[2,3,4]"}, R"({"shape": [4,1,6]})", {.out = {"f32[4,1,6]"}}},
    {"reshape", {"f32[70000]"}, R"({"shape": [-1,7]})", {.out = {"f32[10000,7]"}}},
    {"reshape", {"u8[2,3]"}, R"({"shape": -1})", {.out = {"u8[6]"}}},
    {"reshape", {"f32[1]"}, R"({"shape": []})", {.out = {"f32[]"}}},
    {"stop_gradient", {"f32[N]"}, "{}", {.no_dx = {0}}},
    {"reshape", {"f32[2,3]"}, R"({"shape": [4,-1]})", {.error = "cannot divide the 6 elements"}},
    {"reshape", {"f32[2,3]"}, R"({"shape": [7]})", {.error = "has 6 elements"}},
    {"reshape", {"f32[2,3]"}, R"({"shape": [-1,-1]})", {.error = "more than one -1"}},
});

}  // namespace
}  // namespace dl::test
