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
  c.require(t.dtype == DType::f32 && t.shape.rank() == 4,
            str(name, " is ", t.text(), ", expected f32 (batch, channels, height, width)"));
  return t.shape;
}

const Shape& require_windowed(const InferCtx& c, size_t i, const char* name) {
  const TensorType& t = c.x(i);
  const bool blocked = t.shape.rank() == 5 && t.shape[4] == kChannelBlock;
  return blocked && t.dtype == DType::f32 ? t.shape : require_images(c, i, name);
}

Shape image_shape(const InferCtx& c, size_t i, const char* name, int64_t channels, bool blocked) {
  if (!blocked) return require_images(c, i, name);
  const TensorType& t = c.x(i);
  const Shape& s = t.shape;
  c.require(
      t.dtype == DType::f32 && s.rank() == 5 && s[4] == kChannelBlock && s[1] == channel_blocks(channels),
      str(name, " is ", t.text(), ", expected ", channels, " channels in blocked form (batch, ",
          channel_blocks(channels), ", height, width, ", kChannelBlock, ")"));
  return {s[0], channels, s[2], s[3]};
}

Shape blocked_shape(const Shape& images) {
  return {images[0], channel_blocks(images[1]), images[2], images[3], kChannelBlock};
}

}  // namespace dl
