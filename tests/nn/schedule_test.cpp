#include "nn/schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

using namespace dl;
using doctest::Approx;

static Schedule parse(const json& j) {
  Schedule s;
  FieldType<Schedule>::parse(s, j, "/schedule", {});
  check_schedule(s, "/schedule");
  return s;
}

// 10 steps an epoch, 20 epochs, base rate 0.1 unless told otherwise.
static double at(const json& j, int64_t step, double epochs = 20, double lr = 0.1) {
  return rate(parse(j), lr, step, 10, epochs);
}

TEST_CASE("constant and step") {
  CHECK(at("constant", 0) == 0.1);
  CHECK(at("constant", 199) == 0.1);
  const json step{{"type", "step"}, {"every", 5}, {"gamma", 0.5}};
  CHECK(at(step, 49) == Approx(0.1));
  CHECK(at(step, 50) == Approx(0.05));
  CHECK(at(step, 149) == Approx(0.025));
}

TEST_CASE("piecewise holds the fraction of the last boundary passed") {
  const json s{{"type", "piecewise"}, {"boundaries", {5, 12.5}}, {"factors", {0.2, 0.01}}};
  for (int64_t t = 0; t < 200; ++t) CHECK(at(s, t) == Approx(t < 50 ? 0.1 : t < 125 ? 0.02 : 0.001));
}

TEST_CASE("exponential: lr gamma^(t/T)") {
  const json s{{"type", "exponential"}, {"gamma", 0.5}, {"every", 10}};
  CHECK(at(s, 50) == Approx(0.0707107).epsilon(1e-5));
  for (int64_t t = 0; t < 200; ++t)
    CHECK(at(s, t) == Approx(0.1 * std::pow(0.5, static_cast<double>(t) / 100)));
  json stairs = s;
  stairs["staircase"] = true;
  CHECK(at(stairs, 99) == Approx(0.1));
  CHECK(at(stairs, 100) == Approx(0.05));
}

TEST_CASE("polynomial: (lr - end)(1 - p)^power + end, held after its end") {
  const json s{{"type", "polynomial"}, {"end", 0.1}, {"power", 2}, {"epochs", 10}};
  CHECK(at(s, 50) == Approx(0.0325));
  CHECK(at(s, 100) == Approx(0.01));
  CHECK(at(s, 190) == Approx(0.01));
  json cycle = s;
  cycle["cycle"] = true;
  CHECK(at(cycle, 150) == Approx(0.015625));
  const json line{{"type", "polynomial"}};
  for (int64_t t = 0; t < 200; ++t) CHECK(at(line, t) == Approx(0.1 * (1 - static_cast<double>(t) / 200)));
}

TEST_CASE("cosine: half a wave from lr to end lr") {
  const json s{{"type", "cosine"}, {"end", 0.1}, {"epochs", 10}};
  CHECK(at(s, 0) == Approx(0.1));
  CHECK(at(s, 50) == Approx(0.055));
  CHECK(at(s, 100) == Approx(0.01));
  for (int64_t t = 0; t < 200; ++t)
    CHECK(at("cosine", t) == Approx(0.05 * (1 + std::cos(std::numbers::pi * static_cast<double>(t) / 200))));
}

TEST_CASE("natural exponential and inverse time") {
  const json natural{{"type", "natural_exponential"}, {"decay", 0.5}, {"every", 10}};
  CHECK(at(natural, 50) == Approx(0.0778801).epsilon(1e-6));
  json inverse = natural;
  inverse["type"] = "inverse_time";
  for (int64_t t = 0; t < 200; ++t) {
    CHECK(at(natural, t) == Approx(0.1 * std::exp(-0.5 * static_cast<double>(t) / 100)));
    CHECK(at(inverse, t) == Approx(0.1 / (1 + 0.5 * static_cast<double>(t) / 100)));
  }
  inverse["staircase"] = true;
  CHECK(at(inverse, 99) == Approx(0.1));
  CHECK(at(inverse, 100) == Approx(0.1 / 1.5));
}

TEST_CASE("list: a fraction for each epoch") {
  const json s{{"type", "list"}, {"factors", {1, 0.5, 0}}};
  for (int64_t t = 0; t < 200; ++t) CHECK(at(s, t) == Approx(t < 10 ? 0.1 : t < 20 ? 0.05 : 0));
}

TEST_CASE("cosine with restarts: waves of 4, 8 and 16 epochs, each half as high") {
  const json s{{"type", "cosine_restarts"}, {"epochs", 4}, {"m_mul", 0.5}, {"end", 0.1}};
  for (int64_t t = 0; t < 200; ++t) {
    const int wave = t < 40 ? 0 : t < 120 ? 1 : 2;
    const double first[] = {0, 40, 120}, length[] = {40, 80, 160}, height[] = {1, 0.5, 0.25};
    const double p = (static_cast<double>(t) - first[wave]) / length[wave];
    CHECK(at(s, t) ==
          Approx(0.1 * (0.9 * height[wave] * (1 + std::cos(std::numbers::pi * p)) / 2 + 0.1)).epsilon(1e-9));
  }
  const json even{{"type", "cosine_restarts"}, {"epochs", 5}, {"t_mul", 1}, {"m_mul", 0.5}};
  CHECK(at(even, 0) == Approx(0.1));
  CHECK(at(even, 50) == Approx(0.05));
  CHECK(at(even, 150) == Approx(0.0125));
  CHECK(at(even, 175) == Approx(0.00625));
}

TEST_CASE("linear cosine, plain and with noise that fades") {
  const json s{{"type", "linear_cosine"}, {"epochs", 10}};
  CHECK(at(s, 50) == Approx(0.0251));
  for (int64_t t = 0; t < 100; ++t) {
    const double p = static_cast<double>(t) / 100;
    CHECK(at(s, t) == Approx(0.1 * ((1 - p) * (1 + std::cos(std::numbers::pi * p)) / 2 + 0.001)));
  }
  json noisy = s;
  noisy["type"] = "noisy_linear_cosine";
  noisy["variance"] = 0;
  for (int64_t t = 0; t < 100; ++t) CHECK(at(noisy, t) == Approx(at(s, t)));
  noisy["variance"] = 1e-4;
  // Divided by the wave the noise has the deviation 0.01 / (1 + t)^0.275.
  double squares = 0, others = 0;
  for (int64_t t = 0; t < 90; ++t) {
    const double p = static_cast<double>(t) / 100, wave = (1 + std::cos(std::numbers::pi * p)) / 2;
    const double z =
        (at(noisy, t) - at(s, t)) / 0.1 / wave / 0.01 * std::pow(1 + static_cast<double>(t), 0.275);
    squares += z * z / 90;
    json other = noisy;
    other["seed"] = 1;
    others += std::fabs(at(other, t) - at(noisy, t));
  }
  CHECK(squares == Approx(1).epsilon(0.35));
  CHECK(others > 1e-4);
  noisy["variance"] = 100;
  for (int64_t t = 0; t < 200; ++t) CHECK(at(noisy, t) >= 0);
}

TEST_CASE("one cycle: rate and momentum turn where they should") {
  json s{{"type", "one_cycle"}, {"momentum", {0.85, 0.95}}};
  const double peak = 0.3 * 200 - 1;
  const auto wave = [](double from, double to, double p) {
    return to + (from - to) * (1 + std::cos(std::numbers::pi * p)) / 2;
  };
  for (int64_t t = 0; t < 200; ++t) {
    const auto x = static_cast<double>(t);
    const bool up = x <= peak;
    const double p = up ? x / peak : (x - peak) / (199 - peak);
    CHECK(at(s, t) == Approx(0.1 * (up ? wave(0.04, 1, p) : wave(1, 4e-6, p))));
    CHECK(*momentum_at(parse(s), t, 10, 20) == Approx(up ? wave(0.95, 0.85, p) : wave(0.85, 0.95, p)));
  }
  CHECK(cycles_momentum(parse(s)));
  CHECK_FALSE(cycles_momentum(parse("one_cycle")));
  s["anneal"] = "linear";
  CHECK(at(s, 0) == Approx(0.004));
  CHECK(at(s, 59) == Approx(0.1));
  CHECK(at(s, 129) == Approx(0.05).epsilon(1e-3));
  CHECK(at(s, 199) == Approx(4e-7));
}

TEST_CASE("cyclic: triangles") {
  json s{{"type", "cyclic"}, {"low", 0.1}, {"up", 2}};
  for (int64_t t = 0; t < 200; ++t) {
    const double x = static_cast<double>(t % 40) / 20, rise = x < 1 ? x : 2 - x;
    const double cycle = std::floor(static_cast<double>(t) / 40);
    s["mode"] = "triangular";
    CHECK(at(s, t) == Approx(0.1 * (0.1 + 0.9 * rise)));
    s["mode"] = "triangular2";
    CHECK(at(s, t) == Approx(0.1 * (0.1 + 0.9 * rise / std::pow(2, cycle))));
    s["mode"] = "exp_range";
    s["gamma"] = 0.99;
    CHECK(at(s, t) == Approx(0.1 * (0.1 + 0.9 * rise * std::pow(0.99, static_cast<double>(t)))));
  }
}

TEST_CASE("noam: up to warmup_steps, then with the root of the step") {
  const json s{{"type", "noam"}, {"model_size", 64}, {"warmup_steps", 50}};
  for (int64_t t = 0; t < 200; ++t) {
    const double n = static_cast<double>(t) + 1;
    CHECK(at(s, t, 20, 1) == Approx(std::min(1 / std::sqrt(n), n / std::pow(50, 1.5)) / 8));
  }
}

TEST_CASE("a sequence runs each schedule as if it were alone") {
  const json s = json::parse(R"({"type": "sequence", "parts": [
      {"epochs": 3, "schedule": {"type": "polynomial", "end": 0.5}},
      {"epochs": 5, "schedule": {"type": "one_cycle", "momentum": [0.8, 0.9]}},
      {"schedule": {"type": "cosine", "warmup_epochs": 2}}]})");
  for (int64_t t = 0; t < 200; ++t) {
    const double want = t < 30   ? at({{"type", "polynomial"}, {"end", 0.5}}, t, 3)
                        : t < 80 ? at("one_cycle", t - 30, 5)
                                 : at({{"type", "cosine"}, {"warmup_epochs", 2}}, t - 80, 12);
    CHECK(at(s, t) == Approx(want));
    CHECK(momentum_at(parse(s), t, 10, 20).has_value() == (t >= 30 && t < 80));
  }
  CHECK(cycles_momentum(parse(s)));
}

TEST_CASE("plateau leaves the rate to its factor") {
  const json s{{"type", "plateau"}, {"metric", "valid.accuracy"}, {"factor", 0.5}, {"warmup_steps", 4}};
  CHECK(at(s, 1) == Approx(0.05));
  CHECK(at(s, 100) == Approx(0.1));
  const Schedule parsed = parse(s);
  REQUIRE(plateau_of(parsed));
  CHECK(plateau_of(parsed)->metric == "valid.accuracy");
  CHECK(plateau_of(parsed)->factor == 0.5);
  CHECK(plateau_of(parse("cosine")) == nullptr);
}

TEST_CASE("every schedule warms up linearly and then follows its curve") {
  const json all[] = {{{"type", "constant"}},
                      {{"type", "step"}, {"every", 5}},
                      {{"type", "piecewise"}, {"boundaries", {5}}, {"factors", {0.1}}},
                      {{"type", "exponential"}},
                      {{"type", "polynomial"}},
                      {{"type", "cosine"}}};
  for (json s : all) {
    CAPTURE(s.dump());
    s["warmup_epochs"] = 2;
    for (int64_t t = 0; t < 20; ++t) CHECK(at(s, t) == Approx(0.1 * static_cast<double>(t + 1) / 20));
    if (s["type"] == "cosine" || s["type"] == "polynomial") {
      CHECK(at(s, 20) == Approx(0.1));
      CHECK(at(s, 110) == Approx(0.05));  // half of what is left
    } else {
      json plain = s;
      plain.erase("warmup_epochs");
      for (int64_t t = 20; t < 200; t += 7) CHECK(at(s, t) == Approx(at(plain, t)));
    }
    s.erase("warmup_epochs");
    s["warmup_steps"] = 4;
    CHECK(at(s, 1) == Approx(0.05));
    s["warmup_from"] = 0.2;
    CHECK(at(s, 1) == Approx(0.06));
  }
}

TEST_CASE("a run shorter than its warm-up, and one of no steps, have finite rates") {
  CHECK(at({{"type", "cosine"}, {"warmup_epochs", 30}}, 150) == Approx(0.1 * 151 / 300));
  CHECK(at({{"type", "cosine"}, {"warmup_epochs", 20}}, 200) == Approx(0));
  CHECK(std::isfinite(rate(parse("cosine"), 0.1, 0, 0, 0)));
}

TEST_CASE("mistakes in a schedule point at their key") {
  const auto error = [](const json& j) -> std::string {
    try {
      parse(j);
    } catch (const Error& e) { return e.pointer + ": " + e.what(); }
    return "no error";
  };
  CHECK(error("cosin") == "/schedule: unknown schedule 'cosin'");
  CHECK(error({{"type", "step"}, {"gama", 1}}) == "/schedule/gama: unknown key 'gama'");
  CHECK(error({{"type", "cosine"}, {"end", 2}}) ==
        "/schedule/end: 2 is out of range, expected between 0 and 1");
  CHECK(error({{"type", "constant"}, {"warmup_epochs", 1}, {"warmup_steps", 1}})
            .starts_with("/schedule/warmup_steps: the warm-up is given"));
  CHECK(error({{"type", "piecewise"}, {"boundaries", {1, 2}}, {"factors", {1}}}) ==
        "/schedule/factors: there are 1 factors for 2 boundaries");
  CHECK(error({{"type", "piecewise"}, {"boundaries", {2, 2}}, {"factors", {1, 1}}}) ==
        "/schedule/boundaries/1: boundary 2 does not lie after 2");
  CHECK(error({{"type", "piecewise"}, {"boundaries", {1}}}).starts_with("/schedule: 'factors' is missing"));
  CHECK(error({{"type", "list"}, {"factors", json::array()}}).starts_with("/schedule/factors: is empty"));
  CHECK(error({{"type", "one_cycle"}, {"momentum", {0.9, 0.8}}})
            .starts_with("/schedule/momentum: expected two numbers, the lower one first"));
  CHECK(
      error({{"type", "one_cycle"}, {"warmup_steps", 3}}).starts_with("/schedule/warmup_steps: unknown key"));
  CHECK(error({{"type", "sequence"}, {"parts", json::array()}}).starts_with("/schedule/parts: is empty"));
  CHECK(error(json::parse(
                  R"({"type": "sequence", "parts": [{"schedule": "constant"}, {"schedule": "cosine"}]})"))
            .starts_with("/schedule/parts/0/epochs: is missing"));
  CHECK(error(json::parse(R"({"type": "sequence", "parts": [{"schedule": "plateau"}]})"))
            .starts_with("/schedule/parts/0/schedule: unknown schedule 'plateau'"));
}
