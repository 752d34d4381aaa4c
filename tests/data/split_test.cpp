#include "data/split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/str.h"
#include "support/files.h"

using namespace dl;
using namespace dl::testing;

namespace {

SplitConfig shares(double valid, double test, SplitBy by = SplitBy::random, bool stratify = false) {
  SplitConfig c;
  c.valid = valid;
  c.test = test;
  c.by = by;
  c.stratify = stratify;
  return c;
}

// The parts of records 0 .. n-1 with labels i % classes, as letters.
std::string parts(const SplitConfig& config, int64_t n, int64_t classes = 1, uint64_t seed = 1) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (int64_t i = 0; i < n; ++i) ++counts[static_cast<size_t>(i % classes)];
  Splitter s(config, seed, n, counts);
  std::string out;
  for (int64_t i = 0; i < n; ++i) out += name_of(s.part(i, str("id", i), i % classes))[1];  // r, a, e
  return out;
}
int64_t count(const std::string& s, char c) { return std::count(s.begin(), s.end(), c); }

}  // namespace

TEST_CASE("scatter is a permutation that depends on the seed") {
  for (int64_t n : {1, 2, 3, 10, 257, 1000}) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < n; ++i) seen.insert(scatter(i, n, 5, 6));
    CHECK(static_cast<int64_t>(seen.size()) == n);
    CHECK(*seen.begin() == 0);
    CHECK(*seen.rbegin() == n - 1);
  }
  int moved = 0;
  for (int64_t i = 0; i < 100; ++i) moved += scatter(i, 100, 1, 0) != scatter(i, 100, 2, 0);
  CHECK(moved > 90);
}

TEST_CASE("random shares are exact and the same for the same seed") {
  const std::string p = parts(shares(0.2, 0.1), 1000);
  CHECK(count(p, 'a') == 200);
  CHECK(count(p, 'e') == 100);
  CHECK(parts(shares(0.2, 0.1), 1000) == p);
  CHECK(parts(shares(0.2, 0.1), 1000, 1, 2) != p);
}

TEST_CASE("stratified shares are exact in all and within two records in each class") {
  const std::string p = parts(shares(0.15, 0.1, SplitBy::random, true), 1003, 7);
  CHECK(count(p, 'a') + count(p, 'e') == 251);
  for (size_t c = 0; c < 7; ++c) {
    int64_t n = 0, valid = 0;
    for (size_t i = c; i < p.size(); i += 7) ++n, valid += p[i] == 'a';
    CHECK(std::abs(static_cast<double>(valid) - 0.15 * static_cast<double>(n)) < 2.0);
  }
}

TEST_CASE("a split by hash depends on the id alone") {
  const std::string few = parts(shares(0.2, 0.1, SplitBy::hash), 1000),
                    more = parts(shares(0.2, 0.1, SplitBy::hash), 3000, 3);
  CHECK(more.substr(0, 1000) == few);
  CHECK(std::abs(count(more, 'a') - 600) < 80);
  CHECK(std::abs(count(more, 'e') - 300) < 60);
}

TEST_CASE("a split by order holds out the last records") {
  CHECK(parts(shares(0.2, 0.1, SplitBy::order), 10) == "rrrrrrraae");
}

TEST_CASE("every record is in the validation part of one fold") {
  for (const bool stratify : {false, true})
    for (const SplitBy by : {SplitBy::random, SplitBy::hash}) {
      std::vector<int> seen(103);
      for (int64_t fold = 0; fold < 5; ++fold) {
        SplitConfig c;
        c.folds = 5;
        c.fold = fold;
        c.stratify = stratify;
        c.by = by;
        const std::string p = parts(c, 103, 4);
        if (by == SplitBy::random) CHECK(std::abs(count(p, 'a') - 20) <= 2);
        for (size_t i = 0; i < seen.size(); ++i) seen[i] += p[i] == 'a';
      }
      for (int n : seen) CHECK(n == 1);
    }
}

TEST_CASE("splits that make no sense are config errors with a pointer") {
  const auto message = [](const SplitConfig& c, std::vector<int64_t> classes = {10}) {
    Exit code = Exit::ok;
    const std::string m = error_of([&] { Splitter(c, 0, 10, classes); }, &code);
    CHECK(code == Exit::config);
    return m;
  };
  SplitConfig c = shares(0.5, 0.6);
  CHECK(message(c) == "/prep/split: has shares that add up to 1.1, expected 1");
  c = shares(0.2, 0.2);
  c.train = 0.5;
  CHECK(contains(message(c), "add up to 0.9, expected 1"));
  c = shares(0.2, 0);
  c.folds = 3;
  CHECK(message(c) == "/prep/split: has both folds and shares, expected one of them");
  c = {};
  c.folds = 1;
  CHECK(message(c) == "/prep/split/folds: is 1, expected at least 2 folds");
  c.folds = 3, c.fold = 3;
  CHECK(message(c) == "/prep/split/fold: is 3, expected less than the 3 folds");
  c.folds = 11;
  CHECK(message(c) == "/prep/split/folds: is 11, but there are 10 records");
  CHECK(message(shares(0.1, 0, SplitBy::random, true), {}) ==
        "/prep/split/stratify: is true, but the target is no class");
  CHECK(contains(message(shares(0.1, 0, SplitBy::order, true)), "does not go with \"by\": \"order\""));
}
