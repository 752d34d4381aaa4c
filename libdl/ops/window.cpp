#include "ops/window.h"

#include "base/str.h"
#include "kernels/blocked.h"

namespace dl {

int64_t window_extent(const InferCtx& c, const char* what, int64_t extent, int64_t kernel, int64_t stride,
                      int64_t dilation, int64_t before, int64_t after, bool ceil) {
  const int64_t reach = dilation * (kernel - 1) + 1, padded = extent + before + after;
  c.require(reach <= padded, str("kernel of ", what, " ", reach,
                                 dilation > 1 ? str(" (", kernel, " dilated by ", dilation, ")") : "",
                                 " does not fit the input of ", what, " ", extent,
                                 before + after ? str(" (", padded, " with padding)") : ""));
  int64_t n = (padded - reach + (ceil ? stride - 1 : 0)) / stride + 1;
  if (ceil && (n - 1) * stride >= extent + before) --n;
  return n;
}

const Shape& require_images(const InferCtx& c, size_t i, const char* name) {
  const TensorType& t = c.x(i);
  c.require(is_real(t.dtype) && t.shape.rank() == 4,
            str(name, " is ", t.text(), ", expected f32 (batch, channels, height, width)"));
  return t.shape;
}

const Shape& require_windowed(const InferCtx& c, size_t i, const char* name) {
  const TensorType& t = c.x(i);
  const bool blocked = t.shape.rank() == 5 && (t.shape[4] == kChannelBlock || t.shape[1] == 1);
  return blocked && is_real(t.dtype) ? t.shape : require_images(c, i, name);
}

Shape image_shape(const InferCtx& c, size_t i, const char* name, int64_t channels, ImageForm form) {
  if (form == ImageForm::images) return require_images(c, i, name);
  const TensorType& t = c.x(i);
  const Shape& s = t.shape;
  const auto is = [&](ImageForm one) {
    return form != (one == ImageForm::blocked ? ImageForm::channels_last : ImageForm::blocked) &&
           in_form({t.dtype, {s[0], channels, s[2], s[3]}}, one) == t;
  };
  c.require(is_real(t.dtype) && s.rank() == 5 && (is(ImageForm::blocked) || is(ImageForm::channels_last)),
            str(name, " is ", t.text(), ", expected ", channels, " channels in blocked form (batch, ",
                channel_blocks(channels), ", height, width, ", kChannelBlock,
                ") or last (batch, 1, height, width, ", channels_last_lanes(channels), ")"));
  return {s[0], channels, s[2], s[3]};
}

TensorType in_form(const TensorType& images, ImageForm form) {
  const Shape& s = images.shape;
  if (form == ImageForm::images) return images;
  if (form == ImageForm::channels_last)
    return {images.dtype, {s[0], 1, s[2], s[3], channels_last_lanes(s[1])}};
  return {images.dtype, {s[0], channel_blocks(s[1]), s[2], s[3], kChannelBlock}};
}

}  // namespace dl
