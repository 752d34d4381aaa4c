// bench_search TRIALS SEEDS [BATCH] [SAMPLER-JSON...]: samplers on functions whose least value is known. Prints one JSON line
// for each function and sampler: {"function", "sampler", "regrets": [best found - least, one for each seed]}.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "search/sampler.h"

using namespace dl;

namespace {

struct Function {
  std::string name;
  json space;
  double least;
  std::function<double(const json&)> value;
};

double at(const json& p, const char* key) { return p.at(key).get<double>(); }

json reals(const std::vector<std::string>& keys, double low, double high) {
  json space = json::object();
  for (const std::string& k : keys) space[k] = {{"uniform", {low, high}}};
  return space;
}

double branin(double x, double y) {
  const double pi = 3.14159265358979323846;
  const double a = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
  return a * a + 10 * (1 - 1 / (8 * pi)) * std::cos(x) + 10;
}

double hartmann6(const json& p) {
  constexpr double kHeight[4] = {1, 1.2, 3, 3.2};
  constexpr double kWidth[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
  constexpr double kCenter[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                    {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                    {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                    {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    double inner = 0;
    for (int j = 0; j < 6; ++j) {
      const double d = at(p, std::string(1, static_cast<char>('a' + j)).c_str()) - kCenter[i][j];
      inner += kWidth[i][j] * d * d;
    }
    sum -= kHeight[i] * std::exp(-inner);
  }
  return sum;
}

double rosenbrock(const json& p) {
  const double x[4] = {at(p, "a"), at(p, "b"), at(p, "c"), at(p, "d")};
  double sum = 0;
  for (int i = 0; i < 3; ++i) sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  return sum;
}

// A search as of a network: which optimiser, its rate and momentum, a width, a depth with a dropout only in deep ones.
double mixed(const json& p) {
  const bool sgd = p.at("optimizer") == "sgd";
  const double best_rate = sgd ? -1.2 : -2.7;
  double loss =
      0.35 * std::pow(std::log10(at(p, "lr")) - best_rate, 2) + (sgd                           ? 0
                                                                 : p.at("optimizer") == "adam" ? 0.05
                                                                                               : 0.3);
  if (sgd) loss += 4 * std::pow(at(p, "momentum") - 0.9, 2);
  loss += 0.2 * std::pow(std::log2(at(p, "width") / 128), 2) / 4 + 0.03 * std::pow(at(p, "depth") - 3, 2);
  if (p.contains("dropout")) loss += 0.8 * std::pow(at(p, "dropout") - 0.2, 2);
  return loss + 0.05 * std::fabs(std::log2(at(p, "batch") / 64));
}

std::vector<Function> functions() {
  return {
      {"branin", json::parse(R"({"x": {"uniform": [-5, 10]}, "y": {"uniform": [0, 15]}})"), 0.397887,
       [](const json& p) { return branin(at(p, "x"), at(p, "y")); }},
      {"hartmann6", reals({"a", "b", "c", "d", "e", "f"}, 0, 1), -3.32237, hartmann6},
      {"rosenbrock4", reals({"a", "b", "c", "d"}, -2, 2), 0, rosenbrock},
      {"mixed",
       json::parse(R"({"optimizer": {"choice": ["sgd", "adam", "rmsprop"]}, "lr": {"log_uniform": [1e-5, 1]},
              "momentum": {"uniform": [0, 0.99], "when": {"optimizer": "sgd"}}, "width": {"log_int": [8, 1024]},
              "depth": {"int": [1, 6]}, "dropout": {"uniform": [0, 0.6], "when": {"depth": {"min": 3}}},
              "batch": {"choice": [16, 32, 64, 128, 256]}})"),
       0, mixed}};
}

double best_of(const Function& f, const json& sampler, int64_t trials, int64_t batch, uint64_t seed) {
  const SearchConfig search = parse_search({{"space", f.space},
                                            {"sampler", sampler},
                                            {"objective", {{"minimize", "y"}}},
                                            {"trials", trials},
                                            {"batch", batch}},
                                           "/search");
  const auto space = parse_space(search.space, "/search/space");
  const json config = json::object();
  const SearchContext c{search, space, config, seed};
  std::vector<Trial> done;
  double best = INFINITY;
  for (int64_t n = 0; n < trials; ++n) {
    Trial t;
    t.number = n;
    t.parameters = suggest(c, n, done).parameters;
    t.state = TrialState::complete;
    t.value = f.value(t.parameters);
    best = std::min(best, *t.value);
    done.push_back(t);
  }
  return best - f.least;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t trials = argc > 1 ? std::atoll(argv[1]) : 60, seeds = argc > 2 ? std::atoll(argv[2]) : 5;
  const int64_t batch = argc > 3 ? std::atoll(argv[3]) : 1;
  std::vector<json> samplers;
  for (int i = 4; i < argc; ++i) samplers.push_back(json::parse(argv[i]));
  if (samplers.empty()) samplers = {"random", "quasi_random", "coarse_to_fine", "tpe", "gp", "lipo", "cmaes"};
  for (const Function& f : functions())
    for (const json& sampler : samplers) {
      json regrets = json::array();
      const double begin = steady_seconds();
      for (int64_t s = 0; s < seeds; ++s)
        regrets.push_back(best_of(f, sampler, trials, batch, static_cast<uint64_t>(s)));
      const json line{{"function", f.name}, {"sampler", sampler}, {"trials", trials},
                      {"batch", batch},     {"regrets", regrets}, {"seconds", steady_seconds() - begin}};
      std::puts(line.dump().c_str());
      std::fflush(stdout);
    }
  return 0;
}
