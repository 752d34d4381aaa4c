// Gradients of whole small networks: the executor's, with all passes, against central differences of the networks in
// doubles, built from the operators' references.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "base/str.h"
#include "exec/executor.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "ops/harness.h"
#include "passes/autodiff.h"

using namespace dl;
using namespace dl::test;

namespace {

struct Case {
  const char* name;
  Shape sample;
  int64_t classes;  // 0: regression of three numbers
  const char* layers;
  const char* loss;
};

const Case kCases[] = {
    {"mlp",
     {7},
     4,
     R"([{"type": "dense", "units": 9}, "tanh", {"type": "dense", "units": 6}, "gelu", {"type": "dense", "units": 4}])",
     R"({"type": "cross_entropy", "label_smoothing": 0.1})"},
    {"regression",
     {5},
     0,
     R"([{"type": "dense", "units": 8}, "sigmoid", {"type": "dense", "units": 8}, "softplus", {"type": "dense", "units": 3}])",
     R"("mse")"},
    {"lenet",
     {1, 10, 10},
     3,
     R"([{"type": "conv2d", "filters": 3, "kernel": 3, "padding": 1}, "tanh", {"type": "avg_pool2d", "kernel": 2},
         {"type": "conv2d", "filters": 4, "kernel": 3}, "swish", {"type": "max_pool2d", "kernel": 3, "stride": 1}, "flatten",
         {"type": "dense", "units": 3}])",
     R"("cross_entropy")"},
    {"residual",
     {4, 6, 6},
     3,
     R"([{"type": "conv2d", "filters": 4, "kernel": 3, "padding": "same", "name": "a"}, {"type": "batch_norm", "name": "b"}, {"type": "tanh", "name": "c"},
         {"type": "conv2d", "filters": 4, "kernel": 3, "padding": "same", "groups": 2, "name": "d"}, {"type": "add", "inputs": ["d", "c"]}, "elu",
         {"type": "conv2d", "filters": 6, "kernel": 3, "stride": 2, "dilation": 2, "padding": 2}, "global_avg_pool2d", {"type": "dense", "units": 3}])",
     R"("cross_entropy")"},
    {"detour",
     {2, 5, 6},
     3,
     R"([{"type": "conv2d", "filters": 4, "kernel": 3, "padding": 1}, {"type": "tanh", "name": "a"}, {"type": "avg_pool2d", "kernel": 2},
         {"type": "conv2d", "filters": 6, "kernel": 1}, "batch_norm", "tanh",
         {"type": "conv_transpose2d", "filters": 4, "kernel": 2, "stride": 2, "groups": 2, "output_padding": [1, 0], "name": "b"},
         {"type": "concat", "inputs": ["b", "a"]}, {"type": "conv2d", "filters": 3, "kernel": 3}, "global_avg_pool2d"])",
     R"("cross_entropy")"},
    {"dropout",
     {6},
     3,
     R"([{"type": "dense", "units": 12}, "tanh", {"type": "dropout", "rate": 0.4}, {"type": "batch_norm"}, {"type": "dense", "units": 3}])",
     R"("cross_entropy")"},
};

struct Network {
  Graph graph;  // with gradients as outputs "d.<parameter>"
  std::vector<std::string> parameters;
  TensorMap state, inputs;
  size_t forward = 0;  // nodes before the gradient
};

Network make(const Case& c, uint64_t seed) {
  const int64_t batch = 5;
  json section{{"layers", json::parse(c.layers)}};
  Model m = build_model(
      section,
      {.batch = batch, .training = true, .inputs = {{"x", {DType::f32, c.sample}}}, .classes = c.classes});
  Losses losses;
  FieldType<Losses>::parse(losses, json::parse(c.loss), "/train/loss", Bounds{-INFINITY, INFINITY});
  const TargetInfo target{.name = "t",
                          .type = c.classes ? TensorType{DType::i32, {}} : TensorType{DType::f32, {3}},
                          .classes = c.classes};
  add_losses(m, losses, {&target, 1});
  Network n;
  n.forward = m.graph.nodes.size();
  const std::vector<ValueId> wanted = trainable(m);
  const std::vector<ValueId> grads = autodiff(m.graph, m.graph.output("loss"), wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    n.parameters.push_back(m.graph.value(wanted[i]).name);
    m.graph.outputs.push_back({"d." + n.parameters.back(), grads[i]});
  }
  n.state = initial_values(m, seed);
  Random r(seed, stream_id("network test"));
  for (const std::string& p : n.parameters)
    for (float& v : n.state[p].data<float>()) v += static_cast<float>(0.1 * r.normal());
  Shape shape{batch};
  for (int64_t extent : c.sample) shape.push_back(extent);
  n.inputs["x"] = Tensor(DType::f32, shape);
  for (float& v : n.inputs["x"].data<float>()) v = static_cast<float>(r.normal());
  if (c.classes) {
    n.inputs["t"] = Tensor(DType::i32, {batch});
    for (int32_t& v : n.inputs["t"].data<int32_t>()) v = static_cast<int32_t>(r.below(c.classes));
  } else {
    n.inputs["t"] = Tensor(DType::f32, {batch, 3});
    for (float& v : n.inputs["t"].data<float>()) v = static_cast<float>(r.normal());
  }
  n.inputs["step"] = Tensor(DType::i64, {});
  n.inputs["step"].data<int64_t>()[0] = 3;
  n.graph = std::move(m.graph);
  return n;
}

// The loss in doubles.
double reference_loss(const Network& n, const std::map<std::string, Array>& leaves) {
  const Graph& g = n.graph;
  std::vector<Array> value(g.values.size());
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (v.kind == ValueKind::constant)
      value[i] = to_array(g.constants.at(static_cast<ValueId>(i)));
    else if (v.kind != ValueKind::computed && leaves.contains(v.name))
      value[i] = leaves.at(v.name);
  }
  for (size_t k = 0; k < n.forward; ++k) {
    const Node& node = g.nodes[k];
    const json attrs = node.op->attrs->dump(node.attrs.get());
    Reference r{attrs, {}, {}, kSeed};
    for (ValueId x : node.in) r.in.push_back(x == kNone ? nullptr : &value[static_cast<size_t>(x)]);
    for (ValueId y : node.out)
      r.out.push_back({g.type(y), std::vector<double>(static_cast<size_t>(g.type(y).elements()))});
    reference_of(node.op->name)(r);
    for (size_t i = 0; i < node.out.size(); ++i)
      value[static_cast<size_t>(node.out[i])] = std::move(r.out[i]);
  }
  return value[static_cast<size_t>(g.output("loss"))][0];
}

std::map<std::string, Tensor> computed_gradients(const Network& n) {
  Pool* pool = pool_create(2);
  std::map<std::string, Tensor> out;
  {
    TensorMap state = n.state;
    PlanOptions options;
    options.passes.verify = true;
    Executor ex(make_plan(n.graph, options), pool, state, kSeed);
    for (const auto& [name, value] : n.inputs)
      if (ex.has_input(name)) ex.feed(name, value);
    ex.run();
    for (const std::string& p : n.parameters) {
      out[p] = Tensor(n.state.at(p).type());
      std::memcpy(out[p].raw(), ex.output("d." + p), static_cast<size_t>(out[p].bytes()));
    }
  }
  pool_destroy(pool);
  return out;
}

}  // namespace

TEST_CASE("gradients of whole networks equal central differences in doubles") {
  for (const Case& c : kCases) {
    CAPTURE(std::string(c.name));
    const Network n = make(c, 11);
    const std::map<std::string, Tensor> got = computed_gradients(n);
    std::map<std::string, Array> leaves;
    for (const auto& [name, t] : n.state) leaves[name] = to_array(t);
    for (const auto& [name, t] : n.inputs) leaves[name] = to_array(t);
    for (const std::string& p : n.parameters) {
      Array& a = leaves.at(p);
      std::vector<double> want;
      double scale = 1e-3;
      const std::vector<int64_t> positions = sample_positions(a.size());
      for (int64_t i : positions) {
        const double at = a[i], h = 1e-5;
        a[i] = at + h;
        const double up = reference_loss(n, leaves);
        a[i] = at - h;
        const double down = reference_loss(n, leaves);
        a[i] = at;
        want.push_back((up - down) / (2 * h));
        scale = std::max(scale, std::abs(want.back()));
      }
      for (size_t k = 0; k < positions.size(); ++k) {
        const double g = got.at(p).data<float>()[static_cast<size_t>(positions[k])];
        CHECK_MESSAGE(std::abs(g - want[k]) <= 1e-4 * scale, p, "[", positions[k], "]: ", g, ", numerically ",
                      want[k]);
      }
    }
  }
}
