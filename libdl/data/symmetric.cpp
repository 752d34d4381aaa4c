#include "data/symmetric.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace dl {

namespace {

// Householder's reduction: `a` becomes the orthogonal matrix Q with Q^T a Q tridiagonal: diagonal d, below it e[1..].
void reduce_to_tridiagonal(Matrix& a, int64_t n, std::vector<double>& d, std::vector<double>& e) {
  const auto at = [&](int64_t i, int64_t j) -> double& { return a[static_cast<size_t>(i * n + j)]; };
  const auto D = [&](int64_t i) -> double& { return d[static_cast<size_t>(i)]; };
  const auto E = [&](int64_t i) -> double& { return e[static_cast<size_t>(i)]; };
  for (int64_t i = n - 1; i > 0; --i) {
    double scale = 0, h = 0;
    for (int64_t k = 0; k < i; ++k) scale += std::abs(at(i, k));
    if (i == 1 || scale == 0) {
      E(i) = at(i, i - 1);
      D(i) = 0;
      continue;
    }
    for (int64_t k = 0; k < i; ++k) {
      at(i, k) /= scale;
      h += at(i, k) * at(i, k);
    }
    const double f = at(i, i - 1), g = f >= 0 ? -std::sqrt(h) : std::sqrt(h);
    E(i) = scale * g;
    h -= f * g;
    at(i, i - 1) = f - g;
    // p = A u / h, with the lower triangle alone; rows are walked so that memory is read in order.
    std::fill(e.begin(), e.begin() + i, 0.0);
    for (int64_t j = 0; j < i; ++j) {
      const double u = at(i, j);
      double dot = at(j, j) * u;
      for (int64_t k = 0; k < j; ++k) {
        dot += at(j, k) * at(i, k);
        E(k) += at(j, k) * u;
      }
      E(j) += dot;
    }
    double sum = 0;
    for (int64_t j = 0; j < i; ++j) {
      E(j) /= h;
      sum += E(j) * at(i, j);
    }
    const double half = sum / (h + h);
    for (int64_t j = 0; j < i; ++j) E(j) -= half * at(i, j);
    for (int64_t j = 0; j < i; ++j)
      for (int64_t k = 0; k <= j; ++k) at(j, k) -= at(i, j) * E(k) + E(j) * at(i, k);
    D(i) = h;
  }
  D(0) = E(0) = 0;
  std::vector<double> g(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {  // the product of the reflections
    if (i > 0 && D(i) != 0) {
      std::fill(g.begin(), g.begin() + i, 0.0);
      for (int64_t k = 0; k < i; ++k)
        for (int64_t j = 0; j < i; ++j) g[static_cast<size_t>(j)] += at(i, k) * at(k, j);
      for (int64_t k = 0; k < i; ++k) {
        const double u = at(i, k) / D(i);
        for (int64_t j = 0; j < i; ++j) at(k, j) -= g[static_cast<size_t>(j)] * u;
      }
    }
    D(i) = at(i, i);
    at(i, i) = 1;
    for (int64_t k = 0; k < i; ++k) at(i, k) = at(k, i) = 0;
  }
}

// The implicit QL method on diagonal d and off-diagonal e[1..]; rows of `z` are turned along.
void diagonalize(std::vector<double>& d, std::vector<double>& e, Matrix& z, int64_t n) {
  std::rotate(e.begin(), e.begin() + 1, e.end());
  e.back() = 0;
  const auto D = [&](int64_t i) -> double& { return d[static_cast<size_t>(i)]; };
  const auto E = [&](int64_t i) -> double& { return e[static_cast<size_t>(i)]; };
  for (int64_t l = 0; l < n; ++l)
    for (int turn = 0;; ++turn) {
      int64_t m = l;
      while (m + 1 < n && std::abs(E(m)) > 1e-16 * (std::abs(D(m)) + std::abs(D(m + 1)))) ++m;
      if (m == l) break;
      if (turn == 100) throw Error(Exit::internal, "eigenvalues do not converge");
      double g = (D(l + 1) - D(l)) / (2 * E(l)), r = std::hypot(g, 1.0);
      g = D(m) - D(l) + E(l) / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      int64_t i = m - 1;
      for (; i >= l; --i) {
        double f = s * E(i);
        const double b = c * E(i);
        E(i + 1) = r = std::hypot(f, g);
        if (r == 0) {
          D(i + 1) -= p;
          E(m) = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = D(i + 1) - p;
        r = (D(i) - g) * s + 2 * c * b;
        p = s * r;
        D(i + 1) = g + p;
        g = c * r - b;
        double* low = &z[static_cast<size_t>(i * n)];
        double* high = low + n;
        for (int64_t k = 0; k < n; ++k) {
          f = high[k];
          high[k] = s * low[k] + c * f;
          low[k] = c * low[k] - s * f;
        }
      }
      if (r == 0 && i >= l) continue;
      D(l) -= p;
      E(l) = g;
      E(m) = 0;
    }
}

}  // namespace

Eigen symmetric_eigen(Matrix a, int64_t n) {
  std::vector<double> d(static_cast<size_t>(n)), e(static_cast<size_t>(n));
  reduce_to_tridiagonal(a, n, d, e);
  for (int64_t i = 0; i < n; ++i)  // rows for columns: the rotations then run along memory
    for (int64_t j = 0; j < i; ++j)
      std::swap(a[static_cast<size_t>(i * n + j)], a[static_cast<size_t>(j * n + i)]);
  diagonalize(d, e, a, n);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) {
    return d[static_cast<size_t>(x)] > d[static_cast<size_t>(y)];
  });
  Eigen out;
  out.vectors.reserve(a.size());
  for (int64_t k : order) {
    const double* v = &a[static_cast<size_t>(k * n)];
    out.values.push_back(d[static_cast<size_t>(k)]);
    double largest = 0;
    for (int64_t i = 0; i < n; ++i)
      if (std::abs(v[i]) > std::abs(largest) * (1 + 1e-9)) largest = v[i];
    for (int64_t i = 0; i < n; ++i) out.vectors.push_back(largest < 0 ? -v[i] : v[i]);
  }
  return out;
}

bool cholesky(Matrix& a, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, a[static_cast<size_t>(i * n + i)]);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double s = a[static_cast<size_t>(i * n + j)];
      for (int64_t k = 0; k < j; ++k)
        s -= a[static_cast<size_t>(i * n + k)] * a[static_cast<size_t>(j * n + k)];
      if (i == j && !(s > 1e-12 * most)) return false;
      a[static_cast<size_t>(i * n + j)] = i == j ? std::sqrt(s) : s / a[static_cast<size_t>(j * n + j)];
    }
  return true;
}

void solve_lower(const Matrix& l, int64_t n, std::span<double> x) {
  for (int64_t i = 0; i < n; ++i) {
    double s = x[static_cast<size_t>(i)];
    for (int64_t k = 0; k < i; ++k) s -= l[static_cast<size_t>(i * n + k)] * x[static_cast<size_t>(k)];
    x[static_cast<size_t>(i)] = s / l[static_cast<size_t>(i * n + i)];
  }
}

void solve_lower_transposed(const Matrix& l, int64_t n, std::span<double> x) {
  for (int64_t i = n - 1; i >= 0; --i) {
    double s = x[static_cast<size_t>(i)];
    for (int64_t k = i + 1; k < n; ++k) s -= l[static_cast<size_t>(k * n + i)] * x[static_cast<size_t>(k)];
    x[static_cast<size_t>(i)] = s / l[static_cast<size_t>(i * n + i)];
  }
}

void Covariance::add(std::span<const double> row) {
  if (count_ == 0) {
    shift_.assign(row.begin(), row.end());
    sum_.assign(row.size(), 0);
    products_.assign(row.size() * row.size(), 0);
    block_.resize(row.size() * kBlock);
  }
  double* to = &block_[static_cast<size_t>(waiting_ * width_)];
  for (int64_t i = 0; i < width_; ++i) {
    const auto k = static_cast<size_t>(i);
    to[i] = row[k] - shift_[k];
    sum_[k] += to[i];
  }
  ++count_;
  if (++waiting_ == kBlock) flush();
}

void Covariance::flush() {
  for (int64_t i = 0; i < width_; ++i) {
    double* to = &products_[static_cast<size_t>(i * width_)];
    for (int64_t r = 0; r < waiting_; ++r) {
      const double* x = &block_[static_cast<size_t>(r * width_)];
      const double v = x[i];
      if (v == 0) continue;
      for (int64_t j = i; j < width_; ++j) to[j] += v * x[j];
    }
  }
  waiting_ = 0;
}

std::vector<double> Covariance::mean() const {
  std::vector<double> out(shift_);
  for (size_t i = 0; i < out.size(); ++i) out[i] += sum_[i] / static_cast<double>(count_);
  return out;
}

Matrix Covariance::scatter() {
  flush();
  Matrix out(products_);
  const auto n = static_cast<double>(count_);
  for (int64_t i = 0; i < width_; ++i)
    for (int64_t j = i; j < width_; ++j) {
      const auto ij = static_cast<size_t>(i * width_ + j), ji = static_cast<size_t>(j * width_ + i);
      out[ij] -= sum_[static_cast<size_t>(i)] * sum_[static_cast<size_t>(j)] / n;
      out[ji] = out[ij];
    }
  return out;
}

}  // namespace dl
