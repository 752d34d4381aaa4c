// gp: Bayesian optimisation with a Gaussian process and expected improvement.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "search/gaussian_process.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

struct Gp {
  int64_t startup = 8;
  int64_t candidates = 512;
};
constexpr auto fields(const Gp*) {
  return std::tuple{
      field("startup", &Gp::startup, "Quasi-random trials before the first that learns.").at_least(2),
      field("candidates", &Gp::candidates, "Points at which the search for the largest improvement begins.")
          .range(16, 100000)};
}

constexpr size_t kMostPoints = 400;  // the work grows with their cube

// log of the expected improvement of a normal (mean, sigma) below `best` (Jones et al. 1998), also where it underflows.
double log_improvement(double mean, double sigma, double best) {
  const double z = (best - mean) / sigma, root = std::sqrt(2 * 3.14159265358979323846);
  if (z > -6) {
    const double pdf = std::exp(-0.5 * z * z) / root, cdf = 0.5 * std::erfc(-z / std::sqrt(2.0));
    return std::log(sigma) + std::log(std::max(pdf + z * cdf, 1e-300));
  }
  return std::log(sigma) - 0.5 * z * z - std::log(root) -
         2 * std::log(-z);  // phi(z) / z^2, for z far below 0
}

// Costs far above the usual ones are pulled in, so that one disaster does not flatten all else. Failures cost as much as
// the worst.
std::vector<double> tamed(const std::vector<Observed>& seen) {
  std::vector<double> costs;
  for (const Observed& o : seen)
    if (o.kind < Observed::Kind::failed) costs.push_back(o.cost);
  std::sort(costs.begin(), costs.end());
  const double middle = costs[costs.size() / 2], worst = costs.back();
  const double unit = std::max(middle - costs.front(), 1e-12 * (1 + std::fabs(middle)));
  std::vector<double> out;
  for (const Observed& o : seen) {
    double cost = o.kind == Observed::Kind::failed ? worst : o.cost;
    if (o.kind == Observed::Kind::pruned) cost = std::max(cost, middle);
    const double z = (cost - middle) / unit;
    out.push_back(z > 1 ? 1 + std::log(z) : z);
  }
  return out;
}

struct Search {
  const SearchContext& c;
  const GaussianProcess& gp;
  double best;
  json parameters{};
  std::vector<double> point{};
  double gain = -std::numeric_limits<double>::infinity();

  // Tries a point of the cube; true when it is the best so far.
  bool offer(const std::vector<double>& u) {
    json p = values_at(c.space, c.config, u);
    if (!fulfils(c, p)) return false;
    auto at = unit_point(c, p, 0.5);
    const auto [mean, sigma] = gp.predict(at);
    const double g = log_improvement(mean, sigma, best);
    if (!(g > gain)) return false;
    gain = g;
    parameters = std::move(p);
    point = std::move(at);
    return true;
  }
};

std::vector<double> moved(const SearchContext& c, std::vector<double> u, double by, Random& r) {
  const auto all = static_cast<double>(u.size());
  const auto sure = static_cast<size_t>(r.below(static_cast<int64_t>(u.size())));
  for (size_t d = 0; d < u.size(); ++d) {
    const bool moves = d == sure || r.uniform() * all < 2;
    const double jump = r.normal(), fresh = r.uniform();
    if (!moves) continue;
    const auto cells = static_cast<double>(c.space[d].cells());
    u[d] = !c.space[d].ordered()
               ? fresh
               : std::clamp(u[d] + jump * std::max(by, cells > 0 ? 0.7 / cells : 0.0), 0.0, 1.0);
  }
  return u;
}

json most_improving(const SearchContext& c, const GaussianProcess& gp,
                    const std::vector<std::vector<double>>& points, const std::vector<double>& costs,
                    int64_t number, int64_t candidates) {
  std::vector<size_t> order(points.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> means;  // noise is no improvement: the best mean counts
  for (const auto& p : points) means.push_back(gp.predict(p).first);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return means[a] < means[b]; });
  Search s{c, gp, costs.empty() ? 0 : means[order[0]]};
  Random r(c.seed, stream_id("gp"), static_cast<uint64_t>(number));
  for (int64_t i = 0; i < candidates; ++i) {
    std::vector<double> u(c.space.size());
    for (double& x : u) x = r.uniform();
    s.offer(u);
  }
  for (size_t i = 0; i < std::min<size_t>(order.size(), 5); ++i)
    for (int j = 0; j < 24; ++j)
      s.offer(moved(c, points[order[i]], j % 3 == 0 ? 0.2 : j % 3 == 1 ? 0.05 : 0.01, r));
  double by = 0.1;
  for (int i = 0; i < 160 && !s.point.empty() && by > 5e-4; ++i)
    by *= s.offer(moved(c, s.point, by, r)) ? 1.4 : 0.93;
  return s.parameters;
}

Suggestion suggest_gp(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  const Gp& g = c.search.sampler.as<Gp>();
  auto seen = observe(c, trials, all_but_batch(c, number));
  std::vector<std::vector<double>> points, pending;
  std::vector<Observed> results;
  for (Observed& o : seen) {
    for (double& u : o.point)
      if (std::isnan(u)) u = 0.5;
    if (o.kind == Observed::Kind::pending)
      pending.push_back(o.point);
    else
      results.push_back(o);
  }
  const bool any = std::any_of(results.begin(), results.end(),
                               [](const Observed& o) { return o.kind < Observed::Kind::failed; });
  if (number < g.startup || results.size() < 2 || !any || c.space.empty())
    return {initial_parameters(c, number)};
  std::vector<double> costs = tamed(results);
  if (results.size() > kMostPoints) {  // the better half of what fits, and the latest
    std::vector<double> sorted = costs;
    std::nth_element(sorted.begin(), sorted.begin() + kMostPoints / 2, sorted.end());
    const double bound = sorted[kMostPoints / 2];
    std::vector<Observed> kept;
    std::vector<double> kept_costs;
    for (size_t i = 0; i < results.size(); ++i)
      if (costs[i] < bound || i + kMostPoints / 2 >= results.size())
        kept.push_back(results[i]), kept_costs.push_back(costs[i]);
    results = kept;
    costs = kept_costs;
  }
  for (const Observed& o : results) points.push_back(o.point);
  std::vector<bool> categorical;
  for (const Dimension& d : c.space) categorical.push_back(!d.ordered());
  GaussianProcess gp(points, costs, categorical);
  if (!pending.empty()) {  // trials without a result yet are taken to come out as expected
    for (const auto& p : pending) costs.push_back(gp.predict(p).first);
    points.insert(points.end(), pending.begin(), pending.end());
    gp = GaussianProcess(points, costs, categorical);
  }
  json p = most_improving(c, gp, points, costs, number, g.candidates);
  return {p.is_null() ? initial_parameters(c, number) : p};
}

}  // namespace

const SamplerOps kGpSampler{
    "gp",
    "Bayesian optimisation: a Gaussian process (Matern 5/2, a length for each key) is fitted to the results, "
    "and the point "
    "of the largest expected improvement is tried next. For up to about 15 keys and some hundreds of trials.",
    &attr_ops<Gp>, all_but_batch, suggest_gp};

}  // namespace dl
