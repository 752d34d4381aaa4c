#pragma once
// Small dense linear algebra in double: symmetric matrices of up to a few thousand rows, row after row.
#include <cstdint>
#include <span>
#include <vector>

namespace dl {

using Matrix = std::vector<double>;  // (n, n) or (n, m), row after row

struct Eigen {
  std::vector<double> values;  // largest first
  Matrix vectors;              // (n, n): row k belongs to values[k]; its largest component is positive
};
// Of a symmetric matrix (n, n): Householder's reduction to three diagonals, then the implicit QL method (Golub and Van
// Loan, "Matrix Computations", 8.3). O(n^3).
Eigen symmetric_eigen(Matrix a, int64_t n);

// Lower L with L L^T = a; false where `a` is not positive definite.
bool cholesky(Matrix& a, int64_t n);
// x := L^-1 x, x := L^-T x.
void solve_lower(const Matrix& l, int64_t n, std::span<double> x);
void solve_lower_transposed(const Matrix& l, int64_t n, std::span<double> x);

// Sums for means and covariances of rows as they come, without keeping them.
class Covariance {
 public:
  explicit Covariance(int64_t width) : width_(width) {}
  void add(std::span<const double> row);
  int64_t count() const { return count_; }
  std::vector<double> mean() const;
  // Sums of products of deviations from the means (n, n).
  Matrix scatter();

 private:
  void flush();
  static constexpr int64_t kBlock = 64;
  int64_t width_, count_ = 0, waiting_ = 0;
  std::vector<double> shift_, sum_;  // of the values less the first row, against cancellation
  Matrix products_, block_;
};

}  // namespace dl
