#include "report/embedding.h"

#include <algorithm>
#include <cmath>

namespace dl {
namespace {

constexpr int64_t kPowerSteps = 100;

// The direction of largest variance of centred rows, without that of `before`.
std::vector<double> leading(const std::vector<double>& x, size_t n, size_t d,
                            const std::vector<double>& before) {
  std::vector<double> v(d), next(d);
  for (size_t j = 0; j < d; ++j) v[j] = 1 + static_cast<double>(j % 7);
  const auto tidy = [&](std::vector<double>& w) {
    double along = 0, length = 0;
    for (size_t j = 0; j < before.size(); ++j) along += w[j] * before[j];
    for (size_t j = 0; j < before.size(); ++j) w[j] -= along * before[j];
    for (double a : w) length += a * a;
    for (double& a : w) a /= length > 0 ? std::sqrt(length) : 1;
  };
  tidy(v);
  for (int64_t step = 0; step < kPowerSteps; ++step) {
    std::fill(next.begin(), next.end(), 0.0);
    for (size_t i = 0; i < n; ++i) {
      double along = 0;
      for (size_t j = 0; j < d; ++j) along += x[i * d + j] * v[j];
      for (size_t j = 0; j < d; ++j) next[j] += along * x[i * d + j];
    }
    tidy(next);
    v.swap(next);
  }
  const auto largest =
      std::max_element(v.begin(), v.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  if (largest != v.end() && *largest < 0)
    for (double& a : v) a = -a;
  return v;
}

std::vector<double> squared_distances(const std::span<const double> x, size_t n, size_t d) {
  std::vector<double> out(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < i; ++j) {
      double sum = 0;
      for (size_t k = 0; k < d; ++k) sum += (x[i * d + k] - x[j * d + k]) * (x[i * d + k] - x[j * d + k]);
      out[i * n + j] = out[j * n + i] = sum;
    }
  return out;
}

// Row i of the conditional probabilities: a normal density whose width gives the perplexity wanted.
void set_neighbours(std::vector<double>& p, const std::vector<double>& distance, size_t n, size_t i,
                    double entropy) {
  double beta = 1, low = 0, high = INFINITY;
  double nearest = INFINITY;
  for (size_t j = 0; j < n; ++j)
    if (j != i) nearest = std::min(nearest, distance[i * n + j]);
  for (int step = 0; step < 100; ++step) {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j < n; ++j) {
      const double away = distance[i * n + j] - nearest;
      p[i * n + j] = j == i ? 0 : std::exp(-beta * away);
      sum += p[i * n + j];
      weighted += p[i * n + j] * away;
    }
    const double have = std::log(sum) + beta * weighted / sum;
    for (size_t j = 0; j < n; ++j) p[i * n + j] /= sum;
    if (std::abs(have - entropy) < 1e-6) return;
    (have > entropy ? low : high) = beta;
    beta = std::isinf(high) ? 2 * beta : 0.5 * (low + high);
  }
}

std::vector<double> joint_probabilities(const Tensor& x, double perplexity) {
  const auto n = static_cast<size_t>(x.shape()[0]), d = static_cast<size_t>(x.shape()[1]);
  std::vector<double> distance = squared_distances(x.data<double>(), n, d), p(n * n), joint(n * n);
  double scale = 0;  // so that the search for widths begins in reach
  for (double v : distance) scale += v / static_cast<double>(n * n);
  for (double& v : distance) v /= scale > 0 ? scale : 1;
  const double limit = std::max(1.0, (static_cast<double>(n) - 1) / 3);
  for (size_t i = 0; i < n; ++i) set_neighbours(p, distance, n, i, std::log(std::min(perplexity, limit)));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      joint[i * n + j] = std::max((p[i * n + j] + p[j * n + i]) / (2 * static_cast<double>(n)), 1e-12);
  return joint;
}

}  // namespace

Principal principal_components(const Tensor& x) {
  const auto n = static_cast<size_t>(x.shape()[0]), d = static_cast<size_t>(x.shape()[1]);
  const auto given = x.data<double>();
  std::vector<double> centred(given.begin(), given.end());
  double total = 0;
  for (size_t j = 0; j < d; ++j) {
    double mean = 0;
    for (size_t i = 0; i < n; ++i) mean += centred[i * d + j] / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      centred[i * d + j] -= mean;
      total += centred[i * d + j] * centred[i * d + j];
    }
  }
  Principal out;
  out.points.resize(n);
  std::vector<double> first;
  for (int axis = 0; axis < 2; ++axis) {
    const std::vector<double> v = leading(centred, n, d, first);
    for (size_t i = 0; i < n; ++i) {
      double along = 0;
      for (size_t j = 0; j < d; ++j) along += centred[i * d + j] * v[j];
      (axis == 0 ? out.points[i].first : out.points[i].second) = along;
      out.share[axis] += total > 0 ? along * along / total : 0;
    }
    first = v;
  }
  return out;
}

Points tsne(const Tensor& x, double perplexity, int iterations) {
  constexpr int kEarly = 100;  // iterations in which neighbours draw each other together
  constexpr double kExaggeration = 12;
  const auto n = static_cast<size_t>(x.shape()[0]);
  Points y = principal_components(x).points;
  if (n < 4) return y;
  double spread = 0;
  for (const auto& [a, b] : y) spread += a * a / static_cast<double>(n);
  for (auto& [a, b] : y)
    a *= 1e-4 / std::sqrt(std::max(spread, 1e-300)), b *= 1e-4 / std::sqrt(std::max(spread, 1e-300));
  const std::vector<double> p = joint_probabilities(x, perplexity);
  const double rate = std::max(static_cast<double>(n) / kExaggeration, 5.0);
  Points speed(n, {0, 0});
  std::vector<double> near(n * n);
  for (int step = 0; step < iterations; ++step) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < i; ++j) {
        const double dx = y[i].first - y[j].first, dy = y[i].second - y[j].second;
        near[i * n + j] = near[j * n + i] = 1 / (1 + dx * dx + dy * dy);
        sum += 2 * near[i * n + j];
      }
    const double pull = step < kEarly ? kExaggeration : 1, momentum = step < kEarly ? 0.5 : 0.8;
    for (size_t i = 0; i < n; ++i) {
      double gx = 0, gy = 0;
      for (size_t j = 0; j < n; ++j) {
        if (j == i) continue;
        const double q = near[i * n + j], force = 4 * (pull * p[i * n + j] - q / sum) * q;
        gx += force * (y[i].first - y[j].first);
        gy += force * (y[i].second - y[j].second);
      }
      speed[i] = {momentum * speed[i].first - rate * gx, momentum * speed[i].second - rate * gy};
    }
    for (size_t i = 0; i < n; ++i) y[i].first += speed[i].first, y[i].second += speed[i].second;
  }
  return y;
}

}  // namespace dl
