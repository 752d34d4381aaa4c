// When the rate of the schedule "plateau" falls.
#include <doctest/doctest.h>

#include "train/monitor.h"

using namespace dl;

// The factor after each epoch.
static std::vector<double> factors(const json& schedule, const std::vector<double>& values) {
  TrainConfig config;
  parse_fields(config, {{"schedule", schedule}}, "/train");
  RunCounters counters;
  std::vector<double> out;
  for (double v : values) {
    note_plateau(config.schedule, {{"valid", {{"loss", v}, {"accuracy", v}}}}, counters);
    out.push_back(counters.plateau_factor);
  }
  return out;
}

TEST_CASE("a plateau of `patience` epochs lowers the rate, an improvement starts the count anew") {
  const json s{{"type", "plateau"}, {"patience", 2}, {"factor", 0.5}, {"min_delta", 0.1}};
  using V = std::vector<double>;
  CHECK(factors(s, {3, 2, 2, 1, 1, 1, 1, 1}) == V{1, 1, 1, 1, 1, 0.5, 0.5, 0.25});
  CHECK(factors(s, {3, 2.95, 2.92, 2.5}) == V{1, 1, 0.5, 0.5});
  json accuracy = s;
  accuracy["metric"] = "valid.accuracy";
  CHECK(factors(accuracy, {0.1, 0.5, 0.55, 0.58, 0.9}) == V{1, 1, 1, 0.5, 0.5});
}

TEST_CASE("epochs of the cooldown are not counted, and the rate stays above its least") {
  json s{{"type", "plateau"}, {"patience", 1}, {"factor", 0.1}, {"cooldown", 2}};
  using V = std::vector<double>;
  CHECK(factors(s, {1, 1, 1, 1, 1, 1}) == V{1, 0.1, 0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1});
  s["min"] = 0.05;
  CHECK(factors(s, {1, 1, 1, 1, 1}).back() == 0.05);
  CHECK(factors("cosine", {1, 1, 1}) == V{1, 1, 1});
}
