// Changing the size of images, and windows of random size brought to the former one.
#include <algorithm>
#include <cmath>

#include "data/transforms/warp.h"

namespace dl {
namespace {

enum class Method { bilinear, nearest, area };
constexpr auto enum_names(const Method*) {
  return std::to_array<std::string_view>({"bilinear", "nearest", "area"});
}

struct Window {  // of the input, in pixels from its upper left corner
  double top, left, height, width;
};

// The inputs that one output position averages.
struct Tap {
  int64_t first;
  std::vector<float> weights;  // sum 1
};

double overlap(double from, double to, int64_t pixel) {
  return std::min(to, static_cast<double>(pixel) + 1) - std::max(from, static_cast<double>(pixel));
}

// Output i of n covers [offset + i * length / n, offset + (i + 1) * length / n) of the input.
std::vector<Tap> make_taps(double offset, double length, int64_t extent, int64_t n, Method method,
                           bool antialias) {
  const double step = length / static_cast<double>(n);
  const double reach = antialias ? std::max(1.0, step) : 1.0;  // of the triangle
  std::vector<Tap> taps(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double from = offset + static_cast<double>(i) * step, centre = from + 0.5 * step;
    Tap& t = taps[static_cast<size_t>(i)];
    if (method == Method::nearest) {
      t = {std::clamp(static_cast<int64_t>(std::floor(centre)), int64_t{0}, extent - 1), {1}};
      continue;
    }
    const bool area = method == Method::area && step > 1;
    const double lo = area ? from : centre - reach - 0.5, hi = area ? from + step : centre + reach + 0.5;
    t.first = std::clamp(static_cast<int64_t>(std::floor(lo)), int64_t{0}, extent - 1);
    const int64_t last = std::clamp(static_cast<int64_t>(std::ceil(hi)), t.first + 1, extent);
    double sum = 0;
    for (int64_t p = t.first; p < last; ++p) {
      const double w = area ? std::max(0.0, overlap(lo, hi, p))
                            : std::max(0.0, 1 - std::fabs(static_cast<double>(p) + 0.5 - centre) / reach);
      t.weights.push_back(static_cast<float>(w));
      sum += w;
    }
    if (sum <= 0)
      t = {std::clamp(static_cast<int64_t>(std::floor(centre)), int64_t{0}, extent - 1), {1}}, sum = 1;
    for (float& w : t.weights) w = static_cast<float>(w / sum);
  }
  return taps;
}

void resample(Plane& in, const Window& window, int64_t height, int64_t width, Method method, bool antialias) {
  const auto rows = make_taps(window.top, window.height, in.height, height, method, antialias);
  const auto columns = make_taps(window.left, window.width, in.width, width, method, antialias);
  in.scratch.resize(static_cast<size_t>(in.channels * height * width));
  std::vector<float> line(static_cast<size_t>(in.width));
  for (int64_t c = 0; c < in.channels; ++c)
    for (int64_t y = 0; y < height; ++y) {
      const Tap& row = rows[static_cast<size_t>(y)];
      std::fill(line.begin(), line.end(), 0.0f);
      for (size_t j = 0; j < row.weights.size(); ++j) {
        const float* s = in.row(c, row.first + static_cast<int64_t>(j));
        for (int64_t x = 0; x < in.width; ++x) line[static_cast<size_t>(x)] += row.weights[j] * s[x];
      }
      for (int64_t x = 0; x < width; ++x) {
        const Tap& column = columns[static_cast<size_t>(x)];
        float v = 0;
        for (size_t j = 0; j < column.weights.size(); ++j)
          v += column.weights[j] * line[static_cast<size_t>(column.first) + j];
        in.scratch[static_cast<size_t>((c * height + y) * width + x)] = v;
      }
    }
  in.take_scratch(height, width);
}

void resample(Image& image, const Window& window, int64_t height, int64_t width, Method method,
              bool antialias) {
  image.for_each_plane([&](Plane& plane, bool mask) {
    resample(plane, window, height, width, mask ? Method::nearest : method, antialias);
  });
}

struct Resize : Chance {
  int64_t size[2] = {0, 0}, shorter_side[2] = {0, 0};
  Method method = Method::bilinear;
  bool antialias = true;
};
constexpr auto fields(const Resize*) {
  return fields_with<Chance>(
      field("size", &Resize::size, "Height and width, one number or two; 0: as shorter_side says.")
          .range(0, 65536),
      field("shorter_side", &Resize::shorter_side,
            "The shorter side is drawn from [from, to], the other follows (scale jittering of Simonyan and "
            "Zisserman "
            "2015, section 3.1).")
          .range(0, 65536),
      field("method", &Resize::method,
            "area averages what a pixel covers and is bilinear where the image grows."),
      field("antialias", &Resize::antialias, "bilinear: averages over more pixels where the image shrinks."));
}
void check(const Resize& a, const std::string& at) {
  const bool sized = a.size[0] > 0 && a.size[1] > 0,
             jittered = a.shorter_side[0] > 0 && a.shorter_side[1] > 0;
  if (sized == jittered) field_error(at, "expected either \"size\" or \"shorter_side\"");
  if (a.shorter_side[1] < a.shorter_side[0])
    field_error(at + "/shorter_side", "the second number is below the first");
}
void apply(Image& image, const Resize& a, Random& random) {
  int64_t h = a.size[0], w = a.size[1];
  if (h == 0) {
    const int64_t side = a.shorter_side[0] + random.below(a.shorter_side[1] - a.shorter_side[0] + 1);
    const double factor =
        static_cast<double>(side) / static_cast<double>(std::min(image.height, image.width));
    h = std::max<int64_t>(1, std::llround(factor * static_cast<double>(image.height)));
    w = std::max<int64_t>(1, std::llround(factor * static_cast<double>(image.width)));
  }
  if (h == image.height && w == image.width) return;
  resample(image, {0, 0, static_cast<double>(image.height), static_cast<double>(image.width)}, h, w, a.method,
           a.antialias);
}

struct RandomResizedCrop : Chance {
  double area[2] = {0.08, 1}, aspect[2] = {0.75, 4.0 / 3};
  Method method = Method::bilinear;
  bool antialias = true;
};
constexpr auto fields(const RandomResizedCrop*) {
  return fields_with<Chance>(
      field("area", &RandomResizedCrop::area, "Share of the image that the window covers, [from, to].")
          .range(1e-4, 1),
      field("aspect", &RandomResizedCrop::aspect,
            "Width over height of the window, even on a logarithmic scale.")
          .range(0.01, 100),
      field("method", &RandomResizedCrop::method, "As for resize."),
      field("antialias", &RandomResizedCrop::antialias, "As for resize."));
}
void check(const RandomResizedCrop& a, const std::string& at) {
  check_range(a.area, at, "area");
  check_range(a.aspect, at, "aspect");
}
void apply(Image& image, const RandomResizedCrop& a, Random& random) {
  const auto h = static_cast<double>(image.height), w = static_cast<double>(image.width);
  Window window{0, 0, h, w};
  bool found = false;
  for (int attempt = 0; attempt < 10 && !found; ++attempt) {
    const double area = draw(a.area, random) * h * w;
    const double aspect = a.aspect[0] * std::pow(a.aspect[1] / a.aspect[0], random.uniform());
    window.height = std::round(std::sqrt(area / aspect));
    window.width = std::round(std::sqrt(area * aspect));
    found = window.height >= 1 && window.height <= h && window.width >= 1 && window.width <= w;
  }
  if (!found) {  // the largest window in the middle whose aspect is allowed
    const double aspect = std::clamp(w / h, a.aspect[0], a.aspect[1]);
    window.width = std::max(1.0, std::round(std::min(w, h * aspect)));
    window.height = std::max(1.0, std::round(std::min(h, w / aspect)));
    window.top = std::floor((h - window.height) / 2);
    window.left = std::floor((w - window.width) / 2);
  } else {
    window.top = static_cast<double>(random.below(image.height - static_cast<int64_t>(window.height) + 1));
    window.left = static_cast<double>(random.below(image.width - static_cast<int64_t>(window.width) + 1));
  }
  resample(image, window, image.height, image.width, a.method, a.antialias);
}

}  // namespace

std::span<const TransformDef> resize_transforms() {
  static const TransformDef all[] = {
      transform<Resize>("resize", "Another size. What stands behind it must bring the extents back."),
      transform<RandomResizedCrop>(
          "random_resized_crop",
          "A window of random area, aspect and place brought to the size of the image "
          "(Szegedy et al. 2015)."),
  };
  return all;
}

}  // namespace dl
