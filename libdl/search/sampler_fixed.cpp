// Samplers that look at no results: random, grid, quasi_random.
#include <cmath>

#include "base/random.h"
#include "base/str.h"
#include "search/sampler_impl.h"

namespace dl {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 32;

int prime(size_t i) {
  int p = 2;
  for (size_t found = 0;; ++p) {
    bool is = true;
    for (int d = 2; d * d <= p; ++d) is = is && p % d != 0;
    if (is && found++ == i) return p;
  }
}

// Digit `digit` after the digits of `prefix`, exchanged by a permutation of 0..base-1 of its own (Fisher and Yates).
int64_t scrambled(int64_t digit, int base, uint64_t seed, uint64_t stream, uint64_t prefix) {
  Random r(seed, stream, prefix);
  std::vector<int64_t> p(static_cast<size_t>(base));
  for (int64_t i = 0; i < base; ++i) p[static_cast<size_t>(i)] = i;
  for (int64_t i = base - 1; i > 0; --i)
    std::swap(p[static_cast<size_t>(i)], p[static_cast<size_t>(r.below(i + 1))]);
  return p[static_cast<size_t>(digit)];
}

Suggestion suggest_random(const SearchContext& c, int64_t number, std::span<const Trial>) {
  return {first_feasible(
      c, [&](int64_t attempt) { return sample_random(c.space, c.config, c.seed, number, attempt); })};
}

Suggestion suggest_quasi_random(const SearchContext& c, int64_t number, std::span<const Trial>) {
  return {initial_parameters(c, number)};
}

// ---- grid --------------------------------------------------------------------------------------------------------

constexpr int64_t kDefaultPoints = 5;

std::vector<json> grid_values(const Dimension& d) {
  const int64_t cells = d.cells();
  const int64_t n = d.points ? d.points : cells ? cells : kDefaultPoints;
  std::vector<json> out;
  for (int64_t i = 0; i < n; ++i) {
    // A continuum and few points of many values have their ends in the grid.
    const double u = n == cells && d.kind != Dimension::Kind::log_integer
                         ? (static_cast<double>(i) + 0.5) / static_cast<double>(n)
                     : n == 1 ? 0.5
                              : static_cast<double>(i) / static_cast<double>(n - 1);
    const json v = d.kind == Dimension::Kind::log_integer && n == cells
                       ? json(static_cast<int64_t>(d.low) + i)
                       : d.value(u);
    if (out.empty() || out.back() != v) out.push_back(v);
  }
  return out;
}

// Walks the grid in the order of its keys, the last the fastest, without points that break a constraint. Stops when
// `visit` returns false.
bool walk(const SearchContext& c, const std::vector<std::vector<json>>& values, size_t depth, json& point,
          const std::function<bool(const json&)>& visit) {
  if (depth == c.space.size()) return !fulfils(c, point) || visit(point);
  const Dimension& d = c.space[depth];
  if (!active(d, c.space, point, c.config)) return walk(c, values, depth + 1, point, visit);
  for (const json& v : values[depth]) {
    point[d.key] = v;
    if (!walk(c, values, depth + 1, point, visit)) return false;
  }
  point.erase(d.key);
  return true;
}

void walk_grid(const SearchContext& c, const std::function<bool(const json&)>& visit) {
  std::vector<std::vector<json>> values;
  for (const Dimension& d : c.space) values.push_back(grid_values(d));
  json point = json::object();
  walk(c, values, 0, point, visit);
}

Suggestion suggest_grid(const SearchContext& c, int64_t number, std::span<const Trial>) {
  Suggestion s;
  int64_t at = 0;
  walk_grid(c, [&](const json& point) {
    s.parameters = point;
    return at++ < number;
  });
  if (at <= number) no_feasible_parameters(c);
  return s;
}

// Counts up to the trials asked for and one more: enough to know whether the grid is larger.
std::optional<int64_t> grid_size(const SearchContext& c) {
  int64_t n = 0;
  walk_grid(c, [&](const json&) { return ++n <= c.search.trials; });
  return n;
}

}  // namespace

std::vector<double> quasi_random_point(size_t dimensions, uint64_t seed, int64_t index) {
  std::vector<double> point;
  for (size_t d = 0; d < dimensions; ++d) {
    const int base = prime(d);
    const uint64_t stream = stream_id(str("halton:", d));
    uint64_t prefix = 1, scale = 1;
    double u = 0, unit = 1;
    for (int64_t rest = index; scale < kMost; rest /= base, scale *= static_cast<uint64_t>(base)) {
      const int64_t digit = rest % base;
      unit /= base;
      u += unit * static_cast<double>(scrambled(digit, base, seed, stream, prefix));
      prefix = prefix * static_cast<uint64_t>(base) + static_cast<uint64_t>(digit) + 1;
    }
    point.push_back(u);
  }
  return point;
}

json initial_parameters(const SearchContext& c, int64_t number) {
  return first_feasible(c, [&](int64_t attempt) {
    if (attempt > 0) return sample_random(c.space, c.config, c.seed, number, attempt);
    return values_at(c.space, c.config, quasi_random_point(c.space.size(), c.seed, number));
  });
}

const SamplerOps kRandomSampler{"random", "Each trial for itself.", &attr_ops<NoAttrs>, nothing_needed,
                                suggest_random};
const SamplerOps kGridSampler{
    "grid",
    "Every combination, the last key changing fastest: all values of choice and int, else "
    "\"points\" of the range (5) with both ends. The search ends with the grid.",
    &attr_ops<NoAttrs>,
    nothing_needed,
    suggest_grid,
    grid_size};
const SamplerOps kQuasiRandomSampler{
    "quasi_random", "Spread more evenly than random: Halton's sequence, scrambled by the seed (Owen).",
    &attr_ops<NoAttrs>, nothing_needed, suggest_quasi_random};

}  // namespace dl
