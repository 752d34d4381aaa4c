// Noise on values.
#include <array>
#include <cmath>

#include "data/transforms/transform.h"

namespace dl {
namespace {

// Standard normal numbers by the ziggurat of Marsaglia and Tsang ("The ziggurat method for generating random
// variables", 2000) with 128 layers of equal area: exact, and several times as fast as Box and Muller's formula.
class Ziggurat {
 public:
  Ziggurat() {
    x_[0] = kArea / density(kEdge);  // the base: its tail is as large as what is added here
    x_[1] = kEdge;
    for (size_t i = 2; i < kLayers; ++i)
      x_[i] = std::sqrt(-2 * std::log(kArea / x_[i - 1] + density(x_[i - 1])));
    x_[kLayers] = 0;
  }
  double operator()(Random& random) const {
    for (;;) {
      const uint32_t bits = random.bits();
      const size_t layer = bits & (kLayers - 1);
      const double u = static_cast<double>(static_cast<int32_t>(bits & ~127u)) * 0x1p-31;  // [-1, 1)
      const double x = u * x_[layer];
      if (std::fabs(x) < x_[layer + 1]) return x;
      if (layer == 0) {
        const double t = tail(random);
        return u < 0 ? -t : t;
      }
      const double y0 = density(x_[layer]), y1 = density(x_[layer + 1]);
      if (y0 + random.uniform() * (y1 - y0) < density(x)) return x;
    }
  }

 private:
  static constexpr size_t kLayers = 128;
  static constexpr double kEdge = 3.442619855899, kArea = 9.91256303526217e-3;
  static double density(double x) { return std::exp(-0.5 * x * x); }
  static double tail(Random& random) {
    for (;;) {
      const double x = -std::log((random.bits() + 0.5) * 0x1p-32) / kEdge;
      const double y = -std::log((random.bits() + 0.5) * 0x1p-32);
      if (2 * y >= x * x) return kEdge + x;
    }
  }
  std::array<double, kLayers + 1> x_;
};

struct GaussianNoise : Chance {
  double std[2] = {0, 0.05};
  bool grey = false;
};
constexpr auto fields(const GaussianNoise*) {
  return fields_with<Chance>(
      field("std", &GaussianNoise::std,
            "Standard deviation as a share of the range from black to white, [from, to] or one number.")
          .range(0, 10),
      field("grey", &GaussianNoise::grey, "The same noise in all channels."));
}
void check(const GaussianNoise& a, const std::string& at) { check_range(a.std, at, "std"); }
void apply(Image& image, const GaussianNoise& a, Random& random) {
  static const Ziggurat normal;
  const double std = draw(a.std, random) * static_cast<double>(image.span());
  const int64_t drawn = a.grey ? 1 : image.channels;
  for (int64_t c = 0; c < drawn; ++c)
    for (int64_t i = 0; i < image.area(); ++i) {
      const auto noise = static_cast<float>(std * normal(random));
      for (int64_t k = c; k < (a.grey ? image.channels : c + 1); ++k) image.channel(k)[i] += noise;
    }
}

struct SaltAndPepper : Chance {
  double amount[2] = {0, 0.05};
  double salt = 0.5;
};
constexpr auto fields(const SaltAndPepper*) {
  return fields_with<Chance>(
      field("amount", &SaltAndPepper::amount, "Share of the pixels that are hit, [from, to] or one number.")
          .range(0, 1),
      field("salt", &SaltAndPepper::salt, "Share of those that become white; the others become black.")
          .range(0, 1));
}
void check(const SaltAndPepper& a, const std::string& at) { check_range(a.amount, at, "amount"); }
void apply(Image& image, const SaltAndPepper& a, Random& random) {
  const double amount = draw(a.amount, random);
  for (int64_t i = 0; i < image.area(); ++i) {
    const double u = random.uniform();
    if (u >= amount) continue;
    for (int64_t c = 0; c < image.channels; ++c)
      image.channel(c)[i] = u < amount * a.salt ? image.white : image.black;
  }
}

}  // namespace

std::span<const TransformDef> noise_transforms() {
  static const TransformDef all[] = {
      transform<GaussianNoise>("gaussian_noise", "Adds normal noise to every value."),
      transform<SaltAndPepper>("salt_and_pepper", "Makes single pixels white or black."),
  };
  return all;
}

}  // namespace dl
