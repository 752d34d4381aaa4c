#include "data/split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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
  for (int64_t i = 0; i < n; ++i) {
    const int part = s.places(i, str("id", i), i % classes).front();
    out += s.names()[static_cast<size_t>(part)][1];  // r, a, e
  }
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
  CHECK(message(c) ==
        "/prep/split: has both folds and shares, expected one of them (a test share may stand beside folds)");
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

namespace {

// The parts of records 0 .. n-1, by name.
std::vector<std::vector<std::string>> all_places(const SplitConfig& config, int64_t n,
                                                 std::vector<std::string> keys = {}) {
  Splitter s(config, 3, n, {n}, keys);
  std::vector<std::vector<std::string>> out;
  for (int64_t i = 0; i < n; ++i) {
    out.emplace_back();
    for (int p : s.places(i, str(i), -1)) out.back().push_back(s.names()[static_cast<size_t>(p)]);
  }
  return out;
}

}  // namespace

TEST_CASE("without a fold, every fold is a part, and a test share is held out before") {
  SplitConfig c;
  c.folds = 4;
  c.test = 0.2;
  Splitter s(c, 1, 100, {100});
  CHECK(s.names() == std::vector<std::string>{"fold_0", "fold_1", "fold_2", "fold_3", "test"});
  CHECK(s.rounds() == 4);
  CHECK(s.training_parts(1) == std::vector<std::string>{"fold_0", "fold_2", "fold_3"});
  for (const SplitBy by : {SplitBy::random, SplitBy::order, SplitBy::hash}) {
    c.by = by;
    std::map<std::string, int> sizes;
    for (const auto& p : all_places(c, 100)) ++sizes[p.at(0)];
    CHECK(sizes.size() == 5);
    if (by != SplitBy::hash) CHECK(sizes["test"] == 20);
    for (int k = 0; k < 4; ++k)
      CHECK(std::abs(sizes[str("fold_", k)] - 20) <= (by == SplitBy::hash ? 12 : 1));
  }
}

TEST_CASE("leave one out: as many folds as records") {
  SplitConfig c;
  c.leave_one_out = true;
  std::set<std::string> seen;
  for (const auto& p : all_places(c, 7)) seen.insert(p.at(0));
  CHECK(seen.size() == 7);
  CHECK(contains(error_of([&] { Splitter(c, 0, 3000, {3000}); }),
                 "would write 3000 parts, expected at most 2000"));
}

TEST_CASE("groups stay together, in shares as near as they allow") {
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back(str("g", i * i % 41));
  SplitConfig c = shares(0.2, 0.1);
  c.group = "patient";
  const auto check = [&](double tolerance) {
    std::map<std::string, std::set<std::string>> parts_of;
    std::map<std::string, int> sizes;
    const auto places = all_places(c, 200, keys);
    for (size_t i = 0; i < keys.size(); ++i) {
      parts_of[keys[i]].insert(places[i].at(0));
      ++sizes[places[i][0]];
    }
    for (const auto& [key, in] : parts_of) CHECK(in.size() == 1);
    for (const auto& [part, n] : sizes) {
      const double share = part == "valid" ? 0.2 : part == "test" ? 0.1 : part == "train" ? 0.7 : 0.2;
      CHECK(std::abs(n - share * 200) <= tolerance);
    }
    return sizes.size();
  };
  CHECK(check(10) == 3);
  c = {};
  c.group = 0;
  c.folds = 5;
  CHECK(check(10) == 5);
  c.folds = 50;
  CHECK(error_of([&] { Splitter(c, 0, 200, {200}, keys); }) ==
        "/prep/split/folds: is 50, but there are 21 groups");
}

TEST_CASE("an order by a column holds out what is last in it") {
  SplitConfig c = shares(0.25, 0);
  c.order_by = "when";
  const auto valid = [&](std::vector<std::string> keys) {
    std::string out;
    for (const auto& p : all_places(c, 4, keys)) out += p.at(0)[0];
    return out;
  };
  CHECK(valid({"9", "10", "2", "1"}) == "tvtt");  // as numbers
  CHECK(valid({"2024-03-01", "2023-01-01", "2022-12-31", "2024-02-28"}) == "vttt");
}

TEST_CASE("a bootstrap sample is as large as what it is drawn from, the rest is out of bag") {
  SplitConfig c;
  c.bootstrap = 3;
  c.test = 0.1;
  std::map<std::string, int> sizes;
  for (const auto& p : all_places(c, 1000)) {
    std::set<std::string> different(p.begin(), p.end());
    CHECK((different.contains("test") ? different.size() == 1 : different.size() == 3));
    for (const std::string& name : p) ++sizes[name];
  }
  for (int b = 0; b < 3; ++b) {
    CHECK(sizes[str("boot_", b)] == 900);
    CHECK(std::abs(sizes[str("oob_", b)] - 900 * std::exp(-1)) < 40);  // (1 - 1/n)^n
  }
  CHECK(sizes["test"] == 100);
  SplitConfig one = c;
  one.fold = 2;
  std::map<std::string, int> single;
  for (const auto& p : all_places(one, 1000))
    for (const std::string& name : p) ++single[name];
  CHECK(single["train"] == 900);
  CHECK(single["valid"] == sizes["oob_2"]);
}

TEST_CASE("a train-dev share is a part of its own") {
  SplitConfig c = shares(0.2, 0.1);
  c.train_dev = 0.1;
  std::map<std::string, int> sizes;
  for (const auto& p : all_places(c, 50)) ++sizes[p.at(0)];
  CHECK(sizes == std::map<std::string, int>{{"train", 30}, {"valid", 10}, {"test", 5}, {"train_dev", 5}});
}
