#include "data/preview.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "io/image.h"

namespace dl {

namespace {

constexpr int64_t kGlyphWidth = 5, kGlyphHeight = 7, kAdvance = 6, kGap = 4;

// Characters 32 to 126: five columns each, the lowest bit on top.
constexpr uint8_t font[95][5] = {{0, 0, 0, 0, 0},
                                 {0, 0, 0x5F, 0, 0},
                                 {0, 7, 0, 7, 0},
                                 {0x14, 0x7F, 0x14, 0x7F, 0x14},
                                 {0x24, 0x2A, 0x7F, 0x2A, 0x12},
                                 {0x23, 0x13, 8, 0x64, 0x62},
                                 {0x36, 0x49, 0x55, 0x22, 0x50},
                                 {0, 5, 3, 0, 0},
                                 {0, 0x1C, 0x22, 0x41, 0},
                                 {0, 0x41, 0x22, 0x1C, 0},
                                 {0x14, 8, 0x3E, 8, 0x14},
                                 {8, 8, 0x3E, 8, 8},
                                 {0, 0x50, 0x30, 0, 0},
                                 {8, 8, 8, 8, 8},
                                 {0, 0x60, 0x60, 0, 0},
                                 {0x20, 0x10, 8, 4, 2},
                                 {0x3E, 0x51, 0x49, 0x45, 0x3E},
                                 {0, 0x42, 0x7F, 0x40, 0},
                                 {0x42, 0x61, 0x51, 0x49, 0x46},
                                 {0x21, 0x41, 0x45, 0x4B, 0x31},
                                 {0x18, 0x14, 0x12, 0x7F, 0x10},
                                 {0x27, 0x45, 0x45, 0x45, 0x39},
                                 {0x3C, 0x4A, 0x49, 0x49, 0x30},
                                 {1, 0x71, 9, 5, 3},
                                 {0x36, 0x49, 0x49, 0x49, 0x36},
                                 {6, 0x49, 0x49, 0x29, 0x1E},
                                 {0, 0x36, 0x36, 0, 0},
                                 {0, 0x56, 0x36, 0, 0},
                                 {8, 0x14, 0x22, 0x41, 0},
                                 {0x14, 0x14, 0x14, 0x14, 0x14},
                                 {0, 0x41, 0x22, 0x14, 8},
                                 {2, 1, 0x51, 9, 6},
                                 {0x32, 0x49, 0x79, 0x41, 0x3E},
                                 {0x7E, 0x11, 0x11, 0x11, 0x7E},
                                 {0x7F, 0x49, 0x49, 0x49, 0x36},
                                 {0x3E, 0x41, 0x41, 0x41, 0x22},
                                 {0x7F, 0x41, 0x41, 0x22, 0x1C},
                                 {0x7F, 0x49, 0x49, 0x49, 0x41},
                                 {0x7F, 9, 9, 9, 1},
                                 {0x3E, 0x41, 0x49, 0x49, 0x7A},
                                 {0x7F, 8, 8, 8, 0x7F},
                                 {0, 0x41, 0x7F, 0x41, 0},
                                 {0x20, 0x40, 0x41, 0x3F, 1},
                                 {0x7F, 8, 0x14, 0x22, 0x41},
                                 {0x7F, 0x40, 0x40, 0x40, 0x40},
                                 {0x7F, 2, 0xC, 2, 0x7F},
                                 {0x7F, 4, 8, 0x10, 0x7F},
                                 {0x3E, 0x41, 0x41, 0x41, 0x3E},
                                 {0x7F, 9, 9, 9, 6},
                                 {0x3E, 0x41, 0x51, 0x21, 0x5E},
                                 {0x7F, 9, 0x19, 0x29, 0x46},
                                 {0x46, 0x49, 0x49, 0x49, 0x31},
                                 {1, 1, 0x7F, 1, 1},
                                 {0x3F, 0x40, 0x40, 0x40, 0x3F},
                                 {0x1F, 0x20, 0x40, 0x20, 0x1F},
                                 {0x3F, 0x40, 0x38, 0x40, 0x3F},
                                 {0x63, 0x14, 8, 0x14, 0x63},
                                 {7, 8, 0x70, 8, 7},
                                 {0x61, 0x51, 0x49, 0x45, 0x43},
                                 {0, 0x7F, 0x41, 0x41, 0},
                                 {2, 4, 8, 0x10, 0x20},
                                 {0, 0x41, 0x41, 0x7F, 0},
                                 {4, 2, 1, 2, 4},
                                 {0x40, 0x40, 0x40, 0x40, 0x40},
                                 {0, 1, 2, 4, 0},
                                 {0x20, 0x54, 0x54, 0x54, 0x78},
                                 {0x7F, 0x48, 0x44, 0x44, 0x38},
                                 {0x38, 0x44, 0x44, 0x44, 0x20},
                                 {0x38, 0x44, 0x44, 0x48, 0x7F},
                                 {0x38, 0x54, 0x54, 0x54, 0x18},
                                 {8, 0x7E, 9, 1, 2},
                                 {0xC, 0x52, 0x52, 0x52, 0x3E},
                                 {0x7F, 8, 4, 4, 0x78},
                                 {0, 0x44, 0x7D, 0x40, 0},
                                 {0x20, 0x40, 0x44, 0x3D, 0},
                                 {0x7F, 0x10, 0x28, 0x44, 0},
                                 {0, 0x41, 0x7F, 0x40, 0},
                                 {0x7C, 4, 0x18, 4, 0x78},
                                 {0x7C, 8, 4, 4, 0x78},
                                 {0x38, 0x44, 0x44, 0x44, 0x38},
                                 {0x7C, 0x14, 0x14, 0x14, 8},
                                 {8, 0x14, 0x14, 0x18, 0x7C},
                                 {0x7C, 8, 4, 4, 8},
                                 {0x48, 0x54, 0x54, 0x54, 0x20},
                                 {4, 0x3F, 0x44, 0x40, 0x20},
                                 {0x3C, 0x40, 0x40, 0x20, 0x7C},
                                 {0x1C, 0x20, 0x40, 0x20, 0x1C},
                                 {0x3C, 0x40, 0x30, 0x40, 0x3C},
                                 {0x44, 0x28, 0x10, 0x28, 0x44},
                                 {0xC, 0x50, 0x50, 0x50, 0x3C},
                                 {0x44, 0x64, 0x54, 0x4C, 0x44},
                                 {0, 8, 0x36, 0x41, 0},
                                 {0, 0, 0x7F, 0, 0},
                                 {0, 0x41, 0x36, 8, 0},
                                 {8, 4, 8, 0x10, 8}};

struct Canvas {
  int64_t height, width;
  int channels;
  std::vector<uint8_t> pixels;  // (height, width, channels)
  void set(int64_t y, int64_t x, int c, uint8_t v) {
    pixels[static_cast<size_t>((y * width + x) * channels + c)] = v;
  }
};

void draw_text(Canvas& canvas, int64_t y, int64_t x, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i, x += kAdvance) {
    const int c = text[i] >= 32 && text[i] < 127 ? text[i] - 32 : '?' - 32;
    for (int64_t k = 0; k < kGlyphWidth; ++k)
      for (int64_t j = 0; j < kGlyphHeight; ++j)
        if (font[c][k] >> j & 1)
          for (int ch = 0; ch < canvas.channels; ++ch) canvas.set(y + j, x + k, ch, 0);
  }
}

void draw_picture(Canvas& canvas, int64_t y0, int64_t x0, const SheetPicture& p, const Shape& shape,
                  int64_t zoom) {
  const int64_t h = shape[1], w = shape[2];
  for (int64_t y = 0; y < h * zoom; ++y)
    for (int64_t x = 0; x < w * zoom; ++x)
      for (int c = 0; c < canvas.channels; ++c)
        canvas.set(y0 + y, x0 + x, c, p.pixels[static_cast<size_t>((c * h + y / zoom) * w + x / zoom)]);
}

}  // namespace

std::string contact_sheet(const std::vector<SheetPicture>& pictures, const Shape& shape,
                          const SheetOptions& options) {
  const int64_t zoom = std::max<int64_t>(1, 64 / std::max<int64_t>({shape[1], shape[2], 1}));
  const int64_t cell_w = shape[2] * zoom + kGap, cell_h = shape[1] * zoom + kGlyphHeight + 2 * kGap;
  const auto n = static_cast<int64_t>(pictures.size());
  if (n == 0) throw Error(Exit::data, "no picture to show on the sheet");
  int64_t columns = options.columns ? options.columns
                                    : static_cast<int64_t>(std::ceil(std::sqrt(
                                          static_cast<double>(n * cell_h) / static_cast<double>(cell_w))));
  columns = std::clamp<int64_t>(columns, 1, n);
  const int64_t rows = (n + columns - 1) / columns;
  Canvas canvas{rows * cell_h + kGap, columns * cell_w + kGap, shape[0] == 3 ? 3 : 1, {}};
  if (canvas.height > options.max_side || canvas.width > options.max_side)
    throw Error(Exit::data,
                str("the sheet would have ", canvas.width, "x", canvas.height, " pixels, expected at most ",
                    options.max_side, " on a side; ask for fewer pictures"));
  canvas.pixels.assign(static_cast<size_t>(canvas.height * canvas.width * canvas.channels), 225);
  for (int64_t i = 0; i < n; ++i) {
    const SheetPicture& p = pictures[static_cast<size_t>(i)];
    const int64_t y = i / columns * cell_h + kGap, x = i % columns * cell_w + kGap;
    draw_picture(canvas, y, x, p, shape, zoom);
    const auto fits = static_cast<size_t>(std::max<int64_t>(1, shape[2] * zoom / kAdvance));
    draw_text(canvas, y + shape[1] * zoom + kGap, x, std::string_view(p.label).substr(0, fits));
  }
  return encode_png(canvas.pixels.data(), canvas.height, canvas.width, canvas.channels);
}

}  // namespace dl
