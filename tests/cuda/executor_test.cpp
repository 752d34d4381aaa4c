// Whole training steps on the device against the CPU, and what the executor promises around them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/random.h"
#include "base/str.h"
#include "exec/executor.h"
#include "nn/init.h"
#include "support/tensors.h"
#include "train/device.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

constexpr int64_t kBatch = 6;

// One of each kind of layer; channels that fill no eight lanes, and odd extents.
constexpr const char* kModels[] = {
    R"({"layers": ["flatten", {"type": "dense", "units": 20}, "tanh", {"type": "dropout", "rate": 0.3}, {"type": "dense", "units": 3}]})",
    R"({"layers": [{"type": "conv2d", "filters": 6, "kernel": 5, "padding": 2}, "tanh", {"type": "avg_pool2d", "kernel": 2},
      {"type": "conv2d", "filters": 12, "kernel": 3}, "relu", {"type": "max_pool2d", "kernel": 2}, "flatten", {"type": "dense", "units": 3}]})",
    R"({"layers": [{"type": "conv2d", "filters": 16, "kernel": 3, "padding": 1, "bias": false, "name": "a"}, "batch_norm", {"type": "relu", "name": "r"},
      {"type": "conv2d", "filters": 16, "kernel": 3, "padding": 1, "bias": false}, "batch_norm", {"type": "add", "inputs": ["batch_norm_2", "r"]}, "relu6",
      {"type": "conv2d", "filters": 16, "kernel": 3, "padding": 1, "groups": 16, "stride": 2, "bias": false}, "batch_norm", "relu",
      {"type": "conv2d", "filters": 24, "kernel": 1}, "global_avg_pool2d", {"type": "dense", "units": 3}]})",
    R"({"layers": [{"type": "conv2d", "filters": 8, "kernel": 3, "stride": 2, "padding": 1, "name": "down"}, "relu",
      {"type": "conv_transpose2d", "filters": 8, "kernel": 2, "stride": 2, "name": "up"}, {"type": "upsample2d", "inputs": ["down"], "scale": 2, "name": "big"},
      {"type": "concat", "inputs": ["up", "big"]}, {"type": "conv2d", "filters": 8, "kernel": 3}, "elu", "global_avg_pool2d", {"type": "dense", "units": 3}]})",
};

std::shared_ptr<Device> device() {
  static const std::shared_ptr<Device> d = Device::open(0);
  return d;
}

Pool* pool() {
  static Pool* const one = pool_create(1);
  return one;
}

Schema schema() {
  Schema s;
  s.inputs.push_back({"image", Role::image, {DType::f32, {3, 12, 14}}, {}});
  s.targets.push_back({"class", TargetKind::class_index, {DType::i32, {}}, {"a", "b", "c"}});
  return s;
}

Model step_of(const char* model, const char* train, int64_t batch = kBatch, bool training = true) {
  TrainConfig config;
  parse_fields(config, json::parse(train), "/train");
  return (training ? build_training_step : build_evaluation)(json::parse(model), config, schema(), {}, batch)
      .model;
}

Precision precision_of(const char* train) {
  TrainConfig config;
  parse_fields(config, json::parse(train), "/train");
  return config.precision;
}

struct Batches {
  Tensor x, y;
  explicit Batches(int64_t batch, uint64_t which)
      : x(DType::f32, {batch, 3, 12, 14}), y(DType::i32, {batch}) {
    Random r(5, which);
    for (float& v : x.data<float>()) v = static_cast<float>(r.normal());
    for (int32_t& v : y.data<int32_t>()) v = static_cast<int32_t>(r.below(3));
  }
};

struct Outcome {
  TensorMap state;
  std::vector<float> losses;
};

float step(Executor& ex, int64_t number, int64_t batch = kBatch) {
  const Batches b(batch, static_cast<uint64_t>(number));
  ex.feed("image", b.x);
  ex.feed("class", b.y);
  ex.feed_scalar("learning_rate", 0.1 / static_cast<double>(number));
  ex.feed_scalar("step", static_cast<double>(number));
  const size_t forward = ex.end_of("loss");
  ex.run(0, forward);
  const float loss = ex.scalar("loss");
  ex.run(forward, ex.graph().nodes.size());
  return loss;
}

// The first step runs node by node, the second is recorded, the others are replays.
Outcome train(const char* model, const char* config, std::shared_ptr<Device> on,
              std::set<std::string, std::less<>> off = {}, int steps = 4) {
  const Model m = step_of(model, config);
  Outcome out;
  out.state = initial_values(m, 3);
  PlanOptions options;
  options.device = on;
  options.passes.off = std::move(off);
  options.passes.verify = true;
  options.passes.precision = precision_of(config);
  const auto arena = std::make_shared<Arena>(on);
  Executor ex(make_plan(m.graph, options), pool(), out.state, 7, arena);
  for (int64_t i = 1; i <= steps; ++i) out.losses.push_back(step(ex, i));
  arena->fetch();
  return out;
}

void check_close(const Outcome& want, const Outcome& got, double tolerance) {
  for (size_t i = 0; i < want.losses.size(); ++i)
    CHECK(got.losses[i] == doctest::Approx(want.losses[i]).epsilon(tolerance));
  for (const auto& [name, tensor] : want.state)
    CHECK_MESSAGE(test::relative_difference(tensor, got.state.at(name)) < tolerance, name);
}

constexpr const char* kPlain = R"({"optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}})";
constexpr const char* kConfigs[] = {
    R"({"optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.001}})",
    R"({"optimizer": {"type": "adam", "lr": 0.001, "clip_norm": 1.0}})",
};

}  // namespace

TEST_CASE("training on the device follows the CPU, and two runs give equal bytes") {
  for (const char* model : kModels)
    for (const char* config : kConfigs) {
      INFO(std::string(model), std::string(config));
      const Outcome cpu = train(model, config, nullptr), one = train(model, config, device()),
                    two = train(model, config, device());
      // Adam divides by the root of a square: where a gradient is nearly 0 its sign decides.
      check_close(cpu, one, config == kConfigs[1] ? 1e-2 : 2e-4);
      CHECK(one.losses == two.losses);
      for (const auto& [name, tensor] : one.state)
        CHECK(std::memcmp(tensor.raw(), two.state.at(name).raw(), static_cast<size_t>(tensor.bytes())) == 0);
    }
}

TEST_CASE("mixed precision on the device is what the CPU gives that rounds in the same places") {
  // After one step, where no rounding has grown yet; momentum is the gradient then. Fused nodes round once where the CPU
  // rounds every result, so nothing is fused here.
  const auto apart = [](const Outcome& a, const Outcome& b) {
    double squares = 0, all = 0;
    for (const auto& [name, tensor] : a.state) {
      if (tensor.dtype() != DType::f32 || !name.ends_with("/momentum")) continue;
      const Tensor& other = b.state.at(name);
      for (size_t i = 0; i < tensor.data<float>().size(); ++i) {
        const double v = tensor.data<float>()[i], d = v - other.data<float>()[i];
        squares += d * d, all += v * v;
      }
    }
    return std::sqrt(squares / all);
  };
  for (const char* model : kModels)
    for (const std::string precision : {"bf16", "f16"}) {
      INFO(std::string(model), precision);
      const std::string config = str(R"({"precision": ")", precision,
                                     R"(", "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}})");
      const Outcome exact = train(model, kPlain, nullptr, {}, 1),
                    cpu = train(model, config.c_str(), nullptr, {"fuse"}, 1),
                    got = train(model, config.c_str(), device(), {"fuse"}, 1);
      const double rounding = apart(exact, cpu), unlike = apart(cpu, got),
                   step = precision == "bf16" ? 0x1p-8 : 0x1p-11;
      CHECK(rounding > step / 16);
      CHECK(rounding < 16 * step);
      CHECK(unlike < rounding / 8);
      CHECK(got.losses[0] == doctest::Approx(exact.losses[0]).epsilon(4 * step));
    }
}

TEST_CASE("losses of f16 are scaled, and a step whose gradients overflow changes nothing but the scale") {
  const char* config =
      R"({"precision": "f16", "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9, "clip_norm": 1.0}})";
  for (const std::shared_ptr<Device>& on : {std::shared_ptr<Device>(), device()}) {
    const Model m = step_of(kModels[1], config);
    TensorMap state = initial_values(m, 3);
    state.at("loss_scale/scale").data<float>()[0] = 0x1p24f;
    const Tensor before = state.at("conv2d_1.weight").clone();
    PlanOptions options;
    options.device = on;
    options.passes.precision = Precision::f16;
    const auto arena = std::make_shared<Arena>(on);
    Executor ex(make_plan(m.graph, options), pool(), state, 7, arena);
    step(ex, 1);
    arena->fetch();
    CHECK(state.at("loss_scale/scale").data<float>()[0] == 0x1p23f);
    CHECK(std::memcmp(before.raw(), state.at("conv2d_1.weight").raw(), static_cast<size_t>(before.bytes())) ==
          0);
    int64_t steps = 1;
    while (state.at("loss_scale/good").data<int64_t>()[0] == 0 && steps < 24) {
      step(ex, ++steps);
      arena->fetch();
    }
    CHECK(steps > 2);
    CHECK(steps < 24);
    CHECK(std::memcmp(before.raw(), state.at("conv2d_1.weight").raw(), static_cast<size_t>(before.bytes())) !=
          0);
    for (float v : state.at("conv2d_1.weight").data<float>()) CHECK(std::isfinite(v));
  }
}

TEST_CASE("each pass can be left out on the device") {
  const Outcome all = train(kModels[2], kConfigs[0], device());
  for (const char* pass : {"simplify", "fuse", "layout", "schedule", "in_place"}) {
    INFO(pass);
    check_close(all, train(kModels[2], kConfigs[0], device(), {pass}), 2e-4);
  }
}

TEST_CASE("executors of other batch sizes and of the forward form share parameters on the device") {
  const Model big = step_of(kModels[2], kConfigs[0]), small = step_of(kModels[2], kConfigs[0], 2),
              eval = step_of(kModels[2], kConfigs[0], 3, false);
  const auto run = [&](std::shared_ptr<Device> on) {
    TensorMap state = initial_values(big, 3);
    PlanOptions options;
    options.device = on;
    const auto arena = std::make_shared<Arena>(on);
    Executor first(make_plan(big.graph, options), pool(), state, 7, arena),
        second(make_plan(small.graph, options), pool(), state, 7, arena),
        third(make_plan(eval.graph, options), pool(), state, 7, arena);
    std::vector<float> losses;
    for (int round = 1; round <= 3; ++round) {
      losses.push_back(step(first, 2 * round));
      losses.push_back(step(second, 2 * round + 1, 2));
      third.refresh();
      const Batches b(3, 50);
      third.feed("image", b.x);
      third.feed("class", b.y);
      third.run();
      losses.push_back(third.scalar("loss"));
    }
    return losses;
  };
  const std::vector<float> want = run(nullptr), got = run(device());
  for (size_t i = 0; i < want.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(2e-4));
}

TEST_CASE("what is not finite on the device is found by name") {
  const Model m = step_of(kModels[0], kConfigs[0]);
  TensorMap state = initial_values(m, 3);
  PlanOptions options;
  options.device = device();
  Executor ex(make_plan(m.graph, options), pool(), state, 7);
  Batches b(kBatch, 1);
  b.x.data<float>()[5] = std::numeric_limits<float>::infinity();
  ex.feed("image", b.x);
  ex.feed("class", b.y);
  ex.feed_scalar("step", 1);
  ex.run(0, ex.end_of("loss"));
  CHECK(ex.find_non_finite(ex.end_of("loss")).what == "input 'image'");
}

TEST_CASE("a profile on the device times every node") {
  const Model m = step_of(kModels[1], kConfigs[0]);
  TensorMap state = initial_values(m, 3);
  PlanOptions options;
  options.device = device();
  Executor ex(make_plan(m.graph, options), pool(), state, 7);
  Profile profile;
  ex.report_to(&profile, "step");
  step(ex, 1);
  step(ex, 2);
  int64_t timed = 0;
  for (const Profile::Row& row : profile.rows()) timed += row.calls == 2;
  CHECK(timed > 10);
}

TEST_CASE("a batch that does not fit is refused with the largest that does") {
  PlanOptions options;
  options.device = device();
  const auto plan_for = [&](int64_t batch) {
    return make_plan(step_of(kModels[1], kConfigs[0], batch).graph, options);
  };
  require_device_memory(plan_for(kBatch), kBatch, plan_for);
  const int64_t per_sample = device_bytes(plan_for(2)) - device_bytes(plan_for(1));
  const int64_t huge = device()->free_memory() / per_sample * 2;
  try {
    require_device_memory(plan_for(huge), huge, plan_for);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.code == Exit::memory);
    CHECK(std::string(e.what()).find(": parameters ") != std::string::npos);
    const size_t at = e.hint.rfind(' ');
    const int64_t fits = std::stoll(e.hint.substr(at + 1));
    CHECK(device_bytes(plan_for(fits)) <= device()->free_memory());
    CHECK(device_bytes(plan_for(fits + 1)) > device()->free_memory() - (64 << 20));
    CHECK(fits < huge);
  }
}

TEST_CASE("devices that are not there") {
  std::string how;
  CHECK(resolve_device("cuda", how) == "cuda:0");
  CHECK(resolve_device("auto", how) == "cuda:0");
  CHECK(how.starts_with("cuda:0 ("));
  CHECK(devices_for("auto").front() == "cuda:0");
  CHECK(devices_for("cuda:0") == std::vector<std::string>{"cuda:0"});
  CHECK(devices_for("cpu").empty());
  CHECK_THROWS_WITH_AS(Device::open(99), doctest::Contains("'cuda:99' is not there: found cuda:0"), Error);
}
