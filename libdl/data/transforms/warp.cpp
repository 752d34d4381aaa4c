// Rotation, scaling, shearing, perspective and elastic distortion.
#include "data/transforms/warp.h"

#include <numbers>

#include "data/transforms/filter.h"

namespace dl {
namespace {

// Folds a coordinate into the extent where the border mirrors or repeats; else limits it to one pixel outside, where
// the padding lies.
float fold(float v, int64_t extent, Border border) {
  const auto n = static_cast<float>(extent);
  if (border == Border::reflect && (v < 0 || v > n - 1)) {
    if (extent == 1) return 0;
    const float period = 2 * (n - 1);
    v = std::fabs(v - period * std::floor(v / period));
    return std::min(v, period - v);
  }
  if (border == Border::wrap && (v < 0 || v >= n)) {
    v -= n * std::floor(v / n);
    return v < n ? v : 0;  // rounding may give n itself
  }
  return v > -1 ? std::min(v, n) : -1;  // NaN: outside
}

// A plane's channel with one more pixel on each side.
void pad(const float* in, int64_t h, int64_t w, Border border, float fill, float* out) {
  const auto source = [&](int64_t at, int64_t n) {
    if (border == Border::edge) return std::clamp<int64_t>(at, 0, n - 1);
    if (border == Border::wrap) return (at + n) % n;
    return at < 0 ? std::min<int64_t>(1, n - 1) : std::max<int64_t>(0, n - 2);  // reflect
  };
  const bool constant = border == Border::constant || border == Border::noise;
  for (int64_t y = -1; y <= h; ++y) {
    float* row = out + (y + 1) * (w + 2);
    const bool inside = y >= 0 && y < h;
    if (!inside && constant) {
      std::fill(row, row + w + 2, fill);
      continue;
    }
    const float* from = in + (inside ? y : source(y, h)) * w;
    std::copy(from, from + w, row + 1);
    row[0] = constant ? fill : from[source(-1, w)];
    row[w + 1] = constant ? fill : from[source(w, w)];
  }
}

struct
    Taps {  // of each output pixel: its upper left neighbour in the padded plane, the weights of lower and right
  int32_t* first;
  float* weights;
};

void make_taps(const Image& image, int64_t n, const Sampling& s, bool nearest, Taps taps) {
  const int64_t h = image.height, w = image.width, stride = w + 2;
  const float* at = image.coordinates.data();
  for (int64_t i = 0; i < n; ++i) {
    const float y = fold(at[2 * i], h, s.border) + 1, x = fold(at[2 * i + 1], w, s.border) + 1;
    if (nearest) {
      taps.first[i] =
          static_cast<int32_t>(static_cast<int64_t>(y + 0.5f) * stride + static_cast<int64_t>(x + 0.5f));
      continue;
    }
    const int64_t y0 = std::min(static_cast<int64_t>(y), h), x0 = std::min(static_cast<int64_t>(x), w);
    taps.first[i] = static_cast<int32_t>(y0 * stride + x0);
    taps.weights[2 * i] = y - static_cast<float>(y0);
    taps.weights[2 * i + 1] = x - static_cast<float>(x0);
  }
}

void resample(Plane& plane, int64_t height, int64_t width, Border border, float fill, bool nearest, Taps taps,
              std::vector<float>& padded) {
  const int64_t n = height * width, stride = plane.width + 2;
  padded.resize(static_cast<size_t>((plane.height + 2) * stride));
  plane.scratch.resize(static_cast<size_t>(plane.channels * n));
  for (int64_t c = 0; c < plane.channels; ++c) {
    pad(plane.channel(c), plane.height, plane.width, border, fill, padded.data());
    float* out = plane.scratch.data() + c * n;
    if (nearest) {
      for (int64_t i = 0; i < n; ++i) out[i] = padded[static_cast<size_t>(taps.first[i])];
      continue;
    }
    for (int64_t i = 0; i < n; ++i) {
      const float* p = padded.data() + taps.first[i];
      const float down = taps.weights[2 * i], right = taps.weights[2 * i + 1];
      const float upper = p[0] + right * (p[1] - p[0]);
      const float lower = p[stride] + right * (p[stride + 1] - p[stride]);
      out[i] = upper + down * (lower - upper);
    }
  }
  plane.take_scratch(height, width);
}

}  // namespace

void resample_at_coordinates(Image& image, int64_t height, int64_t width, const Sampling& s, Random& random) {
  const int64_t n = height * width, old_height = image.height, old_width = image.width;
  image.taps.resize(static_cast<size_t>(n));
  image.weights.resize(static_cast<size_t>(2 * n));
  const Taps taps{image.taps.data(), image.weights.data()};
  if (!image.masks.empty()) {
    make_taps(image, n, s, true, taps);
    for (Plane& mask : image.masks) resample(mask, height, width, s.border, 0, true, taps, image.padded);
  }
  const bool nearest = s.interpolation == Interpolation::nearest;
  make_taps(image, n, s, nearest, taps);
  resample(image, height, width, s.border, s.fill, nearest, taps, image.padded);
  if (s.border != Border::noise) return;
  for (int64_t i = 0; i < n; ++i) {
    const float y = image.coordinates[static_cast<size_t>(2 * i)],
                x = image.coordinates[static_cast<size_t>(2 * i + 1)];
    if (y > -0.5f && y < static_cast<float>(old_height) - 0.5f && x > -0.5f &&
        x < static_cast<float>(old_width) - 0.5f)
      continue;
    for (int64_t c = 0; c < image.channels; ++c)
      image.channel(c)[i] =
          image.clamp(image.black + image.span() * static_cast<float>(0.5 + 0.25 * random.normal()));
  }
}

void warp_affine(Image& image, const AffineMap& m, const Sampling& sampling, Random& random) {
  const double cy = 0.5 * static_cast<double>(image.height - 1),
               cx = 0.5 * static_cast<double>(image.width - 1);
  warp(image, image.height, image.width, sampling, random, [&](int64_t row, int64_t column) {
    const double y = static_cast<double>(row) - cy - m.dy, x = static_cast<double>(column) - cx - m.dx;
    return Point{static_cast<float>(m.yy * y + m.yx * x + cy), static_cast<float>(m.xy * y + m.xx * x + cx)};
  });
}

AffineMap inverse_affine(double degrees, double scale, double shear_x, double shear_y, double dy, double dx) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double c = std::cos(degrees * kRadians), s = std::sin(degrees * kRadians);
  const double kx = std::tan(shear_x * kRadians), ky = std::tan(shear_y * kRadians);
  // Forward in (x, y), y downwards: R = [c s; -s c] turns counter-clockwise on the screen, K = [1 kx; ky 1].
  const double a = scale * (c + s * ky), b = scale * (c * kx + s);
  const double d = scale * (-s + c * ky), e = scale * (-s * kx + c);
  const double det = a * e - b * d;
  return {.yy = a / det, .yx = -d / det, .xy = -b / det, .xx = e / det, .dy = dy, .dx = dx};
}

namespace {

struct Rotate : Sampling {
  double degrees[2] = {-15, 15};
};
constexpr auto fields(const Rotate*) {
  return fields_with<Sampling>(field("degrees", &Rotate::degrees,
                                     "Counter-clockwise, [from, to] drawn evenly; one number: always that.")
                                   .range(-360, 360));
}
void check(const Rotate& a, const std::string& at) { check_range(a.degrees, at, "degrees"); }
void apply(Image& image, const Rotate& a, Random& random) {
  warp_affine(image, inverse_affine(draw(a.degrees, random), 1, 0, 0, 0, 0), a, random);
}

struct Scale : Sampling {
  double factor[2] = {0.8, 1.25};
};
constexpr auto fields(const Scale*) {
  return fields_with<Sampling>(
      field("factor", &Scale::factor, "Above 1 enlarges about the centre; [from, to], or one number.")
          .range(0.01, 100));
}
void check(const Scale& a, const std::string& at) { check_range(a.factor, at, "factor"); }
void apply(Image& image, const Scale& a, Random& random) {
  const double s = a.factor[0] * std::pow(a.factor[1] / a.factor[0], random.uniform());
  warp_affine(image, inverse_affine(0, s, 0, 0, 0, 0), a, random);
}

struct Shear : Sampling {
  double x[2] = {-15, 15}, y[2] = {0, 0};
};
constexpr auto fields(const Shear*) {
  return fields_with<Sampling>(
      field("x", &Shear::x, "Degrees by which columns slant, [from, to] or one number.").range(-80, 80),
      field("y", &Shear::y, "Degrees by which rows slant, [from, to] or one number.").range(-80, 80));
}
void check(const Shear& a, const std::string& at) {
  check_range(a.x, at, "x");
  check_range(a.y, at, "y");
  if (std::max({a.x[1], -a.x[0]}) + std::max({a.y[1], -a.y[0]}) >= 90)
    field_error(at, "slants of x and y come to 90 degrees, where the picture would be a line");
}
void apply(Image& image, const Shear& a, Random& random) {
  const double x = draw(a.x, random), y = draw(a.y, random);
  warp_affine(image, inverse_affine(0, 1, x, y, 0, 0), a, random);
}

struct Affine : Sampling {
  double degrees[2] = {-10, 10}, translate[2] = {0.1, 0.1}, factor[2] = {0.9, 1.1}, shear[2] = {-5, 5};
};
constexpr auto fields(const Affine*) {
  return fields_with<Sampling>(
      field("degrees", &Affine::degrees, "Rotation, [from, to] or one number.").range(-360, 360),
      field("translate", &Affine::translate, "Largest shift as a share of the height and width.").range(0, 1),
      field("factor", &Affine::factor, "Scaling, [from, to] or one number.").range(0.01, 100),
      field("shear", &Affine::shear, "Slant of the columns in degrees, [from, to] or one number.")
          .range(-80, 80));
}
void check(const Affine& a, const std::string& at) {
  check_range(a.degrees, at, "degrees");
  check_range(a.factor, at, "factor");
  check_range(a.shear, at, "shear");
}
void apply(Image& image, const Affine& a, Random& random) {
  const double turn = draw(a.degrees, random), size = draw(a.factor, random), slant = draw(a.shear, random);
  const double dy = a.translate[0] * random.uniform(-1, 1) * static_cast<double>(image.height),
               dx = a.translate[1] * random.uniform(-1, 1) * static_cast<double>(image.width);
  warp_affine(image, inverse_affine(turn, size, slant, 0, dy, dx), a, random);
}

struct Perspective : Sampling {
  double distortion = 0.3;
};
constexpr auto fields(const Perspective*) {
  return fields_with<Sampling>(
      field("distortion", &Perspective::distortion,
            "How far each corner moves inwards at most, as a share of half the side.")
          .range(0, 0.95));
}

// The projective map that takes the corners of the unit square, (0,0) (1,0) (1,1) (0,1) as (x, y), to the points `q`
// (Heckbert 1989, section 2.2.3): (x, y) -> ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)).
struct Projection {
  double a, b, c, d, e, f, g, h;
  explicit Projection(const double (&q)[4][2]) {
    const double sx = q[0][0] - q[1][0] + q[2][0] - q[3][0], sy = q[0][1] - q[1][1] + q[2][1] - q[3][1];
    const double x1 = q[1][0] - q[2][0], x2 = q[3][0] - q[2][0], y1 = q[1][1] - q[2][1],
                 y2 = q[3][1] - q[2][1];
    const double det = x1 * y2 - x2 * y1;
    g = (sx * y2 - x2 * sy) / det;
    h = (x1 * sy - sx * y1) / det;
    a = q[1][0] - q[0][0] + g * q[1][0];
    b = q[3][0] - q[0][0] + h * q[3][0];
    c = q[0][0];
    d = q[1][1] - q[0][1] + g * q[1][1];
    e = q[3][1] - q[0][1] + h * q[3][1];
    f = q[0][1];
  }
};

void apply(Image& image, const Perspective& attrs, Random& random) {
  const auto h = static_cast<double>(image.height), w = static_cast<double>(image.width);
  // The corners of the output show points of the input that lie outside by as much as the output's content moves in.
  const double corner[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
  double q[4][2];
  for (int k = 0; k < 4; ++k)
    for (int i = 0; i < 2; ++i)
      q[k][i] = 0.5 + 0.5 * corner[k][i] * (1 + attrs.distortion * random.uniform());
  const Projection m(q);
  warp(image, image.height, image.width, attrs, random, [&](int64_t row, int64_t column) {
    const double x = (static_cast<double>(column) + 0.5) / w, y = (static_cast<double>(row) + 0.5) / h;
    const double z = m.g * x + m.h * y + 1;
    return Point{static_cast<float>((m.d * x + m.e * y + m.f) / z * h - 0.5),
                 static_cast<float>((m.a * x + m.b * y + m.c) / z * w - 0.5)};
  });
}

struct Elastic : Sampling {
  double alpha = 34, sigma = 4;
};
constexpr auto fields(const Elastic*) {
  return fields_with<Sampling>(
      field("alpha", &Elastic::alpha, "Strength: the factor of the smoothed displacements, in pixels.")
          .range(0, 1e6),
      field("sigma", &Elastic::sigma,
            "Standard deviation of the smoothing in pixels: small is ragged, large stiff.")
          .range(0.1, 1000));
}

void apply(Image& image, const Elastic& attrs, Random& random) {
  const int64_t h = image.height, w = image.width;
  Plane field{.channels = 2, .height = h, .width = w, .pixels = {}, .scratch = {}};
  for (int64_t i = 0; i < 2 * h * w; ++i) field.pixels.push_back(static_cast<float>(random.uniform(-1, 1)));
  convolve_separable(field, gaussian_kernel(attrs.sigma), Border::constant);
  const auto alpha = static_cast<float>(attrs.alpha);
  warp(image, h, w, attrs, random, [&](int64_t y, int64_t x) {
    return Point{static_cast<float>(y) + alpha * field.row(0, y)[x],
                 static_cast<float>(x) + alpha * field.row(1, y)[x]};
  });
}

}  // namespace

std::span<const TransformDef> warp_transforms() {
  static const TransformDef all[] = {
      transform<Rotate>("rotate", "Turns the image about its centre."),
      transform<Scale>("scale",
                       "Enlarges or shrinks what is seen about the centre; the extents stay. The factor is "
                       "drawn evenly on a logarithmic scale."),
      transform<Shear>("shear", "Slants the image about its centre."),
      transform<Affine>("affine",
                        "Rotation, scaling, shear and shift with one interpolation for all: sharper and "
                        "faster than one after the other."),
      transform<Perspective>("perspective",
                             "Looks at the image from aside: every corner moves inwards on its own."),
      transform<Elastic>("elastic", "Smoothed random displacements of all pixels (Simard et al. 2003)."),
  };
  return all;
}

}  // namespace dl
