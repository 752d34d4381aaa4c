#pragma once
// Inference of windows that slide over images: convolution and pooling.
#include "graph/op.h"

namespace dl {

// Extent of the output along one axis. `what` names the axis in messages: "height" or "width".
// ceil: a last window that starts inside the image or its leading padding counts though it ends outside.
int64_t window_extent(const InferCtx& c, const char* what, int64_t extent, int64_t kernel, int64_t stride,
                      int64_t dilation, int64_t before, int64_t after, bool ceil = false);
// Input i must be f32 images (N, C, H, W).
const Shape& require_images(const InferCtx& c, size_t i, const char* name);
// The same, or the blocked form (N, C / 16, H, W, 16) of any number of channels.
const Shape& require_windowed(const InferCtx& c, size_t i, const char* name);
// Input i must be f32 images of so many channels, in blocked form or not; gives (N, C, H, W).
Shape image_shape(const InferCtx& c, size_t i, const char* name, int64_t channels, bool blocked);
Shape blocked_shape(const Shape& images);

}  // namespace dl
