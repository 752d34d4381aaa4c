#include "data/transforms/mix.h"

#include <algorithm>
#include <cmath>

namespace dl {
namespace {

// Gamma(shape, 1) by Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
double draw_gamma(double shape, Random& random) {
  const double boost = shape < 1 ? std::pow((random.bits() + 0.5) * 0x1p-32, 1 / shape) : 1;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), root = 1 + c * x, u = (random.bits() + 0.5) * 0x1p-32;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return boost * d * v;
  }
}

struct Mixup : Chance {
  double alpha = 0.2;
};
constexpr auto fields(const Mixup*) {
  return fields_with<Chance>(
      field("alpha", &Mixup::alpha,
            "Of Beta(alpha, alpha), from which the weight is drawn: small mixes little.")
          .range(1e-3, 1000));
}

struct CutMix : Chance {
  double alpha = 1;
};
constexpr auto fields(const CutMix*) {
  return fields_with<Chance>(
      field("alpha", &CutMix::alpha, "Of Beta(alpha, alpha), from which the share that stays is drawn.")
          .range(1e-3, 1000));
}

double mixup(Plane& own, const Plane& other, double weight) {
  const auto w = static_cast<float>(weight);
  for (size_t i = 0; i < own.pixels.size(); ++i)
    own.pixels[i] = other.pixels[i] + w * (own.pixels[i] - other.pixels[i]);
  return weight;
}

// A rectangle of the other's, of the image's proportions and with its centre anywhere; what lies outside is lost, so
// that the share is that of the pixels.
double cutmix(Plane& own, const Plane& other, double share, Random& random) {
  const double side = std::sqrt(1 - share);
  const int64_t h = std::llround(side * static_cast<double>(own.height)),
                w = std::llround(side * static_cast<double>(own.width));
  const int64_t y = random.below(own.height) - h / 2, x = random.below(own.width) - w / 2;
  const int64_t top = std::max<int64_t>(0, y), bottom = std::min(own.height, y + h);
  const int64_t left = std::max<int64_t>(0, x), right = std::min(own.width, x + w);
  if (top >= bottom || left >= right) return 1;
  for (int64_t c = 0; c < own.channels; ++c)
    for (int64_t r = top; r < bottom; ++r) {
      const float* from = other.pixels.data() + (c * own.height + r) * own.width;
      std::copy(from + left, from + right, own.row(c, r) + left);
    }
  return 1 - static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(own.area());
}

template <class A>
TransformDef mixing(std::string_view name, std::string_view doc) {
  TransformDef d;
  d.variant = {name, doc, &attr_ops<A>};
  d.stage = Stage::mix;
  return d;
}

}  // namespace

double draw_beta(double alpha, Random& random) {
  const double a = draw_gamma(alpha, random), b = draw_gamma(alpha, random);
  return a + b > 0 ? a / (a + b) : 0.5;  // both may vanish when alpha is tiny
}

double mix_planes(const Typed<Transform>& t, Plane& own, const Plane& other, Random& random) {
  if (t.type == "choose") {
    const Choose& a = t.as<Choose>();
    return random.uniform() < a.p ? mix_planes(pick(a, random), own, other, random) : 1;
  }
  const bool cut = t.type == "cutmix";
  const Chance& chance = cut ? static_cast<const Chance&>(t.as<CutMix>()) : t.as<Mixup>();
  if (random.uniform() >= chance.p) return 1;
  const double weight = draw_beta(cut ? t.as<CutMix>().alpha : t.as<Mixup>().alpha, random);
  return cut ? cutmix(own, other, weight, random) : mixup(own, other, weight);
}

bool mixes_features(const Typed<Transform>& t) {
  if (t.type != "choose") return t.type == "mixup";
  const auto& members = t.as<Choose>().of.items;
  return std::all_of(members.begin(), members.end(), mixes_features);
}

std::span<const TransformDef> mix_transforms() {
  static const TransformDef all[] = {
      mixing<Mixup>("mixup",
                    "The weighted mean with another sample of the batch, and of the targets, which become "
                    "probabilities of the classes (Zhang et al. 2018)."),
      mixing<CutMix>(
          "cutmix", "A rectangle of another sample of the batch; targets mix by the area (Yun et al. 2019)."),
  };
  return all;
}

}  // namespace dl
