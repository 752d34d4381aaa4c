// One training step of image networks, under every choice that the plan has: passes, instruction sets, threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "exec/executor.h"
#include "support/tensors.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

// Chains that the layout pass keeps in blocks: few input channels, channels that fill no block, both kinds of norm and
// residual, stride, groups, channel by channel, every pooling, channels side by side, up and down.
constexpr const char* kNetworks[] = {
    R"({"layers": [
      {"type": "conv2d", "filters": 24, "kernel": 5, "stride": 2, "padding": 2, "bias": false}, "batch_norm", "relu",
      {"type": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1, "name": "in"},
      {"type": "conv2d", "filters": 24, "kernel": 3, "padding": 1, "bias": false}, "batch_norm", "relu",
      {"type": "conv2d", "filters": 24, "kernel": 3, "padding": 1, "bias": false}, {"type": "batch_norm", "name": "out"},
      {"type": "add", "inputs": ["in", "out"]}, "relu",
      {"type": "conv2d", "filters": 32, "kernel": 1, "stride": 2}, "tanh", "global_avg_pool2d",
      {"type": "dense", "units": 3}]})",
    R"({"layers": [
      {"type": "conv2d", "filters": 32, "kernel": 3, "padding": 1, "name": "a"}, "relu6",
      {"type": "conv2d", "filters": 32, "kernel": 3, "padding": 1, "groups": 32}, "batch_norm", "relu6",
      {"type": "conv2d", "filters": 32, "kernel": 1, "name": "b"}, {"type": "concat", "axis": 1, "inputs": ["a", "b"]},
      {"type": "avg_pool2d", "kernel": 2}, {"type": "conv2d", "filters": 32, "kernel": 3, "groups": 2, "padding": 1, "name": "c"},
      "sigmoid", {"type": "conv2d", "filters": 20, "kernel": 3, "dilation": 2, "padding": 2}, "relu", "flatten",
      {"type": "dense", "units": 3}]})",
    R"({"layers": [
      {"type": "conv2d", "filters": 16, "kernel": 3, "padding": 1, "bias": false}, "batch_norm", {"type": "relu", "name": "a"},
      {"type": "conv2d", "filters": 32, "kernel": 3, "stride": 2, "padding": 1}, {"type": "relu", "name": "b"},
      {"type": "max_pool2d", "kernel": 2}, {"type": "conv2d", "filters": 64, "kernel": 3, "padding": 1}, "batch_norm", "relu",
      {"type": "conv_transpose2d", "filters": 32, "kernel": 2, "stride": 2, "groups": 2, "output_padding": 1}, "batch_norm",
      {"type": "tanh", "name": "up"}, {"type": "concat", "inputs": ["up", "b"]},
      {"type": "conv2d", "filters": 32, "kernel": 3, "padding": 1, "bias": false}, "batch_norm", "relu",
      {"type": "conv_transpose2d", "filters": 16, "kernel": 3, "stride": 2, "padding": 1, "output_padding": [0, 1]}, "relu",
      {"type": "conv_transpose2d", "filters": 16, "kernel": 3, "padding": 1, "bias": false, "name": "up_again"},
      {"type": "concat", "inputs": ["up_again", "a"]}, {"type": "conv2d", "filters": 32, "kernel": 3, "stride": 3},
      {"type": "upsample2d", "scale": 2, "mode": "bilinear"}, {"type": "conv2d", "filters": 32, "kernel": 3}, "upsample2d", "tanh", "global_avg_pool2d",
      {"type": "dense", "units": 3}]})",
};

struct Outcome {
  std::map<std::string, Tensor> state;  // after one step
  float loss = 0;
};

// Trained for one step, then judged in the form for inference with the new parameters.
Outcome run(const json& model, const PlanOptions& options, bool training) {
  Schema schema;
  schema.inputs.push_back({"image", Role::image, {DType::f32, {3, 21, 22}}, {}});
  schema.targets.push_back({"class", TargetKind::class_index, {DType::i32, {}}, {"a", "b", "c"}});
  constexpr int64_t batch = 5;
  TrainConfig config;
  parse_fields(config, json::parse(R"({"optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}})"),
               "/train");
  const Model m = (training ? build_training_step : build_evaluation)(model, config, schema, {}, batch).model;
  Outcome out;
  out.state = initial_values(m, 3);
  for (auto& [name, tensor] : out.state)  // running statistics and biases that are not 0 and 1
    if (!training && !name.ends_with("weight"))
      for (float& v : tensor.data<float>()) v += 0.25f;
  Tensor x(DType::f32, {batch, 3, 21, 22}), y(DType::i32, {batch});
  Random r(5, 5);
  for (float& v : x.data<float>()) v = static_cast<float>(r.normal());
  for (int32_t& v : y.data<int32_t>()) v = static_cast<int32_t>(r.below(3));
  Pool* pool = pool_create(options.threads);
  {
    Executor ex(make_plan(m.graph, options), pool, out.state);
    ex.feed("image", x);
    ex.feed("class", y);
    ex.feed_scalar("learning_rate", 0.1);
    ex.feed_scalar("step", 1);
    ex.run();
    out.loss = ex.scalar("loss");
  }
  pool_destroy(pool);
  return out;
}

void check_equal(const Outcome& want, const Outcome& got, double tolerance) {
  CHECK(std::abs(want.loss - got.loss) < tolerance * std::abs(want.loss));
  for (const auto& [name, tensor] : want.state)
    CHECK_MESSAGE(test::relative_difference(tensor, got.state.at(name)) < tolerance, name);
}

PlanOptions without(std::initializer_list<const char*> passes) {
  PlanOptions o;
  o.passes.verify = true;
  for (const char* pass : passes) o.passes.off.insert(pass);
  return o;
}

}  // namespace

TEST_CASE("a step of an image network is the same with every pass left out") {
  for (const char* text : kNetworks)
    for (const bool training : {true, false}) {
      const json model = json::parse(text);
      const Outcome want =
          run(model, without({"fold", "simplify", "fuse", "layout", "hoist", "in_place"}), training);
      REQUIRE(std::isfinite(want.loss));
      check_equal(want, run(model, without({}), training), 2e-4);
      for (const std::string& pass : pass_names()) {
        CAPTURE(pass);
        check_equal(want, run(model, without({pass.c_str()}), training), 2e-4);
      }
    }
}

TEST_CASE(
    "a step of an image network agrees between instruction sets and is equal to the bit for all threads") {
  for (const char* text : kNetworks) {
    const json model = json::parse(text);
    for (const Isa isa : usable_isas()) {
      CAPTURE(name_of(isa));
      PlanOptions o;
      o.isa = isa;
      const Outcome want = run(model, o, true);
      check_equal(run(model, without({"layout"}), true), want, 2e-4);
      for (const int threads : {2, 3, 8}) {
        CAPTURE(threads);
        o.threads = threads;
        const Outcome got = run(model, o, true);
        CHECK(std::memcmp(&want.loss, &got.loss, sizeof want.loss) == 0);
        for (const auto& [name, tensor] : want.state)
          CHECK_MESSAGE(
              std::memcmp(tensor.raw(), got.state.at(name).raw(), static_cast<size_t>(tensor.bytes())) == 0,
              name);
      }
    }
  }
}

TEST_CASE("an image network's chains are in blocked form with few conversions") {
  const auto conversions = [](const char* text) {
    Schema schema;
    schema.inputs.push_back({"image", Role::image, {DType::f32, {3, 21, 22}}, {}});
    schema.targets.push_back({"class", TargetKind::class_index, {DType::i32, {}}, {"a", "b", "c"}});
    const Plan plan = make_plan(build_training_step(json::parse(text), {}, schema, {}, 4).model.graph, {});
    int n = 0;
    for (const Node& node : plan.graph.nodes) n += node.op->name.ends_with("_blocked");
    return n;
  };
  CHECK(conversions(kNetworks[0]) == 0);  // the pictures are read as they are, the mean leaves the blocks
  CHECK(conversions(kNetworks[1]) == 2);  // around flatten
  CHECK(conversions(kNetworks[2]) == 0);
}
