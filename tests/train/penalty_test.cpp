// What is added to the loss and what holds after updates, on a layer whose data loss is zero: y = x W'.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "base/random.h"
#include "exec/executor.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

using Matrix = std::vector<std::vector<double>>;

constexpr int64_t kBatch = 8, kIn = 5, kOut = 3;

Matrix draw(int64_t rows, int64_t columns, double lo, double hi, uint64_t stream) {
  Random r(11, stream);
  Matrix m(static_cast<size_t>(rows), std::vector<double>(static_cast<size_t>(columns)));
  for (auto& row : m)
    for (double& v : row) v = static_cast<float>(r.uniform(lo, hi));
  return m;
}

Matrix product(const Matrix& a, const Matrix& b_transposed) {
  Matrix y(a.size(), std::vector<double>(b_transposed.size()));
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b_transposed.size(); ++j)
      for (size_t k = 0; k < a[i].size(); ++k) y[i][j] += a[i][k] * b_transposed[j][k];
  return y;
}

Tensor tensor_of(const Matrix& m) {
  Tensor t(DType::f32, {static_cast<int64_t>(m.size()), static_cast<int64_t>(m[0].size())});
  size_t i = 0;
  for (const auto& row : m)
    for (double v : row) t.data<float>()[i++] = static_cast<float>(v);
  return t;
}

struct Step {
  Matrix weight;  // after it
  double loss = 0, penalty = 0;
};

// One step of gradient descent with the rate `lr` on y = x W', where y is what W gives.
Step run(const json& train, const Matrix& x, const Matrix& w, double lr, int64_t step = 1) {
  const auto in = static_cast<int64_t>(w[0].size()), out = static_cast<int64_t>(w.size());
  Schema schema;
  schema.inputs.push_back({"x", Role::features, {DType::f32, {in}}, {}});
  schema.targets.push_back({"y", TargetKind::regression, {DType::f32, {out}}, {}});
  TrainConfig config;
  parse_fields(config, train, "/train");
  const json model = {{"layers", {{{"type", "dense"}, {"units", out}, {"name", "first"}, {"bias", false}}}}};
  const Model m = build_training_step(model, config, schema, {}, static_cast<int64_t>(x.size())).model;
  PlanOptions options;
  options.passes.verify = true;
  TensorMap state = initial_values(m, 3);
  state["first.weight"] = tensor_of(w);
  const PoolOwner pool(pool_create(1));
  Executor ex(make_plan(m.graph, options), pool.get(), state, 9);
  const Tensor inputs = tensor_of(x), targets = tensor_of(product(x, w));
  ex.feed("x", inputs);
  ex.feed("y", targets);
  ex.feed_scalar("learning_rate", lr);
  ex.feed_scalar("step", static_cast<double>(step));
  ex.run();
  Step s{w, ex.scalar("loss"), 0};
  if (train.contains("regularizers")) s.penalty = ex.scalar("penalty");
  size_t i = 0;
  for (auto& row : s.weight)
    for (double& v : row) v = state["first.weight"].data<float>()[i++];
  return s;
}

double sum_of(const Matrix& m, const std::function<double(double)>& f) {
  double sum = 0;
  for (const auto& row : m)
    for (double v : row) sum += f(v);
  return sum;
}
Matrix transposed(const Matrix& m) {
  Matrix t(m[0].size(), std::vector<double>(m.size()));
  for (size_t i = 0; i < m.size(); ++i)
    for (size_t j = 0; j < m[0].size(); ++j) t[j][i] = m[i][j];
  return t;
}

Matrix small_gram(const Matrix& w) {
  return w.size() <= w[0].size() ? product(w, w) : product(transposed(w), transposed(w));
}

// Sum of the roots of the eigenvalues of W W' (or W' W), by Jacobi's rotations.
double nuclear_norm(const Matrix& w) {
  Matrix a = small_gram(w);
  const size_t n = a.size();
  for (int sweep = 0; sweep < 60; ++sweep)
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        const double angle = 0.5 * std::atan2(2 * a[p][q], a[q][q] - a[p][p]), c = std::cos(angle),
                     s = std::sin(angle);
        for (size_t k = 0; k < n; ++k) {
          const double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y;
          a[k][q] = s * x + c * y;
        }
        for (size_t k = 0; k < n; ++k) {
          const double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y;
          a[q][k] = s * x + c * y;
        }
      }
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::sqrt(std::max(0.0, a[i][i]));
  return sum;
}

struct Case {
  json regularizer;
  std::function<double(const Matrix& w, const Matrix& a)> value;  // a: outputs
  double tolerance = 1e-4;
};

double magnitudes(const Matrix& m) {
  return sum_of(m, [](double v) { return std::fabs(v); });
}
double half_squares(const Matrix& m) {
  return sum_of(m, [](double v) { return v * v / 2; });
}
double norms_of_rows(const Matrix& m) {
  double sum = 0;
  for (const auto& row : m) sum += std::sqrt(2 * half_squares({row}));
  return sum;
}
double far_from_identity(const Matrix& gram) {
  double sum = 0;
  for (size_t i = 0; i < gram.size(); ++i)
    for (size_t j = 0; j < gram.size(); ++j) sum += std::pow(gram[i][j] - (i == j), 2);
  return sum;
}
double divergence(const Matrix& a, double r) {
  double sum = 0;
  for (const auto& unit : transposed(a)) {
    double m = 0;
    for (double v : unit) m += v / static_cast<double>(unit.size());
    sum += r * std::log(r / m) + (1 - r) * std::log((1 - r) / (1 - m));
  }
  return sum;
}

const Case kCases[] = {
    {{{"type", "l1"}}, [](const Matrix& w, const Matrix&) { return magnitudes(w); }},
    {{{"type", "l2"}}, [](const Matrix& w, const Matrix&) { return half_squares(w); }},
    {{{"type", "elastic"}, {"ratio", 0.3}},
     [](const Matrix& w, const Matrix&) { return 0.3 * magnitudes(w) + 0.7 * half_squares(w); }},
    {{{"type", "l21"}}, [](const Matrix& w, const Matrix&) { return norms_of_rows(w); }},
    {{{"type", "l21"}, {"groups", "inputs"}},
     [](const Matrix& w, const Matrix&) { return norms_of_rows(transposed(w)); }},
    {{{"type", "nuclear"}}, [](const Matrix& w, const Matrix&) { return nuclear_norm(w); }},
    {{{"type", "orthogonal"}},
     [](const Matrix& w, const Matrix&) { return far_from_identity(small_gram(w)); }},
    {{{"type", "activity_l1"}},
     [](const Matrix&, const Matrix& a) { return magnitudes(a) / static_cast<double>(a.size()); }},
    {{{"type", "activity_l2"}},
     [](const Matrix&, const Matrix& a) { return half_squares(a) / static_cast<double>(a.size()); }},
    {{{"type", "kl_sparsity"}, {"target", 0.1}},
     [](const Matrix&, const Matrix& a) { return divergence(a, 0.1); }},
};

json with_regularizer(json regularizer, double weight) {
  regularizer["weight"] = weight;
  return {{"optimizer", "sgd"}, {"loss", "mse"}, {"regularizers", {regularizer}}};
}

// Value and gradient against the formula in doubles and its difference quotients.
void check(const Case& c, const Matrix& x, const Matrix& w) {
  CAPTURE(c.regularizer.dump());
  constexpr double weight = 0.5, h = 1e-6;
  const Step s = run(with_regularizer(c.regularizer, weight), x, w, 1);
  CHECK(s.loss == doctest::Approx(0).epsilon(1e-6));
  CHECK(s.penalty == doctest::Approx(weight * c.value(w, product(x, w))).epsilon(c.tolerance));
  double largest = 0, worst = 0;
  for (size_t i = 0; i < w.size(); ++i)
    for (size_t j = 0; j < w[0].size(); ++j) {
      Matrix up = w, down = w;
      up[i][j] += h;
      down[i][j] -= h;
      const double slope = weight * (c.value(up, product(x, up)) - c.value(down, product(x, down))) / (2 * h);
      largest = std::max(largest, std::fabs(slope));
      worst = std::max(worst, std::fabs(w[i][j] - s.weight[i][j] - slope));
    }
  CHECK(worst <= 10 * c.tolerance * largest);
}

}  // namespace

TEST_CASE("penalties and their gradients are those of their formulas") {
  const Matrix x = draw(kBatch, kIn, 0.05, 0.3, 1);
  for (const Case& c : kCases) {
    check(c, x, draw(kOut, kIn, 0.1, 0.7, 2));
    if (c.regularizer["type"] != "kl_sparsity") check(c, x, draw(kOut, kIn, -1, 1, 3));
    if (c.regularizer["type"] != "kl_sparsity") check(c, draw(kBatch, 2, -1, 1, 4), draw(kOut, 2, -1, 1, 5));
  }
}

TEST_CASE("several penalties add up, and layers that do not fit are named") {
  const Matrix x = draw(kBatch, kIn, -1, 1, 1), w = draw(kOut, kIn, -1, 1, 2);
  json both = with_regularizer({{"type", "l1"}}, 0.25);
  both["regularizers"].push_back({{"type", "l2"}, {"weight", 0.5}, {"layers", "fi*"}});
  CHECK(run(both, x, w, 0).penalty == doctest::Approx(0.25 * magnitudes(w) + 0.5 * half_squares(w)));
  both["regularizers"][1]["layers"] = {"fi*", "second"};
  CHECK_THROWS_WITH_AS(run(both, x, w, 0), "no layer fits 'second'", Error);
}

TEST_CASE("constraints hold after the update") {
  const Matrix x = draw(kBatch, kIn, -1, 1, 1), w = draw(kOut, kIn, -2, 2, 2);
  const auto held = [&](const json& constraint) {
    return run({{"optimizer", "sgd"}, {"loss", "mse"}, {"constraints", {constraint}}}, x, w, 0).weight;
  };
  const Matrix bounded = held({{"type", "max_norm"}, {"max", 2.5}}), unit = held("unit_norm"),
               positive = held({{"type", "non_negative"}, {"layers", "first"}});
  bool cut = false, left = false;
  for (size_t i = 0; i < w.size(); ++i) {
    const double norm = norms_of_rows({w[i]});
    CHECK(norms_of_rows({bounded[i]}) == doctest::Approx(std::min(norm, 2.5)));
    CHECK(norms_of_rows({unit[i]}) == doctest::Approx(1));
    (norm > 2.5 ? cut : left) = true;
    for (size_t j = 0; j < w[i].size(); ++j) {
      CHECK(positive[i][j] == std::max(0.0, w[i][j]));
      CHECK(unit[i][j] == doctest::Approx(w[i][j] / norm));
    }
  }
  CHECK(cut);
  CHECK(left);
}

TEST_CASE("the network sees its weights with noise of the wanted variance, another in each step") {
  const Matrix x = draw(50, 60, -1, 1, 1), w = draw(40, 60, -1, 1, 2);
  const json noisy{{"optimizer", "sgd"}, {"loss", "mse"}, {"weight_noise", {{"std", 0.1}}}};
  const Step one = run(noisy, x, w, 0), same = run(noisy, x, w, 0), two = run(noisy, x, w, 0, 2);
  CHECK(one.weight == w);
  CHECK(one.loss == same.loss);
  CHECK(one.loss != two.loss);
  const double squares = 2 * half_squares(x) / 50;  // of a sample
  CHECK(one.loss == doctest::Approx(0.01 * squares).epsilon(0.15));
}

TEST_CASE("groups freeze, slow down and decay their layers") {
  const json model = json::parse(R"({"inputs": {"x": [4]}, "layers": [
      {"type": "dense", "units": 4, "name": "body1"}, {"type": "dense", "units": 4, "name": "body2"},
      {"type": "dense", "units": 4, "name": "body3", "lr_scale": 0.5}, {"type": "dense", "units": 2, "name": "head"}]})");
  TrainConfig config;
  parse_fields(config, json::parse(R"({"groups": [{"layers": "body*", "lr_decay": 0.5, "lr_scale": 0.1},
                                          {"layers": ["body1", "head"], "weight_decay": 0.25},
                                          {"layers": "body2", "freeze": true}]})"),
               "/train");
  const Model m = build_model(model, {.groups = config.groups});
  const double scales[] = {0.025, 0.05, 0.05, 1};
  const char* names[] = {"body1", "body2", "body3", "head"};
  for (size_t i = 0; i < 4; ++i)
    for (const char* suffix : {".weight", ".bias"}) {
      const Parameter* p = m.find_parameter(std::string(names[i]) + suffix);
      REQUIRE(p);
      CHECK(p->lr_scale == doctest::Approx(scales[i]));
      CHECK(p->frozen == (i == 1));
      CHECK(p->weight_decay.has_value() == (i == 0 || i == 3));
    }
  config.groups[2].layers.patterns = {"tail*"};
  CHECK_THROWS_WITH_AS(build_model(model, {.groups = config.groups}), "no layer fits 'tail*'", Error);
}
