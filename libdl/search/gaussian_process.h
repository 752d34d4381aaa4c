#pragma once
// Gaussian process regression in double, for some hundreds of points of a unit cube (Rasmussen and Williams 2006, chapters
// 2 and 5): Matern 5/2 kernel with a length for each dimension, constant mean, noise. Lengths, variance and noise are the
// most likely ones under broad priors, found by gradient steps (Rprop) from two fixed starts.
#include <utility>
#include <vector>

#include "base/export.h"

namespace dl {

class DL_API GaussianProcess {
 public:
  // `categorical`: dimensions in which points are equal or not, whatever their distance. Values are standardised inside.
  GaussianProcess(std::vector<std::vector<double>> points, const std::vector<double>& values,
                  std::vector<bool> categorical);

  // Mean and standard deviation of the function (without noise) at a point, in units of the values.
  std::pair<double, double> predict(const std::vector<double>& point) const;
  // The logarithm of the marginal likelihood (of standardised values) and of the priors.
  double log_posterior() const { return log_posterior_; }
  const std::vector<double>& lengths() const { return lengths_; }
  double noise() const;  // standard deviation, in units of the values

 private:
  struct Fit;
  std::vector<double> distances(const std::vector<double>& a, const std::vector<double>& b) const;
  Fit evaluate(const std::vector<double>& theta, size_t count, bool gradient) const;
  std::vector<double> best_parameters() const;

  std::vector<std::vector<double>> points_;
  std::vector<bool> categorical_;
  std::vector<double> values_;  // standardised
  double mean_ = 0, scale_ = 1;
  std::vector<double> lengths_;
  double variance_ = 1, noise_ = 1e-4;
  double log_posterior_ = 0;
  std::vector<double> factor_,
      alpha_;  // Cholesky factor of the kernel matrix, row by row; its solution for the values
};

// In place: the lower factor of a symmetric positive definite n x n matrix, row by row; what is above the diagonal stays.
// False when it is not positive definite.
bool cholesky(std::vector<double>& a, size_t n);

}  // namespace dl
