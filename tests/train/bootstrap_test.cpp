#include "train/bootstrap.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"
#include "base/statistics.h"
#include "train/combine.h"

using namespace dl;

namespace {

struct Workers {
  Pool* pool = pool_create(3);
  ~Workers() { pool_destroy(pool); }
};

// Two classes; the network is right with the chance given.
Kept answers(int64_t n, double chance, uint64_t seed) {
  Kept k{Tensor(DType::f32, {n, 1}), Tensor(DType::i32, {n})};
  Random truth(3, stream_id("truth")), r(seed, stream_id("answers"));
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const int32_t y = static_cast<int32_t>(truth.below(2));
    k.targets.data<int32_t>()[i] = y;
    const bool right = r.uniform() < chance;
    k.outputs.data<float>()[i] = static_cast<float>((right == (y == 1) ? 1 : -1) * (0.5 + r.uniform()));
  }
  return k;
}

const MetricsSetup kBinary{
    .form = OutputForm::binary_logits, .columns = 1, .wanted = {"accuracy", "roc_auc"}};

}  // namespace

TEST_CASE("the normal quantile is the inverse of the distribution") {
  CHECK(normal_quantile(0.975) == doctest::Approx(1.959963984540054).epsilon(1e-14));
  CHECK(normal_quantile(0.5) == doctest::Approx(0).epsilon(1e-14));
  CHECK(normal_quantile(1e-6) == doctest::Approx(-4.753424308822899).epsilon(1e-13));
}

TEST_CASE("McNemar's exact test is a sign test of the samples that one model alone has right") {
  CHECK(mcnemar(0, 0) == 1);
  CHECK(mcnemar(5, 5) == 1);
  CHECK(mcnemar(0, 5) == doctest::Approx(2.0 / 32));
  CHECK(mcnemar(8, 2) == doctest::Approx(2.0 * (1 + 10 + 45) / 1024));
}

TEST_CASE("the interval of an accuracy is near that of the binomial distribution, on any number of threads") {
  const Workers workers;
  const Kept k = answers(400, 0.8, 1);
  BootstrapOptions o{.resamples = 1000, .confidence = 0.95, .seed = 7, .pool = nullptr};
  const std::vector<ConfidenceInterval> alone = bootstrap(kBinary, k, o);
  o.pool = workers.pool;
  const std::vector<ConfidenceInterval> many = bootstrap(kBinary, k, o);
  REQUIRE(alone.size() == 2);
  const ConfidenceInterval& a = alone[0];
  CHECK(a.name == "accuracy");
  const double spread = 1.96 * std::sqrt(a.value * (1 - a.value) / 400);
  CHECK(a.percentile_low == doctest::Approx(a.value - spread).epsilon(0.01));
  CHECK(a.percentile_high == doctest::Approx(a.value + spread).epsilon(0.01));
  CHECK(a.low == doctest::Approx(a.percentile_low).epsilon(0.02));
  for (size_t i = 0; i < alone.size(); ++i) {
    CHECK(alone[i].low == many[i].low);
    CHECK(alone[i].high == many[i].high);
    CHECK(alone[i].low < alone[i].value);
    CHECK(alone[i].value < alone[i].high);
  }
  o.seed = 8;
  CHECK(bootstrap(kBinary, k, o)[1].low != alone[1].low);
  o.confidence = 0.5;
  CHECK(bootstrap(kBinary, k, o)[0].low > a.low);
}

TEST_CASE("a model that is right oftener is told from chance, one that is equal is not") {
  const Kept good = answers(300, 0.9, 1), same = answers(300, 0.9, 2), poor = answers(300, 0.7, 3);
  const BootstrapOptions o{.resamples = 500, .seed = 1};
  const Comparison better = compare(kBinary, poor, kBinary, good, o),
                   equal = compare(kBinary, good, kBinary, same, o);
  CHECK(better.mcnemar_p < 0.001);
  CHECK(better.differences[0].low > 0);
  CHECK(better.differences[0].p < 0.01);
  CHECK(better.only_b > better.only_a);
  CHECK(equal.mcnemar_p > 0.05);
  CHECK(equal.differences[0].low < 0);
  CHECK(equal.differences[0].high > 0);
}

TEST_CASE("the headline leaves out counts, thresholds and what has a dot") {
  const std::vector<std::string> h = headline_metrics({.form = OutputForm::binary_logits, .columns = 1});
  for (const char* name : {"samples", "best_f1_threshold", "macro.f1"})
    CHECK(std::find(h.begin(), h.end(), name) == h.end());
  CHECK(std::find(h.begin(), h.end(), "roc_auc") != h.end());
}

TEST_CASE("answers are combined as averages, geometric means and votes") {
  const Head head{.output = "y",
                  .target = "y",
                  .form = OutputForm::probabilities,
                  .columns = 3,
                  .classes = {"a", "b", "c"}};
  Tensor p(DType::f32, {1, 3}), q(DType::f32, {1, 3});
  const float first[] = {0.5f, 0.3f, 0.2f}, second[] = {0.1f, 0.7f, 0.2f};
  std::copy_n(first, 3, p.data<float>().begin());
  std::copy_n(second, 3, q.data<float>().begin());
  const auto combined = [&](Ensemble method) {
    Combiner c(head, method);
    c.add(p);
    c.add(q);
    c.add(q);
    const Tensor t = c.take();
    return std::vector<double>(t.data<double>().begin(), t.data<double>().end());
  };
  CHECK(combined(Ensemble::average)[1] == doctest::Approx(1.7 / 3));
  CHECK(combined(Ensemble::vote) == std::vector<double>{1.0 / 3, 2.0 / 3, 0});
  const std::vector<double> g = combined(Ensemble::geometric);
  CHECK(g[0] + g[1] + g[2] == doctest::Approx(1));
  CHECK(g[1] / g[0] == doctest::Approx(std::cbrt(0.3 * 0.49) / std::cbrt(0.5 * 0.01)));
  CHECK_THROWS(combined_head({.output = "y", .target = "y", .form = OutputForm::values, .classes = {}},
                             Ensemble::vote));
}

TEST_CASE("two networks with one logit answer together in probabilities of two classes") {
  const Head head{
      .output = "y", .target = "y", .form = OutputForm::binary_logits, .columns = 1, .classes = {}};
  CHECK(combined_head(head, Ensemble::average).columns == 2);
  Tensor x(DType::f32, {2, 1});
  x.data<float>()[0] = 0;
  x.data<float>()[1] = -2;
  const Tensor p = probabilities_of(head, x);
  CHECK(p.data<double>()[1] == 0.5);
  CHECK(p.data<double>()[2] == doctest::Approx(1 / (1 + std::exp(-2))));
}

TEST_CASE("the temperature of logits that are twice too large is two") {
  Kept k{Tensor(DType::f32, {4000, 1}), Tensor(DType::i32, {4000})};
  Random r(5, stream_id("temperature"));
  for (size_t i = 0; i < 4000; ++i) {
    const double logit = 2 * r.normal();
    k.targets.data<int32_t>()[i] = r.uniform() < 1 / (1 + std::exp(-logit));
    k.outputs.data<float>()[i] = static_cast<float>(2 * logit);
  }
  const Calibration c = calibrate({.form = OutputForm::binary_logits, .columns = 1}, k);
  CHECK(c.temperature == doctest::Approx(2).epsilon(0.05));
  CHECK(c.calibrated_log_loss < c.log_loss);
  CHECK(c.calibrated_ece < 0.5 * c.ece);
  Metrics m({.form = OutputForm::binary_logits,
             .columns = 1,
             .wanted = {"log_loss"},
             .temperature = c.temperature});
  m.add(k.outputs, k.targets);
  CHECK(m.values()[0].value == doctest::Approx(c.calibrated_log_loss));
}
