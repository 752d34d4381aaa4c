// Blurring, sharpening and kernels of one's own.
#include "data/transforms/filter.h"

#include <algorithm>
#include <cmath>

#include "data/transforms/colour.h"

namespace dl {
namespace {

// The index that stands for `at` outside of [0, n); -1: nothing does.
int64_t inside(int64_t at, int64_t n, Border border) {
  if (at >= 0 && at < n) return at;
  switch (border) {
    case Border::edge:
      return std::clamp<int64_t>(at, 0, n - 1);
    case Border::wrap:
      return (at % n + n) % n;
    case Border::reflect: {
      if (n == 1) return 0;
      const int64_t period = 2 * (n - 1), k = (at % period + period) % period;
      return std::min(k, period - k);
    }
    default:
      return -1;
  }
}

void convolve_rows(Plane& p, const std::vector<float>& kernel, Border border, std::vector<float>& line) {
  const int64_t radius = static_cast<int64_t>(kernel.size()) / 2;
  line.resize(static_cast<size_t>(p.width + 2 * radius));
  for (int64_t c = 0; c < p.channels; ++c)
    for (int64_t y = 0; y < p.height; ++y) {
      float* row = p.row(c, y);
      for (int64_t x = -radius; x < p.width + radius; ++x) {
        const int64_t from = inside(x, p.width, border);
        line[static_cast<size_t>(x + radius)] = from < 0 ? 0 : row[from];
      }
      std::fill(row, row + p.width, 0.0f);
      for (size_t k = 0; k < kernel.size(); ++k)
        for (int64_t x = 0; x < p.width; ++x) row[x] += kernel[k] * line[static_cast<size_t>(x) + k];
    }
}

void convolve_columns(Plane& p, const std::vector<float>& kernel, Border border) {
  const int64_t radius = static_cast<int64_t>(kernel.size()) / 2;
  p.scratch.assign(p.pixels.size(), 0.0f);
  for (int64_t c = 0; c < p.channels; ++c)
    for (int64_t y = 0; y < p.height; ++y) {
      float* out = p.scratch.data() + (c * p.height + y) * p.width;
      for (int64_t k = -radius; k <= radius; ++k) {
        const int64_t from = inside(y + k, p.height, border);
        if (from < 0) continue;
        const float w = kernel[static_cast<size_t>(k + radius)], *row = p.row(c, from);
        for (int64_t x = 0; x < p.width; ++x) out[x] += w * row[x];
      }
    }
  p.pixels.swap(p.scratch);
}

}  // namespace

std::vector<float> gaussian_kernel(double sigma) {
  const auto radius = static_cast<int64_t>(std::ceil(4 * sigma));
  std::vector<float> out;
  double sum = 0;
  for (int64_t k = -radius; k <= radius; ++k)
    sum += std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma));
  for (int64_t k = -radius; k <= radius; ++k)
    out.push_back(static_cast<float>(std::exp(-0.5 * static_cast<double>(k * k) / (sigma * sigma)) / sum));
  return out;
}

void convolve_separable(Plane& plane, const std::vector<float>& kernel, Border border) {
  std::vector<float> line;
  convolve_rows(plane, kernel, border, line);
  convolve_columns(plane, kernel, border);
}

// The smoothed image has weights 1 around a 5, over 13; pixels of the edge stay.
void change_sharpness(Image& image, float factor) {
  image.scratch = image.pixels;
  const int64_t w = image.width;
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = 1; y + 1 < image.height; ++y) {
      const float* p = image.row(c, y);
      float* out = image.scratch.data() + (c * image.height + y) * w;
      for (int64_t x = 1; x + 1 < w; ++x) {
        const float around = p[x - w - 1] + p[x - w] + p[x - w + 1] + p[x - 1] + p[x + 1] + p[x + w - 1] +
                             p[x + w] + p[x + w + 1];
        const float smooth = (around + 5 * p[x]) * (1.0f / 13);
        out[x] = image.clamp(smooth + factor * (p[x] - smooth));
      }
    }
  image.pixels.swap(image.scratch);
}

namespace {

struct Blur : Chance {
  double sigma[2] = {0.1, 1};
};
constexpr auto fields(const Blur*) {
  return fields_with<Chance>(
      field("sigma", &Blur::sigma,
            "Standard deviation in pixels, [from, to] or one number; 0 changes nothing.")
          .range(0, 100));
}
void check(const Blur& a, const std::string& at) { check_range(a.sigma, at, "sigma"); }
void apply(Image& image, const Blur& a, Random& random) {
  const double sigma = draw(a.sigma, random);
  if (sigma > 1e-3) convolve_separable(image, gaussian_kernel(sigma), Border::reflect);
}

struct Sharpen : Chance {
  double factor[2] = {0.5, 2};
};
constexpr auto fields(const Sharpen*) {
  return fields_with<Chance>(
      field("factor", &Sharpen::factor,
            "0 smooths, 1 changes nothing, above 1 sharpens; [from, to] or one number.")
          .range(0, 100));
}
void check(const Sharpen& a, const std::string& at) { check_range(a.factor, at, "factor"); }
void apply(Image& image, const Sharpen& a, Random& random) {
  change_sharpness(image, static_cast<float>(draw(a.factor, random)));
}

struct Kernel : Chance {
  std::vector<std::vector<double>> weights;
  std::optional<double> scale;
  double offset = 0;
  Border border = Border::reflect;
};
constexpr auto fields(const Kernel*) {
  return fields_with<Chance>(
      field("weights", &Kernel::weights,
            "Rows of numbers, odd in count and length. They lie on the image as they are written: not "
            "mirrored.")
          .required(),
      field("scale", &Kernel::scale, "Divides the sum; null: the sum of the weights, or 1 where that is 0."),
      field("offset", &Kernel::offset, "Added afterwards, in the units of the data."),
      field("border", &Kernel::border, "What stands outside of the image; constant and noise: black."));
}
void check(const Kernel& a, const std::string& at) {
  bool right = a.weights.size() % 2 == 1;
  for (const auto& row : a.weights)
    right = right && row.size() == a.weights.front().size() && row.size() % 2 == 1;
  if (!right) field_error(at + "/weights", "expected an odd number of rows of one odd length");
  if (a.scale && *a.scale == 0) field_error(at + "/scale", "divides the sum, expected another number than 0");
}

void apply(Image& image, const Kernel& a, Random&) {
  const auto kh = static_cast<int64_t>(a.weights.size()), kw = static_cast<int64_t>(a.weights.front().size());
  double sum = 0;
  for (const auto& row : a.weights)
    for (double w : row) sum += w;
  const double scale = a.scale ? *a.scale : std::fabs(sum) > 1e-12 ? sum : 1;
  image.scratch.assign(image.pixels.size(), static_cast<float>(a.offset));
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = 0; y < image.height; ++y) {
      float* out = image.scratch.data() + (c * image.height + y) * image.width;
      for (int64_t i = 0; i < kh; ++i) {
        const int64_t from = inside(y + i - kh / 2, image.height, a.border);
        for (int64_t j = 0; j < kw; ++j) {
          const auto w =
              static_cast<float>(a.weights[static_cast<size_t>(i)][static_cast<size_t>(j)] / scale);
          if (w == 0) continue;
          for (int64_t x = 0; x < image.width; ++x) {
            const int64_t at = inside(x + j - kw / 2, image.width, a.border);
            out[x] += w * (from < 0 || at < 0 ? image.black : image.row(c, from)[at]);
          }
        }
      }
    }
  image.pixels.swap(image.scratch);
}

}  // namespace

std::span<const TransformDef> filter_transforms() {
  static const TransformDef all[] = {
      transform<Blur>("blur", "Gaussian blur."),
      transform<Sharpen>("sharpen", "Moves each pixel away from the mean around it, or towards it.").ranged(),
      transform<Kernel>("kernel", "A two-dimensional kernel of one's own, over each channel."),
  };
  return all;
}

}  // namespace dl
