#include "io/image.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/str.h"

// Only the formats named in the header: the others are rarely used and widen what a hostile file can reach.
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_NO_FAILURE_STRINGS
#define STBI_MAX_DIMENSIONS 65536
#define STBI_ASSERT(x) ((void)(x))
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)(x))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace dl {

Tensor decode_image(std::span<const uint8_t> file, int channels, const std::string& name) {
  const int bytes = static_cast<int>(std::min<size_t>(file.size(), INT32_MAX));
  int w = 0, h = 0, c = 0;
  if (!stbi_info_from_memory(file.data(), bytes, &w, &h, &c))
    throw Error(Exit::data, str(name, ": does not decode, expected PNG, JPEG, BMP or PNM"));
  if (int64_t{w} * h > kMaxPixels || w <= 0 || h <= 0)
    throw Error(Exit::data, str(name, ": is a picture of ", w, "x", h, " pixels, expected at most ",
                                kMaxPixels, " in all"));
  // stb_image 2.27 takes their bytes in the wrong order, and reads past the end where it changes the channels.
  if (file[0] == 'P' && stbi_is_16_bit_from_memory(file.data(), bytes))
    throw Error(Exit::data, str(name, ": is a PNM of 16 bits for each channel, expected 8"));
  const int want = channels ? channels : c <= 2 ? 1 : 3;
  stbi_uc* pixels = stbi_load_from_memory(file.data(), bytes, &w, &h, &c, want);
  if (!pixels) throw Error(Exit::data, str(name, ": is damaged, its pixels do not decode"));
  Tensor out(DType::u8, Shape{want, h, w});
  uint8_t* dst = out.data<uint8_t>().data();
  const int64_t area = int64_t{h} * w;
  for (int64_t i = 0; i < area; ++i)
    for (int k = 0; k < want; ++k) dst[k * area + i] = pixels[i * want + k];
  stbi_image_free(pixels);
  return out;
}

bool is_image_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return false;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  for (const char* known : {"png", "jpg", "jpeg", "bmp", "pgm", "ppm", "pnm"})
    if (ending == known) return true;
  return false;
}

namespace {

struct Tap {
  int64_t first;
  std::vector<double> weights;
};

// How each output coordinate is made of input coordinates: a triangle as wide as the larger of the two
// pixels.
std::vector<Tap> taps(int64_t from, int64_t to) {
  std::vector<Tap> out(static_cast<size_t>(to));
  const double scale = static_cast<double>(from) / static_cast<double>(to), reach = std::max(scale, 1.0);
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    const auto lo = std::max<int64_t>(0, static_cast<int64_t>(std::ceil(centre - reach)));
    const auto hi = std::min<int64_t>(from - 1, static_cast<int64_t>(std::floor(centre + reach)));
    Tap& t = out[static_cast<size_t>(i)];
    t.first = lo;
    double sum = 0;
    for (int64_t k = lo; k <= hi; ++k) {
      t.weights.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(k) - centre) / reach));
      sum += t.weights.back();
    }
    for (double& w : t.weights) w /= sum;
  }
  return out;
}

}  // namespace

Tensor resize_image(const Tensor& image, int64_t height, int64_t width) {
  const int64_t c = image.shape()[0], h = image.shape()[1], w = image.shape()[2];
  if (h == height && w == width) return image;
  const auto rows = taps(h, height), columns = taps(w, width);
  Tensor out(DType::u8, Shape{c, height, width});
  const uint8_t* src = image.data<uint8_t>().data();
  uint8_t* dst = out.data<uint8_t>().data();
  std::vector<double> line(static_cast<size_t>(w));
  for (int64_t k = 0; k < c; ++k)
    for (int64_t y = 0; y < height; ++y) {
      const Tap& row = rows[static_cast<size_t>(y)];
      std::fill(line.begin(), line.end(), 0.0);
      for (size_t j = 0; j < row.weights.size(); ++j) {
        const uint8_t* s = src + (k * h + row.first + static_cast<int64_t>(j)) * w;
        for (int64_t x = 0; x < w; ++x) line[static_cast<size_t>(x)] += row.weights[j] * s[x];
      }
      for (int64_t x = 0; x < width; ++x) {
        const Tap& column = columns[static_cast<size_t>(x)];
        double v = 0;
        for (size_t j = 0; j < column.weights.size(); ++j)
          v += column.weights[j] * line[static_cast<size_t>(column.first) + j];
        dst[(k * height + y) * width + x] = static_cast<uint8_t>(std::lround(std::clamp(v, 0.0, 255.0)));
      }
    }
  return out;
}

std::string encode_png(const uint8_t* pixels, int64_t height, int64_t width, int channels) {
  std::string out;
  const auto sink = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<size_t>(size));
  };
  if (!stbi_write_png_to_func(sink, &out, static_cast<int>(width), static_cast<int>(height), channels, pixels,
                              static_cast<int>(width * channels)))
    throw Error(Exit::memory, str("no memory for a PNG of ", width, "x", height));
  return out;
}

}  // namespace dl
