#include "train/metrics.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"

using namespace dl;

namespace {

template <class T>
Tensor tensor(std::initializer_list<T> values, Shape shape) {
  Tensor t(dtype_of<T>(), shape);
  std::copy(values.begin(), values.end(), t.template data<T>().begin());
  return t;
}

double value(const Metrics& m, std::string_view name) { return metric_value(m.values(), name); }

// Three classes, six samples; actual 0 0 1 1 1 2, predicted 0 1 1 1 2 2.
Metrics worked_example() {
  Metrics m({.form = OutputForm::logits, .columns = 3, .class_names = {"ant", "bee", "cat"}, .wanted = {}});
  m.add(tensor<float>({9, 1, 0, 1, 9, 0, 0, 9, 1, 0, 9, 1, 0, 1, 9, 0, 1, 9}, {6, 3}),
        tensor<int32_t>({0, 0, 1, 1, 1, 2}, {6}));
  return m;
}

}  // namespace

TEST_CASE("a confusion matrix has actual classes in rows and predicted classes in columns") {
  CHECK(worked_example().confusion() == std::vector<int64_t>{1, 1, 0, 0, 2, 1, 0, 0, 1});
}

TEST_CASE("precision, recall and F1 of a worked example") {
  const Metrics m = worked_example();
  CHECK(value(m, "accuracy") == doctest::Approx(4.0 / 6));
  CHECK(value(m, "per_class.ant.precision") == doctest::Approx(1.0));
  CHECK(value(m, "per_class.ant.recall") == doctest::Approx(0.5));
  CHECK(value(m, "per_class.ant.f1") == doctest::Approx(2.0 / 3));
  CHECK(value(m, "per_class.cat.precision") == doctest::Approx(0.5));
  CHECK(value(m, "per_class.cat.recall") == doctest::Approx(1.0));
  CHECK(value(m, "per_class.bee.support") == 3);
  CHECK(value(m, "macro.precision") == doctest::Approx((1 + 2.0 / 3 + 0.5) / 3));
  CHECK(value(m, "macro.f1") == doctest::Approx(2.0 / 3));
  CHECK(value(m, "micro.f1") == doctest::Approx(4.0 / 6));
  CHECK(value(m, "weighted.recall") == doctest::Approx(4.0 / 6));
  CHECK(value(m, "weighted.precision") == doctest::Approx((2 * 1 + 3 * 2.0 / 3 + 0.5) / 6));
}

TEST_CASE("the rare event of one in a thousand: accuracy flatters, recall tells") {
  Metrics m(
      {.form = OutputForm::binary_logits, .columns = 1, .class_names = {"calm", "quake"}, .wanted = {}});
  Tensor out(DType::f32, {1000, 1}), label(DType::i32, {1000});
  for (size_t i = 0; i < 1000; ++i) out.data<float>()[i] = i < 5 ? 1.0f : -1.0f;
  label.data<int32_t>()[0] = 1;
  m.add(out, label);
  CHECK(value(m, "accuracy") == doctest::Approx(0.996));
  CHECK(value(m, "per_class.quake.recall") == 1);
  CHECK(value(m, "per_class.quake.precision") == doctest::Approx(0.2));
  CHECK(value(m, "per_class.quake.f1") == doctest::Approx(1.0 / 3));
}

TEST_CASE("top-K counts labels among the K first, equal scores in the order of the classes") {
  Metrics m({.form = OutputForm::logits,
             .columns = 4,
             .class_names = {},
             .wanted = {"top_1_accuracy", "top_2_accuracy"}});
  const Tensor out = tensor<float>({5, 5, 5, 0, 5, 5, 5, 0, 5, 5, 5, 0}, {3, 4});
  m.add(out, tensor<int64_t>({0, 1, 2}, {3}));
  CHECK(value(m, "top_1_accuracy") == doctest::Approx(1.0 / 3));
  CHECK(value(m, "top_2_accuracy") == doctest::Approx(2.0 / 3));
}

TEST_CASE("a NaN score never counts as the prediction") {
  Metrics m({.form = OutputForm::logits, .columns = 2, .class_names = {}, .wanted = {}});
  m.add(tensor<float>({NAN, -3, NAN, -3}, {2, 2}), tensor<int32_t>({0, 1}, {2}));
  CHECK(value(m, "accuracy") == 0.5);
  CHECK(std::isnan(value(m, "log_loss")));
  Metrics b({.form = OutputForm::binary_logits, .columns = 1, .class_names = {}, .wanted = {}});
  b.add(tensor<float>({NAN, NAN}, {2}), tensor<int32_t>({0, 1}, {2}));
  CHECK(value(b, "accuracy") == 0);
}

TEST_CASE("log loss of logits, probabilities and their logarithms agree") {
  const double expected = -(std::log(0.7) + std::log(0.2)) / 2;
  const Tensor labels = tensor<int32_t>({0, 1}, {2});
  const auto loss = [&](OutputForm form, double (*map)(double)) {
    Metrics m({.form = form, .columns = 3, .class_names = {}, .wanted = {"log_loss"}});
    Tensor t(DType::f64, {2, 3});
    const double p[6] = {0.7, 0.2, 0.1, 0.5, 0.2, 0.3};
    for (size_t i = 0; i < 6; ++i) t.data<double>()[i] = map(p[i]);
    m.add(t, labels);
    return value(m, "log_loss");
  };
  CHECK(loss(OutputForm::probabilities, [](double p) { return p; }) == doctest::Approx(expected));
  CHECK(loss(OutputForm::log_probabilities, [](double p) { return std::log(p); }) ==
        doctest::Approx(expected));
  CHECK(loss(OutputForm::logits, [](double p) { return std::log(p) + 1000; }) == doctest::Approx(expected));
}

TEST_CASE("a probability of zero gives a large finite log loss") {
  Metrics m({.form = OutputForm::probabilities, .columns = 2, .class_names = {}, .wanted = {}});
  m.add(tensor<float>({0, 1}, {1, 2}), tensor<int32_t>({0}, {1}));
  CHECK(value(m, "log_loss") == doctest::Approx(149 * std::log(2)));
}

TEST_CASE("errors and r2 of a worked regression") {
  Metrics m({.form = OutputForm::values, .columns = 1, .class_names = {}, .wanted = {}});
  m.add(tensor<float>({2.5f, 0.0f}, {2, 1}), tensor<float>({3, -0.5f}, {2}));
  m.add(tensor<float>({2, 8}, {2, 1}), tensor<float>({2, 7}, {2}));
  CHECK(value(m, "mse") == doctest::Approx(0.375));
  CHECK(value(m, "rmse") == doctest::Approx(std::sqrt(0.375)));
  CHECK(value(m, "mae") == doctest::Approx(0.5));
  CHECK(value(m, "r2") == doctest::Approx(1 - 1.5 / 29.1875));
}

TEST_CASE("r2 is exact far from zero and undefined for constant targets") {
  Metrics m({.form = OutputForm::values, .columns = 1, .class_names = {}, .wanted = {}});
  m.add(tensor<double>({1e9 + 1, 1e9 + 3}, {2}), tensor<double>({1e9 + 1, 1e9 + 2}, {2}));
  CHECK(value(m, "r2") == doctest::Approx(1 - 1 / 0.5));
  m.reset();
  m.add(tensor<float>({1, 2}, {2}), tensor<float>({4, 4}, {2}));
  CHECK(std::isnan(value(m, "r2")));
  CHECK(value(m, "mse") == doctest::Approx((9 + 4) / 2.0));
}

TEST_CASE("results do not depend on how samples are cut into batches") {
  Tensor out(DType::f32, {64, 5}), label(DType::i32, {64});
  for (size_t i = 0; i < 320; ++i) out.data<float>()[i] = std::sin(static_cast<float>(i * i % 97));
  for (size_t i = 0; i < 64; ++i) label.data<int32_t>()[i] = static_cast<int32_t>(i * 7 % 5);
  const MetricsSetup setup{.form = OutputForm::logits, .columns = 5, .class_names = {}, .wanted = {}};
  Metrics whole(setup), parts(setup);
  whole.add(out, label);
  for (size_t first = 0; first < 64; first += 24) {
    const size_t rows = std::min<size_t>(24, 64 - first);
    Tensor o(DType::f32, {24, 5}), l(DType::i32, {24});
    for (size_t i = 0; i < rows * 5; ++i) o.data<float>()[i] = out.data<float>()[first * 5 + i];
    for (size_t i = 0; i < rows; ++i) l.data<int32_t>()[i] = label.data<int32_t>()[first + i];
    parts.add(o, l, static_cast<int64_t>(rows));
  }
  const MetricList a = whole.values(), b = parts.values();
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i)
    CHECK((a[i].value == b[i].value || (std::isnan(a[i].value) && std::isnan(b[i].value))));
}

TEST_CASE("a class never seen nor predicted is left out of the macro average; nothing seen gives NaN") {
  Metrics m({.form = OutputForm::logits, .columns = 3, .class_names = {}, .wanted = {}});
  CHECK(std::isnan(value(m, "accuracy")));
  CHECK(std::isnan(value(m, "macro.f1")));
  m.add(tensor<float>({1, 0, 0, 0, 1, 0}, {2, 3}), tensor<int32_t>({0, 0}, {2}));
  CHECK(value(m, "per_class.1.precision") == 0);
  CHECK(value(m, "per_class.1.recall") == 0);
  CHECK(std::isnan(value(m, "per_class.2.f1")));
  CHECK(value(m, "macro.f1") == doctest::Approx((2.0 / 3 + 0) / 2));
}

TEST_CASE("labels out of range name the sample") {
  Metrics m({.form = OutputForm::logits, .columns = 2, .class_names = {}, .wanted = {}});
  m.add(tensor<float>({1, 0}, {1, 2}), tensor<int32_t>({0}, {1}));
  CHECK_THROWS_WITH_AS(m.add(tensor<float>({1, 0}, {1, 2}), tensor<int32_t>({2}, {1})),
                       "sample 1: label 2 is out of range, expected 0 to 1", Error);
  CHECK_THROWS_AS(m.add(tensor<float>({1, 0}, {1, 2}), tensor<float>({0.5f}, {1})), Error);
  CHECK_THROWS_AS(m.add(tensor<float>({1, 0}, {1, 2}), tensor<int32_t>({0}, {1}), 2), Error);
}

TEST_CASE("wanted metrics come in the order asked for; a misspelt one is named with the closest") {
  Metrics m({.form = OutputForm::logits,
             .columns = 3,
             .class_names = {},
             .wanted = {"top_2_accuracy", "loss", "accuracy"}});
  m.add(tensor<float>({1, 0, 0}, {1, 3}), tensor<int32_t>({1}, {1}));
  m.add_loss(0.5, 1);
  m.add_loss(2.0, 2);
  const MetricList list = m.values();
  REQUIRE(list.size() == 3);
  CHECK(list[0].name == "top_2_accuracy");
  CHECK(list[0].value == 1);
  CHECK(list[1].value == doctest::Approx(1.5));
  CHECK(list[2].value == 0);
  try {
    Metrics({.form = OutputForm::logits, .columns = 3, .class_names = {}, .wanted = {"loss", "acuracy"}},
            "/train/metrics");
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    CHECK(e.pointer == "/train/metrics/1");
    CHECK(e.hint.find("accuracy") != std::string::npos);
  }
  CHECK_THROWS_AS(
      Metrics({.form = OutputForm::values, .columns = 3, .class_names = {}, .wanted = {"accuracy"}}), Error);
}

TEST_CASE("the better direction of a metric follows from its name") {
  CHECK(higher_is_better("valid.accuracy"));
  CHECK(higher_is_better("r2"));
  CHECK_FALSE(higher_is_better("valid.loss"));
  CHECK_FALSE(higher_is_better("log_loss"));
  CHECK_FALSE(higher_is_better("test.rmse"));
  CHECK(top_k_of("top_5_accuracy") == 5);
  CHECK(top_k_of("top_05_accuracy") == 0);
  CHECK(top_k_of("top__accuracy") == 0);
}
