// Updates over several steps: against the reference in doubles on a worked problem, and in closed form.
#include <doctest/doctest.h>

#include <cmath>

#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

// f(x, y) = x^2 / 20 + y^2 from (-7, 2): a long valley.
std::vector<double> slope(const std::vector<double>& p) { return {p[0] / 10, 2 * p[1]}; }

struct Optimizer {
  const char* op;
  const char* attrs;
  std::vector<std::string> in;  // operands as in a row; states are those of the parameter's type
  double lr;
};

// Operands of an update with so many states before lr.
std::vector<std::string> operands(size_t states, bool with_step = false) {
  std::vector<std::string> in(2 + states, "f32[2]");
  in.push_back("f32[]");
  if (with_step) in.push_back("i64[]");
  return in;
}
std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Optimizer kOptimizers[] = {
    {"sgd", "{}", operands(0), 0.9},
    {"momentum", "{}", operands(1), 0.1},
    {"momentum", R"({"nesterov": true, "weight_decay": 0.01})", operands(1), 0.1},
    {"adagrad", "{}", operands(1), 1.5},
    {"rmsprop", "{}", operands(1), 0.1},
    {"rmsprop", R"({"momentum": 0.9, "alpha": 0.9})",
     operands(1) + std::vector<std::string>{"", "f32[2]", "f32[2]"}, 0.1},
    {"adam", "{}", operands(2, true), 0.3},
    {"adam", R"({"decoupled": true, "weight_decay": 0.01})", operands(2, true), 0.3},
    {"adam", R"({"clip_value": 0.5})", operands(2, true) + std::vector<std::string>{"", "f32[2]"}, 0.3},
    {"momentum", R"({"rate_inside": true, "l1": 0.01})", operands(1), 0.1},
    {"adadelta", R"({"weight_decay": 0.01})", operands(2), 1},
    {"rprop", R"({"initial": 0.5})", operands(2), 0.5},
    {"ftrl", R"({"l1": 0.02, "weight_decay": 0.1})", operands(2, true), 0.5},
    {"adamax", R"({"clip_value": 1})", operands(2, true), 0.2},
    {"nadam", R"({"weight_decay": 0.01})", operands(2, true), 0.3},
    {"radam", R"({"decoupled": true, "weight_decay": 0.1})", operands(2, true), 0.3},
    {"lion", R"({"decoupled": true, "weight_decay": 0.1})", operands(1), 0.1},
};
constexpr int kSteps = 8;

Row row_of(const Optimizer& o) { return {o.op, o.in, o.attrs, {}}; }

// Places of the operands that come back as results, and of lr and step.
struct Places {
  std::vector<size_t> states;
  size_t lr = 0, step = 0;
  explicit Places(const Optimizer& o) {
    for (size_t i = 2; i < o.in.size(); ++i) {
      if (o.in[i] == "f32[2]") states.push_back(i);
      if (o.in[i] == "f32[]" && lr == 0) lr = i;
      if (o.in[i] == "i64[]") step = i;
    }
  }
};

Tensor tensor_of(const Array& a) {
  Tensor t(a.type);
  for (int64_t i = 0; i < a.size(); ++i) {
    if (a.type.dtype == DType::i64)
      t.data<int64_t>()[static_cast<size_t>(i)] = static_cast<int64_t>(a[i]);
    else
      t.data<float>()[static_cast<size_t>(i)] = static_cast<float>(a[i]);
  }
  return t;
}

// Runs the steps with `update`, which maps operands to results; states start at 0, the sizes of rprop at 0.5.
template <class F>
std::vector<double> trajectory(const Optimizer& o, const Built& b, F update) {
  std::vector<Array> in;
  for (ValueId v : b.in)
    in.push_back(v == kNone ? Array{}
                            : Array{b.graph.type(v),
                                    std::vector<double>(static_cast<size_t>(b.graph.type(v).elements()))});
  const Places places(o);
  in[0].v = {-7, 2};
  in[places.lr].v = {static_cast<float>(o.lr)};
  if (std::string(o.op) == "rprop") in[3].v = {0.5, 0.5};
  std::vector<double> seen;
  for (int step = 1; step <= kSteps; ++step) {
    in[1].v = slope(in[0].v);
    if (places.step > 0) in[places.step].v = {static_cast<double>(step)};
    const std::vector<Array> out = update(in);
    in[0].v = out[0].v;
    for (size_t s = 0; s < places.states.size(); ++s) in[places.states[s]].v = out[1 + s].v;
    seen.insert(seen.end(), in[0].v.begin(), in[0].v.end());
  }
  return seen;
}

std::vector<double> kernel_trajectory(const Optimizer& o, const Built& b) {
  return trajectory(o, b, [&](const std::vector<Array>& in) {
    Feeds feeds;
    for (size_t i = 0; i < in.size(); ++i)
      if (b.in[i] != kNone) feeds[b.in[i]] = tensor_of(in[i]);
    const std::vector<Tensor> values = evaluate(b.graph, feeds, best_isa(), false);
    std::vector<Array> out;
    for (ValueId v : b.graph.nodes[0].out) out.push_back(to_array(values[static_cast<size_t>(v)]));
    return out;
  });
}

}  // namespace

TEST_CASE("steps of every optimiser follow the reference in doubles") {
  for (const Optimizer& o : kOptimizers) {
    INFO(std::string(o.op), " ", std::string(o.attrs));
    const Row row = row_of(o);
    const Built b = build(row, false);
    const std::vector<double> want =
        trajectory(o, b, [&](const std::vector<Array>& in) { return run_reference(row, b, in); });
    const std::vector<double> got = kernel_trajectory(o, b);
    for (size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-5));
  }
}

TEST_CASE("optimisers take the steps of their formulas worked by hand") {
  const auto path = [](size_t i) {
    return kernel_trajectory(kOptimizers[i], build(row_of(kOptimizers[i]), false));
  };
  // sgd shrinks x by 1 - 0.9 / 10 and y by 1 - 2 * 0.9 each step.
  for (int step = 1; step <= kSteps; ++step) {
    CHECK(path(0)[static_cast<size_t>(2 * step - 2)] == doctest::Approx(-7 * std::pow(0.91, step)));
    CHECK(path(0)[static_cast<size_t>(2 * step - 1)] == doctest::Approx(2 * std::pow(-0.8, step)));
  }
  // momentum: x1 = -7 + 0.07, v1 = -0.7; v2 = 0.9 v1 - 0.693 = -1.323, x2 = x1 + 0.1323.
  CHECK(path(1)[0] == doctest::Approx(-6.93));
  CHECK(path(1)[2] == doctest::Approx(-6.7977));
  // adagrad and adam start with a step of lr in each coordinate, whatever the slope.
  CHECK(path(3)[0] == doctest::Approx(-5.5));
  CHECK(path(3)[1] == doctest::Approx(0.5));
  CHECK(path(6)[0] == doctest::Approx(-6.7));
  CHECK(path(6)[1] == doctest::Approx(1.7));
  // rmsprop starts with lr / sqrt(1 - alpha) = 1.
  CHECK(path(4)[0] == doctest::Approx(-6));
  CHECK(path(4)[1] == doctest::Approx(1));
  // adadelta starts with d = sqrt(epsilon / (0.1 g^2 + epsilon)) g, nearly sqrt(10 epsilon), g = -0.7 - 0.07 in x.
  CHECK(path(10)[0] ==
        doctest::Approx(-7 + std::sqrt(1e-6 / (0.1 * 0.77 * 0.77 + 1e-6)) * 0.77).epsilon(1e-7));
  // rprop: sizes 0.5, 0.6, 0.72, 0.864 while x keeps its sign; y goes 2, 1.5, 0.9, 0.18, -0.684, stays there once.
  const double x[] = {-6.5, -5.9, -5.18, -4.316}, y[] = {1.5, 0.9, 0.18, -0.684, -0.684, -0.252};
  for (size_t i = 0; i < 4; ++i) CHECK(path(11)[2 * i] == doctest::Approx(x[i]));
  for (size_t i = 0; i < 6; ++i) CHECK(path(11)[2 * i + 1] == doctest::Approx(y[i]));
  // ftrl, x: g = -0.7, z0 = 7 (1 / 0.5 + 0.1) + 0.02, z = z0 - 0.7 + 0.7 / 0.5 * 7, x = -(z - 0.02) / (1.7 / 0.5 + 0.1).
  const double z = 7 * 2.1 + 0.02 - 0.7 + 0.7 / 0.5 * 7;
  CHECK(path(12)[0] == doctest::Approx(-(z - 0.02) / 3.5));
  // adamax starts with a step of lr, whatever the slope.
  CHECK(path(13)[0] == doctest::Approx(-6.8));
  CHECK(path(13)[1] == doctest::Approx(1.8));
  // radam goes along the mean for five steps: first -lr g, and the decay takes lr 0.1 of the parameter.
  CHECK(path(15)[0] == doctest::Approx(-7 * 0.97 + 0.3 * 0.7));
  CHECK(path(15)[1] == doctest::Approx(2 * 0.97 - 0.3 * 4));
  // lion: lr in each coordinate.
  CHECK(path(16)[0] == doctest::Approx(-7 * 0.99 + 0.1));
  CHECK(path(16)[1] == doctest::Approx(2 * 0.99 - 0.1));
}
