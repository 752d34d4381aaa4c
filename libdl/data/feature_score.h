#pragma once
// How much a column tells, of the target or beside the others: for feature selection.
#include <cstdint>
#include <span>
#include <vector>

#include "data/symmetric.h"

namespace dl {

// Mutual information of two lists of values in nats, both put into at most `bins` bins of equal counts (values that are
// equal share a bin; fewer different values are bins themselves): the plug-in estimate, which is too large by about
// (bins_x - 1) (bins_y - 1) / 2n.
double mutual_information(std::span<const double> x, std::span<const double> y, int64_t bins);

// Correlations (n, n) of a scatter matrix; 0 where a column is constant, 1 on the diagonal.
Matrix correlations(const Matrix& scatter, int64_t n);
// 1 / (1 - R^2) of each column on the others, from their correlations; a column that the others tell wholly gets a very
// large number.
std::vector<double> variance_inflation(const Matrix& correlation, int64_t n);
// Square root of the ratio of the extreme eigenvalues of the correlations.
double condition_number(const Matrix& correlation, int64_t n);

// The lasso over a path of penalties down to `least`, a share of the smallest penalty that leaves no coefficient: for each
// column the share at which its coefficient first becomes other than zero; 0 where it is zero at `least`. Correlations of
// columns (n, n), and of each with the target (n). Coordinate descent (Friedman, Hastie, Tibshirani 2010).
std::vector<double> lasso_entry(const Matrix& correlation, std::span<const double> with_target, double least);
// Its coefficients at one penalty: argmin 1/2 b^T C b - c^T b + penalty |b|_1, starting from `b`.
void lasso_descend(const Matrix& correlation, std::span<const double> with_target, double penalty,
                   std::vector<double>& b);

}  // namespace dl
