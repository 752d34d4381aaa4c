#include "search/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/str.h"
#include "search/constraint.h"
#include "search/gaussian_process.h"
#include "search/parzen.h"
#include "search/pruner.h"

using namespace dl;

namespace {

const json kSpace =
    json::parse(R"({"optimizer": {"choice": ["sgd", "adam"]}, "lr": {"log_uniform": [1e-4, 1]},
    "momentum": {"uniform": [0, 1], "when": {"optimizer": "sgd"}}, "depth": {"int": [1, 6]},
    "dropout": {"uniform": [0, 0.5], "step": 0.1, "when": {"depth": {"min": 3}}}, "width": {"log_int": [4, 512]}})");

// A search in memory. The objective is a function of the parameters.
struct Run {
  SearchConfig search;
  std::vector<Dimension> space;
  json config = json::object();
  uint64_t seed = 0;
  std::vector<Trial> trials;

  explicit Run(json section, uint64_t seed = 0) : seed(seed) {
    if (!section.contains("objective")) section["objective"] = {{"minimize", "y"}};
    search = parse_search(section, "/search");
    space = parse_space(search.space, "/search/space");
  }
  SearchContext context() const { return {search, space, config, seed}; }
  template <class F>
  double go(int64_t count, F value) {
    double best = INFINITY;
    for (int64_t n = 0; n < count; ++n) {
      const Suggestion s = suggest(context(), n, trials);
      Trial t;
      t.number = n;
      t.parameters = s.parameters;
      t.parent = s.parent;
      t.epochs = s.epochs;
      t.state = TrialState::complete;
      t.value = value(t);
      best = std::min(best, *t.value);
      trials.push_back(t);
    }
    return best;
  }
};

double bowl(const Trial& t) {
  double sum = std::pow(std::log10(t.parameters["lr"].get<double>()) + 2, 2) +
               std::pow(t.parameters["depth"].get<double>() - 4, 2) / 9;
  sum += std::pow(std::log2(t.parameters["width"].get<double>() / 64), 2) / 9 +
         (t.parameters["optimizer"] == "sgd" ? 0 : 0.5);
  for (const char* key : {"momentum", "dropout"})
    if (t.parameters.contains(key)) sum += std::pow(t.parameters[key].get<double>() - 0.3, 2);
  return sum;
}

const char* const kAll[] = {"random", "grid",  "quasi_random", "coarse_to_fine", "tpe", "gp",
                            "lipo",   "cmaes", "pbt"};

}  // namespace

TEST_CASE("a value and its place on the interval are each other's inverse") {
  for (const Dimension& d : parse_space(kSpace, "")) {
    std::set<std::string> seen;
    for (int i = 0; i <= 1000; ++i) {
      const json v = d.value(i / 1000.0);
      CHECK(d.value(d.unit(v)) == v);
      seen.insert(v.dump());
      const auto [a, b] = d.cell(v);
      CHECK((a <= d.unit(v) && d.unit(v) <= b));
    }
    if (d.cells() > 0 && d.cells() < 100) CHECK(static_cast<int64_t>(seen.size()) == d.cells());
  }
}

TEST_CASE("every sampler keeps to ranges and conditions, and is a function of what it may know") {
  for (const char* name : kAll) {
    CAPTURE(name);
    Run run({{"space", kSpace}, {"sampler", name}, {"trials", 30}}, 5);
    run.go(30, bowl);
    for (const Trial& t : run.trials) {
      const json& p = t.parameters;
      CHECK(p.contains("momentum") == (p["optimizer"] == "sgd"));
      CHECK(p.contains("dropout") == (p["depth"].get<int>() >= 3));
      CHECK((p["lr"].get<double>() >= 1e-4 && p["lr"].get<double>() <= 1));
      CHECK((p["width"].is_number_integer() && p["width"].get<int>() >= 4 && p["width"].get<int>() <= 512));
      if (!p.contains("dropout")) continue;
      const double tenths = p["dropout"].get<double>() * 10;
      CHECK(std::fabs(tenths - std::round(tenths)) < 1e-9);
    }
    // Results that may not be known yet make no difference.
    for (int64_t n : {12, 17, 29}) {
      auto blind = run.trials;
      const int64_t known = results_needed(run.context(), n);
      CHECK(known <= n);
      for (auto i = static_cast<size_t>(known); i < blind.size(); ++i) {
        blind[i].state = TrialState::running;
        blind[i].value.reset();
      }
      blind.resize(static_cast<size_t>(n));
      CHECK(suggest(run.context(), n, blind).parameters == run.trials[static_cast<size_t>(n)].parameters);
    }
    if (std::string(name) == "grid") continue;
    Run other({{"space", kSpace}, {"sampler", name}, {"trials", 30}}, 6);
    CHECK(suggest(other.context(), 3, std::span(run.trials).first(3)).parameters != run.trials[3].parameters);
  }
}

TEST_CASE("samplers that learn find better values than chance") {
  const auto mean_best = [](const char* sampler) {
    double sum = 0;
    for (uint64_t seed = 0; seed < 5; ++seed)
      sum += Run({{"space", kSpace}, {"sampler", sampler}, {"trials", 40}}, seed).go(40, bowl) / 5;
    return sum;
  };
  const double random = mean_best("random");
  for (const char* name : {"coarse_to_fine", "tpe", "gp", "lipo", "cmaes"}) {
    CAPTURE(name);
    CHECK(mean_best(name) < 0.8 * random);
  }
}

TEST_CASE("a grid has every combination once, without those that do not count") {
  Run run({{"space",
            json::parse(R"({"a": {"choice": [1, 2]}, "b": {"uniform": [0, 1], "points": 3, "when": {"a": 2}},
      "c": {"int": [1, 3]}})")},
           {"sampler", "grid"},
           {"trials", 100}});
  CHECK(trials_available(run.context()) == 12);
  run.go(12, [](const Trial&) { return 0.0; });
  std::set<std::string> seen;
  for (const Trial& t : run.trials) seen.insert(t.parameters.dump());
  CHECK(seen.size() == 12);
  CHECK(run.trials[0].parameters == json{{"a", 1}, {"c", 1}});
  CHECK(run.trials[11].parameters == json{{"a", 2}, {"b", 1.0}, {"c", 3}});
}

TEST_CASE("constraints on parameters hold in every trial") {
  for (const char* name : kAll) {
    CAPTURE(name);
    Run run({{"space", kSpace},
             {"sampler", name},
             {"trials", 20},
             {"constraints", {"width * depth <= 300", "lr > 2e-4"}}},
            1);
    run.go(20, bowl);
    for (const Trial& t : run.trials) {
      CHECK(t.parameters["width"].get<int>() * t.parameters["depth"].get<int>() <= 300);
      CHECK(t.parameters["lr"].get<double>() > 2e-4);
    }
  }
  Run none({{"space", kSpace}, {"constraints", {"depth > 6"}}});
  CHECK_THROWS_WITH_AS(none.go(1, bowl), doctest::Contains("fulfils the constraint"), Error);
}

TEST_CASE("a search begins with what is asked for") {
  Run run({{"space", kSpace},
           {"sampler", "tpe"},
           {"first", {{{"lr", 0.01}, {"depth", 5}, {"optimizer", "sgd"}}, {{"width", 64}}}}});
  run.go(3, bowl);
  CHECK(run.trials[0].parameters["lr"] == 0.01);
  CHECK(run.trials[0].parameters["depth"] == 5);
  CHECK(run.trials[0].parameters.contains("momentum"));
  CHECK(run.trials[1].parameters["width"] == 64);
  CHECK(run.trials[2].parameters["width"] != 64);
  for (const char* bad :
       {R"([{"x": 1}])", R"([{"lr": 2}])", R"([{"depth": 1.5}])", R"([{"dropout": 0.15}])", "[1]"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Run({{"space", kSpace}, {"first", json::parse(bad)}}), Error);
  }
}

TEST_CASE("a condition reads names with dots, and says what is wrong with it") {
  CHECK(constraint_names("train.batch_size*model.a[0] <= 1e-5 + max(x, 2)") ==
        std::vector<std::string>{"train.batch_size", "model.a[0]", "x"});
  CHECK(constraint_holds("a.b * 2 <= c", {{"a.b", 2}, {"c", 4}}, "") == true);
  CHECK(constraint_holds("a.b * 2 < c", {{"a.b", 2}, {"c", 4}}, "") == false);
  CHECK(!constraint_holds("a < b", {{"a", 2}}, "").has_value());
  CHECK_THROWS_AS(check_constraint("1 < 2", "/x"), Error);
  CHECK_THROWS_AS(check_constraint("a + 1", "/x"), Error);
  CHECK_THROWS_AS(check_constraint("a <", "/x"), Error);
}

TEST_CASE("the quasi-random sequence fills each dimension evenly") {
  for (size_t d = 0; d < 6; ++d) {
    std::vector<int> count(8, 0);
    for (int64_t i = 0; i < 256; ++i) ++count[static_cast<size_t>(quasi_random_point(6, 3, i)[d] * 8)];
    for (int n : count) CHECK((n >= 26 && n <= 38));
  }
  CHECK(quasi_random_point(2, 1, 5) != quasi_random_point(2, 2, 5));
}

TEST_CASE("a Gaussian process passes through exact values and knows where it knows nothing") {
  std::vector<std::vector<double>> x;
  std::vector<double> y;
  for (int i = 0; i < 9; ++i) {
    x.push_back({i / 8.0, 0.5});
    y.push_back(100 + 10 * std::sin(6 * i / 8.0));
  }
  const GaussianProcess gp(x, y, {false, false});
  for (size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(gp.predict(x[i]).first - y[i]) < 0.2);
  const auto [between, sure] = gp.predict({0.4375, 0.5});
  CHECK(std::fabs(between - (100 + 10 * std::sin(6 * 0.4375))) < 0.3);
  CHECK(sure < 1);
  CHECK(gp.predict({0.5, 0}).second > 2 * sure);
  CHECK(gp.lengths()[0] < gp.lengths()[1]);  // the second key does nothing
  // All equal, and a single point twice: no failure.
  CHECK(GaussianProcess({{0.5}, {0.5}, {0.1}}, {1, 1, 1}, {false}).predict({0.3}).first ==
        doctest::Approx(1));
}

TEST_CASE("the density of a mixture has mass one and is drawn as it says") {
  const auto space = parse_space(
      json::parse(R"({"x": {"uniform": [0, 1]}, "k": {"int": [1, 4]}, "c": {"choice": ["a", "b", "c"]}})"),
      "");
  const Parzen p(space, {0, 1, 2}, {{0.2, 0.125, 0.5}, {0.3, 0.375, 0.5}, {0.9, 0.125, 0.1}}, 1);
  double mass = 0, below = 0;
  for (int i = 0; i < 200; ++i)
    for (int k = 0; k < 4; ++k)
      for (int c = 0; c < 3; ++c) {
        const double m = std::exp(p.log_density({(i + 0.5) / 200, (k + 0.5) / 4, (c + 0.5) / 3})) / 200;
        mass += m;
        if (i < 100) below += m;
      }
  CHECK(mass == doctest::Approx(1).epsilon(1e-3));
  Random r(0, 0);
  int hits = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<double> point(3);
    p.draw(r, point);
    hits += point[0] < 0.5;
  }
  CHECK(hits / 4000.0 == doctest::Approx(below).epsilon(0.05));
}

TEST_CASE("rungs of successive halving go on from the best of the rung before") {
  Run run({{"space", kSpace},
           {"sampler", "tpe"},
           {"pruner", {{"type", "successive_halving"}, {"size", 9}, {"factor", 3}}},
           {"trials", 26}});
  run.go(26, bowl);
  for (int64_t bracket : {0, 13}) {
    std::vector<std::pair<double, int64_t>> first;
    for (int64_t n = bracket; n < bracket + 9; ++n) {
      const Trial& t = run.trials[static_cast<size_t>(n)];
      CHECK((t.epochs == 1 && !t.parent));
      first.emplace_back(*t.value, n);
    }
    std::sort(first.begin(), first.end());
    for (size_t i = 0; i < 3; ++i) {
      const Trial& t = run.trials[static_cast<size_t>(bracket) + 9 + i];
      CHECK((t.epochs == 3 && t.parent == first[i].second));
      CHECK(t.parameters == run.trials[static_cast<size_t>(*t.parent)].parameters);
    }
    const Trial& last = run.trials[static_cast<size_t>(bracket) + 12];
    CHECK((last.epochs == 9 && last.parent == bracket + 9));
    CHECK(results_needed(run.context(), last.number) == last.number);
  }
}

TEST_CASE("brackets of hyperband are those of the paper") {
  Run run({{"space", kSpace}, {"pruner", {{"type", "hyperband"}, {"max_epochs", 81}}}, {"trials", 1000}});
  // Li et al. 2018, table 1: (n, r) for s = 4 and s = 3.
  const std::vector<std::pair<int64_t, int64_t>> table{{81, 1}, {27, 3}, {9, 9},  {3, 27}, {1, 81},
                                                       {34, 3}, {11, 9}, {3, 27}, {1, 81}};
  int64_t n = 0;
  for (const auto& [size, epochs] : table) {
    const auto rung = rung_of(run.context(), n);
    CHECK((rung->size == size && rung->epochs == epochs && rung->begin == n));
    n += size;
  }
}

TEST_CASE("population based training replaces the worst by changed copies of the best") {
  Run run(
      {{"space",
        json::parse(
            R"({"train.optimizer.lr": {"log_uniform": [1e-4, 1]}, "model.parameters.width": {"int": [1, 8]}})")},
       {"sampler", {{"type", "pbt"}, {"population", 4}, {"interval", 2}}},
       {"trials", 12}});
  run.config = json::parse(
      R"({"train": {"optimizer": {"type": "sgd", "lr": 0.1}}, "model": {"parameters": {"width": 4}}})");
  run.go(12, [](const Trial& t) {
    return static_cast<double>(t.number % 4);
  });  // member 0 is the best, 3 the worst
  for (int64_t n = 4; n < 12; ++n) {
    const Trial& t = run.trials[static_cast<size_t>(n)];
    CHECK(t.epochs == 2 * (n / 4 + 1));
    CHECK(t.parent == (n % 4 == 3 ? n - 7 : n - 4));
    const json& before = run.trials[static_cast<size_t>(*t.parent)].parameters;
    CHECK(t.parameters["model.parameters.width"] ==
          before["model.parameters.width"]);  // the state would not fit
    CHECK((t.parameters == before) == (n % 4 != 3));
  }
}

TEST_CASE("pruners compare with earlier trials only") {
  Run run(
      {{"space", kSpace}, {"pruner", {{"type", "median"}, {"startup", 3}}}, {"batch", 2}, {"trials", 10}});
  for (int64_t n = 0; n < 6; ++n) {
    Trial t;
    t.number = n;
    t.state = TrialState::complete;
    t.value = static_cast<double>(n);
    t.curve = {{1, static_cast<double>(n)}, {2, static_cast<double>(n)}};
    run.trials.push_back(t);
  }
  const auto why = [&](double a, double b) {
    const std::vector<std::pair<int64_t, double>> curve{{1, a}, {2, b}};
    return reason_to_prune(run.context(), 6, curve, run.trials).has_value();
  };
  CHECK(!why(2, 2));  // the median of 0 ... 4: trial 5 may still be running
  CHECK(why(2.1, 2.1));
  CHECK(!why(0, 9));  // its best counts
  run.search.pruner = parse_search({{"pruner", "asha"}, {"objective", {{"minimize", "y"}}}}, "").pruner;
  const auto asha = [&](int64_t epoch, double v) {
    const std::vector<std::pair<int64_t, double>> curve{{epoch, v}};
    return reason_to_prune(run.context(), 6, curve, run.trials).has_value();
  };
  CHECK(!asha(1, 0.5));  // second of six: two go on
  CHECK(asha(1, 1.5));
  CHECK(!asha(2, 1.5));  // no rung
  run.search.pruner =
      parse_search({{"pruner", {{"type", "threshold"}, {"max", 3}}}, {"objective", {{"minimize", "y"}}}}, "")
          .pruner;
  CHECK(asha(1, 3.5));
  CHECK(!asha(1, 3));
}
