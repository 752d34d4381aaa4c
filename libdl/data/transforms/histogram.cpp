// Transforms that look at the histogram of each channel, in 256 levels from black to white.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/transforms/colour.h"

namespace dl {
namespace {

constexpr int kLevels = 256;
using Histogram = std::array<int64_t, kLevels>;

int level_of(const Image& image, float v) {
  return static_cast<int>((image.clamp(v) - image.black) / image.span() * (kLevels - 1) + 0.5f);
}

Histogram histogram(Image& image, int64_t channel) {
  Histogram h{};
  const float* v = image.channel(channel);
  for (int64_t i = 0; i < image.area(); ++i) ++h[static_cast<size_t>(level_of(image, v[i]))];
  return h;
}

void map_levels(Image& image, int64_t channel, const std::array<float, kLevels>& to) {
  float* v = image.channel(channel);
  for (int64_t i = 0; i < image.area(); ++i) v[i] = to[static_cast<size_t>(level_of(image, v[i]))];
}

}  // namespace

void equalize(Image& image) {
  for (int64_t c = 0; c < image.channels; ++c) {
    const Histogram h = histogram(image, c);
    // Pixels to a level; those of the brightest level that occurs do not count, so that it becomes white.
    const auto brightest = std::find_if(h.rbegin(), h.rend(), [](int64_t n) { return n > 0; });
    const int64_t step = brightest == h.rend() ? 0 : (image.area() - *brightest) / (kLevels - 1);
    if (step == 0) continue;
    std::array<float, kLevels> to;
    int64_t below = step / 2;
    for (size_t k = 0; k < to.size(); ++k) {
      const auto level = static_cast<float>(std::min<int64_t>(below / step, kLevels - 1));
      to[k] = image.black + image.span() * level / (kLevels - 1);
      below += h[k];
    }
    map_levels(image, c, to);
  }
}

void stretch_contrast(Image& image, double cutoff) {
  for (int64_t c = 0; c < image.channels; ++c) {
    const Histogram h = histogram(image, c);
    const auto cut = static_cast<int64_t>(cutoff * static_cast<double>(image.area()));
    int lo = 0, hi = kLevels - 1;
    for (int64_t n = 0; lo < kLevels - 1 && (n += h[static_cast<size_t>(lo)]) <= cut; ++lo) {}
    for (int64_t n = 0; hi > 0 && (n += h[static_cast<size_t>(hi)]) <= cut; --hi) {}
    if (hi <= lo) continue;
    const float low = image.black + image.span() * static_cast<float>(lo) / (kLevels - 1);
    const float factor = static_cast<float>(kLevels - 1) / static_cast<float>(hi - lo);
    float* v = image.channel(c);
    for (int64_t i = 0; i < image.area(); ++i) v[i] = image.clamp(image.black + (v[i] - low) * factor);
  }
}

namespace {

struct Equalize : Chance {};
void apply(Image& image, const Equalize&, Random&) { equalize(image); }

struct AutoContrast : Chance {
  double cutoff = 0;
};
constexpr auto fields(const AutoContrast*) {
  return fields_with<Chance>(field("cutoff", &AutoContrast::cutoff,
                                   "Share of the pixels at each end that may become black or white.")
                                 .range(0, 0.49));
}
void apply(Image& image, const AutoContrast& a, Random&) { stretch_contrast(image, a.cutoff); }

}  // namespace

std::span<const TransformDef> histogram_transforms() {
  static const TransformDef all[] = {
      transform<Equalize>("equalize", "Makes all levels of a channel occur about as often.").ranged(),
      transform<AutoContrast>("auto_contrast", "Stretches each channel from black to white.").ranged(),
  };
  return all;
}

}  // namespace dl
