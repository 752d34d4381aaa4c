#include "nn/init_matrix.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace dl {
namespace {

// Rows: units; a tensor of lower rank is one row.
struct MatrixForm {
  int64_t rows = 1, columns = 1, window = 1;
  explicit MatrixForm(const Shape& s) {
    if (s.rank() < 2) {
      columns = s.elements();
      return;
    }
    rows = s[0];
    window = s.elements(2, s.rank());
    columns = s[1] * window;
  }
  // The element of a row where `input` meets the middle of the window.
  static int64_t middle(const Shape& s) {
    int64_t at = 0;
    for (int i = 2; i < s.rank(); ++i) at = at * s[i] + s[i] / 2;
    return at;
  }
};

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Normal numbers made orthonormal: `count` vectors of n >= count numbers each, by Gram and Schmidt's process in the form
// that takes each finished vector off all later ones at once, which can be shared.
std::vector<double> orthonormal(int64_t count, int64_t n, const RandomSource& from) {
  std::vector<double> v(static_cast<size_t>(count * n));
  Random random(from.seed, from.stream);
  for (double& x : v) x = random.normal();
  constexpr int64_t kPart = 16;  // vectors
  for (int64_t i = 0; i < count; ++i) {
    double* q = v.data() + i * n;
    const double norm = std::sqrt(dot(q, q, n));
    for (int64_t k = 0; k < n; ++k) q[k] /= norm;
    const int64_t left = count - i - 1;
    const auto part = [&](int64_t p, int) {
      for (int64_t j = i + 1 + p * kPart; j < std::min(count, i + 1 + (p + 1) * kPart); ++j) {
        double* x = v.data() + j * n;
        const double share = dot(q, x, n);
        for (int64_t k = 0; k < n; ++k) x[k] -= share * q[k];
      }
    };
    const int64_t parts = (left + kPart - 1) / kPart;
    if (from.pool && left * n > 1 << 15)
      parallel(from.pool, parts, part);
    else
      for (int64_t p = 0; p < parts; ++p) part(p, 0);
  }
  return v;
}

// put(row, column, value) for all elements of an orthogonal matrix.
template <class F>
void each_orthogonal(int64_t rows, int64_t columns, double gain, const RandomSource& from, F put) {
  const bool wide = rows <= columns;
  const int64_t count = std::min(rows, columns), n = std::max(rows, columns);
  const std::vector<double> v = orthonormal(count, n, from);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < n; ++k)
      put(wide ? i : k, wide ? k : i, static_cast<float>(gain * v[static_cast<size_t>(i * n + k)]));
}

}  // namespace

void fill_orthogonal(Tensor& t, double gain, const RandomSource& from) {
  const MatrixForm m(t.shape());
  float* y = t.data<float>().data();
  each_orthogonal(m.rows, m.columns, gain, from,
                  [&](int64_t row, int64_t column, float v) { y[row * m.columns + column] = v; });
}

void fill_delta_orthogonal(Tensor& t, double gain, const RandomSource& from) {
  const MatrixForm m(t.shape());
  float* y = t.data<float>().data() + MatrixForm::middle(t.shape());
  each_orthogonal(m.rows, m.columns / m.window, gain, from,
                  [&](int64_t row, int64_t input, float v) { y[row * m.columns + input * m.window] = v; });
}

void fill_identity(Tensor& t, double gain) {
  const MatrixForm m(t.shape());
  float* y = t.data<float>().data() + MatrixForm::middle(t.shape());
  for (int64_t i = 0; i < std::min(m.rows, m.columns / m.window); ++i)
    y[i * m.columns + i * m.window] = static_cast<float>(gain);
}

void fill_sparse(Tensor& t, int64_t connections, double std, const RandomSource& from) {
  const MatrixForm m(t.shape());
  float* y = t.data<float>().data();
  Random random(from.seed, from.stream);
  std::vector<int64_t> order(static_cast<size_t>(m.columns));
  for (int64_t row = 0; row < m.rows; ++row) {
    for (size_t k = 0; k < order.size(); ++k) order[k] = static_cast<int64_t>(k);
    for (int64_t k = 0; k < std::min(connections, m.columns); ++k) {  // the first places of a shuffle
      std::swap(order[static_cast<size_t>(k)], order[static_cast<size_t>(k + random.below(m.columns - k))]);
      y[row * m.columns + order[static_cast<size_t>(k)]] = static_cast<float>(std * random.normal());
    }
  }
}

}  // namespace dl
