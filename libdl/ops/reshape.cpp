// reshape and stop_gradient: views.
#include "kernels/reshape.h"

#include "ops/dims_field.h"
#include "ops/gradient.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const ReshapeAttrs*) {
  return std::tuple{
      field("shape", &ReshapeAttrs::shape,
            "New extents: 0 keeps the input's extent at that place, -1 (once) stands for what is left.")
          .at_least(-1),
  };
}

namespace {

void infer_reshape(InferCtx& c) {
  const Dims& want = c.as<ReshapeAttrs>().shape;
  const Shape& x = c.x(0).shape;
  Shape y;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < want.n; ++i) {
    int64_t extent = want.d[i];
    if (extent == 0) {
      c.require(i < x.rank(),
                str("shape has 0 at place ", i, ", but the input ", c.x(0).text(), " has no such axis"));
      extent = x[i];
    }
    if (extent < 0) {
      c.require(open < 0, "shape has more than one -1");
      open = i;
    } else {
      known *= extent;
    }
    y.push_back(extent);
  }
  if (open >= 0) {
    c.require(known > 0 && x.elements() % known == 0,
              str("cannot divide the ", x.elements(), " elements of ", c.x(0).text(), " by ", known));
    y[open] = x.elements() / known;
  }
  c.require(y.elements() == x.elements(), str("input ", c.x(0).text(), " has ", x.elements(),
                                              " elements, shape [", y.text(), "] has ", y.elements()));
  c.out = {{c.x(0).dtype, y}};
}

}  // namespace

namespace op {

const OpDef reshape{
    .name = "reshape",
    .doc = "The same elements in the same order with other extents.",
    .attrs = &attr_ops<ReshapeAttrs>,
    .traits = kView,
    .onnx = {"Reshape", 13},
    .infer = infer_reshape,
    .grad = [](GradCtx& c) { c.dx[0] = reshape_to(c, c.dy[0], c.type(c.x(0)).shape); },
    .flops = [](const InferCtx&) { return int64_t{0}; },
};

const OpDef stop_gradient{
    .name = "stop_gradient",
    .doc = "x, as a constant for gradients: none passes through it.",
    .traits = kView,
    .onnx = {"Identity", 13},
    .infer = infer_same_as_first,
    .grad = [](GradCtx&) {},
    .flops = [](const InferCtx&) { return int64_t{0}; },
};

}  // namespace op
}  // namespace dl
