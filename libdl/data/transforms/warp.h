#pragma once
// Images seen through a map of coordinates: output pixel (y, x) takes the input's value at map(y, x). Coordinates
// count pixel centres: (0, 0) is the centre of the upper left pixel.
#include <algorithm>
#include <cmath>

#include "data/transforms/transform.h"

namespace dl {

enum class Interpolation { bilinear, nearest };
constexpr auto enum_names(const Interpolation*) {
  return std::to_array<std::string_view>({"bilinear", "nearest"});
}

enum class Border { constant, edge, reflect, wrap, noise };
constexpr auto enum_names(const Border*) {
  return std::to_array<std::string_view>({"constant", "edge", "reflect", "wrap", "noise"});
}

// What stands outside of the image.
struct Outside : Chance {
  Border border = Border::constant;
  float fill = 0;
};
constexpr auto fields(const Outside*) {
  return fields_with<Chance>(
      field("border", &Outside::border,
            "What comes in from outside: fill, the nearest pixel of the edge, the image mirrored or "
            "repeated, or "
            "normal noise about the middle of the range. Masks get 0 for fill and noise."),
      field("fill", &Outside::fill, "Value of the pixels that come in, in the units of the data."));
}

struct Sampling : Outside {
  Interpolation interpolation = Interpolation::bilinear;
};
constexpr auto fields(const Sampling*) {
  return fields_with<Outside>(
      field("interpolation", &Sampling::interpolation, "Between pixels; masks always take the nearest."));
}

struct Point {
  float y, x;
};

// Takes image.coordinates (y and x of each output pixel, one after the other) and resamples image and masks.
void resample_at_coordinates(Image& image, int64_t height, int64_t width, const Sampling& sampling,
                             Random& random);

// `map(y, x)` gives the Point of the input that output pixel (y, x) of height x width shows.
template <class Map>
void warp(Image& image, int64_t height, int64_t width, const Sampling& sampling, Random& random, Map&& map) {
  image.coordinates.resize(static_cast<size_t>(2 * height * width));
  float* at = image.coordinates.data();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x, at += 2) {
      const Point p = map(y, x);
      at[0] = p.y;
      at[1] = p.x;
    }
  resample_at_coordinates(image, height, width, sampling, random);
}

// A linear map about the centre of the image: (row, column) of the input relative to its centre is
// [yy yx; xy xx] times that of the output relative to its centre shifted by (-dy, -dx).
struct AffineMap {
  double yy = 1, yx = 0, xy = 0, xx = 1, dy = 0, dx = 0;
};
void warp_affine(Image& image, const AffineMap& map, const Sampling& sampling, Random& random);

// The inverse of: scale by (1 / 1), shear, then rotate counter-clockwise, then shift. Angles in degrees: `degrees`
// of the rotation, `shear_x` and `shear_y` of the slant; `dy`, `dx` in pixels.
AffineMap inverse_affine(double degrees, double scale, double shear_x, double shear_y, double dy, double dx);

}  // namespace dl
