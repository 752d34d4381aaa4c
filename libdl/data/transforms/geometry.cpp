// Transforms that move whole pixels and do not change them.
#include <algorithm>

#include "data/transforms/transform.h"
#include "data/transforms/warp.h"

namespace dl {
namespace {

// ---- flip -------------------------------------------------------------------------------------------------------

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

void apply(Image& image, const Flip& attrs, Random& random) {
  const bool first = random.uniform() < attrs.p, second = random.uniform() < attrs.p;
  const bool across = attrs.direction != Direction::vertical && first;
  const bool down =
      attrs.direction == Direction::vertical ? first : attrs.direction == Direction::both && second;
  image.for_each_plane([&](Plane& plane, bool) {
    for (int64_t c = 0; c < plane.channels; ++c) {
      for (int64_t y = 0; across && y < plane.height; ++y)
        std::reverse(plane.row(c, y), plane.row(c, y) + plane.width);
      for (int64_t y = 0; down && y < plane.height / 2; ++y)
        std::swap_ranges(plane.row(c, y), plane.row(c, y) + plane.width, plane.row(c, plane.height - 1 - y));
    }
  });
}

// ---- translate, pad_and_crop, crop ------------------------------------------------------------------------------

// The window of height x width whose upper left corner is (top, left), which may lie outside; `fill` there.
void cut(Plane& in, int64_t top, int64_t left, int64_t height, int64_t width, float fill) {
  if (top == 0 && left == 0 && height == in.height && width == in.width) return;
  in.scratch.assign(static_cast<size_t>(in.channels * height * width), fill);
  const int64_t first = std::max<int64_t>(0, -left), last = std::min(width, in.width - left);
  for (int64_t c = 0; c < in.channels && first < last; ++c)
    for (int64_t y = std::max<int64_t>(0, -top); y < std::min(height, in.height - top); ++y)
      std::copy(in.row(c, y + top) + left + first, in.row(c, y + top) + left + last,
                in.scratch.data() + (c * height + y) * width + first);
  in.take_scratch(height, width);
}

void cut(Image& image, int64_t top, int64_t left, int64_t height, int64_t width, const Outside& outside,
         Random& random) {
  if (outside.border == Border::constant) {
    image.for_each_plane(
        [&](Plane& plane, bool mask) { cut(plane, top, left, height, width, mask ? 0 : outside.fill); });
    return;
  }
  Sampling s;
  s.interpolation = Interpolation::nearest;
  static_cast<Outside&>(s) = outside;
  warp(image, height, width, s, random, [&](int64_t y, int64_t x) {
    return Point{static_cast<float>(y + top), static_cast<float>(x + left)};
  });
}

struct PadAndCrop : Outside {
  int64_t padding = 4;
};
constexpr auto fields(const PadAndCrop*) {
  return fields_with<Outside>(
      field("padding", &PadAndCrop::padding, "Pixels added on each side.").range(0, 4096));
}
void apply(Image& image, const PadAndCrop& attrs, Random& random) {
  const int64_t dy = random.below(2 * attrs.padding + 1) - attrs.padding,
                dx = random.below(2 * attrs.padding + 1) - attrs.padding;
  cut(image, dy, dx, image.height, image.width, attrs, random);
}

struct Translate : Outside {
  int64_t pixels[2] = {2, 2};
};
constexpr auto fields(const Translate*) {
  return fields_with<Outside>(
      field("pixels", &Translate::pixels, "Largest shift, one number or [vertical, horizontal].")
          .range(0, 4096));
}
void apply(Image& image, const Translate& attrs, Random& random) {
  const int64_t dy = random.below(2 * attrs.pixels[0] + 1) - attrs.pixels[0],
                dx = random.below(2 * attrs.pixels[1] + 1) - attrs.pixels[1];
  cut(image, dy, dx, image.height, image.width, attrs, random);
}

enum class Where { random, center };
constexpr auto enum_names(const Where*) { return std::to_array<std::string_view>({"random", "center"}); }

struct Crop : Outside {
  int64_t size[2] = {0, 0};
  Where place = Where::random;
};
constexpr auto fields(const Crop*) {
  return fields_with<Outside>(
      field("size", &Crop::size, "Height and width of the window, one number or two.")
          .range(1, 65536)
          .required(),
      field("place", &Crop::place, "Where the window is cut out. A smaller image stands in it likewise."));
}
void apply(Image& image, const Crop& attrs, Random& random) {
  const int64_t h = attrs.size[0], w = attrs.size[1], dy = image.height - h, dx = image.width - w;
  const auto place = [&](int64_t room) {
    if (attrs.place == Where::center) return room >= 0 ? room / 2 : -(-room / 2);
    const int64_t at = random.below(std::abs(room) + 1);
    return room >= 0 ? at : -at;
  };
  const int64_t top = place(dy), left = place(dx);
  cut(image, top, left, h, w, attrs, random);
}

}  // namespace

std::span<const TransformDef> geometry_transforms() {
  static const TransformDef all[] = {
      transform<Flip>("flip", "Mirrors the image with probability p."),
      transform<PadAndCrop>("pad_and_crop",
                            "Pads all sides and cuts the former size out at a random place (He et al. 2015, "
                            "section 4.2)."),
      transform<Translate>("translate", "Moves the image by a random number of pixels."),
      transform<Crop>("crop",
                      "Cuts a window out. Another transform must bring the extents back, or have enlarged "
                      "them (scale jittering: resize, then crop)."),
  };
  return all;
}

}  // namespace dl
