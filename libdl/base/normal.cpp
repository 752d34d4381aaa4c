#include "base/normal.h"

#include <algorithm>
#include <cmath>

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

}  // namespace dl
