#include "ops/window.h"

#include "base/str.h"

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

}  // namespace dl
