// cmaes: covariance matrix adaptation (Hansen 2016, "The CMA evolution strategy: a tutorial").
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

struct CmaEs {
  int64_t population = 0;
  double sigma = 0.3;
};
constexpr auto fields(const CmaEs*) {
  return std::tuple{
      field("population", &CmaEs::population,
            "Trials of one generation; 0: 4 + 3 ln(keys), at least search.batch.")
          .range(0, 10000),
      field("sigma", &CmaEs::sigma, "First standard deviation, as a part of each range.").range(0.001, 1)};
}

using Vector = std::vector<double>;

int64_t population(const SearchContext& c) {
  const int64_t asked = c.search.sampler.as<CmaEs>().population;
  const double keys = std::max<double>(1, static_cast<double>(c.space.size()));
  return asked ? std::max<int64_t>(asked, 2)
               : std::max<int64_t>(c.search.batch, 4 + static_cast<int64_t>(3 * std::log(keys)));
}

int64_t needed(const SearchContext& c, int64_t number) { return number / population(c) * population(c); }

// Eigenvalues, and eigenvectors in the columns of `b`, of a symmetric matrix, by Jacobi's rotations.
Vector eigen(Vector a, size_t n, Vector& b) {
  b.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i) b[i * n + i] = 1;
  for (int sweep = 0; sweep < 50; ++sweep) {
    double off = 0, on = 0;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) (i == j ? on : off) += a[i * n + j] * a[i * n + j];
    if (off <= 1e-24 * on) break;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (a[p * n + q] == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta >= 0 ? 1 : -1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double cosine = 1 / std::sqrt(t * t + 1), sine = t * cosine;
        for (size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = cosine * x - sine * y;
          a[k * n + q] = sine * x + cosine * y;
        }
        for (size_t k = 0; k < n; ++k) {
          const double x = a[p * n + k], y = a[q * n + k];
          a[p * n + k] = cosine * x - sine * y;
          a[q * n + k] = sine * x + cosine * y;
          const double u = b[k * n + p], v = b[k * n + q];
          b[k * n + p] = cosine * u - sine * v;
          b[k * n + q] = sine * u + cosine * v;
        }
      }
  }
  Vector values(n);
  for (size_t i = 0; i < n; ++i) values[i] = a[i * n + i];
  return values;
}

// The distribution after some generations, worked out from their results.
struct Distribution {
  size_t n;
  Vector mean, covariance, axes, scales, path_sigma, path_c;  // covariance = axes diag(scales^2) axes^T
  double sigma;

  Distribution(size_t n, double sigma)
      : n(n),
        mean(n, 0.5),
        covariance(n * n, 0),
        axes(n * n, 0),
        scales(n, 1),
        path_sigma(n, 0),
        path_c(n, 0),
        sigma(sigma) {
    for (size_t i = 0; i < n; ++i) covariance[i * n + i] = axes[i * n + i] = 1;
  }

  // `points`: a generation, best first.
  void update(const std::vector<Vector>& points, int generation) {
    const auto dims = static_cast<double>(n);
    const size_t mu = std::max<size_t>(1, points.size() / 2);
    Vector weight(mu);
    double sum = 0, square = 0;
    for (size_t i = 0; i < mu; ++i)
      sum += weight[i] = std::log(static_cast<double>(mu) + 0.5) - std::log(static_cast<double>(i) + 1);
    for (double& w : weight) w /= sum, square += w * w;
    const double effective = 1 / square;
    const double c_sigma = (effective + 2) / (dims + effective + 5);
    const double damping = 1 + 2 * std::max(0.0, std::sqrt((effective - 1) / (dims + 1)) - 1) + c_sigma;
    const double c_c = (4 + effective / dims) / (dims + 4 + 2 * effective / dims);
    const double c_1 = 2 / ((dims + 1.3) * (dims + 1.3) + effective);
    const double c_mu =
        std::min(1 - c_1, 2 * (effective - 2 + 1 / effective) / ((dims + 2) * (dims + 2) + effective));
    const double expected = std::sqrt(dims) * (1 - 1 / (4 * dims) + 1 / (21 * dims * dims));
    Vector step(n, 0);
    for (size_t i = 0; i < mu; ++i)
      for (size_t d = 0; d < n; ++d) step[d] += weight[i] * (points[i][d] - mean[d]) / sigma;
    Vector white(n, 0);  // the step without the covariance
    for (size_t k = 0; k < n; ++k) {
      double along = 0;
      for (size_t d = 0; d < n; ++d) along += axes[d * n + k] * step[d];
      for (size_t d = 0; d < n; ++d) white[d] += axes[d * n + k] * along / scales[k];
    }
    double length = 0;
    for (size_t d = 0; d < n; ++d) {
      path_sigma[d] =
          (1 - c_sigma) * path_sigma[d] + std::sqrt(c_sigma * (2 - c_sigma) * effective) * white[d];
      length += path_sigma[d] * path_sigma[d];
    }
    length = std::sqrt(length);
    const double usual = length / std::sqrt(1 - std::pow(1 - c_sigma, 2 * (generation + 1)));
    const bool steady = usual < (1.4 + 2 / (dims + 1)) * expected;
    for (size_t d = 0; d < n; ++d)
      path_c[d] = (1 - c_c) * path_c[d] + (steady ? std::sqrt(c_c * (2 - c_c) * effective) * step[d] : 0);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) {
        double rank = 0;
        for (size_t k = 0; k < mu; ++k)
          rank += weight[k] * (points[k][i] - mean[i]) * (points[k][j] - mean[j]) / (sigma * sigma);
        double& c = covariance[i * n + j];
        c = (1 - c_1 - c_mu + (steady ? 0 : c_1 * c_c * (2 - c_c))) * c + c_1 * path_c[i] * path_c[j] +
            c_mu * rank;
      }
    for (size_t d = 0; d < n; ++d) mean[d] += sigma * step[d];
    sigma = std::clamp(sigma * std::exp(c_sigma / damping * (length / expected - 1)), 1e-6, 1.0);
    scales = eigen(covariance, n, axes);
    for (double& s : scales) s = std::sqrt(std::max(s, 1e-14));
  }

  Vector draw(Random& r) const {
    Vector out = mean;
    for (size_t k = 0; k < n; ++k) {
      const double z = sigma * scales[k] * r.normal();
      for (size_t d = 0; d < n; ++d) out[d] += axes[d * n + k] * z;
    }
    return out;
  }
};

Distribution learned(const SearchContext& c, std::span<const Trial> trials, int64_t known) {
  Distribution m(c.space.size(), c.search.sampler.as<CmaEs>().sigma);
  const int64_t size = population(c);
  for (int64_t begin = 0; begin + size <= known; begin += size) {
    auto seen = observe(c, trials.subspan(static_cast<size_t>(begin), static_cast<size_t>(size)), size);
    std::stable_sort(seen.begin(), seen.end(), [](const Observed& a, const Observed& b) {
      return a.kind != b.kind ? a.kind < b.kind : a.kind != Observed::Kind::failed && a.cost < b.cost;
    });
    std::vector<Vector> points;
    for (Observed& o : seen) {
      for (size_t d = 0; d < o.point.size(); ++d)
        if (std::isnan(o.point[d])) o.point[d] = m.mean[d];
      points.push_back(o.point);
    }
    m.update(points, static_cast<int>(begin / size));
  }
  return m;
}

Suggestion suggest_cmaes(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  if (c.space.empty()) return {initial_parameters(c, number)};
  const Distribution m = learned(c, trials, needed(c, number));
  return {first_feasible(c, [&](int64_t attempt) {
    Random r(c.seed, stream_id("cmaes"), static_cast<uint64_t>(number + (attempt << 32)));
    Vector u;
    for (int i = 0; i < 20; ++i) {  // inside the cube, or else at its border
      u = m.draw(r);
      if (std::all_of(u.begin(), u.end(), [](double x) { return x >= 0 && x <= 1; })) break;
    }
    return values_at(c.space, c.config, u);
  })};
}

}  // namespace

const SamplerOps kCmaEsSampler{
    "cmaes",
    "Covariance matrix adaptation (Hansen): generations of trials around a mean that moves, with "
    "a spread that learns. For ranges that depend on one another and a hundred trials or more.",
    &attr_ops<CmaEs>, needed, suggest_cmaes};

}  // namespace dl
