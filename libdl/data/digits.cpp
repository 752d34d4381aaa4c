#include "data/digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace dl {

namespace {

struct Point {
  double x, y;
};
struct Node {
  double x, y, radius;
};  // of the pen's path, in pixels
using Path = std::vector<Node>;

// Elastic distortion: random vectors on a coarse grid over the unit square and its surroundings, smoothed by
// cubic B-splines (Simard et al., "Best practices for convolutional neural networks", ICDAR 2003, applied to
// the pen's path instead of to pixels).
class Elastic {
 public:
  Elastic(Random& random, double amplitude) {
    for (Point& p : grid_) p = {amplitude * random.normal(), amplitude * random.normal()};
  }
  Point operator()(double x, double y) const {
    double wx[4], wy[4];
    const int ix = weights(x, wx), iy = weights(y, wy);
    Point d{0, 0};
    for (int j = 0; j < 4; ++j)
      for (int i = 0; i < 4; ++i) {
        const Point& g = grid_[static_cast<size_t>((iy + j) * kSide + ix + i)];
        d.x += wy[j] * wx[i] * g.x;
        d.y += wy[j] * wx[i] * g.y;
      }
    return d;
  }

 private:
  static constexpr int kSide =
      6;  // three cells on the unit square, one more knot on each side for the spline
  static int weights(double v, double (&w)[4]) {
    const double t = std::clamp(v, 0.0, 0.9999) * (kSide - 3);
    const int cell = static_cast<int>(t);
    const double f = t - cell, g = 1 - f;
    w[0] = g * g * g / 6;
    w[1] = (3 * f * f * f - 6 * f * f + 4) / 6;
    w[2] = (3 * g * g * g - 6 * g * g + 4) / 6;
    w[3] = f * f * f / 6;
    return cell;
  }
  std::array<Point, kSide * kSide> grid_;
};

// The hand that writes one digit: every random choice but the skeleton.
struct Hand {
  Hand(Random& r, double amount)
      : wobble(0.022 * amount),
        elastic(r, (r.uniform() < 0.1 ? 0.13 : 0.075) * amount),
        angle((0.13 * r.normal()) * amount),
        slant((0.12 + 0.2 * r.normal()) * amount),
        width(0.82 + 0.17 * amount * std::clamp(r.normal(), -2.2, 2.2)),
        height(1 + 0.08 * amount * std::clamp(r.normal(), -2.0, 2.0)),
        shift_x(0.035 * amount * r.normal()),
        shift_y(0.03 * amount * r.normal()),
        pen(0.043 + 0.012 * amount * std::clamp(r.normal(), -1.8, 2.5)),
        pressure(0.16 * amount * r.uniform()),
        pressure_phase(r.uniform(0, 6.28)),
        ink(1 - 0.12 * amount * r.uniform()) {}
  double wobble;  // of single points of the skeleton
  Elastic elastic;
  double angle, slant, width, height, shift_x, shift_y;
  double pen;  // radius, in heights of the picture
  double pressure, pressure_phase, ink;

  Point place(Point p) const {  // unit square -> centred glyph of height about 1
    const Point d = elastic(p.x, p.y);
    const double x = (p.x + d.x - 0.5) * width, y = (p.y + d.y - 0.5) * height;
    const double u = x - slant * y, c = std::cos(angle), s = std::sin(angle);
    return {c * u - s * y, s * u + c * y};
  }
};

// A Catmull-Rom spline through points [first, last] that are smooth inside.
void trace_smooth(std::span<const Point> points, std::vector<Point>& out) {
  constexpr int kSteps = 7;
  const size_t n = points.size();
  for (size_t i = 0; i + 1 < n; ++i) {
    const Point a = points[i ? i - 1 : 0], b = points[i], c = points[i + 1],
                d = points[std::min(i + 2, n - 1)];
    for (int k = 0; k < kSteps; ++k) {
      const double t = static_cast<double>(k) / kSteps, t2 = t * t, t3 = t2 * t;
      const auto mix = [&](double p, double q, double r, double s) {
        return 0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t2 + (3 * q - p - 3 * r + s) * t3);
      };
      out.push_back({mix(a.x, b.x, c.x, d.x), mix(a.y, b.y, c.y, d.y)});
    }
  }
  out.push_back(points.back());
}

std::vector<Point> trace_stroke(const Stroke& stroke, Random& random, const Hand& hand) {
  std::vector<Point> points, out;
  for (const StrokePoint& p : stroke.points)
    points.push_back({p.x + hand.wobble * random.normal(), p.y + hand.wobble * random.normal()});
  // The pen starts a little early or late and runs on at the end.
  const auto stretch = [&](Point& end, const Point& before) {
    const double by = hand.wobble * 4 * random.normal();
    end = {end.x + by * (end.x - before.x), end.y + by * (end.y - before.y)};
  };
  stretch(points.front(), points[1]);
  stretch(points.back(), points[points.size() - 2]);
  size_t first = 0;
  for (size_t i = 1; i < points.size(); ++i)
    if (stroke.points[i].corner || i + 1 == points.size()) {
      trace_smooth(std::span(points).subspan(first, i - first + 1), out);
      first = i;
    }
  for (Point& p : out) p = hand.place(p);
  return out;
}

// Coverage of each pixel by a pen of radius a.radius to b.radius that goes from a to b; the larger value
// stays.
void draw_segment(const Node& a, const Node& b, int64_t size, float* ink) {
  const double reach = std::max(a.radius, b.radius) + 1, dx = b.x - a.x, dy = b.y - a.y;
  const double length2 = std::max(dx * dx + dy * dy, 1e-12);
  const auto lo = [&](double v) {
    return std::max<int64_t>(0, static_cast<int64_t>(std::ceil(v - reach - 0.5)));
  };
  const auto hi = [&](double v) {
    return std::min<int64_t>(size - 1, static_cast<int64_t>(std::floor(v + reach - 0.5)));
  };
  const int64_t x0 = lo(std::min(a.x, b.x)), x1 = hi(std::max(a.x, b.x));
  for (int64_t y = lo(std::min(a.y, b.y)), y1 = hi(std::max(a.y, b.y)); y <= y1; ++y)
    for (int64_t x = x0; x <= x1; ++x) {
      const double px = static_cast<double>(x) + 0.5 - a.x, py = static_cast<double>(y) + 0.5 - a.y;
      const double t = std::clamp((px * dx + py * dy) / length2, 0.0, 1.0);
      const double ex = px - t * dx, ey = py - t * dy;
      const double inside = a.radius + t * (b.radius - a.radius) - std::sqrt(ex * ex + ey * ey);
      float& v = ink[y * size + x];
      v = std::max(v, static_cast<float>(std::clamp(0.72 * inside + 0.5, 0.0, 1.0)));
    }
}

// Scales the strokes into the middle of the picture, with room around as in scanned digits, and gives the pen
// its width.
std::vector<Path> place_on_page(const std::vector<std::vector<Point>>& strokes, const Hand& hand,
                                double size) {
  Point lo{1e9, 1e9}, hi{-1e9, -1e9};
  for (const auto& s : strokes)
    for (const Point& p : s) {
      lo = {std::min(lo.x, p.x), std::min(lo.y, p.y)};
      hi = {std::max(hi.x, p.x), std::max(hi.y, p.y)};
    }
  const double room = (20.0 / 28 - 2 * hand.pen) * std::min(1.0, 0.92 * hand.height);
  const double scale = room * size / std::max({hi.x - lo.x, hi.y - lo.y, 1e-6});
  const double cx = (lo.x + hi.x) / 2, cy = (lo.y + hi.y) / 2, pen = hand.pen * size;
  std::vector<Path> out;
  for (const auto& s : strokes) {
    Path& path = out.emplace_back();
    for (size_t i = 0; i < s.size(); ++i) {
      const double along = static_cast<double>(i) / static_cast<double>(s.size());
      const double radius = pen * (1 + hand.pressure * std::sin(hand.pressure_phase + 7 * along));
      path.push_back({(s[i].x - cx) * scale + (0.5 + hand.shift_x) * size,
                      (s[i].y - cy) * scale + (0.5 + hand.shift_y) * size, std::max(radius, 0.3)});
    }
  }
  return out;
}

// Ink is uneven, paper has a rare speck.
void add_noise(Random& random, double amount, int64_t size, std::vector<float>& ink) {
  for (float& v : ink)
    if (v > 0) v *= static_cast<float>(1 - 0.1 * amount * random.uniform());
  if (random.uniform() < 0.25 * amount)
    for (int64_t k = 1 + random.below(3); k > 0; --k)
      ink[static_cast<size_t>(random.below(size * size))] += static_cast<float>(0.6 * random.uniform());
}

}  // namespace

int DigitGenerator::label(int64_t i) const {
  if (!options_.balanced)
    return static_cast<int>(
        Random(options_.seed, stream_id("digit.label"), static_cast<uint64_t>(i)).below(10));
  Random random(options_.seed, stream_id("digit.order"), static_cast<uint64_t>(i / 10));
  std::array<int, 10> order{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (int64_t k = 9; k > 0; --k)
    std::swap(order[static_cast<size_t>(k)], order[static_cast<size_t>(random.below(k + 1))]);
  return order[static_cast<size_t>(i % 10)];
}

void DigitGenerator::draw(int64_t i, uint8_t* pixels) const {
  Random random(options_.seed, stream_id("digit.hand"), static_cast<uint64_t>(i));
  const auto glyphs = digit_glyphs(label(i));
  size_t g = 0;
  for (double u = random.uniform(); g + 1 < glyphs.size() && u >= glyphs[g].weight; ++g)
    u -= glyphs[g].weight;
  const Hand hand(random, options_.distortion);
  std::vector<std::vector<Point>> strokes;
  for (const Stroke& s : glyphs[g].strokes) strokes.push_back(trace_stroke(s, random, hand));
  const int64_t size = options_.size;
  std::vector<float> ink(static_cast<size_t>(size * size));
  for (const Path& path : place_on_page(strokes, hand, static_cast<double>(size)))
    for (size_t k = 0; k + 1 < path.size(); ++k) draw_segment(path[k], path[k + 1], size, ink.data());
  add_noise(random, options_.distortion, size, ink);
  for (size_t k = 0; k < ink.size(); ++k)
    pixels[k] =
        static_cast<uint8_t>(std::lround(255 * std::min(1.0, hand.ink * static_cast<double>(ink[k]))));
}

}  // namespace dl
