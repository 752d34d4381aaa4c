// What the rows of dropout do not say: the share that stays, and masks that differ.
#include <doctest/doctest.h>

#include <algorithm>

#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

TEST_CASE("dropout keeps the wanted share, and steps and streams have masks of their own") {
  const auto mask = [](const char* step, int64_t stream) {
    const Row row{"dropout",
                  {"f32[100000] =1", str("i64[] =", step)},
                  str(R"({"rate": 0.3, "stream": )", stream, '}'),
                  {}};
    const Built b = build(row, false);
    return to_array(evaluate(b.graph, make_feeds(row, b), best_isa(), false).back()).v;
  };
  const std::vector<double> first = mask("1", 5), step = mask("2", 5), stream = mask("1", 6);
  const auto kept = [](const std::vector<double>& m) {
    return static_cast<double>(std::count_if(m.begin(), m.end(), [](double v) { return v != 0; }));
  };
  for (const auto& m : {first, step, stream}) CHECK(kept(m) == doctest::Approx(70000).epsilon(0.01));
  for (const auto& other : {step, stream}) {
    double both = 0;
    for (size_t i = 0; i < first.size(); ++i) both += first[i] != 0 && other[i] != 0;
    CHECK(both == doctest::Approx(49000).epsilon(0.02));
  }
}
