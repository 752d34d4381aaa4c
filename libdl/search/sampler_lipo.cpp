// lipo: global optimisation of Lipschitz functions without parameters (Malherbe and Vayatis 2017), in turns with a local
// search around the best.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

constexpr int kCandidates = 1000;

double distance(const SearchContext& c, const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t d = 0; d < a.size(); ++d) {
    if (std::isnan(a[d]) || std::isnan(b[d])) continue;
    const double x = c.space[d].ordered() ? a[d] - b[d] : std::fabs(a[d] - b[d]) > 1e-9 ? 1 : 0;
    sum += x * x;
  }
  return std::sqrt(sum);
}

// The slope that explains nine of ten pairs: a single pair may differ by noise.
double slope(const SearchContext& c, const std::vector<Observed>& seen) {
  std::vector<double> slopes;
  for (size_t i = 0; i < seen.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (const double d = distance(c, seen[i].point, seen[j].point); d > 1e-9)
        slopes.push_back(std::fabs(seen[i].cost - seen[j].cost) / d);
  if (slopes.empty()) return 0;
  const size_t place = slopes.size() * 9 / 10;
  std::nth_element(slopes.begin(), slopes.begin() + static_cast<std::ptrdiff_t>(place), slopes.end());
  return slopes[place];
}

std::vector<double> unit_point(const SearchContext& c, const json& parameters) {
  std::vector<double> point;
  for (const Dimension& d : c.space) {
    const auto v = parameters.find(d.key);
    point.push_back(v == parameters.end() ? std::numeric_limits<double>::quiet_NaN() : d.unit(*v));
  }
  return point;
}

// Of many random points the one that may be the best, if the function changes no faster than seen so far.
json most_promising(const SearchContext& c, const std::vector<Observed>& seen, Random& r) {
  const double k = slope(c, seen);
  json best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kCandidates; ++i) {
    std::vector<double> u(c.space.size());
    for (double& x : u) x = r.uniform();
    json p = values_at(c.space, c.config, u);
    if (!fulfils(c, p)) continue;
    const auto at = unit_point(c, p);
    double bound = -std::numeric_limits<double>::infinity();
    for (const Observed& o : seen) bound = std::max(bound, o.cost - k * distance(c, at, o.point));
    if (bound < least) least = bound, best = std::move(p);
  }
  return best;
}

// A step from the best, shorter the more trials there were.
json near_best(const SearchContext& c, const Observed& best, int64_t number, int64_t attempt, Random& r) {
  const double by =
      0.3 / std::sqrt(1 + static_cast<double>(number) / 4) + 1e-4 * static_cast<double>(attempt);
  std::vector<double> u = best.point;
  for (size_t d = 0; d < u.size(); ++d) {
    const double jump = r.normal(), fresh = r.uniform(), chance = r.uniform();
    if (std::isnan(u[d]) || (!c.space[d].ordered() && chance < by))
      u[d] = fresh;
    else if (c.space[d].ordered())
      u[d] = std::clamp(u[d] + by * jump, 0.0, 1.0);
  }
  return values_at(c.space, c.config, u);
}

Suggestion suggest_lipo(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  std::vector<Observed> seen = observe(c, trials, all_but_batch(c, number));
  std::erase_if(seen, [](const Observed& o) { return o.kind != Observed::Kind::complete; });
  if (seen.size() < c.space.size() + 2 || c.space.empty()) return {initial_parameters(c, number)};
  Random r(c.seed, stream_id("lipo"), static_cast<uint64_t>(number));
  if (number % 2 == 0)
    if (json p = most_promising(c, seen, r); !p.is_null()) return {p};
  const auto best = std::min_element(seen.begin(), seen.end(),
                                     [](const Observed& a, const Observed& b) { return a.cost < b.cost; });
  return {first_feasible(c, [&](int64_t attempt) { return near_best(c, *best, number, attempt, r); })};
}

}  // namespace

const SamplerOps kLipoSampler{
    "lipo",
    "In turns the point that may be the best if the objective changes no faster than seen so far "
    "(Malherbe and Vayatis 2017), and a step from the best. Nothing to set, cheap, for ranges.",
    &attr_ops<NoAttrs>, all_but_batch, suggest_lipo};

}  // namespace dl
