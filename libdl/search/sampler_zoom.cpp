// coarse_to_fine: rounds of quasi-random trials, each in a smaller box around the best so far.
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

struct CoarseToFine {
  int64_t round = 0;
  double shrink = 0.5;
};
constexpr auto fields(const CoarseToFine*) {
  return std::tuple{
      field("round", &CoarseToFine::round,
            "Trials of one round; 0: a quarter of all trials (say it where search.trials may grow).")
          .at_least(0),
      field("shrink", &CoarseToFine::shrink, "Side of the next round's box, as a part of this one's.")
          .range(0.01, 1)};
}

int64_t round_size(const SearchContext& c) {
  const int64_t round = c.search.sampler.as<CoarseToFine>().round;
  return round ? round : std::max<int64_t>(1, (c.search.trials + 3) / 4);
}

int64_t needed(const SearchContext& c, int64_t number) { return number / round_size(c) * round_size(c); }

// A box of side `side` around `center` that stays within the cube.
double within(double u, double center, double side) {
  const double low = std::clamp(center - side / 2, 0.0, 1 - side);
  return low + u * side;
}

Suggestion suggest_zoomed(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  const int64_t known = needed(c, number);
  const auto seen = observe(c, trials, known);
  const Observed* best = nullptr;
  for (const Observed& o : seen)
    if (o.kind == Observed::Kind::complete && (!best || o.cost < best->cost)) best = &o;
  if (!best) return {initial_parameters(c, number)};
  const double side =
      std::pow(c.search.sampler.as<CoarseToFine>().shrink, static_cast<double>(number / round_size(c)));
  return {first_feasible(c, [&](int64_t attempt) {
    std::vector<double> point = quasi_random_point(c.space.size(), c.seed, number);
    Random r(c.seed, stream_id("coarse_to_fine"), static_cast<uint64_t>(number + (attempt << 32)));
    for (size_t d = 0; d < point.size(); ++d) {
      if (attempt) point[d] = r.uniform();
      const double center = best->point[d];
      if (std::isnan(center)) continue;
      if (c.space[d].ordered())
        point[d] = within(point[d], center, side);
      else if (r.uniform() >= side)
        point[d] = center;
    }
    return values_at(c.space, c.config, point);
  })};
}

}  // namespace

const SamplerOps kCoarseToFineSampler{
    "coarse_to_fine",
    "Rounds of quasi-random trials; each round draws from a box around the best trial so far that is smaller "
    "than the "
    "one before, in all keys at once. A refined grid search without the grid.",
    &attr_ops<CoarseToFine>, needed, suggest_zoomed};

}  // namespace dl
