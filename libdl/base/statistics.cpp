#include "base/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dl {

double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double normal_quantile(double p) {
  // Newton's method on the tail, from a start that is right to a few digits.
  const double q = std::min(p, 1 - p), t = std::sqrt(-2 * std::log(q));
  double x = -(t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t)));
  for (int i = 0; i < 8; ++i) {
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * 3.14159265358979323846);
    const double step = (normal_below(x) - q) / density;
    x -= step / (1 + 0.5 * x * step);  // Halley's correction
  }
  return p < 0.5 ? x : -x;
}

double sorted_quantile(std::span<const double> sorted, double share) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = std::clamp(share, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const double part = at - static_cast<double>(low);
  return part == 0 ? sorted[low] : sorted[low] + part * (sorted[low + 1] - sorted[low]);
}

}  // namespace dl
