// upsample2d and its gradient.
#include "kernels/upsample2d.h"

#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

constexpr auto enum_names(const UpsampleMode*) {
  return std::array<std::string_view, 2>{"nearest", "bilinear"};
}
constexpr auto fields(const Upsample2dAttrs*) {
  return std::tuple{
      field("scale", &Upsample2dAttrs::scale,
            "How often each row and column: one number, or vertical and horizontal.")
          .range(1, 1e5),
      field("mode", &Upsample2dAttrs::mode, "Pixels repeated, or straight lines between their centres.")};
}

namespace op {

const OpDef upsample2d{
    .name = "upsample2d",
    .doc = "Images enlarged by whole numbers.",
    .attrs = &attr_ops<Upsample2dAttrs>,
    .onnx = {"Resize", 13},
    .infer =
        [](InferCtx& c) {
          require_windowed(c, 0, "input");
          c.out = {c.x(0)};
          for (int i = 0; i < 2; ++i) c.out[0].shape[i + 2] *= c.as<Upsample2dAttrs>().scale[i];
        },
    .grad =
        [](GradCtx& c) {
          if (c.needs(0)) c.dx[0] = c.emit(upsample2d_grad, {c.dy[0]}, c.attrs());
        },
};

const OpDef upsample2d_grad{
    .name = "upsample2d_grad",
    .doc = "Gradient of upsample2d.",
    .args = "dy",
    .results = "dx",
    .attrs = &attr_ops<Upsample2dAttrs>,
    .infer =
        [](InferCtx& c) {
          const auto& a = c.as<Upsample2dAttrs>();
          const Shape& dy = require_windowed(c, 0, "dy");
          c.require(dy[2] % a.scale[0] == 0 && dy[3] % a.scale[1] == 0,
                    str("dy is ", c.x(0).text(), ", which is not ", a.scale[0], 'x', a.scale[1],
                        " times an image"));
          c.out = {c.x(0)};
          for (int i = 0; i < 2; ++i) c.out[0].shape[i + 2] /= a.scale[i];
        },
};

}  // namespace op
}  // namespace dl
