// Metrics over all scores: ROC, precision and recall, thresholds, calibration; agreement; labels; errors of numbers.
#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "train/curves.h"
#include "train/metrics.h"

using namespace dl;

namespace {

// Scores that fall, with these truths.
std::vector<CurvePoint> ranking(std::initializer_list<int> truths) {
  std::vector<Score> scores;
  for (int t : truths) scores.push_back({1.0 - 0.01 * static_cast<double>(scores.size()), t == 1});
  return score_curve(scores);
}

double value(const Metrics& m, std::string_view name) { return metric_value(m.values(), name); }

template <class T>
Tensor tensor(std::initializer_list<T> values, Shape shape) {
  Tensor t(dtype_of<T>(), shape);
  std::copy(values.begin(), values.end(), t.template data<T>().begin());
  return t;
}

Metrics judged(MetricsSetup setup, const Tensor& outputs, const Tensor& targets) {
  Metrics m(std::move(setup));
  m.add(outputs, targets);
  return m;
}

}  // namespace

TEST_CASE("the area under the ROC curve of three rankings, and their average precision") {
  CHECK(roc_auc(ranking({1, 1, 1, 1, 1, 0, 0, 0, 0, 0})) == 1);
  CHECK(roc_auc(ranking({1, 1, 1, 1, 0, 1, 0, 0, 0, 0})) == doctest::Approx(0.96));
  CHECK(roc_auc(ranking({1, 1, 1, 0, 1, 0, 1, 0, 0, 0})) == doctest::Approx(0.88));
  CHECK(average_precision(ranking({1, 1, 1, 1, 1, 0, 0, 0, 0, 0})) == 1);
  CHECK(average_precision(ranking({1, 1, 1, 1, 0, 1, 0, 0, 0, 0})) == doctest::Approx(0.966667));
  CHECK(average_precision(ranking({1, 1, 1, 0, 1, 0, 1, 0, 0, 0})) == doctest::Approx(0.902857));
}

TEST_CASE("counts at each threshold: positive where the score reaches it") {
  const std::vector<CurvePoint> c = score_curve({{0.1, false}, {0.4, false}, {0.35, true}, {0.8, true}});
  REQUIRE(c.size() == 4);
  const auto is = [&](size_t i, double threshold, int64_t right, int64_t wrong) {
    return c[i].threshold == threshold && c[i].right == right && c[i].wrong == wrong;
  };
  CHECK(is(0, 0.8, 1, 0));
  CHECK(is(1, 0.4, 1, 1));
  CHECK(is(2, 0.35, 2, 1));
  CHECK(is(3, 0.1, 2, 2));
  CHECK(roc_auc(c) == 0.75);
  CHECK(average_precision(c) == doctest::Approx(0.833333));
  CHECK(best_youden(c).value == 0.5);
  CHECK(best_youden(c).threshold == 0.8);
  CHECK(best_f1(c).value == doctest::Approx(0.8));
  CHECK(best_f1(c).threshold == 0.35);
  CHECK(ks_statistic(c) == 0.5);
}

TEST_CASE("equal scores count half, and more of the same negatives change nothing") {
  CHECK(roc_auc(score_curve({{0.5, true}, {0.5, false}})) == 0.5);
  CHECK(roc_auc(score_curve({{0.9, true}, {0.5, true}, {0.5, false}, {0.5, false}})) == 0.75);
  std::vector<Score> scores{{0.9, true}, {0.8, false}, {0.7, true}, {0.6, false}, {0.1, true}}, more = scores;
  for (int copies = 0; copies < 3; ++copies)
    for (const Score& s : scores)
      if (!s.positive) more.push_back(s);
  CHECK(roc_auc(score_curve(more)) == doctest::Approx(roc_auc(score_curve(scores))).epsilon(1e-15));
  CHECK(average_precision(score_curve(more)) < average_precision(score_curve(scores)));
  CHECK(std::isnan(roc_auc(score_curve({{0.5, true}}))));
  CHECK(std::isnan(average_precision(score_curve({{0.5, false}}))));
  CHECK(roc_auc(score_curve({{NAN, true}, {0.5, false}})) == 0);
}

TEST_CASE("lift takes equal scores in part") {
  const auto c = ranking({1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(lift(c, 0.1) == doctest::Approx(5));
  CHECK(lift(c, 0.4) == doctest::Approx(2.5));
  CHECK(lift(score_curve({{0.5, true}, {0.5, false}, {0.5, false}, {0.5, false}}), 0.5) ==
        doctest::Approx(1));
}

TEST_CASE("the rare event of one in a thousand: what accuracy hides, costs show") {
  const MetricsSetup setup{.form = OutputForm::binary_logits,
                           .columns = 1,
                           .class_names = {"calm", "quake"},
                           .wanted = {"accuracy", "cost", "specificity", "recall", "precision", "f1"},
                           .costs = {{0, 1}, {100, 0}}};
  Tensor out(DType::f32, {1000, 1}), label(DType::i32, {1000});
  for (size_t i = 0; i < 1000; ++i) out.data<float>()[i] = i < 5 ? 1.0f : -1.0f;
  label.data<int32_t>()[0] = 1;
  const Metrics some = judged(setup, out, label);
  CHECK(value(some, "cost") == doctest::Approx(0.004));
  CHECK(value(some, "specificity") == doctest::Approx(0.995996).epsilon(1e-6));
  CHECK(value(some, "recall") == 1);
  CHECK(value(some, "precision") == doctest::Approx(0.2));
  CHECK(value(some, "f1") == doctest::Approx(1.0 / 3));
  for (size_t i = 0; i < 1000; ++i) out.data<float>()[i] = -1;
  const Metrics none = judged(setup, out, label);
  CHECK(value(none, "accuracy") == doctest::Approx(0.999));
  CHECK(value(none, "recall") == 0);
  CHECK(value(none, "cost") == doctest::Approx(0.1));
}

TEST_CASE("a threshold and a positive class of one's own") {
  const Tensor p = tensor<double>({0.7, 0.3, 0.6, 0.4, 0.2, 0.8, 0.55, 0.45}, {4, 2}),
               y = tensor<int32_t>({0, 1, 1, 1}, {4});
  MetricsSetup setup{.form = OutputForm::probabilities, .columns = 2, .class_names = {"no", "yes"}};
  CHECK(value(judged(setup, p, y), "recall") == doctest::Approx(1.0 / 3));
  setup.threshold = 0.4;
  CHECK(value(judged(setup, p, y), "recall") == 1);
  CHECK(value(judged(setup, p, y), "accuracy") == 1);
  setup.threshold = NAN;
  setup.positive = "no";
  CHECK(value(judged(setup, p, y), "recall") == 1);
  CHECK(value(judged(setup, p, y), "precision") == doctest::Approx(1.0 / 3));
  CHECK(value(judged(setup, p, y), "roc_auc") == 1);
  setup.positive = "perhaps";
  CHECK_THROWS_AS(Metrics{setup}, Error);
  CHECK_THROWS_AS((Metrics{{.form = OutputForm::logits, .columns = 3, .threshold = 0.5}}), Error);
  CHECK_THROWS_AS((Metrics{{.form = OutputForm::logits, .columns = 3, .costs = {{0, 1}, {1, 0}}}}), Error);
}

TEST_CASE("confidence against accuracy in bins") {
  // Bins of width 1/2: (0, 0.5] is empty for two classes; confidences 0.6, 0.8, 0.9 with two right.
  const Tensor p = tensor<double>({0.4, 0.6, 0.2, 0.8, 0.1, 0.9}, {3, 2}),
               y = tensor<int32_t>({1, 1, 0}, {3});
  const MetricsSetup setup{.form = OutputForm::probabilities, .columns = 2, .bins = 2};
  const Metrics m = judged(setup, p, y);
  CHECK(value(m, "ece") == doctest::Approx(std::abs(2.0 / 3 - 2.3 / 3)));
  CHECK(value(m, "mce") == doctest::Approx(0.1));
  CHECK(value(m, "brier") == doctest::Approx((0.16 + 0.04 + 0.81) / 3));
  CHECK(m.calibration()[1].samples == 3);
}

TEST_CASE("soft targets: the largest weight is the label") {
  const Tensor out = tensor<float>({1, 2, 3, 3, 2, 1}, {2, 3}),
               y = tensor<float>({0, 0.4f, 0.6f, 0.3f, 0.7f, 0}, {2, 3});
  CHECK(value(judged({.form = OutputForm::logits, .columns = 3}, out, y), "accuracy") == 0.5);
}

TEST_CASE("labels: each a yes or no of its own") {
  const Tensor out = tensor<float>({2, -1, -3, 1, 1, -1}, {2, 3}),
               y = tensor<float>({1, 0, 1, 1, 0, 0}, {2, 3});
  const Metrics m = judged({.form = OutputForm::label_logits, .columns = 3}, out, y);
  CHECK(value(m, "accuracy") == doctest::Approx(4.0 / 6));
  CHECK(value(m, "hamming_loss") == doctest::Approx(2.0 / 6));
  CHECK(value(m, "subset_accuracy") == 0);
  CHECK(value(m, "micro.f1") == doctest::Approx(2.0 * 2 / (3 + 3)));
  CHECK(value(m, "per_class.0.recall") == 1);
  CHECK(value(m, "per_class.1.precision") == 0);
  CHECK(value(m, "macro.recall") == doctest::Approx((1 + 0 + 0) / 3.0));
}

TEST_CASE("masks: overlap of what was said and what is") {
  // One sample, one label, 2 x 3 pixels: said 4, true 3, both 2.
  const Tensor out = tensor<float>({0.9f, 0.8f, 0.7f, 0.6f, 0.1f, 0.2f}, {1, 1, 2, 3}),
               y = tensor<float>({1, 1, 0, 0, 1, 0}, {1, 1, 2, 3});
  const Metrics m = judged({.form = OutputForm::label_probabilities, .columns = 6, .labels = 1}, out, y);
  CHECK(value(m, "iou") == doctest::Approx(2.0 / 5));
  CHECK(value(m, "dice") == doctest::Approx(4.0 / 7));
  CHECK(value(m, "accuracy") == 0.5);
  CHECK(m.classes() == 1);
}

TEST_CASE("errors of numbers") {
  const Tensor out = tensor<double>({2.5, 0.5, 2, 8}, {4}), y = tensor<double>({3, 0.25, 2, 7}, {4});
  const Metrics m = judged({.form = OutputForm::values, .columns = 1}, out, y);
  CHECK(value(m, "max_error") == 1);
  CHECK(value(m, "mean_error") == doctest::Approx(0.1875));
  CHECK(value(m, "median_absolute_error") == doctest::Approx(0.375));
  CHECK(value(m, "mape") == doctest::Approx((0.5 / 3 + 1 + 0 + 1.0 / 7) / 4));
  // The mean of the targets is 3.0625.
  CHECK(value(m, "relative_absolute_error") == doctest::Approx(1.75 / (0.0625 + 2.8125 + 1.0625 + 3.9375)));
  CHECK(value(m, "explained_variance") > value(m, "r2"));
  const Metrics negative =
      judged({.form = OutputForm::values, .columns = 1}, tensor<double>({-1}, {1}), tensor<double>({1}, {1}));
  CHECK(std::isnan(value(negative, "poisson_deviance")));
}

TEST_CASE("F of any weight, also where the name holds a dot") {
  CHECK(beta_of("f1") == 1);
  CHECK(beta_of("macro.f0.5") == 0.5);
  CHECK(beta_of("per_class.foo.f2") == 2);
  CHECK(std::isnan(beta_of("foo2")));
  CHECK(std::isnan(beta_of("f1.50")));
  CHECK(std::isnan(beta_of("f-1")));
  const Tensor out = tensor<float>({1, 1, 1, -1, -1}, {5, 1}), y = tensor<int32_t>({1, 0, 0, 1, 0}, {5});
  const Metrics m = judged(
      {.form = OutputForm::binary_logits, .columns = 1, .wanted = {"f2", "f0.5", "sensitivity", "lift_20"}},
      out, y);
  CHECK(value(m, "f2") == doctest::Approx(5 * (1.0 / 3) * 0.5 / (4.0 / 3 + 0.5)));
  CHECK(value(m, "f0.5") == doctest::Approx(1.25 * (1.0 / 3) * 0.5 / (0.25 / 3 + 0.5)));
  CHECK(value(m, "sensitivity") == 0.5);
  CHECK(value(m, "lift_20") == doctest::Approx((1.0 / 3) / 0.4));
}

TEST_CASE("rows chosen one by one, as often as wanted") {
  const Tensor out = tensor<float>({1, -1, 1}, {3, 1}), y = tensor<int32_t>({1, 1, 0}, {3});
  Metrics m({.form = OutputForm::binary_logits, .columns = 1, .wanted = {"accuracy"}});
  const int64_t rows[] = {0, 0, 1, 2};
  m.add_rows(out, y, rows);
  CHECK(value(m, "accuracy") == 0.5);
  CHECK(m.samples() == 4);
}
