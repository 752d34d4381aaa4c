// What dl-train does instead of training: rates, gradients, one batch.
#include "train/find_lr.h"
#include "train/gradient_check.h"
#include "train/overfit.h"
#include "train/small_run.h"

using namespace dl;
using namespace dl::testing;

TEST_CASE("a curve that falls and diverges gives the rate of the steepest descent and a tenth of the least") {
  LrCurve curve;
  for (int i = 0; i < 100; ++i) {
    const double lr = std::pow(10, -6 + 0.08 * i);  // falls around 1e-3, is least near 1e-1, rises behind
    const double loss = 2.3 - 2 / (1 + std::pow(1e-3 / lr, 2)) + 5 * lr * lr;
    curve.points.push_back({lr, loss, loss});
  }
  read_curve(curve);
  CHECK(curve.steepest == doctest::Approx(1e-3).epsilon(0.3));
  CHECK(curve.tenth_of_least > 0.001);
  CHECK(curve.tenth_of_least < 0.01);
  CHECK(curve.csv().starts_with("lr,loss,smoothed\n1e-06,"));
  CHECK(curve.svg().find("<polyline") != std::string::npos);
  for (LrCurve::Point& p : curve.points) p.smoothed = 1 + p.lr;
  read_curve(curve);
  CHECK(std::isnan(curve.steepest));
  CHECK(curve.text().find("never falls") != std::string::npos);
}

TEST_CASE("the range test finds rates that train and stops where the loss diverges") {
  const Folder folder;
  TrainRequest r = request(folder, config(1), make_data(folder));
  r.config["train"]["optimizer"] = {{"type", "sgd"}};
  r.config["train"]["batch_size"] = 205;
  LrRange range;
  range.from = 1e-4;
  range.to = 1e4;
  range.steps = 200;
  const LrCurve curve = find_learning_rate(r, {}, range);
  CHECK(curve.diverged);
  CHECK(curve.points.front().lr == 1e-4);
  REQUIRE(std::isfinite(curve.steepest));
  CHECK(curve.steepest > 1e-3);
  CHECK(curve.steepest < 100);
  CHECK(find_learning_rate(r, {}, range).record() == curve.record());
  CHECK_FALSE(fs::exists(folder.at("state")));
}

TEST_CASE("gradients of a network agree with its loss") {
  const Folder folder;
  TrainRequest r = request(folder, config(1), make_data(folder));
  r.config["model"]["layers"] = json::parse(R"([{"type": "dense", "units": 16}, "batch_norm", "relu",
    {"type": "dropout", "rate": 0.3}, {"type": "dense", "units": 8}, "tanh", {"type": "dense", "units": "$classes"}])");
  const GradientCheck check = check_gradients(r, {}, {});
  CHECK(check.parameters.size() == 8);
  CHECK_MESSAGE(check.passed(), check.text());
  CHECK(check.kinks == std::vector<std::string>{"relu_1 (relu)"});
  CHECK(check.text().find("dense_1.weight") != std::string::npos);
}

TEST_CASE("a wrong gradient is found, whatever part of it is wrong") {
  std::vector<float> w(50), g(50);
  Random random(1, stream_id("wrong gradient"));
  for (float& x : w) x = static_cast<float>(random.normal());
  const std::function<double()> loss = [&] {
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i) sum += std::cos(static_cast<double>(w[i]) + static_cast<double>(i));
    return static_cast<double>(static_cast<float>(sum / 50));
  };
  const auto right = [&] {
    for (size_t i = 0; i < w.size(); ++i)
      g[i] = static_cast<float>(-std::sin(static_cast<double>(w[i]) + static_cast<double>(i)) / 50);
  };
  const auto check = [&] { return check_gradient("w", w, g, loss, 0.01, 0); };
  right();
  const std::vector<float> before = w;
  const ParameterCheck good = check();
  CHECK_MESSAGE(good.passed, good.worst);
  CHECK(w == before);
  for (float& x : g) x *= 1.05f;
  CHECK_FALSE(check().passed);
  right();
  for (size_t i = 0; i < 25; ++i) g[i] = 0;
  CHECK_FALSE(check().passed);
  for (float& x : g) x = 0;
  CHECK_FALSE(check().passed);
  right();
  for (float& x : g) x = -x;
  CHECK(check().worst > 0.5);
}

TEST_CASE("one batch is learned by heart, or it is said what may keep the loss up") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(1), data);
  const Overfit good = overfit_one_batch(r, {}, {});
  CHECK(good.passed);
  CHECK(good.last <= 0.1 * good.first);
  CHECK_FALSE(fs::exists(folder.at("state")));
  r.config["train"]["optimizer"]["lr"] = 0;
  const Overfit stuck = overfit_one_batch(r, {}, {.steps = 20});
  CHECK_FALSE(stuck.passed);
  CHECK(stuck.text().find("hardly moves") != std::string::npos);
  r.config["train"]["optimizer"] = {{"type", "sgd"}, {"lr", 1e4}};
  CHECK(overfit_one_batch(r, {}, {.steps = 20}).text().find("lower the learning rate") != std::string::npos);
  r.config["model"]["freeze"] = true;
  CHECK_THROWS_AS(overfit_one_batch(r, {}, {}), Error);
}
