#pragma once
// Pictures: decoding PNG, JPEG, BMP and PNM, resizing, and writing PNG.
#include <span>
#include <string>
#include <string_view>

#include "base/export.h"
#include "tensor/tensor.h"

namespace dl {

inline constexpr int64_t kMaxPixels = int64_t{1}
                                      << 26;  // what a picture may have; more is an error, not an allocation

// The picture as u8 (channels, height, width). channels: 1 (grey), 3 (red, green, blue), or 0 to keep 1 for a
// grey file and take 3 for any other. Transparency is dropped. `name` is for messages. Error (data): not a
// picture of these formats, damaged, or above kMaxPixels.
DL_API Tensor decode_image(std::span<const uint8_t> file, int channels, const std::string& name);
// True for names that end in .png .jpg .jpeg .bmp .pgm .ppm .pnm, in any case.
DL_API bool is_image_name(std::string_view name);
// u8 (c, h, w) -> u8 (c, height, width): each output pixel averages the part of the input it covers; where
// the picture grows, bilinear interpolation.
DL_API Tensor resize_image(const Tensor& image, int64_t height, int64_t width);
// u8 (h, w, c) with c = 1 or 3, row-major, as PNG bytes. Equal pixels give equal bytes.
DL_API std::string encode_png(const uint8_t* pixels, int64_t height, int64_t width, int channels);

}  // namespace dl
