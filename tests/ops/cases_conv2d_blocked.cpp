// Rows of conv2d on the blocked form of images, one list for each algorithm; the reference is in cases_conv2d.cpp.
#include "ops/harness.h"

namespace dl::test {
namespace {

const AddRows kDirect({
    {"conv2d",
     {"f32[2,1,5,6,16]", "f32[7,5,3,3]", "f32[7]"},
     R"({"algorithm": "direct", "pads": 1})",
     {.out = {"f32[2,1,5,6,16]"}}},
    // Tiles of every width: 4, 2 and 1 blocks side by side, narrow and wide rows.
    {"conv2d", {"f32[1,2,5,6,16]", "f32[112,20,3,3]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    {"conv2d", {"f32[1,1,3,37,16]", "f32[48,16,3,3]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    {"conv2d", {"f32[1,1,2,31,16]", "f32[16,16,1,3]", ""}, R"({"algorithm": "direct", "pads": [0,1,0,1]})"},
    {"conv2d", {"f32[2,2,10,9,16]", "f32[33,18,5,5]", ""}, R"({"algorithm": "direct", "pads": 2})"},
    // Single pixels: rows of 28, one long row, rows folded in half.
    {"conv2d", {"f32[2,1,7,8,16]", "f32[40,9,1,1]", ""}, R"({"algorithm": "direct"})"},
    {"conv2d", {"f32[2,3,5,5,16]", "f32[40,33,1,1]", ""}, R"({"algorithm": "direct"})"},
    {"conv2d", {"f32[1,1,54,10,16]", "f32[16,3,1,1]", ""}, R"({"algorithm": "direct"})"},
    {"conv2d", {"f32[2,2,7,6,16]", "f32[20,32,1,1]", ""}, R"({"algorithm": "direct", "stride": 2})"},
    {"conv2d", {"f32[2,1,4,4,16]", "f32[20,16,1,1]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    // Tiny images, tiled across the batch.
    {"conv2d", {"f32[9,2,2,2,16]", "f32[70,17,3,3]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    {"conv2d",
     {"f32[7,1,4,4,16]", "f32[16,16,3,3]", ""},
     R"({"algorithm": "direct", "pads": 1, "stride": 2})"},
    {"conv2d", {"f32[53,1,1,1,16]", "f32[16,16,3,3]", ""}, R"({"algorithm": "direct", "pads": [2,1,1,1]})"},
    {"conv2d", {"f32[1,1,2,2,16]", "f32[16,16,3,3]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    // Strides, pads and dilations of their own along each axis.
    {"conv2d",
     {"f32[2,1,7,9,16]", "f32[17,16,3,2]", ""},
     R"({"algorithm": "direct", "stride": 2, "pads": [1,0,2,1]})"},
    {"conv2d",
     {"f32[2,1,7,20,16]", "f32[17,16,3,3]", ""},
     R"({"algorithm": "direct", "stride": [1,2], "pads": [0,2,1,0]})"},
    {"conv2d",
     {"f32[1,1,8,9,16]", "f32[17,3,4,3]", ""},
     R"({"algorithm": "direct", "stride": [2,1], "pads": [3,1,1,3], "dilation": [2,1]})"},
    {"conv2d",
     {"f32[2,1,9,8,16]", "f32[3,16,3,3]", ""},
     R"({"algorithm": "direct", "dilation": [2,3], "pads": [2,3,2,3], "stride": 2})"},
    {"conv2d", {"f32[1,1,3,2,16]", "f32[2,2,5,5]", ""}, R"({"algorithm": "direct", "pads": [4,3,4,5]})"},
    {"conv2d",
     {"f32[1,1,13,12,16]", "f32[16,5,11,11]", ""},
     R"({"algorithm": "direct", "pads": 5})",
     {.tol = 4e-6}},
    {"conv2d", {"f32[1,1,2,12,16]", "f32[16,5,1,1]", ""}, R"({"algorithm": "direct", "pads": [2,0,3,0]})"},
    // Groups of whole blocks.
    {"conv2d",
     {"f32[2,4,5,5,16]", "f32[32,32,3,3]", ""},
     R"({"algorithm": "direct", "groups": 2, "pads": 1})"},
    {"conv2d",
     {"f32[2,2,6,5,16]", "f32[96,16,1,1]", ""},
     R"({"algorithm": "direct", "groups": 2, "stride": 2})"},
    // Many rows, many images: several bands and parts.
    {"conv2d",
     {"f32[1,1,70,40,16]", "f32[16,3,3,3]", ""},
     R"({"algorithm": "direct", "pads": 1})",
     {.grad_tol = 1e-4}},
    {"conv2d", {"f32[67,1,6,3,16]", "f32[5,3,3,2]", ""}, R"({"algorithm": "direct", "pads": 1})"},
    {"conv2d", {"f32[0,1,5,5,16]", "f32[2,1,3,3]", ""}, R"({"algorithm": "direct"})"},
    // Epilogues.
    {"conv2d",
     {"f32[2,1,5,5,16]", "f32[24,16,3,3]", "f32[24]", "f32[2,2,5,5,16]"},
     R"({"algorithm": "direct", "pads": 1, "activation": "relu"})",
     {.grad = false}},
    {"conv2d",
     {"f32[3,1,2,2,16]", "f32[24,16,3,3]", "", "f32[3,2,2,2,16]"},
     R"({"algorithm": "direct", "pads": 1})",
     {.grad = false}},
    {"conv2d",
     {"f32[2,1,5,5,16]", "f32[24,16,3,3]", "f32[24]"},
     R"({"algorithm": "direct", "activation": "sigmoid"})",
     {.grad = false}},
    {"conv2d",
     {"f32[2,1,5,5,16]", "f32[24,16,3,3]", "f32[24]", "f32[2,2,3,3,16]"},
     R"({"algorithm": "direct", "activation": "tanh"})",
     {.tol = 4e-6, .grad = false}},
    {"conv2d",
     {"f32[2,1,5,5,16]", "f32[24,16,3,3]", ""},
     R"({"algorithm": "direct", "activation": "gelu"})",
     {.grad = false}},
});

}  // namespace
}  // namespace dl::test
