// Worked examples of activations, norms, losses and single neurons, with the numbers that textbooks and papers print (where
// they print them right).
#include <doctest/doctest.h>

#include <cmath>

#include "nn/run.h"
#include "ops/registry.h"

using namespace dl;
using namespace dl::test;

namespace {

std::vector<double> run(const std::string& layers, const Shape& shape, const std::vector<float>& x) {
  const std::vector<float> y = run_layers(layers, tensor_of(shape, x));
  return {y.begin(), y.end()};
}
double run_one(const std::string& layer, float x) { return run("[\"" + layer + "\"]", {1, 1}, {x})[0]; }
// The slope of a layer at x.
double slope(const std::string& layer, float x) {
  Model m = build_model({{"inputs", {{"x", {1}}}}, {"layers", {layer}}}, {});
  const ValueId input = m.graph.find("x");
  const ValueId y = m.graph.add(*find_op("reduce_sum"), {m.graph.output("output")});
  m.graph.outputs = {{"slope", autodiff(m.graph, y, std::span(&input, 1))[0]}};
  TensorMap values;
  Executor ex(make_plan(m.graph, {}), pool_create(1), values);
  ex.feed("x", tensor_of({1, 1}, {x}));
  ex.run();
  return static_cast<double>(floats_of(ex, "slope")[0]);
}

void check_near(const std::vector<double>& got, const std::vector<double>& want, double tol) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) CHECK(std::fabs(got[i] - want[i]) <= tol);
}

double loss_of(const json& loss, const Tensor& x, const Tensor& t, int64_t classes) {
  return static_cast<double>(run_loss(loss, x, t, classes).loss);
}
Tensor label(int32_t y) {
  Tensor t(DType::i32, {1});
  t.data<int32_t>()[0] = y;
  return t;
}
double logit(double p) { return std::log(p / (1 - p)); }

}  // namespace

TEST_CASE("slopes of sigmoid and tanh: at most 1/4 and 1, both at 0, next to nothing far away") {
  CHECK(slope("sigmoid", 0) == 0.25);
  CHECK(slope("tanh", 0) == 1);
  for (float x : {-10.f, 10.f}) {
    CHECK(slope("sigmoid", x) == doctest::Approx(4.5396e-5).epsilon(1e-3));
    CHECK(slope("tanh", x) < 1e-7);
  }
  CHECK(slope("tanh", 1) == doctest::Approx(0.4199743416));
  CHECK(slope("relu", 0) == 0);  // a convention
}

TEST_CASE("softplus and softmax") {
  CHECK(run_one("softplus", 0) == doctest::Approx(0.693147));
  CHECK(run_one("softplus", 1) == doctest::Approx(1.313262));
  check_near(run(R"(["softmax"])", {1, 3}, {3, 1, -3}), {0.878878, 0.118943, 0.002179}, 1e-6);
  // The logistic function is softmax of two classes.
  check_near(run(R"(["softmax"])", {1, 2}, {0, 1.5f}),
             {1 - run_one("sigmoid", 1.5f), run_one("sigmoid", 1.5f)}, 1e-6);
}

TEST_CASE("selu keeps 0, and its limit is -1.7581") {
  CHECK(run_one("selu", 0) == 0);
  CHECK(run_one("selu", 1) == doctest::Approx(1.050701));
  CHECK(run_one("selu", -50) == doctest::Approx(-1.758099));
}

TEST_CASE("local response norm of one pixel") {
  const char* paper = R"(["local_response_norm"])";
  check_near(run(paper, {1, 5, 1, 1}, {1, 2, 3, 4, 5}), {0.594292, 1.187871, 1.780140, 2.373609, 2.967456},
             2e-6);
  check_near(run(paper, {1, 6, 1, 1}, {1, 2, 3, 4, 5, 6}),
             {0.5942915817, 1.1878710105, 1.7801403936, 2.370418559, 2.9634657383, 3.5573544195}, 2e-6);
  check_near(run(R"([{"type": "local_response_norm", "average": true}])", {1, 6, 1, 1}, {1, 2, 3, 4, 5, 6}),
             {0.5945411318, 1.1889396136, 1.7830752045, 2.3768100636, 2.9711016329, 3.5655624308}, 2e-6);
}

TEST_CASE("batch norm subtracts the mean and divides by the biased deviation") {
  const std::vector<float> y = run_layers(R"(["batch_norm"])", tensor_of({4, 1}, {1, 2, 3, 4}), true);
  check_near({y.begin(), y.end()}, {-1.341635, -0.447212, 0.447212, 1.341635}, 2e-6);
}

TEST_CASE("perceptrons: a threshold, and a bias that makes NAND") {
  const auto fire = [](const std::string& layers, TensorMap values, const std::vector<float>& x) {
    return run_layers(layers, tensor_of({1, static_cast<int64_t>(x.size())}, x), values)[0];
  };
  const TensorMap singer{{"n.weight", tensor_of({1, 3}, {1, 3, 2})}};
  const std::string unit =
      R"([{"type": "dense", "units": 1, "bias": false, "name": "n"}, {"type": "step", "threshold": )";
  CHECK(fire(unit + "3}]", singer, {4, 1, -3}) == 0);  // 1 is not above 3
  CHECK(fire(unit + "1}]", singer, {4, 1, -3}) == 0);  // nor above 1
  CHECK(fire(unit + "0.5}]", singer, {4, 1, -3}) == 1);
  const TensorMap nand{{"n.weight", tensor_of({1, 2}, {-2, -2})}, {"n.bias", tensor_of({1}, {3})}};
  const std::string gate = R"([{"type": "dense", "units": 1, "name": "n"}, "step"])";
  for (const auto& [x, y] :
       {std::pair<std::vector<float>, float>{{0, 0}, 1}, {{0, 1}, 1}, {{1, 0}, 1}, {{1, 1}, 0}})
    CHECK(fire(gate, nand, x) == y);
}

TEST_CASE("quadratic cost learns slowly where sigmoid saturates, cross entropy does not") {
  const auto quadratic = [](double a, double y) { return (a - y) * a * (1 - a); };
  CHECK(quadratic(0.88, 0) > quadratic(0.98, 0));  // although 0.98 is further away
  for (const auto& [a, y] : {std::pair{0.88, 1}, {0.98, 1}, {0.88, 0}, {0.98, 0}}) {
    const Tensor x = tensor_of({1, 1}, {static_cast<float>(logit(a))});
    CHECK(static_cast<double>(run_loss("bce_with_logits", x, label(y), 2).dx[0]) ==
          doctest::Approx(a - y).epsilon(1e-5));
  }
}

TEST_CASE("cross entropy: 0 where all is right, -log p else, and of two classes that of the difference") {
  const auto p = tensor_of({1, 4}, {std::log(0.1f), std::log(0.1f), std::log(0.7f), std::log(0.1f)});
  CHECK(loss_of("cross_entropy", p, label(2), 4) == doctest::Approx(0.356675));
  CHECK(loss_of("cross_entropy", tensor_of({1, 3}, {std::log(0.05f), std::log(0.1f), std::log(0.85f)}),
                label(2), 3) == doctest::Approx(0.162519));
  CHECK(loss_of("bce_with_logits", tensor_of({1, 1}, {-200}), label(0), 2) < 1e-37);
  CHECK(loss_of("bce_with_logits", tensor_of({1, 1}, {200}), label(1), 2) < 1e-37);
  CHECK(loss_of("bce_with_logits", tensor_of({1, 1}, {1.25}), label(1), 2) ==
        doctest::Approx(loss_of("cross_entropy", tensor_of({1, 2}, {0.5, 1.75}), label(1), 2)));
}

TEST_CASE("divergence of two distributions") {
  const Tensor q = tensor_of({1, 3}, {std::log(0.2f), std::log(0.3f), std::log(0.5f)});
  CHECK(loss_of("kl_divergence", q, tensor_of({1, 3}, {0.5f, 0.3f, 0.2f}), 3) ==
        doctest::Approx(0.2748872196));
  const Tensor same = tensor_of({1, 3}, {std::log(0.5f), std::log(0.3f), std::log(0.2f)});
  CHECK(std::fabs(loss_of("kl_divergence", same, tensor_of({1, 3}, {0.5f, 0.3f, 0.2f}), 3)) < 1e-7);
}

TEST_CASE("hinge loss is max(0, 1 - t x), not max(0, t x)") {
  for (const auto& [x, want] : {std::pair{0.3f, 0.7}, {1.5f, 0.0}, {-0.5f, 1.5}})
    CHECK(loss_of("hinge", tensor_of({1, 1}, {x}), label(1), 2) == doctest::Approx(want));
}

TEST_CASE("likelihood of a normal distribution is largest at the mean") {
  const Tensor t = tensor_of({4, 1}, {1, 2, 4, 5});
  const auto nll = [&](float mean) {
    return loss_of({{"type", "gaussian_nll"}, {"full", true}}, tensor_of({4, 1}, {mean, mean, mean, mean}), t,
                   0);
  };
  CHECK(nll(3) == doctest::Approx(0.5 * 2.5 + 0.5 * std::log(2 * M_PI)));
  CHECK(nll(3) < nll(2.9f));
  CHECK(nll(3) < nll(3.1f));
}
