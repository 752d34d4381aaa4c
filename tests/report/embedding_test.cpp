#include "report/embedding.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"

using namespace dl;

namespace {

// Three clouds of 20 points in 10 dimensions, far from each other.
Tensor clouds() {
  Tensor x(DType::f64, {60, 10});
  Random r(1, stream_id("clouds"));
  for (size_t i = 0; i < 60; ++i)
    for (size_t j = 0; j < 10; ++j) x.data<double>()[i * 10 + j] = r.normal() + (j == i / 20 ? 15 : 0);
  return x;
}

double distance(const Points& p, size_t i, size_t j) {
  return std::hypot(p[i].first - p[j].first, p[i].second - p[j].second);
}

// Whether the nearest neighbour of every point is of its own cloud.
bool keeps_clouds(const Points& p) {
  for (size_t i = 0; i < p.size(); ++i) {
    size_t nearest = i == 0 ? 1 : 0;
    for (size_t j = 0; j < p.size(); ++j)
      if (j != i && distance(p, i, j) < distance(p, i, nearest)) nearest = j;
    if (nearest / 20 != i / 20) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("principal components of points on a line and across it") {
  Tensor x(DType::f64, {4, 3});
  const double points[] = {-2, -2, 1, 2, 2,  1,
                           -1, 1,  1, 1, -1, 1};  // (1, 1) direction twice as long as (1, -1)
  std::copy_n(points, 12, x.data<double>().begin());
  const Principal p = principal_components(x);
  CHECK(p.share[0] == doctest::Approx(0.8));
  CHECK(p.share[1] == doctest::Approx(0.2));
  CHECK(p.points[1].first == doctest::Approx(2 * std::sqrt(2.0)));
  CHECK(p.points[0].first == doctest::Approx(-2 * std::sqrt(2.0)));
  CHECK(std::abs(p.points[2].second) == doctest::Approx(std::sqrt(2.0)));
}

TEST_CASE("t-SNE keeps clouds apart, and gives the same picture again") {
  const Tensor x = clouds();
  const Points a = tsne(x, 10, 300);
  CHECK(keeps_clouds(a));
  CHECK(keeps_clouds(principal_components(x).points));
  CHECK(a == tsne(x, 10, 300));
  for (const auto& [u, v] : a) CHECK(std::isfinite(u + v));
}

TEST_CASE("points that are all the same, or hardly any, are no trouble") {
  for (int64_t n : {1, 2, 5}) {
    const Points p = tsne(Tensor(DType::f64, {n, 4}), 30, 20);
    CHECK(static_cast<int64_t>(p.size()) == n);
    for (const auto& [u, v] : p) CHECK(std::isfinite(u + v));
  }
}
