#pragma once
// The transforms of images: an attribute struct with its field list, and apply(image, attributes, random) for
// each. To add one: its struct here, its apply() in a .cpp of this room, one line in the table of
// augment.cpp.
#include "data/augment.h"

namespace dl {

enum class Direction { horizontal, vertical, both };
constexpr auto enum_names(const Direction*) {
  return std::to_array<std::string_view>({"horizontal", "vertical", "both"});
}

struct Flip {
  Direction direction = Direction::horizontal;
  double p = 0.5;
};
constexpr auto fields(const Flip*) {
  return std::tuple{
      field("direction", &Flip::direction, "horizontal swaps left and right; both draws each on its own."),
      field("p", &Flip::p, "Probability.").range(0, 1)};
}
void apply(Image& image, const Flip& attrs, Random& random);

struct PadAndCrop {
  int64_t padding = 4;
  float fill = 0;
};
constexpr auto fields(const PadAndCrop*) {
  return std::tuple{field("padding", &PadAndCrop::padding, "Pixels added on each side.").range(0, 4096),
                    field("fill", &PadAndCrop::fill, "Value of the added pixels, in the units of the data.")};
}
void apply(Image& image, const PadAndCrop& attrs, Random& random);

struct Translate {
  int64_t pixels[2] = {2, 2};
  float fill = 0;
  double p = 1;
};
constexpr auto fields(const Translate*) {
  return std::tuple{
      field("pixels", &Translate::pixels, "Largest shift, one number or [vertical, horizontal].")
          .range(0, 4096),
      field("fill", &Translate::fill, "Value of the pixels that come in, in the units of the data."),
      field("p", &Translate::p, "Probability.").range(0, 1)};
}
void apply(Image& image, const Translate& attrs, Random& random);

}  // namespace dl
