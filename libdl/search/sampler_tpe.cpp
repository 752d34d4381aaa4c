// tpe: the tree-structured Parzen estimator.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "search/parzen.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

struct Tpe {
  int64_t startup = 8;
  int64_t candidates = 32;
  double good = 0.15;
  bool multivariate = true;
  double prior_weight = 0.5;
};
constexpr auto fields(const Tpe*) {
  return std::tuple{
      field("startup", &Tpe::startup, "Quasi-random trials before the first that learns.").at_least(1),
      field("candidates", &Tpe::candidates, "Draws of which the most promising is taken.").range(1, 100000),
      field("good", &Tpe::good, "Part of the trials that counts as good; at most 25 trials.")
          .range(0.01, 0.9),
      field("multivariate", &Tpe::multivariate, "Looks at all keys together; else at each key for itself."),
      field("prior_weight", &Tpe::prior_weight,
            "Weight of what is known without trials, against 1 of a trial.")
          .range(0.001, 1000)};
}

// Complete trials before pruned ones, of these the ones that came far, failures last.
bool before(const Observed& a, const Observed& b) {
  if (a.kind != b.kind) return a.kind < b.kind;
  if (a.kind == Observed::Kind::pruned && a.steps != b.steps) return a.steps > b.steps;
  return a.cost < b.cost;
}

struct Models {
  Parzen good, rest;
};

std::vector<Models> fit(const SearchContext& c, const std::vector<Observed>& seen, const Tpe& t) {
  std::vector<size_t> order;
  for (size_t i = 0; i < seen.size(); ++i)
    if (seen[i].kind != Observed::Kind::pending) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return before(seen[a], seen[b]); });
  const auto n = static_cast<double>(order.size());
  const auto good = static_cast<size_t>(std::clamp(std::ceil(t.good * n), 1.0, 25.0));
  std::vector<bool> is_good(seen.size(), false);
  for (size_t i = 0; i < good && i < order.size(); ++i)
    is_good[order[i]] = seen[order[i]].kind != Observed::Kind::failed;
  // In the order of trials, so that the latest weigh most; pending ones count as bad, which keeps others away from them.
  std::vector<std::vector<double>> points[2];
  for (size_t i = 0; i < seen.size(); ++i) points[is_good[i] ? 0 : 1].push_back(seen[i].point);
  std::vector<std::vector<size_t>> groups;
  std::vector<size_t> all(c.space.size());
  std::iota(all.begin(), all.end(), size_t{0});
  if (t.multivariate)
    groups.push_back(all);
  else
    for (size_t d : all) groups.push_back({d});
  std::vector<Models> out;
  for (const auto& keys : groups) {
    std::vector<std::vector<double>> with[2];
    for (int k = 0; k < 2; ++k)
      for (const auto& p : points[k])
        if (keys.size() > 1 || !std::isnan(p[keys[0]])) with[k].push_back(p);
    out.push_back(
        {Parzen(c.space, keys, with[0], t.prior_weight), Parzen(c.space, keys, with[1], t.prior_weight)});
  }
  return out;
}

Suggestion suggest_tpe(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  const Tpe& t = c.search.sampler.as<Tpe>();
  const auto seen = observe(c, trials, all_but_batch(c, number));
  const auto results = std::count_if(seen.begin(), seen.end(),
                                     [](const Observed& o) { return o.kind != Observed::Kind::pending; });
  const bool any = std::any_of(seen.begin(), seen.end(),
                               [](const Observed& o) { return o.kind < Observed::Kind::failed; });
  if (number < t.startup || results < std::min<int64_t>(t.startup, 2) || !any)
    return {initial_parameters(c, number)};
  const auto models = fit(c, seen, t);
  Random r(c.seed, stream_id("tpe"), static_cast<uint64_t>(number));
  json best;
  double most = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < t.candidates; ++i) {
    std::vector<double> point(c.space.size(), 0.5);
    for (const Models& m : models) {
      std::vector<double> choice = point;
      double top = -std::numeric_limits<double>::infinity();
      // Keys by themselves each take their best of several draws.
      for (int64_t j = 0; j < (t.multivariate ? 1 : t.candidates); ++j) {
        m.good.draw(r, point);
        const double gain = t.multivariate ? 0 : m.good.log_density(point) - m.rest.log_density(point);
        if (gain > top) top = gain, choice = point;
      }
      point = choice;
    }
    json p = values_at(c.space, c.config, point);
    if (!fulfils(c, p)) continue;
    const auto at = unit_point(c, p, std::numeric_limits<double>::quiet_NaN());
    double gain = 0;
    for (const Models& m : models) gain += m.good.log_density(at) - m.rest.log_density(at);
    if (gain > most) most = gain, best = std::move(p);
    if (!t.multivariate) break;
  }
  return {best.is_null() ? initial_parameters(c, number) : best};
}

}  // namespace

const SamplerOps kTpeSampler{"tpe",
                             "Tree-structured Parzen estimator (Bergstra et al. 2011): draws from a density "
                             "of good trials what is rare among the "
                             "others. For any space, also with many choices and conditions.",
                             &attr_ops<Tpe>, all_but_batch, suggest_tpe};

}  // namespace dl
