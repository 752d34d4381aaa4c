#include "search/gaussian_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dl {
namespace {

constexpr size_t kMostFitted = 120;  // the latest points, for lengths and noise; all of them predict
constexpr int kSteps = 60;
const double kRoot5 = std::sqrt(5.0);

double matern(double r) { return (1 + kRoot5 * r + 5 * r * r / 3) * std::exp(-kRoot5 * r); }
// Its derivative by r, divided by r.
double matern_slope(double r) { return -5.0 / 3 * (1 + kRoot5 * r) * std::exp(-kRoot5 * r); }

// x with L x = b, in place.
void solve_lower(const std::vector<double>& l, size_t n, double* x) {
  for (size_t i = 0; i < n; ++i) {
    double sum = x[i];
    for (size_t k = 0; k < i; ++k) sum -= l[i * n + k] * x[k];
    x[i] = sum / l[i * n + i];
  }
}

// x with L^T x = b, in place.
void solve_upper(const std::vector<double>& l, size_t n, double* x) {
  for (size_t i = n; i-- > 0;) {
    x[i] /= l[i * n + i];
    for (size_t k = 0; k < i; ++k) x[k] -= l[i * n + k] * x[i];
  }
}

// The inverse of L L^T, both halves.
std::vector<double> inverse(const std::vector<double>& l, size_t n) {
  std::vector<double> m(n * n, 0), out(n * n);
  for (size_t j = 0; j < n; ++j) {  // row j of m: column j of the inverse of L
    double* x = &m[j * n];
    x[j] = 1 / l[j * n + j];
    for (size_t i = j + 1; i < n; ++i) {
      double sum = 0;
      for (size_t k = j; k < i; ++k) sum -= l[i * n + k] * x[k];
      x[i] = sum / l[i * n + i];
    }
  }
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (size_t k = i; k < n; ++k) sum += m[i * n + k] * m[j * n + k];
      out[i * n + j] = out[j * n + i] = sum;
    }
  return out;
}

}  // namespace

bool cholesky(std::vector<double>& a, size_t n) {
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j && !(sum > 0)) return false;
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  return true;
}

struct GaussianProcess::Fit {
  double log_posterior = -std::numeric_limits<double>::infinity();
  std::vector<double> gradient, factor, alpha;
};

std::vector<double> GaussianProcess::distances(const std::vector<double>& a,
                                               const std::vector<double>& b) const {
  std::vector<double> out(a.size());
  for (size_t d = 0; d < a.size(); ++d) {
    const double x = a[d] - b[d];
    out[d] = categorical_[d] ? (std::fabs(x) > 1e-9 ? 1 : 0) : x * x;
  }
  return out;
}

// theta: logarithms of the lengths, of the variance, of the variance of the noise. The last `count` points.
GaussianProcess::Fit GaussianProcess::evaluate(const std::vector<double>& theta, size_t count,
                                               bool gradient) const {
  const size_t n = count, first = points_.size() - n, dims = categorical_.size();
  std::vector<double> inverse_square(dims);
  for (size_t d = 0; d < dims; ++d) inverse_square[d] = std::exp(-2 * theta[d]);
  const double variance = std::exp(theta[dims]), noise = std::exp(theta[dims + 1]);
  std::vector<double> k(n * n), r(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      const auto square = distances(points_[first + i], points_[first + j]);
      double sum = 0;
      for (size_t d = 0; d < dims; ++d) sum += square[d] * inverse_square[d];
      r[i * n + j] = std::sqrt(sum);
      k[i * n + j] = variance * matern(r[i * n + j]) + (i == j ? noise + 1e-9 : 0);
    }
  Fit f;
  f.gradient.assign(dims + 2, 0);
  f.factor = k;
  if (!cholesky(f.factor, n)) return f;
  f.alpha.assign(values_.begin() + static_cast<std::ptrdiff_t>(first), values_.end());
  solve_lower(f.factor, n, f.alpha.data());
  double fit = 0, determinant = 0;
  for (size_t i = 0; i < n; ++i) {
    fit += f.alpha[i] * f.alpha[i];
    determinant += std::log(f.factor[i * n + i]);
  }
  solve_upper(f.factor, n, f.alpha.data());
  f.log_posterior =
      -0.5 * fit - determinant - 0.5 * static_cast<double>(n) * std::log(2 * 3.14159265358979323846);
  // Priors, normal in the logarithms: lengths about half the cube, longer in more dimensions, little noise.
  const double length = std::log(0.5 * std::sqrt(std::sqrt(static_cast<double>(dims))));
  const auto prior = [&](size_t i, double mean, double sigma) {
    const double z = (theta[i] - mean) / sigma;
    f.log_posterior -= 0.5 * z * z;
    f.gradient[i] -= z / sigma;
  };
  for (size_t d = 0; d < dims; ++d) prior(d, length, 0.8);
  prior(dims, 0, 1);
  prior(dims + 1, std::log(1e-3), 2);
  if (!gradient) return f;
  const auto precision = inverse(f.factor, n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      const double weight = (f.alpha[i] * f.alpha[j] - precision[i * n + j]) * (i == j ? 0.5 : 1);
      f.gradient[dims] += weight * variance * matern(r[i * n + j]);
      if (i == j) {
        f.gradient[dims + 1] += weight * noise;
        continue;
      }
      const double slope = -variance * matern_slope(r[i * n + j]) * weight;
      const auto square = distances(points_[first + i], points_[first + j]);
      for (size_t d = 0; d < dims; ++d) f.gradient[d] += slope * square[d] * inverse_square[d];
    }
  return f;
}

std::vector<double> GaussianProcess::best_parameters() const {
  const size_t dims = categorical_.size(), count = std::min(points_.size(), kMostFitted);
  std::vector<double> best;
  double most = -std::numeric_limits<double>::infinity();
  for (const double start : {0.3, 1.0}) {
    std::vector<double> theta(dims, std::log(start)), step(dims + 2, 0.2), last(dims + 2, 0);
    theta.push_back(0);
    theta.push_back(std::log(1e-2));
    for (int s = 0; s < kSteps; ++s) {
      const Fit f = evaluate(theta, count, true);
      if (f.log_posterior > most) most = f.log_posterior, best = theta;
      double largest = 0;
      for (size_t i = 0; i < theta.size(); ++i) {
        const double same = f.gradient[i] * last[i];
        step[i] = std::clamp(step[i] * (same > 0 ? 1.2 : same < 0 ? 0.5 : 1), 1e-4, 1.0);
        last[i] = same < 0 ? 0 : f.gradient[i];
        if (last[i] != 0) theta[i] += last[i] > 0 ? step[i] : -step[i];
        theta[i] = std::clamp(theta[i], i == dims + 1 ? std::log(1e-6) : -5.0, 5.0);
        largest = std::max(largest, step[i]);
      }
      if (largest < 2e-3) break;
    }
  }
  return best;
}

GaussianProcess::GaussianProcess(std::vector<std::vector<double>> points, const std::vector<double>& values,
                                 std::vector<bool> categorical)
    : points_(std::move(points)), categorical_(std::move(categorical)), values_(values) {
  const auto n = static_cast<double>(values.size());
  for (double v : values) mean_ += v / n;
  double square = 0;
  for (double v : values) square += (v - mean_) * (v - mean_) / n;
  scale_ = square > 1e-24 * (1 + mean_ * mean_) ? std::sqrt(square) : 1;
  for (double& v : values_) v = (v - mean_) / scale_;
  const size_t dims = categorical_.size();
  std::vector<double> theta = best_parameters();
  Fit f;
  while ((f = evaluate(theta, points_.size(), false)).factor.empty() || !std::isfinite(f.log_posterior))
    theta[dims + 1] += 1;  // more noise until rounding no longer matters
  log_posterior_ = f.log_posterior;
  factor_ = std::move(f.factor);
  alpha_ = std::move(f.alpha);
  for (size_t d = 0; d < dims; ++d) lengths_.push_back(std::exp(theta[d]));
  variance_ = std::exp(theta[dims]);
  noise_ = std::exp(theta[dims + 1]);
}

std::pair<double, double> GaussianProcess::predict(const std::vector<double>& point) const {
  const size_t n = points_.size();
  std::vector<double> k(n);
  double mean = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto square = distances(point, points_[i]);
    double sum = 0;
    for (size_t d = 0; d < square.size(); ++d) sum += square[d] / (lengths_[d] * lengths_[d]);
    k[i] = variance_ * matern(std::sqrt(sum));
    mean += k[i] * alpha_[i];
  }
  solve_lower(factor_, n, k.data());
  double left = variance_;
  for (double v : k) left -= v * v;
  return {mean_ + scale_ * mean, scale_ * std::sqrt(std::max(left, 1e-12))};
}

double GaussianProcess::noise() const { return scale_ * std::sqrt(noise_); }

}  // namespace dl
