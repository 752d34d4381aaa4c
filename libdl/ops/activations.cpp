#include "ops/registry.h"

namespace dl::op {

const OpDef relu{
    .name = "relu",
    .doc = "Rectified linear unit: max(0, x).",
    .traits = kElementwise | kInPlace,
    .onnx = {"Relu", 14},
    .infer = infer_same_as_first,
    .grad = [](GradCtx& c) { c.dx[0] = c.emit(relu_grad, {c.y(), c.dy[0]}); },
};

const OpDef relu_grad{
    .name = "relu_grad",
    .doc = "Gradient of relu: dy where y > 0, else 0.",
    .args = "y dy",
    .results = "dx",
    .traits = kElementwise | kInPlace,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

}  // namespace dl::op
