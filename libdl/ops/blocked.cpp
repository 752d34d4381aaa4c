// Images into the blocked form and back: what the layout pass puts at the ends of a chain.
#include "kernels/blocked.h"

#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

constexpr auto fields(const ToBlockedAttrs*) {
  return std::tuple{
      field("channels_last", &ToBlockedAttrs::channels_last,
            "One block that holds all channels, rounded up to a multiple of 8: (N, 1, H, W, lanes).")};
}
constexpr auto fields(const FromBlockedAttrs*) {
  return std::tuple{field("channels", &FromBlockedAttrs::channels, "Channels of the images.").at_least(1)};
}

namespace op {

const OpDef to_blocked{
    .name = "to_blocked",
    .doc =
        "Images (N, C, H, W) in blocked form (N, ceil(C / 16), H, W, 16); lanes behind channel C are zero.",
    .attrs = &attr_ops<ToBlockedAttrs>,
    .infer =
        [](InferCtx& c) {
          require_images(c, 0, "x");
          c.out = {in_form(
              c.x(0), c.as<ToBlockedAttrs>().channels_last ? ImageForm::channels_last : ImageForm::blocked)};
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
          c.out = {{c.x(0).dtype,
                    image_shape(c, 0, "x", c.as<FromBlockedAttrs>().channels, ImageForm::any_blocked)}};
        },
    .grad =
        [](GradCtx& c) {
          const Shape& x = c.type(c.x(0)).shape;
          if (c.needs(0))
            c.dx[0] =
                c.emit(to_blocked, {c.dy[0]}, make_attrs(ToBlockedAttrs{x[1] == 1 && x[4] != kChannelBlock}));
        },
};

}  // namespace op
}  // namespace dl
