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
}
