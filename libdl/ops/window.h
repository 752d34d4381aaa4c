#pragma once
// Inference of windows that slide over images: convolution and pooling.
#include "graph/op.h"

namespace dl {

// Extent of the output along one axis. `what` names the axis in messages: "height" or "width".
// ceil: a last window that starts inside the image or its leading padding counts though it ends outside.
int64_t window_extent(const InferCtx& c, const char* what, int64_t extent, int64_t kernel, int64_t stride,
                      int64_t dilation, int64_t before, int64_t after, bool ceil = false);
// Images (N, C, H, W) and their two forms in kernels/blocked.h.
enum class ImageForm { images, blocked, channels_last, any_blocked };
// Input i must be real images (N, C, H, W).
const Shape& require_images(const InferCtx& c, size_t i, const char* name);
// The same, or in blocked form or channels last, any number of channels.
const Shape& require_windowed(const InferCtx& c, size_t i, const char* name);
// Input i must be real images of so many channels in a form; gives (N, C, H, W).
Shape image_shape(const InferCtx& c, size_t i, const char* name, int64_t channels, ImageForm form);
// Images in a form, which is not any_blocked.
TensorType in_form(const TensorType& images, ImageForm form);

}  // namespace dl
