// Transforms of values that look at one pixel at a time, or at the mean. All of them give values from black to white.
#include "data/transforms/colour.h"

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "data/transforms/principal.h"

namespace dl {

namespace {

// Luma of Rec. ITU-R BT.601.
constexpr float kRed = 0.299f, kGreen = 0.587f, kBlue = 0.114f;

struct Range {
  float black, white;
  float clamp(float v) const { return std::min(std::max(v, black), white); }
};

// v -> clamp(target + factor (v - target)): the blends of Haeberli and Voorhies, "Image processing by interpolation
// and extrapolation" (1994).
DL_CLONES void blend(float* v, int64_t n, float target, float factor, Range range) {
  for (int64_t i = 0; i < n; ++i) v[i] = range.clamp(target + factor * (v[i] - target));
}

// The same with each pixel's luma as the target.
DL_CLONES void blend_with_luma(float* r, float* g, float* b, int64_t n, float factor, Range range) {
  for (int64_t i = 0; i < n; ++i) {
    const float grey = kRed * r[i] + kGreen * g[i] + kBlue * b[i];
    r[i] = range.clamp(grey + factor * (r[i] - grey));
    g[i] = range.clamp(grey + factor * (g[i] - grey));
    b[i] = range.clamp(grey + factor * (b[i] - grey));
  }
}

// The sum of all luma, in lanes that are added up at the end, always in the same way.
DL_CLONES double sum_of_luma(const float* r, const float* g, const float* b, int64_t n) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k)
      lanes[k] += static_cast<double>(kRed * r[i + k] + kGreen * g[i + k] + kBlue * b[i + k]);
  for (; i < n; ++i) sum += static_cast<double>(kRed * r[i] + kGreen * g[i] + kBlue * b[i]);
  for (double lane : lanes) sum += lane;
  return sum;
}

float mean_luma(Image& image) {
  const float *r = image.channel(0), *g = image.channels == 3 ? image.channel(1) : r,
              *b = image.channels == 3 ? image.channel(2) : r;
  return static_cast<float>(sum_of_luma(r, g, b, image.area()) /
                            static_cast<double>(std::max<int64_t>(1, image.area())));
}

Range range_of(const Image& image) { return {image.black, image.white}; }

}  // namespace

void change_brightness(Image& image, float factor) { blend_with(image, image.black, factor); }
void change_contrast(Image& image, float factor) { blend_with(image, mean_luma(image), factor); }

void change_saturation(Image& image, float factor) {
  if (image.channels == 3)
    blend_with_luma(image.channel(0), image.channel(1), image.channel(2), image.area(), factor,
                    range_of(image));
}

void blend_with(Image& image, float target, float factor) {
  blend(image.pixels.data(), static_cast<int64_t>(image.pixels.size()), target, factor, range_of(image));
}

// Through hue, saturation and value (Smith 1978) with the hue counted in sixths of a turn: a channel is
// value - chroma * clamp(min(k, 4 - k), 0, 1), k = (n + hue) mod 6, n = 5, 3, 1 for red, green, blue.
void turn_hue(Image& image, float turns) {
  if (image.channels != 3) return;
  float *r = image.channel(0), *g = image.channel(1), *b = image.channel(2);
  const float shift = 6 * (turns - std::floor(turns));
  for (int64_t i = 0; i < image.area(); ++i) {
    const float red = r[i], green = g[i], blue = b[i];
    const float value = std::max(red, std::max(green, blue));
    const float chroma = value - std::min(red, std::min(green, blue));  // 0: grey, of any hue
    const float sixth = 1 / std::max(chroma, 1e-20f);
    const float of_red = (green - blue) * sixth, of_green = 2 + (blue - red) * sixth,
                of_blue = 4 + (red - green) * sixth;
    const float hue = (value == red ? of_red : value == green ? of_green : of_blue) + shift + 6;  // [5, 17)
    const auto channel = [&](float n) {
      float k = n + hue;
      k -= 6 * static_cast<float>(static_cast<int>(k * (1.0f / 6)));
      return value - chroma * std::min(std::max(std::min(k, 4 - k), 0.0f), 1.0f);
    };
    r[i] = image.clamp(channel(5));
    g[i] = image.clamp(channel(3));
    b[i] = image.clamp(channel(1));
  }
}

void invert(Image& image) {
  for (float& v : image.pixels) v = image.clamp(image.black + image.white - v);
}

void solarize(Image& image, float threshold) {
  for (float& v : image.pixels)
    if (v >= threshold) v = image.clamp(image.black + image.white - v);
}

void posterize(Image& image, int bits) {
  const int step = 1 << (8 - bits);
  const float scale = 255 / image.span();
  for (float& v : image.pixels) {
    const int level = static_cast<int>((image.clamp(v) - image.black) * scale + 0.5f) / step * step;
    v = image.black + static_cast<float>(level) / scale;
  }
}

namespace {

struct Factor : Chance {
  double factor[2] = {0.6, 1.4};
};
constexpr auto fields(const Factor*) {
  return fields_with<Chance>(
      field("factor", &Factor::factor, "1 changes nothing; [from, to] drawn evenly, or one number.")
          .range(0, 100));
}
void check(const Factor& a, const std::string& at) { check_range(a.factor, at, "factor"); }

struct Brightness : Factor {};
struct Contrast : Factor {};
struct Saturation : Factor {};
void apply(Image& image, const Brightness& a, Random& random) {
  change_brightness(image, static_cast<float>(draw(a.factor, random)));
}
void apply(Image& image, const Contrast& a, Random& random) {
  change_contrast(image, static_cast<float>(draw(a.factor, random)));
}
void apply(Image& image, const Saturation& a, Random& random) {
  change_saturation(image, static_cast<float>(draw(a.factor, random)));
}

struct Hue : Chance {
  double turns[2] = {-0.1, 0.1};
};
constexpr auto fields(const Hue*) {
  return fields_with<Chance>(
      field("turns", &Hue::turns, "Whole turns of the colour circle, [from, to] or one number.")
          .range(-1, 1));
}
void check(const Hue& a, const std::string& at) { check_range(a.turns, at, "turns"); }
void apply(Image& image, const Hue& a, Random& random) {
  turn_hue(image, static_cast<float>(draw(a.turns, random)));
}

struct ColorJitter : Chance {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1;
};
constexpr auto fields(const ColorJitter*) {
  return fields_with<Chance>(
      field("brightness", &ColorJitter::brightness, "The factor lies within this of 1.").range(0, 1),
      field("contrast", &ColorJitter::contrast, "The factor lies within this of 1.").range(0, 1),
      field("saturation", &ColorJitter::saturation, "The factor lies within this of 1.").range(0, 1),
      field("hue", &ColorJitter::hue, "Whole turns, within this of 0.").range(0, 0.5));
}
void apply(Image& image, const ColorJitter& a, Random& random) {
  int order[4] = {0, 1, 2, 3};
  for (int i = 3; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  const double strength[4] = {a.brightness, a.contrast, a.saturation, a.hue};
  float drawn[4];
  for (int i = 0; i < 4; ++i) drawn[i] = static_cast<float>((i < 3) + strength[i] * random.uniform(-1, 1));
  void (*const change[4])(Image&, float) = {change_brightness, change_contrast, change_saturation, turn_hue};
  for (int i : order)
    if (strength[i] > 0) change[i](image, drawn[i]);
}

struct Gamma : Chance {
  double gamma[2] = {0.7, 1.4};
};
constexpr auto fields(const Gamma*) {
  return fields_with<Chance>(
      field("gamma", &Gamma::gamma, "Exponent of values from 0 to 1, even on a logarithmic scale.")
          .range(0.01, 100));
}
void check(const Gamma& a, const std::string& at) { check_range(a.gamma, at, "gamma"); }
void apply(Image& image, const Gamma& a, Random& random) {
  const auto gamma = static_cast<float>(a.gamma[0] * std::pow(a.gamma[1] / a.gamma[0], random.uniform()));
  if (gamma == 1) return;
  for (float& v : image.pixels)
    v = image.black + image.span() * std::pow((image.clamp(v) - image.black) / image.span(), gamma);
}

struct Grey : Chance {};
void apply(Image& image, const Grey&, Random&) { change_saturation(image, 0); }
struct Invert : Chance {};
void apply(Image& image, const Invert&, Random&) { invert(image); }

struct Posterize : Chance {
  int64_t bits[2] = {4, 8};
};
constexpr auto fields(const Posterize*) {
  return fields_with<Chance>(
      field("bits", &Posterize::bits, "Leading bits of 8 that stay, [from, to] or one number.").range(1, 8));
}
void check(const Posterize& a, const std::string& at) {
  if (a.bits[1] < a.bits[0]) field_error(at + "/bits", "the second number is below the first");
}
void apply(Image& image, const Posterize& a, Random& random) {
  posterize(image, static_cast<int>(a.bits[0] + random.below(a.bits[1] - a.bits[0] + 1)));
}

struct Solarize : Chance {
  std::optional<double> threshold;
};
constexpr auto fields(const Solarize*) {
  return fields_with<Chance>(
      field("threshold", &Solarize::threshold,
            "Values from here on are inverted, in the units of the data; null: half of white."));
}
void apply(Image& image, const Solarize& a, Random&) {
  solarize(image, a.threshold ? static_cast<float>(*a.threshold) : image.black + 0.5f * image.span());
}

struct ColourMatrix : Chance {
  std::vector<std::vector<double>> matrix;
  double offset[3] = {0, 0, 0};
};
constexpr auto fields(const ColourMatrix*) {
  return fields_with<Chance>(
      field("matrix", &ColourMatrix::matrix,
            "Three rows of three numbers: new red, green, blue from the old.")
          .required(),
      field("offset", &ColourMatrix::offset, "Added afterwards, in the units of the data."));
}
void check(const ColourMatrix& a, const std::string& at) {
  bool right = a.matrix.size() == 3;
  for (const auto& row : a.matrix) right = right && row.size() == 3;
  if (!right) field_error(at + "/matrix", "expected three rows of three numbers");
}
void apply(Image& image, const ColourMatrix& a, Random&) {
  float* plane[3] = {image.channel(0), image.channel(1), image.channel(2)};
  for (int64_t i = 0; i < image.area(); ++i) {
    const double in[3] = {plane[0][i], plane[1][i], plane[2][i]};
    for (size_t c = 0; c < 3; ++c) {
      const std::vector<double>& m = a.matrix[c];
      plane[c][i] = image.clamp(static_cast<float>(m[0] * in[0] + m[1] * in[1] + m[2] * in[2] + a.offset[c]));
    }
  }
}

struct PcaJitter : Chance {
  double std = 0.1;
  std::vector<double> eigenvalues;
  std::vector<std::vector<double>> eigenvectors;
};
constexpr auto fields(const PcaJitter*) {
  return fields_with<Chance>(
      field("std", &PcaJitter::std, "Standard deviation of the factor of each component.").range(0, 100),
      field("eigenvalues", &PcaJitter::eigenvalues,
            "Variances of the colours along their principal components, in squared units of the data; empty: "
            "those "
            "of the training part.")
          .at_least(0),
      field("eigenvectors", &PcaJitter::eigenvectors, "The components, a row for each; empty: fitted too."));
}
void check(const PcaJitter& a, const std::string& at) {
  if (a.eigenvalues.empty() && a.eigenvectors.empty()) return;
  bool right = a.eigenvalues.size() == 3 && a.eigenvectors.size() == 3;
  for (const auto& v : a.eigenvectors) right = right && v.size() == 3;
  if (!right)
    field_error(at, "expected three eigenvalues and three eigenvectors of three numbers, or none at all");
}
Attrs fit_pca(const Attrs& attrs, const Dataset& data, const std::string& split, const Input& input) {
  PcaJitter a = attrs ? *static_cast<const PcaJitter*>(attrs.get()) : PcaJitter();
  if (!a.eigenvalues.empty()) return attrs;
  const PrincipalColours found = principal_colours(data, split, input);
  a.eigenvalues.assign(found.values, found.values + 3);
  for (const auto& row : found.vectors) a.eigenvectors.emplace_back(row, row + 3);
  return make_attrs(std::move(a));
}
void apply(Image& image, const PcaJitter& a, Random& random) {
  double add[3] = {0, 0, 0};
  for (size_t k = 0; k < a.eigenvalues.size(); ++k) {
    const double weight = a.std * random.normal() * std::sqrt(a.eigenvalues[k]);
    for (size_t c = 0; c < 3; ++c) add[c] += weight * a.eigenvectors[k][c];
  }
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < image.area(); ++i)
      image.channel(c)[i] = image.clamp(image.channel(c)[i] + static_cast<float>(add[c]));
}

TransformDef pca_jitter() {
  TransformDef d =
      transform<PcaJitter>("pca_jitter",
                           "Adds the principal components of the colours, each times a random number "
                           "and the root of its variance (Krizhevsky et al. 2012, section 4.1).")
          .coloured()
          .ranged();
  d.fit = fit_pca;
  return d;
}

}  // namespace

std::span<const TransformDef> colour_transforms() {
  static const TransformDef all[] = {
      transform<Brightness>("brightness", "Multiplies all values.").ranged(),
      transform<Contrast>("contrast", "Moves all values away from the mean grey, or towards it.").ranged(),
      transform<Saturation>("saturation",
                            "Moves colours away from the grey of their brightness, or towards it.")
          .coloured()
          .ranged(),
      transform<Hue>("hue", "Turns all colours around the colour circle.").coloured().ranged(),
      transform<ColorJitter>(
          "color_jitter",
          "Brightness, contrast, saturation and hue in random order; the last two leave images "
          "of one channel as they are.")
          .ranged(),
      transform<Gamma>("gamma", "Raises values from 0 to 1 to a power.").ranged(),
      transform<Grey>("grey", "Takes the colours away; the channels stay.").coloured().ranged(),
      transform<Invert>("invert", "Makes black of white.").ranged(),
      transform<Posterize>("posterize", "Keeps the leading bits of 8-bit values.").ranged(),
      transform<Solarize>("solarize", "Inverts the bright values.").ranged(),
      transform<ColourMatrix>("color_matrix", "Multiplies the colour of each pixel by a matrix.")
          .coloured()
          .ranged(),
      pca_jitter(),
  };
  return all;
}

}  // namespace dl
