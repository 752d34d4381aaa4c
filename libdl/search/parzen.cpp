#include "search/parzen.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dl {
namespace {

constexpr size_t kFullWeight = 25;  // so many latest points weigh 1, older ones less

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

double mass(double a, double b, double mean, double sigma) {
  return std::max(normal_cdf((b - mean) / sigma) - normal_cdf((a - mean) / sigma), 1e-300);
}

// Bandwidth: the larger of the gaps to the neighbours, at the ends the only gap (Bergstra et al. 2011).
double neighbour_width(const std::vector<double>& sorted, double u) {
  const auto i = static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), u) - sorted.begin());
  if (sorted.size() < 2) return 1;
  const double left = i > 0 ? u - sorted[i - 1] : 0;
  const double right = i + 1 < sorted.size() ? sorted[i + 1] - u : 0;
  return std::max(left, right);
}

}  // namespace

Parzen::Parzen(const std::vector<Dimension>& space, std::vector<size_t> keys,
               std::vector<std::vector<double>> points, double prior)
    : space_(space), keys_(std::move(keys)), points_(std::move(points)) {
  const size_t n = points_.size();
  for (size_t i = 0; i < n; ++i) {
    const size_t old = n > kFullWeight ? n - kFullWeight : 0;
    weights_.push_back(i >= old   ? 1.0
                       : old == 1 ? 1.0 / static_cast<double>(n)
                                  : 1.0 / static_cast<double>(n) + (1 - 1.0 / static_cast<double>(n)) *
                                                                       static_cast<double>(i) /
                                                                       static_cast<double>(old));
  }
  weights_.push_back(prior);
  double sum = 0;
  for (double w : weights_) sum += w;
  for (double& w : weights_) w /= sum;
  widths_.assign(n, std::vector<double>(space_.size(), 1));
  const double least = 1 / std::min(100.0, 2.0 + static_cast<double>(n));
  for (size_t d : keys_) {
    std::vector<double> sorted;
    for (const auto& p : points_)
      if (!std::isnan(p[d])) sorted.push_back(p[d]);
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < n; ++i)
      if (!std::isnan(points_[i][d]))
        widths_[i][d] = std::clamp(neighbour_width(sorted, points_[i][d]), least, 1.0);
  }
}

bool Parzen::flat(size_t kernel, size_t key) const {
  return kernel < points_.size() && std::isnan(points_[kernel][key]);
}
double Parzen::center(size_t kernel, size_t key) const {
  return kernel < points_.size() ? points_[kernel][key] : 0.5;
}
double Parzen::width(size_t kernel, size_t key) const {
  return kernel < points_.size() ? widths_[kernel][key] : 1;
}

double Parzen::log_kernel(size_t kernel, size_t key, double u) const {
  const Dimension& d = space_[key];
  const auto cells = static_cast<double>(d.cells());
  if (flat(kernel, key)) return cells > 0 ? -std::log(cells) : 0;
  if (!d.ordered()) {  // the observed value counts once more than the share of all values
    const double share = 1 / static_cast<double>(points_.size() + 1);
    if (kernel == points_.size()) return -std::log(cells);
    const bool same = static_cast<int64_t>(u * cells) == static_cast<int64_t>(center(kernel, key) * cells);
    return std::log((share + (same ? 1 : 0)) / (1 + share * cells));
  }
  const double mean = center(kernel, key), sigma = width(kernel, key), all = mass(0, 1, mean, sigma);
  if (cells > 0) {
    const auto [a, b] = d.cell(d.value(u));
    return std::log(mass(a, b, mean, sigma) / all);
  }
  const double z = (u - mean) / sigma;
  return -0.5 * z * z - std::log(sigma * std::sqrt(2 * 3.14159265358979323846) * all);
}

void Parzen::draw(Random& r, std::vector<double>& point) const {
  double left = r.uniform();
  size_t kernel = 0;
  while (kernel + 1 < weights_.size() && left >= weights_[kernel]) left -= weights_[kernel++];
  for (size_t d : keys_) {
    const Dimension& dim = space_[d];
    const auto cells = static_cast<double>(dim.cells());
    if (flat(kernel, d) || (!dim.ordered() && kernel == points_.size())) {
      point[d] = r.uniform();
    } else if (!dim.ordered()) {
      const double share = 1 / static_cast<double>(points_.size() + 1);
      point[d] = r.uniform() * (1 + share * cells) < 1 ? center(kernel, d) : r.uniform();
    } else {
      point[d] = -1;
      for (int i = 0; i < 100 && !(point[d] >= 0 && point[d] <= 1); ++i)
        point[d] = center(kernel, d) + width(kernel, d) * r.normal();
      if (!(point[d] >= 0 && point[d] <= 1)) point[d] = r.uniform();
    }
  }
}

double Parzen::log_density(const std::vector<double>& point) const {
  double most = -std::numeric_limits<double>::infinity();
  std::vector<double> terms;
  for (size_t k = 0; k < weights_.size(); ++k) {
    if (!(weights_[k] > 0)) continue;
    double sum = std::log(weights_[k]);
    for (size_t d : keys_)
      if (!std::isnan(point[d])) sum += log_kernel(k, d, point[d]);
    terms.push_back(sum);
    most = std::max(most, sum);
  }
  double total = 0;
  for (double t : terms) total += std::exp(t - most);
  return most + std::log(total);
}

}  // namespace dl
