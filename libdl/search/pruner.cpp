#include "search/pruner.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"

namespace dl {
namespace {

using Curve = std::span<const std::pair<int64_t, double>>;

struct MedianPruner {
  int64_t startup = 5;
  int64_t min_epochs = 1;
};
constexpr auto fields(const MedianPruner*) {
  return std::tuple{
      field("startup", &MedianPruner::startup, "Earlier trials that must have come as far.").at_least(1),
      field("min_epochs", &MedianPruner::min_epochs, "Epochs that every trial gets.").at_least(1)};
}

struct PercentilePruner : MedianPruner {
  double percent = 25;
};
constexpr auto fields(const PercentilePruner*) {
  return std::tuple_cat(
      fields(static_cast<const MedianPruner*>(nullptr)),
      std::tuple{field("percent", &PercentilePruner::percent, "Part of trials that goes on.").range(1, 99)});
}

struct AshaPruner {
  int64_t min_epochs = 1;
  int64_t factor = 3;
};
constexpr auto fields(const AshaPruner*) {
  return std::tuple{
      field("min_epochs", &AshaPruner::min_epochs, "Epochs up to the first rung.").at_least(1),
      field("factor", &AshaPruner::factor, "One of so many goes on; rungs are so many times as far.")
          .range(2, 100)};
}

struct ThresholdPruner {
  std::optional<double> min, max;
  int64_t min_epochs = 1;
};
constexpr auto fields(const ThresholdPruner*) {
  return std::tuple{
      field("min", &ThresholdPruner::min, "Stops trials whose objective is below."),
      field("max", &ThresholdPruner::max, "Stops trials whose objective is above."),
      field("min_epochs", &ThresholdPruner::min_epochs, "Epochs that every trial gets.").at_least(1)};
}

struct PatientPruner {
  int64_t patience = 5;
  double min_delta = 0;
};
constexpr auto fields(const PatientPruner*) {
  return std::tuple{
      field("patience", &PatientPruner::patience,
            "Epochs without a better objective after which a trial ends.")
          .at_least(1),
      field("min_delta", &PatientPruner::min_delta, "Least change that counts as better.").at_least(0)};
}

struct HalvingPruner {
  int64_t size = 9;
  int64_t min_epochs = 1;
  int64_t factor = 3;
};
constexpr auto fields(const HalvingPruner*) {
  return std::tuple{field("size", &HalvingPruner::size, "Trials of the first rung.").range(1, 100000),
                    field("min_epochs", &HalvingPruner::min_epochs, "Epochs of the first rung.").at_least(1),
                    field("factor", &HalvingPruner::factor,
                          "One of so many goes on to the next rung, which is so many times as long.")
                        .range(2, 100)};
}

struct HyperbandPruner {
  int64_t max_epochs = 9;
  int64_t factor = 3;
};
constexpr auto fields(const HyperbandPruner*) {
  return std::tuple{
      field("max_epochs", &HyperbandPruner::max_epochs, "Epochs of the longest trials.").range(1, 1000000),
      field("factor", &HyperbandPruner::factor, "As of successive_halving.").range(2, 100)};
}

constexpr Variant kPruners[] = {
    {"none", "All trials run to their end.", &attr_ops<NoAttrs>},
    {"median", "Stops a trial whose best is worse than the median of earlier trials at this epoch.",
     &attr_ops<MedianPruner>},
    {"percentile", "As median, with another part than half.", &attr_ops<PercentilePruner>},
    {"asha",
     "Successive halving without waiting (Li et al. 2020): at epochs min_epochs factor^k a trial goes on "
     "when it is among "
     "the best of earlier ones, one in factor.",
     &attr_ops<AshaPruner>},
    {"threshold", "Stops a trial whose objective leaves bounds.", &attr_ops<ThresholdPruner>},
    {"patient", "Stops a trial that no longer gets better.", &attr_ops<PatientPruner>},
    {"successive_halving",
     "Rungs (Jamieson and Talwalkar 2016): of the trials of a rung, trained for few epochs, one in factor is "
     "trained on, "
     "factor times as long, until one is left; then the next bracket begins. trials counts all of them; "
     "train.epochs is set "
     "by the rung.",
     &attr_ops<HalvingPruner>},
    {"hyperband", "Brackets of successive halving, from many short trials to few long ones (Li et al. 2018).",
     &attr_ops<HyperbandPruner>},
};

// What a trial had reported up to an epoch: the value at that epoch, nullopt when it did not come so far.
std::optional<double> value_at(const Trial& t, int64_t epoch) {
  for (const auto& [e, v] : t.curve)
    if (e == epoch) return v;
  return std::nullopt;
}

std::vector<double> costs_at(const SearchContext& c, int64_t number, int64_t epoch,
                             std::span<const Trial> trials) {
  std::vector<double> out;
  for (const Trial& t :
       trials.first(std::min(trials.size(), static_cast<size_t>(compared_trials(c, number)))))
    if (const auto v = value_at(t, epoch)) out.push_back(c.search.objective.cost(*v));
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::string> by_percentile(const SearchContext& c, const MedianPruner& p, double percent,
                                         int64_t number, Curve curve, std::span<const Trial> trials) {
  const int64_t epoch = curve.back().first;
  if (epoch < p.min_epochs) return std::nullopt;
  const auto others = costs_at(c, number, epoch, trials);
  if (static_cast<int64_t>(others.size()) < p.startup) return std::nullopt;
  double best = c.search.objective.cost(curve[0].second);
  for (const auto& point : curve) best = std::min(best, c.search.objective.cost(point.second));
  const double place = percent / 100 * static_cast<double>(others.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double rest = place - static_cast<double>(below);
  const double bound = others[below] + (rest > 0 ? rest * (others[below + 1] - others[below]) : 0);
  if (best <= bound) return std::nullopt;
  return str("worse than ", percent == 50 ? "the median" : str("the best ", percent, " %"), " of ",
             others.size(), " trials after ", epoch, epoch == 1 ? " epoch" : " epochs");
}

std::optional<std::string> by_rung(const SearchContext& c, const AshaPruner& p, int64_t number, Curve curve,
                                   std::span<const Trial> trials) {
  const auto [epoch, value] = curve.back();
  int64_t rung = p.min_epochs;
  while (rung < epoch) rung *= p.factor;
  if (rung != epoch) return std::nullopt;
  const auto others = costs_at(c, number, epoch, trials);
  const double cost = c.search.objective.cost(value);
  const auto better = std::lower_bound(others.begin(), others.end(), cost) - others.begin();
  const auto go_on = std::max<int64_t>(1, (static_cast<int64_t>(others.size()) + 1) / p.factor);
  if (better < go_on) return std::nullopt;
  return str("place ", better + 1, " of ", others.size() + 1, " after ", epoch,
             epoch == 1 ? " epoch" : " epochs");
}

std::optional<std::string> by_patience(const SearchContext& c, const PatientPruner& p, Curve curve) {
  int64_t since = curve[0].first;
  double best = c.search.objective.cost(curve[0].second);
  for (const auto& [epoch, value] : curve)
    if (c.search.objective.cost(value) < best - p.min_delta)
      best = c.search.objective.cost(value), since = epoch;
  if (curve.back().first - since < p.patience) return std::nullopt;
  return str("no better for ", curve.back().first - since, " epochs");
}

struct Bracket {
  std::vector<std::pair<int64_t, int64_t>> rungs;  // trials, epochs
  int64_t trials = 0;
};

Bracket bracket_of(int64_t size, double epochs, int64_t factor, int64_t most_rungs) {
  Bracket b;
  for (int64_t k = 0; size >= 1 && k < most_rungs;
       ++k, size /= factor, epochs *= static_cast<double>(factor)) {
    b.rungs.emplace_back(size, std::max<int64_t>(1, std::llround(epochs)));
    b.trials += size;
  }
  return b;
}

// The brackets that follow one another, then begin again.
std::vector<Bracket> brackets(const SearchContext& c) {
  if (c.search.pruner.type == "successive_halving") {
    const auto& p = c.search.pruner.as<HalvingPruner>();
    return {bracket_of(p.size, static_cast<double>(p.min_epochs), p.factor, 64)};
  }
  if (c.search.pruner.type != "hyperband") return {};
  const auto& p = c.search.pruner.as<HyperbandPruner>();
  int64_t most = 0;  // floor(log_factor(max_epochs))
  for (int64_t e = p.max_epochs; e >= p.factor; e /= p.factor) ++most;
  std::vector<Bracket> out;
  for (int64_t s = most; s >= 0; --s) {
    const double power = std::pow(static_cast<double>(p.factor), static_cast<double>(s));
    const auto size = static_cast<int64_t>(
        std::ceil(static_cast<double>(most + 1) / static_cast<double>(s + 1) * power - 1e-9));
    out.push_back(bracket_of(size, static_cast<double>(p.max_epochs) / power, p.factor, s + 1));
  }
  return out;
}

}  // namespace

std::span<const Variant> PrunerFamily::variants() { return kPruners; }

int64_t compared_trials(const SearchContext& c, int64_t number) {
  const std::string& type = c.search.pruner.type;
  const bool compares = type == "median" || type == "percentile" || type == "asha";
  return compares ? std::max<int64_t>(0, number - c.search.batch + 1) : 0;
}

std::optional<std::string> reason_to_prune(const SearchContext& c, int64_t number, Curve curve,
                                           std::span<const Trial> trials) {
  if (curve.empty()) return std::nullopt;
  const PrunerConfig& p = c.search.pruner;
  if (p.type == "median") return by_percentile(c, p.as<MedianPruner>(), 50, number, curve, trials);
  if (p.type == "percentile")
    return by_percentile(c, p.as<PercentilePruner>(), p.as<PercentilePruner>().percent, number, curve,
                         trials);
  if (p.type == "asha") return by_rung(c, p.as<AshaPruner>(), number, curve, trials);
  if (p.type == "patient") return by_patience(c, p.as<PatientPruner>(), curve);
  if (p.type != "threshold") return std::nullopt;
  const auto& t = p.as<ThresholdPruner>();
  const auto [epoch, value] = curve.back();
  if (epoch < t.min_epochs) return std::nullopt;
  if (t.min && value < *t.min) return str(value, " is below ", *t.min, " after epoch ", epoch);
  if (t.max && value > *t.max) return str(value, " is above ", *t.max, " after epoch ", epoch);
  return std::nullopt;
}

std::optional<Rung> rung_of(const SearchContext& c, int64_t number) {
  const auto all = brackets(c);
  if (all.empty()) return std::nullopt;
  int64_t cycle = 0;
  for (const Bracket& b : all) cycle += b.trials;
  int64_t begin = number / cycle * cycle;
  for (const Bracket& b : all)
    for (size_t level = 0; level < b.rungs.size(); ++level) {
      const auto [size, epochs] = b.rungs[level];
      if (number < begin + size)
        return Rung{static_cast<int64_t>(level), begin, size, level ? b.rungs[level - 1].first : 0, epochs};
      begin += size;
    }
  return std::nullopt;
}

Suggestion promoted(const SearchContext& c, const Rung& rung, int64_t number, std::span<const Trial> trials) {
  std::vector<const Trial*> usable;
  for (int64_t i = rung.begin - rung.before; i < rung.begin; ++i)
    if (trials[static_cast<size_t>(i)].usable()) usable.push_back(&trials[static_cast<size_t>(i)]);
  std::stable_sort(usable.begin(), usable.end(), [&](const Trial* a, const Trial* b) {
    return c.search.objective.better(*a->value, *b->value);
  });
  const auto place = static_cast<size_t>(number - rung.begin);
  if (place >= usable.size()) return {.parameters = initial_parameters(c, number), .epochs = rung.epochs};
  return {usable[place]->parameters, usable[place]->number, rung.epochs};
}

}  // namespace dl
