#include "data/transforms/principal.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/memory.h"

namespace dl {
namespace {

// Eigenvectors of a symmetric matrix by Jacobi's rotations: `a` becomes diagonal, the rows of `v` its vectors.
void diagonalise(double (&a)[3][3], double (&v)[3][3]) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) v[i][j] = i == j;
  for (int sweep = 0; sweep < 50; ++sweep)
    for (int p = 0; p < 2; ++p)
      for (int q = p + 1; q < 3; ++q) {
        if (std::fabs(a[p][q]) < 1e-300) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (int k = 0; k < 3; ++k) {  // columns
          const double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y;
          a[k][q] = s * x + c * y;
        }
        for (int k = 0; k < 3; ++k) {  // rows
          const double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y;
          a[q][k] = s * x + c * y;
          const double m = v[p][k], n = v[q][k];
          v[p][k] = c * m - s * n;
          v[q][k] = s * m + c * n;
        }
      }
}

struct Sums {
  double n = 0, first[3] = {}, second[3][3] = {};
  template <class T>
  void add(const T* image, int64_t area) {
    double one[3] = {}, two[3][3] = {};
    for (int64_t i = 0; i < area; ++i) {
      const double v[3] = {static_cast<double>(image[i]), static_cast<double>(image[area + i]),
                           static_cast<double>(image[2 * area + i])};
      for (int a = 0; a < 3; ++a) {
        one[a] += v[a];
        for (int b = a; b < 3; ++b) two[a][b] += v[a] * v[b];
      }
    }
    n += static_cast<double>(area);
    for (int a = 0; a < 3; ++a) {
      first[a] += one[a];
      for (int b = a; b < 3; ++b) second[a][b] += two[a][b];
    }
  }
};

}  // namespace

PrincipalColours principal_colours(const Dataset& data, const std::string& split, const Input& input) {
  constexpr int64_t kRows = 256;
  const Schema& schema = data.schema();
  std::vector<void*> columns(schema.columns(), nullptr);
  Memory memory(static_cast<size_t>(input.type.bytes() * kRows));
  for (size_t i = 0; i < schema.inputs.size(); ++i)
    if (schema.inputs[i].name == input.name) columns[i] = memory.data();
  const int64_t area = input.type.shape[1] * input.type.shape[2], rows = data.rows(split);
  Sums sums;
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t n = std::min(kRows, rows - first);
    data.read(split, first, n, columns);
    for (int64_t r = 0; r < n; ++r) {
      if (input.type.dtype == DType::u8)
        sums.add(static_cast<const uint8_t*>(static_cast<void*>(memory.data())) + r * 3 * area, area);
      else
        sums.add(static_cast<const float*>(static_cast<void*>(memory.data())) + r * 3 * area, area);
    }
  }
  double a[3][3], v[3][3];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      a[i][j] = sums.second[std::min(i, j)][std::max(i, j)] / sums.n -
                sums.first[i] / sums.n * (sums.first[j] / sums.n);
  diagonalise(a, v);
  int order[3] = {0, 1, 2};
  std::sort(order, order + 3, [&](int x, int y) { return a[x][x] > a[y][y]; });
  PrincipalColours out;
  for (int k = 0; k < 3; ++k) {
    const double* row = v[order[k]];
    const double* largest =
        std::max_element(row, row + 3, [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    out.values[k] = std::max(0.0, a[order[k]][order[k]]);
    for (int c = 0; c < 3; ++c) out.vectors[k][c] = *largest < 0 ? -row[c] : row[c];
  }
  return out;
}

}  // namespace dl
