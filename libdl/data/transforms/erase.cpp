// Transforms that hide parts of the image. Masks stay: what is hidden is still to be found.
#include <algorithm>
#include <cmath>

#include "data/transforms/transform.h"

namespace dl {
namespace {

enum class Content { value, noise, mean };
constexpr auto enum_names(const Content*) {
  return std::to_array<std::string_view>({"value", "noise", "mean"});
}

struct Hidden : Chance {
  Content content = Content::value;
  float fill = 0;
};
constexpr auto fields(const Hidden*) {
  return fields_with<Chance>(field("content", &Hidden::content,
                                   "What comes in its place: the value of fill, even noise from black to "
                                   "white, or each channel's mean."),
                             field("fill", &Hidden::fill, "In the units of the data."));
}

// `hide(y, x)` says which pixels go.
template <class F>
void hide_pixels(Image& image, const Hidden& a, Random& random, F&& hide) {
  std::vector<float> mean(static_cast<size_t>(image.channels), a.fill);
  for (int64_t c = 0; a.content == Content::mean && c < image.channels; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < image.area(); ++i) sum += static_cast<double>(image.channel(c)[i]);
    mean[static_cast<size_t>(c)] = static_cast<float>(sum / static_cast<double>(image.area()));
  }
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) {
      if (!hide(y, x)) continue;
      for (int64_t c = 0; c < image.channels; ++c)
        image.row(c, y)[x] = a.content == Content::noise
                                 ? image.black + image.span() * static_cast<float>(random.uniform())
                                 : mean[static_cast<size_t>(c)];
    }
}

struct RandomErasing : Hidden {
  RandomErasing() { p = 0.5, content = Content::noise; }
  double area[2] = {0.02, 0.4}, aspect[2] = {0.3, 1 / 0.3};
};
constexpr auto fields(const RandomErasing*) {
  return fields_with<Hidden>(
      field("area", &RandomErasing::area, "Share of the image that goes, [from, to] or one number.")
          .range(0, 1),
      field("aspect", &RandomErasing::aspect, "Height over width, even on a logarithmic scale.")
          .range(0.01, 100));
}
void check(const RandomErasing& a, const std::string& at) {
  check_range(a.area, at, "area");
  check_range(a.aspect, at, "aspect");
}
void apply(Image& image, const RandomErasing& a, Random& random) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const double area = draw(a.area, random) * static_cast<double>(image.area());
    const double aspect = a.aspect[0] * std::pow(a.aspect[1] / a.aspect[0], random.uniform());
    const int64_t h = std::llround(std::sqrt(area * aspect)), w = std::llround(std::sqrt(area / aspect));
    if (h > image.height || w > image.width) continue;
    const int64_t top = random.below(image.height - h + 1), left = random.below(image.width - w + 1);
    hide_pixels(image, a, random,
                [=](int64_t y, int64_t x) { return y >= top && y < top + h && x >= left && x < left + w; });
    return;
  }
}

struct Cutout : Hidden {
  int64_t size[2] = {8, 8};
  int64_t holes = 1;
};
constexpr auto fields(const Cutout*) {
  return fields_with<Hidden>(
      field("size", &Cutout::size, "Height and width in pixels, one number or two.").range(0, 65536),
      field("holes", &Cutout::holes, "How many.").range(0, 1000));
}
void apply(Image& image, const Cutout& a, Random& random) {
  for (int64_t k = 0; k < a.holes; ++k) {
    const int64_t top = random.below(image.height) - a.size[0] / 2,
                  left = random.below(image.width) - a.size[1] / 2;
    hide_pixels(image, a, random, [&](int64_t y, int64_t x) {
      return y >= top && y < top + a.size[0] && x >= left && x < left + a.size[1];
    });
  }
}

struct GridMask : Hidden {
  double unit[2] = {0.3, 0.6};
  double keep = 0.6;
};
constexpr auto fields(const GridMask*) {
  return fields_with<Hidden>(
      field("unit", &GridMask::unit, "Distance of the squares as a share of the shorter side, [from, to].")
          .range(0.01, 1),
      field("keep", &GridMask::keep, "Share of the distance that stays between them.").range(0, 1));
}
void check(const GridMask& a, const std::string& at) { check_range(a.unit, at, "unit"); }
void apply(Image& image, const GridMask& a, Random& random) {
  const auto side = static_cast<double>(std::min(image.height, image.width));
  const int64_t d = std::max<int64_t>(2, std::llround(draw(a.unit, random) * side));
  const int64_t hidden = std::llround((1 - a.keep) * static_cast<double>(d));
  const int64_t dy = random.below(d), dx = random.below(d);
  hide_pixels(image, a, random,
              [=](int64_t y, int64_t x) { return (y + dy) % d < hidden && (x + dx) % d < hidden; });
}

}  // namespace

std::span<const TransformDef> erase_transforms() {
  static const TransformDef all[] = {
      transform<RandomErasing>("random_erasing", "Hides one rectangle (Zhong et al. 2020)."),
      transform<Cutout>("cutout",
                        "Hides squares whose centres lie anywhere in the image (DeVries and Taylor 2017)."),
      transform<GridMask>("grid_mask", "Hides a grid of squares (Chen et al. 2020)."),
  };
  return all;
}

}  // namespace dl
