// pbt: population based training (Jaderberg et al. 2017). Trial generation * population + member trains that member for
// `interval` epochs more, from the last state of its parent: itself, or a better one.
#include <algorithm>

#include "base/random.h"
#include "search/sampler_impl.h"
#include "train/resume.h"

namespace dl {
namespace {

struct Pbt {
  int64_t population = 8;
  int64_t interval = 1;
  double replace = 0.25;
  double resample = 0.2;
  double perturb = 0.1;
};
constexpr auto fields(const Pbt*) {
  return std::tuple{
      field("population", &Pbt::population, "Members that are trained side by side.").range(2, 10000),
      field("interval", &Pbt::interval, "Epochs of one generation.").at_least(1),
      field("replace", &Pbt::replace,
            "Part of the members, the worst, that goes on from one of as many best.")
          .range(0, 0.5),
      field("resample", &Pbt::resample, "Chance that a value of a replaced member is drawn afresh.")
          .range(0, 1),
      field("perturb", &Pbt::perturb,
            "How far other values of it move, as a part of their range, up or down.")
          .range(0, 1)};
}

int64_t needed(const SearchContext& c, int64_t number) {
  const int64_t size = c.search.sampler.as<Pbt>().population;
  return number / size * size;
}

// Whether a run may go on with another value of this key: the trainer decides.
bool may_change(const SearchContext& c, const Dimension& d, const json& from, const json& to) {
  if (from == to) return true;
  const auto changes =
      compare_configs(apply_parameters(c.config, {{d.key, from}}), apply_parameters(c.config, {{d.key, to}}));
  return std::none_of(changes.begin(), changes.end(),
                      [](const ConfigChange& x) { return x.allowed == ChangeClass::forbidden; });
}

json explored(const SearchContext& c, const json& parent, int64_t number, int64_t attempt) {
  const Pbt& p = c.search.sampler.as<Pbt>();
  Random r(c.seed, stream_id("pbt:explore"), static_cast<uint64_t>(number + (attempt << 32)));
  json out = json::object();
  for (const Dimension& d : c.space) {
    const double fresh = r.uniform(), chance = r.uniform(), sign = r.uniform() < 0.5 ? -1 : 1;
    const auto old = parent.find(d.key);
    if (!active(d, c.space, out, c.config)) continue;
    if (old == parent.end()) {
      out[d.key] = d.value(fresh);
      continue;
    }
    const double cells = static_cast<double>(d.cells());
    const double by = std::max(p.perturb, cells > 0 ? 1 / cells : 0.0);
    const json v = d.value(chance < p.resample || !d.ordered() ? fresh : d.unit(*old) + sign * by);
    out[d.key] = may_change(c, d, *old, v) ? v : *old;
  }
  return out;
}

Suggestion suggest_pbt(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  const Pbt& p = c.search.sampler.as<Pbt>();
  const int64_t generation = number / p.population, begin = needed(c, number);
  const int64_t epochs = (generation + 1) * p.interval;
  if (generation == 0) return {.parameters = initial_parameters(c, number), .epochs = epochs};
  std::vector<const Trial*> ranked;
  for (int64_t i = begin - p.population; i < begin; ++i) ranked.push_back(&trials[static_cast<size_t>(i)]);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const Trial* a, const Trial* b) {
    if (a->usable() != b->usable()) return a->usable();
    return a->usable() && c.search.objective.better(*a->value, *b->value);
  });
  const int64_t member = begin - p.population + number % p.population;
  const auto place =
      std::find_if(ranked.begin(), ranked.end(), [&](const Trial* t) { return t->number == member; }) -
      ranked.begin();
  const auto replaced = static_cast<int64_t>(p.replace * static_cast<double>(p.population));
  const Trial& self = *ranked[static_cast<size_t>(place)];
  if (self.usable() && place < p.population - replaced) return {self.parameters, member, epochs};
  Random r(c.seed, stream_id("pbt:exploit"), static_cast<uint64_t>(number));
  const Trial& parent = *ranked[static_cast<size_t>(r.below(std::max<int64_t>(replaced, 1)))];
  if (!parent.usable()) return {.parameters = initial_parameters(c, number), .epochs = epochs};
  return {first_feasible(c, [&](int64_t attempt) { return explored(c, parent.parameters, number, attempt); }),
          parent.number, epochs};
}

}  // namespace

const SamplerOps kPbtSampler{
    "pbt",
    "Population based training (Jaderberg et al. 2017): members train in turns of \"interval\" epochs; after "
    "each the "
    "worst go on from the state of the best, with values a little changed. Values that a resumed run may not "
    "change, as "
    "the network, stay with their state. trials counts turns of members; each finds its state in its folder.",
    &attr_ops<Pbt>, needed, suggest_pbt};

}  // namespace dl
