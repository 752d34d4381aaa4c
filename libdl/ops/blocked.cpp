// Images into the blocked form and back: what the layout pass puts at the ends of a chain.
#include "kernels/blocked.h"

#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

constexpr auto fields(const FromBlockedAttrs*) {
  return std::tuple{field("channels", &FromBlockedAttrs::channels, "Channels of the images.").at_least(1)};
}

namespace op {

const OpDef to_blocked{
    .name = "to_blocked",
    .doc =
        "Images (N, C, H, W) in blocked form (N, ceil(C / 16), H, W, 16); lanes behind channel C are zero.",
    .infer =
        [](InferCtx& c) {
          c.out = {{DType::f32, blocked_shape(require_images(c, 0, "x"))}};
        },
    .grad =
        [](GradCtx& c) {
          const int64_t channels = c.type(c.x(0)).shape[1];
          if (c.needs(0)) c.dx[0] = c.emit(from_blocked, {c.dy[0]}, make_attrs(FromBlockedAttrs{channels}));
        },
};

const OpDef from_blocked{
    .name = "from_blocked",
    .doc = "Images (N, C, H, W) out of their blocked form.",
    .attrs = &attr_ops<FromBlockedAttrs>,
    .infer =
        [](InferCtx& c) {
          c.out = {{DType::f32, image_shape(c, 0, "x", c.as<FromBlockedAttrs>().channels, true)}};
        },
    .grad =
        [](GradCtx& c) {
          if (c.needs(0)) c.dx[0] = c.emit(to_blocked, {c.dy[0]});
        },
};

}  // namespace op
}  // namespace dl
