// Training steps that compute values again give the bits of those that keep them, on less memory.
#include <doctest/doctest.h>

#include <cstring>

#include "base/random.h"
#include "exec/executor.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

constexpr const char* kMlp = R"({"layers": [
  {"type": "dense", "units": 64}, "relu", {"type": "dropout", "rate": 0.3},
  {"type": "dense", "units": 64}, "gelu", {"type": "dropout", "rate": 0.5},
  {"type": "dense", "units": 64}, "batch_norm", "relu", {"type": "dropout", "rate": 0.5},
  {"type": "dense", "units": 64}, "tanh", {"type": "dense", "units": 10}]})";

// ResNet-20 of He et al. 2015, section 4.2, in eight layers fewer.
constexpr const char* kResnet = R"({
  "blocks": {
    "conv_bn": {"parameters": {"filters": null, "kernel": 3, "stride": 1, "input": "$in"}, "layers": [
      {"type": "conv2d", "filters": "$filters", "kernel": "$kernel", "stride": "$stride", "padding": "same", "bias": false,
       "inputs": ["$input"]}, "batch_norm"]},
    "basic": {"parameters": {"width": null, "stride": 1, "project": false}, "layers": [
      {"use": "conv_bn", "filters": "$width", "stride": "$stride"}, "relu",
      {"use": "conv_bn", "filters": "$width", "name": "residual"},
      {"use": "conv_bn", "filters": "$width", "kernel": 1, "stride": "$stride", "input": "$in", "if": "$project", "name": "shortcut"},
      {"type": "add", "inputs": ["residual", "$project ? shortcut : $in"]}, "relu"]}},
  "layers": [
    {"use": "conv_bn", "filters": 16}, "relu", {"use": "basic", "width": 16, "repeat": 2},
    {"use": "basic", "width": 32, "stride": 2, "project": true}, {"use": "basic", "width": 32},
    {"use": "basic", "width": 64, "stride": 2, "project": true}, {"use": "basic", "width": 64},
    "global_avg_pool2d", {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": 10}]})";

struct Outcome {
  TensorMap state;  // after three steps
  float loss = 0;   // of the last one
  int64_t arena = 0, flops = 0;
  std::optional<Plan::Kept> kept;
};

Outcome train(const char* model, const Shape& sample, const char* optimizer, const json& recompute) {
  Schema schema;
  schema.inputs.push_back({"x", sample.rank() == 3 ? Role::image : Role::features, {DType::f32, sample}, {}});
  Target target{"y", TargetKind::class_index, {DType::i32, {}}, {}};
  for (int c = 0; c < 10; ++c) target.classes.push_back(std::to_string(c));
  schema.targets.push_back(target);
  constexpr int64_t batch = 32;
  TrainConfig config;
  parse_fields(config, {{"optimizer", json::parse(optimizer)}, {"recompute", recompute}}, "/train");
  const Model m = build_training_step(json::parse(model), config, schema, {}, batch).model;
  PlanOptions options;
  options.threads = 2;
  options.passes.recompute = config.recompute;
  options.passes.verify = true;
  Outcome out;
  out.state = initial_values(m, 3);
  Pool* pool = pool_create(options.threads);
  {
    Executor ex(make_plan(m.graph, options), pool, out.state, 9);
    out.arena = ex.plan().memory.arena_bytes;
    out.flops = ex.plan().flops();
    out.kept = ex.plan().kept;
    Tensor x(ex.graph().type(ex.graph().find("x"))), y(DType::i32, {batch});
    Random r(5, 5);
    for (float& v : x.data<float>()) v = static_cast<float>(r.normal());
    for (int32_t& v : y.data<int32_t>()) v = static_cast<int32_t>(r.below(10));
    ex.feed("x", x);
    ex.feed("y", y);
    for (int step = 1; step <= 3; ++step) {
      ex.feed_scalar("learning_rate", 0.05);
      ex.feed_scalar("step", step);
      ex.run();
    }
    out.loss = ex.scalar("loss");
  }
  pool_destroy(pool);
  return out;
}

// The share of the arena that is left.
double check_equal(const char* model, const Shape& sample, const char* optimizer, const json& recompute) {
  CAPTURE(recompute);
  const Outcome keep = train(model, sample, optimizer, "none"),
                again = train(model, sample, optimizer, recompute);
  CHECK(std::memcmp(&keep.loss, &again.loss, sizeof keep.loss) == 0);
  REQUIRE(keep.state.size() == again.state.size());
  for (const auto& [name, value] : keep.state)
    CHECK_MESSAGE(std::memcmp(value.raw(), again.state.at(name).raw(), size_t(value.bytes())) == 0, name);
  CHECK(!keep.kept);
  REQUIRE(again.kept);
  CHECK(again.kept->arena == keep.arena);
  CHECK(again.kept->flops == keep.flops);
  CHECK(again.flops > keep.flops);
  CHECK(double(again.flops) < 1.5 * double(keep.flops));
  return double(again.arena) / double(keep.arena);
}

constexpr const char* kMomentum = R"({"type": "sgd", "lr": 0.1, "momentum": 0.9})";
constexpr const char* kClipped = R"({"type": "adam", "lr": 0.01, "clip_norm": 1.0})";

}  // namespace

TEST_CASE("a residual network with batch norm and dropout, computed again, is equal bit for bit") {
  const Shape image{3, 32, 32};
  CHECK(check_equal(kResnet, image, kMomentum, "cheap") < 0.75);
  CHECK(check_equal(kResnet, image, kMomentum, "sqrt") < 0.5);
  CHECK(check_equal(kResnet, image, kMomentum, 3) < 0.6);
  CHECK(check_equal(kResnet, image, kClipped, "sqrt") < 0.5);
}

TEST_CASE("dense layers with dropout, computed again, are equal bit for bit") {
  for (const json& what : {json("cheap"), json("sqrt"), json(2), json(5), json(1000)})
    for (const char* optimizer : {kMomentum, kClipped}) CHECK(check_equal(kMlp, {100}, optimizer, what) <= 1);
}

TEST_CASE("the cuts of a long chain leave about the square root of its memory") {
  json model{{"layers", json::array()}};
  for (int i = 0; i < 64; ++i) {
    model["layers"].push_back({{"type", "conv2d"}, {"filters", 16}, {"kernel", 3}, {"padding", 1}});
    model["layers"].push_back("tanh");
  }
  model["layers"].push_back("global_avg_pool2d");
  model["layers"].push_back({{"type", "dense"}, {"units", 10}});
  const std::string text = model.dump();
  // 64 images of 16 channels; 2 sqrt(64) = 16 of them and a few more at the least.
  CHECK(check_equal(text.c_str(), {16, 16, 16}, kMomentum, "sqrt") < 24.0 / 64);
}

TEST_CASE("what can be computed again is named in the error") {
  for (const json& wrong : {json("all"), json(1), json(-3), json(2.5), json(), json(true)}) {
    TrainConfig config;
    CHECK_THROWS_WITH_AS(
        parse_fields(config, {{"recompute", wrong}}, "/train"),
        (wrong.dump() + " is not what can be computed again, expected \"none\", \"cheap\", \"sqrt\", or a "
                        "number of segments from 2 on")
            .c_str(),
        Error);
  }
}
