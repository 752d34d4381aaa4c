// Rows of batch norm on the blocked form, and with residual, activation and recomputed mask on either form. References
// are in cases_norm.cpp. What is fused has no gradient: autodiff comes before.
#include "base/str.h"
#include "ops/harness.h"

namespace dl::test {
namespace {

// x gamma beta mean var r?
std::vector<std::string> forward(const std::string& x, int64_t c, bool residual = false) {
  const std::string p = str("f32[", c, ']');
  std::vector<std::string> in{x, p, p, p, p + " 0.1..2"};
  if (residual) in.push_back(x.substr(0, x.find(']') + 1));
  return in;
}
// x dy gamma mean rstd beta
std::vector<std::string> backward(const std::string& x, int64_t c, bool relu) {
  const std::string p = str("f32[", c, ']');
  std::vector<std::string> in{x, x, p, p, p + " 0.3..2"};
  if (relu) in.push_back(p);
  return in;
}

// Gammas large enough for results above 6.
std::vector<std::string> forward_wide(const std::string& x, int64_t c) {
  std::vector<std::string> in = forward(x, c);
  in[1] += " 3..6";
  return in;
}
std::vector<std::string> backward_wide(const std::string& x, int64_t c) {
  std::vector<std::string> in = backward(x, c, true);
  in[2] += " 3..6";
  return in;
}

const char* const kBlocked = R"({"blocked": true})";
const char* const kBlockedRelu = R"({"blocked": true, "activation": "relu"})";
const char* const kBlockedRelu6 = R"({"blocked": true, "activation": "relu6"})";
const char* const kRelu = R"({"activation": "relu"})";
const Options kNorm{.grad_tol = 1e-4, .no_dx = {3, 4}}, kFused{.grad = false}, kSums{.tol = 5e-6};

const AddRows kRows({
    {"batch_norm",
     forward("f32[4,1,5,7,16]", 16),
     kBlocked,
     {.grad_tol = 1e-4, .no_dx = {3, 4}, .out = {"f32[4,1,5,7,16]", "f32[16]"}}},
    {"batch_norm", forward("f32[3,2,3,3,16]", 19), kBlocked, kNorm},
    {"batch_norm", forward("f32[7,3,1,1,16]", 33), kBlocked, kNorm},
    {"batch_norm", forward("f32[1,1,4,6,16]", 3), kBlocked, kNorm},
    {"batch_norm", forward("f32[5,1,30,31,16]", 16), R"({"blocked": true, "momentum": 0.01})",
     kFused},  // two pieces
    {"batch_norm", forward("f32[4,2,6,5,16] 98..102", 20), kBlocked, {.tol = 2e-5, .grad = false}},
    {"batch_norm", forward("f32[2,2,3,3,16] =3", 32), kBlocked, {.grad = false}},
    {"batch_norm", forward("f32[3,2,5,4,16]", 23), kBlockedRelu, kFused},
    {"batch_norm", forward("f32[3,2,5,4,16]", 23, true), kBlockedRelu, kFused},
    {"batch_norm", forward("f32[3,2,5,4,16]", 32, true), kBlocked, kFused},
    {"batch_norm", forward("f32[11,4,56,56,16]", 50, true), kBlockedRelu, kFused},  // stores around the cache
    {"batch_norm", forward("f32[2,1,2,2,16]", 17), kBlocked, {.error = "17 channels in blocked form"}},
    {"batch_norm", forward("f32[3,5,6,7]", 5, true), kRelu, kFused},
    {"batch_norm", forward("f32[8,3,96,96]", 3, true), "{}", kFused},  // two pieces
    {"batch_norm", forward("f32[70,37]", 37, true), kRelu, kFused},

    {"batch_norm", forward_wide("f32[3,2,5,4,16]", 23), kBlockedRelu6, kFused},

    {"batch_norm_inference", forward("f32[3,2,5,4,16]", 23), kBlocked, kFused},
    {"batch_norm_inference", forward_wide("f32[3,2,5,4,16]", 23), kBlockedRelu6, kFused},
    {"batch_norm_inference", forward("f32[3,2,5,4,16]", 23, true), kBlockedRelu, kFused},
    {"batch_norm_inference", forward("f32[2,2,33,33,16]", 32), kBlockedRelu, kFused},
    {"batch_norm_inference", forward("f32[0,2,5,4,16]", 23), kBlocked, kFused},
    {"batch_norm_inference", forward("f32[3,5,6,7]", 5, true), kRelu, kFused},

    {"batch_norm_grad", backward("f32[3,2,5,4,16]", 23, false), kBlocked, kSums},
    {"batch_norm_grad", backward("f32[3,2,5,4,16]", 23, true), kBlockedRelu, kSums},
    {"batch_norm_grad", backward("f32[5,1,30,31,16]", 16, true), kBlockedRelu, kSums},
    {"batch_norm_grad", backward("f32[11,4,56,56,16]", 50, true), kBlockedRelu, kSums},
    {"batch_norm_grad", backward_wide("f32[3,2,5,4,16]", 23), kBlockedRelu6, kSums},
    {"batch_norm_grad", backward("f32[3,5,6,7]", 5, true), kRelu, kSums},
    {"batch_norm_grad", backward("f32[8,3,96,96]", 3, true), kRelu, kSums},
    {"batch_norm_grad", backward("f32[70,37]", 37, true), kRelu, kSums},
    {"batch_norm_grad", backward("f32[70,37]", 37, true), "{}", {.error = "belong together"}},
});

}  // namespace
}  // namespace dl::test
