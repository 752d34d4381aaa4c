#include "search/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/str.h"
#include "search/constraint.h"
#include "search/pruner.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

const SamplerOps* const kSamplers[] = {&kRandomSampler,       &kGridSampler,  &kQuasiRandomSampler,
                                       &kCoarseToFineSampler, &kTpeSampler,   &kGpSampler,
                                       &kLipoSampler,         &kCmaEsSampler, &kPbtSampler};

const SamplerOps& sampler_of(const SearchContext& c) {
  return **std::find_if(std::begin(kSamplers), std::end(kSamplers),
                        [&](const SamplerOps* s) { return s->name == c.search.sampler.type; });
}

Observed observed(const SearchContext& c, const Trial& t, bool known) {
  Observed o;
  o.point = unit_point(c, t.parameters, std::numeric_limits<double>::quiet_NaN());
  if (!known) return o;
  const bool measured = t.value && t.feasible;
  o.kind = t.state == TrialState::complete && measured ? Observed::Kind::complete
           : t.state == TrialState::pruned && measured ? Observed::Kind::pruned
                                                       : Observed::Kind::failed;
  if (measured) o.cost = c.search.objective.cost(*t.value);
  if (!t.curve.empty()) o.steps = t.curve.back().first;
  return o;
}

// The longest training that has enough results, for trials of different lengths.
int64_t counted_epochs(const SearchContext& c, std::span<const Trial> trials) {
  std::map<int64_t, size_t, std::greater<>> results;
  for (const Trial& t : trials)
    if (t.usable()) ++results[t.epochs];
  for (const auto& [epochs, count] : results)
    if (count > c.space.size() + 1) return epochs;
  return results.empty() ? 0 : results.rbegin()->first;
}

// The trial that "first" asks for; keys that it leaves out are drawn.
json begun_with(const SearchContext& c, int64_t number) {
  const json& asked = c.search.first[static_cast<size_t>(number)];
  const std::vector<double> point = quasi_random_point(c.space.size(), c.seed, number);
  json out = json::object();
  for (size_t i = 0; i < c.space.size(); ++i) {
    const Dimension& d = c.space[i];
    if (!active(d, c.space, out, c.config)) continue;
    out[d.key] = asked.contains(d.key) ? asked[d.key] : d.value(point[i]);
  }
  return out;
}

}  // namespace

std::span<const Variant> SamplerFamily::variants() {
  static const std::vector<Variant> all = [] {
    std::vector<Variant> v;
    for (const SamplerOps* s : kSamplers) v.push_back({s->name, s->doc, s->attrs});
    return v;
  }();
  return all;
}

std::vector<Observed> observe(const SearchContext& c, std::span<const Trial> trials, int64_t known) {
  std::vector<Observed> out;
  const auto finished = trials.first(std::min(trials.size(), static_cast<size_t>(known)));
  const int64_t epochs = counted_epochs(c, finished);
  for (const Trial& t : finished)
    if (t.epochs == epochs || (t.state != TrialState::complete && t.epochs < epochs))
      out.push_back(observed(c, t, true));
  for (const Trial& t : trials.subspan(finished.size()))
    if (!t.parent) out.push_back(observed(c, t, false));
  return out;
}

std::vector<double> unit_point(const SearchContext& c, const json& parameters, double absent) {
  std::vector<double> point;
  for (const Dimension& d : c.space) {
    const auto v = parameters.find(d.key);
    point.push_back(v == parameters.end() ? absent : d.unit(*v));
  }
  return point;
}

bool fulfils(const SearchContext& c, const json& parameters) {
  for (size_t i = 0; i < c.search.constraints.size(); ++i) {
    json values = json::object();
    for (const std::string& name : constraint_names(c.search.constraints[i])) {
      const bool varied =
          std::any_of(c.space.begin(), c.space.end(), [&](const Dimension& d) { return d.key == name; });
      values[name] = varied ? parameters.value(name, json()) : value_in(c.config, name);
    }
    if (constraint_holds(c.search.constraints[i], values, str("/search/constraints/", i)) == false)
      return false;
  }
  return true;
}

void no_feasible_parameters(const SearchContext& c) {
  throw Error(Exit::config, "/search/constraints",
              str("none of many trials drawn from the space fulfils ",
                  c.search.constraints.size() == 1 ? "the constraint" : "the constraints"));
}

int64_t results_needed(const SearchContext& c, int64_t number) {
  if (const auto rung = rung_of(c, number); rung && rung->level > 0) return rung->begin;
  return std::max(sampler_of(c).needed(c, number), compared_trials(c, number));
}

Suggestion suggest(const SearchContext& c, int64_t number, std::span<const Trial> trials) {
  const auto rung = rung_of(c, number);
  if (rung && rung->level > 0) return promoted(c, *rung, number, trials);
  Suggestion s;
  if (number < static_cast<int64_t>(c.search.first.size()) && c.search.sampler.type != "pbt" &&
      c.search.sampler.type != "grid")
    s.parameters = begun_with(c, number);
  else
    s = sampler_of(c).suggest(c, number, trials);
  if (rung) s.epochs = rung->epochs;
  return s;
}

std::optional<int64_t> trials_available(const SearchContext& c) {
  const SamplerOps& s = sampler_of(c);
  return s.available ? s.available(c) : std::nullopt;
}

}  // namespace dl
