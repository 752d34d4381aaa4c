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
  size_t states;
  bool with_step, states_last;
  double lr;
};

constexpr Optimizer kOptimizers[] = {
    {"sgd", "{}", 0, false, false, 0.9},
    {"momentum", "{}", 1, false, false, 0.1},
    {"momentum", R"({"nesterov": true, "weight_decay": 0.01})", 1, false, false, 0.1},
    {"adagrad", "{}", 1, false, false, 1.5},
    {"rmsprop", "{}", 1, false, false, 0.1},
    {"rmsprop", R"({"momentum": 0.9, "alpha": 0.9})", 3, false, true, 0.1},
    {"adam", "{}", 2, true, false, 0.3},
    {"adam", R"({"decoupled": true, "weight_decay": 0.01})", 2, true, false, 0.3},
};

// The operands of an update: parameter, gradient, states, learning rate, step.
Row row_of(const Optimizer& o) {
  Row row{o.op, {"f32[2]", "f32[2]"}, o.attrs, {}};
  for (size_t i = 0; i < (o.states_last ? 1 : o.states); ++i) row.in.push_back("f32[2]");
  row.in.push_back("f32[]");
  if (o.with_step) row.in.push_back("i64[]");
  if (o.states_last) row.in.insert(row.in.end(), {"", "f32[2]", "f32[2]"});
  return row;
}

size_t state_input(const Optimizer& o, size_t s) { return s == 0 || !o.states_last ? 2 + s : 4 + s; }

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

// Runs 5 steps with `update`, which maps operands to results.
template <class F>
std::vector<double> trajectory(const Optimizer& o, const Built& b, F update) {
  std::vector<Array> in;
  for (ValueId v : b.in)
    in.push_back(v == kNone ? Array{}
                            : Array{b.graph.type(v),
                                    std::vector<double>(static_cast<size_t>(b.graph.type(v).elements()))});
  const size_t lr = o.with_step || !o.states_last ? 2 + o.states : 3;
  in[0].v = {-7, 2};
  in[lr].v = {static_cast<float>(o.lr)};
  std::vector<double> seen;
  for (int step = 1; step <= 5; ++step) {
    in[1].v = slope(in[0].v);
    if (o.with_step) in[lr + 1].v = {static_cast<double>(step)};
    const std::vector<Array> out = update(in);
    in[0].v = out[0].v;
    for (size_t s = 0; s < o.states; ++s) in[state_input(o, s)].v = out[1 + s].v;
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

TEST_CASE("five steps of every optimiser follow the reference in doubles") {
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
  for (int step = 1; step <= 5; ++step) {
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
}
