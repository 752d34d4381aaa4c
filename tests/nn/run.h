#pragma once
// Runs small models and losses on given numbers.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "exec/executor.h"
#include "nn/loss.h"
#include "nn/model.h"
#include "passes/autodiff.h"

namespace dl::test {

inline Tensor tensor_of(const Shape& shape, const std::vector<float>& values) {
  Tensor t(DType::f32, shape);
  std::copy(values.begin(), values.end(), t.data<float>().begin());
  return t;
}
inline std::vector<float> floats_of(Executor& ex, const std::string& output) {
  const auto* p = static_cast<const float*>(ex.output(output));
  return {p, p + ex.output_type(output).elements()};
}

// The layers, as JSON, on one input (batch first). Parameters and states are drawn with seed 1 unless `values` has them,
// and hold what the run made of them afterwards.
inline std::vector<float> run_layers(const std::string& layers, const Tensor& x, TensorMap& values,
                                     bool training = false, int steps = 1) {
  const std::vector<int64_t> sample(x.shape().begin() + 1, x.shape().end());
  Model m = build_model({{"inputs", {{"x", sample}}}, {"layers", json::parse(layers)}},
                        {.batch = x.shape()[0], .training = training});
  for (auto& [name, value] : initial_values(m, 1)) values.try_emplace(name, value);
  Executor ex(make_plan(m.graph, {}), pool_create(1), values);
  ex.feed("x", x);
  for (int step = 1; step <= steps; ++step) {
    if (ex.has_input("step")) ex.feed_scalar("step", step);
    ex.run();
  }
  return floats_of(ex, "output");
}
inline std::vector<float> run_layers(const std::string& layers, const Tensor& x, bool training = false) {
  TensorMap values;
  return run_layers(layers, x, values, training);
}

struct LossRun {
  float loss;
  std::vector<float> dx;
  TensorMap values;
};
// A loss of the input itself, in the shape that x has, and its gradient. `t`: f32 or i32, (batch, ...).
inline LossRun run_loss(const json& loss, const Tensor& x, const Tensor& t, int64_t classes,
                        TensorMap values = {}, bool training = true) {
  const std::vector<int64_t> sample(x.shape().begin() + 1, x.shape().end());
  Model m = build_model({{"inputs", {{"x", sample}}}, {"layers", {"identity"}}},
                        {.batch = x.shape()[0], .training = training});
  TensorType target{t.dtype(), Shape(std::span(t.shape().begin() + 1, t.shape().end()))};
  const TargetInfo info{"t", target, classes};
  Losses losses;
  FieldType<Losses>::parse(losses, loss, "/train/loss", {});
  add_losses(m, losses, std::span(&info, 1));
  const ValueId input = m.graph.find("x");
  const ValueId dx = autodiff(m.graph, m.graph.output("loss"), std::span(&input, 1))[0];
  m.graph.outputs.push_back({"dx", dx});
  for (auto& [name, value] : initial_values(m, 1)) values.try_emplace(name, value);
  LossRun r{0, {}, std::move(values)};
  Executor ex(make_plan(m.graph, {}), pool_create(1), r.values);
  ex.feed("x", x);
  ex.feed("t", t);
  ex.run();
  r.loss = ex.scalar("loss");
  r.dx = floats_of(ex, "dx");
  return r;
}

}  // namespace dl::test
