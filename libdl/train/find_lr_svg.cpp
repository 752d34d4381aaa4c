#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/str.h"
#include "train/find_lr.h"

namespace dl {
namespace {

constexpr double kWidth = 720, kHeight = 420, kLeft = 70, kRight = 20, kTop = 30, kBottom = 50;

// From values to points of the picture.
struct Axes {
  double first, last, low, high;  // log10 of the rates; losses
  double x(double lr) const {
    return kLeft + (kWidth - kLeft - kRight) * (std::log10(lr) - first) / std::max(last - first, 1e-9);
  }
  double y(double loss) const {
    const double part = (std::clamp(loss, low, high) - low) / std::max(high - low, 1e-9);
    return kHeight - kBottom - (kHeight - kTop - kBottom) * part;
  }
};

std::string fixed(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

std::string brief(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return str("<line x1=\"", fixed(x1), "\" y1=\"", fixed(y1), "\" x2=\"", fixed(x2), "\" y2=\"", fixed(y2),
             "\" ", style, "/>\n");
}

std::string label(double x, double y, const char* anchor, const std::string& words) {
  return str("<text x=\"", fixed(x), "\" y=\"", fixed(y), "\" text-anchor=\"", anchor, "\">", words,
             "</text>\n");
}

template <class Value>
std::string polyline(const LrCurve& curve, const Axes& axes, const char* style, Value value) {
  std::string points;
  for (const LrCurve::Point& p : curve.points)
    points += str(points.empty() ? "" : " ", fixed(axes.x(p.lr)), ',', fixed(axes.y(value(p))));
  return str("<polyline fill=\"none\" ", style, " points=\"", points, "\"/>\n");
}

std::string grid(const Axes& axes) {
  constexpr const char* kGrid = "stroke=\"#ddd\"";
  std::string out;
  for (double d = std::ceil(axes.first - 1e-9); d <= axes.last + 1e-9; ++d) {
    const double x = axes.x(std::pow(10, d));
    out += line(x, kTop, x, kHeight - kBottom, kGrid) +
           label(x, kHeight - kBottom + 18, "middle", brief(std::pow(10, d)));
  }
  for (int i = 0; i <= 4; ++i) {
    const double loss = axes.low + (axes.high - axes.low) * i / 4;
    out += line(kLeft, axes.y(loss), kWidth - kRight, axes.y(loss), kGrid) +
           label(kLeft - 8, axes.y(loss) + 4, "end", brief(loss));
  }
  return out + label(kWidth / 2, kHeight - 12, "middle", "learning rate") +
         label(kLeft, kTop - 12, "middle", "loss");
}

std::string mark(const Axes& axes, double lr, const char* color, const std::string& words) {
  if (!std::isfinite(lr) || std::log10(lr) < axes.first) return "";
  const double x = axes.x(lr);
  return line(x, kTop, x, kHeight - kBottom, str("stroke=\"", color, "\" stroke-dasharray=\"5 4\"").c_str()) +
         label(x + 4, words.starts_with("steepest") ? kTop + 12 : kTop + 28, "start",
               str(words, ' ', brief(lr)));
}

}  // namespace

std::string LrCurve::svg() const {
  Axes axes{0, 1, 0, 1};
  if (!points.empty()) {
    axes = {std::log10(points.front().lr), std::log10(points.back().lr), INFINITY, 0};
    for (const Point& p : points) axes.low = std::min({axes.low, p.smoothed, p.loss});
    axes.high = points.front().smoothed +
                0.5 * (points.front().smoothed - axes.low);  // what diverges leaves the picture
    for (const Point& p : points)
      if (p.lr <= points[points.size() / 2].lr) axes.high = std::max(axes.high, p.smoothed);
  }
  return str(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, ' ', kHeight,
      "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>\n",
      grid(axes), polyline(*this, axes, "stroke=\"#bbb\"", [](const Point& p) { return p.loss; }),
      polyline(*this, axes, "stroke=\"#06c\" stroke-width=\"2\"", [](const Point& p) { return p.smoothed; }),
      mark(axes, steepest, "#c30", "steepest"), mark(axes, tenth_of_least, "#080", "least / 10"), "</svg>\n");
}

}  // namespace dl
