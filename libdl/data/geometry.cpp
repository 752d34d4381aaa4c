// Transforms that move pixels and do not change them.
#include <algorithm>

#include "data/transforms.h"

namespace dl {
namespace {

// out(y, x) = in(y + dy, x + dx), `fill` outside.
void shift(Image& image, int64_t dy, int64_t dx, float fill) {
  if (dy == 0 && dx == 0) return;
  image.scratch.assign(image.pixels.size(), fill);
  const int64_t first = std::max<int64_t>(0, -dx), last = std::min(image.width, image.width - dx);
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = std::max<int64_t>(0, -dy); y < std::min(image.height, image.height - dy); ++y)
      if (first < last)
        std::copy(image.row(c, y + dy) + first + dx, image.row(c, y + dy) + last + dx,
                  image.scratch.data() + (c * image.height + y) * image.width + first);
  image.pixels.swap(image.scratch);
}

}  // namespace

void apply(Image& image, const Flip& attrs, Random& random) {
  const bool first = random.uniform() < attrs.p, second = random.uniform() < attrs.p;
  const bool across = attrs.direction != Direction::vertical && first;
  const bool down =
      attrs.direction == Direction::vertical ? first : attrs.direction == Direction::both && second;
  for (int64_t c = 0; c < image.channels; ++c) {
    for (int64_t y = 0; across && y < image.height; ++y)
      std::reverse(image.row(c, y), image.row(c, y) + image.width);
    for (int64_t y = 0; down && y < image.height / 2; ++y)
      std::swap_ranges(image.row(c, y), image.row(c, y) + image.width, image.row(c, image.height - 1 - y));
  }
}

void apply(Image& image, const PadAndCrop& attrs, Random& random) {
  const int64_t dy = random.below(2 * attrs.padding + 1) - attrs.padding,
                dx = random.below(2 * attrs.padding + 1) - attrs.padding;
  shift(image, dy, dx, attrs.fill);
}

void apply(Image& image, const Translate& attrs, Random& random) {
  if (random.uniform() >= attrs.p) return;
  const int64_t dy = random.below(2 * attrs.pixels[0] + 1) - attrs.pixels[0],
                dx = random.below(2 * attrs.pixels[1] + 1) - attrs.pixels[1];
  shift(image, dy, dx, attrs.fill);
}

}  // namespace dl
