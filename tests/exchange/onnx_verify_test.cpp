#include "exchange/onnx_verify.h"

#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>

#include "base/error.h"
#include "base/str.h"
#include "exchange/onnx.h"

using namespace dl;

namespace {

constexpr int64_t kBatch = 97;

// A small convolutional network with every kind of layer of the LeNet class.
const char* const kNetwork = R"({
  "layers": [
    {"type": "conv2d", "filters": 4, "kernel": 3, "padding": "same"}, "batch_norm", "relu",
    {"type": "max_pool2d", "kernel": 2},
    {"type": "conv2d", "filters": 6, "kernel": 3, "stride": 2}, "gelu", {"type": "dropout", "rate": 0.5},
    {"type": "conv_transpose2d", "filters": 4, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
    "batch_norm", "relu",
    "flatten", {"type": "dense", "units": 8}, "tanh",
    {"type": "dense", "units": "$classes", "name": "logits"}, {"type": "softmax", "name": "p"}
  ],
  "outputs": {"class": "p", "scores": "logits"}
})";

struct Workers {
  Pool* pool = pool_create(2);
  ~Workers() { pool_destroy(pool); }
};

Model network(int64_t batch) {
  BuildOptions options;
  options.batch = batch;
  options.training = false;
  options.inputs = {{"image", {DType::u8, {3, 12, 10}}}};
  options.classes = 5;
  options.normalization["image"] = {{120, 100, 90}, {60, 50, 70}};
  return build_model(json::parse(kNetwork), options);
}

Graph build(int64_t batch) { return network(batch).graph; }

// Values that leave no layer idle: the initial ones, running statistics and biases among them moved.
std::map<std::string, Tensor> values() {
  std::map<std::string, Tensor> all = initial_values(network(1), 7);
  for (auto& [name, tensor] : all) {
    float step = 0.1f;
    if (!name.ends_with("weight"))
      for (float& v : tensor.data<float>()) v += step += 0.05f;
  }
  return all;
}

std::vector<NetworkInputs> batches() {
  return {random_inputs(build(1), {}, 1), random_inputs(build(3), {}, 2)};
}

}  // namespace

TEST_CASE("a written network agrees with its plan on batches of several sizes") {
  const Workers workers;
  std::map<std::string, Tensor> v = values();
  const OnnxFile file = to_onnx(build(kBatch), v, {.batch = kBatch});
  CHECK(file.opset == 13);
  const std::vector<Agreement> found = verify_onnx(file.bytes, build, v, batches(), workers.pool);
  REQUIRE(found.size() == 2);
  for (const Agreement& a : found) {
    CAPTURE(a.output);
    CHECK(a.samples == 4);
    CHECK(a.labels == 4);
    CHECK(a.within({}));
    CHECK(a.scale > 0);
  }
  require_agreement(found, {}, "the ONNX file");
}

TEST_CASE("one altered weight in the file is found, and the error names the output") {
  const Workers workers;
  std::map<std::string, Tensor> v = values();
  onnx::ModelProto m;
  REQUIRE(m.ParseFromString(to_onnx(build(kBatch), v, {.batch = kBatch}).bytes));
  for (auto& t : *m.mutable_graph()->mutable_initializer())
    if (t.name() == "logits.bias") (*t.mutable_raw_data())[2] ^= 0x40;
  const Tolerance tolerance;
  const std::vector<Agreement> found =
      verify_onnx(m.SerializeAsString(), build, v, batches(), workers.pool, tolerance);
  try {
    require_agreement(found, tolerance, "the ONNX file");
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Exit::numeric);
    CHECK(std::string(e.what()).find("output 'scores' differs by") != std::string::npos);
  }
}

TEST_CASE("another first place counts as a wrong label unless the scores are as close as the tolerance") {
  Agreement a{.output = "y", .samples = 1, .scale = 1, .worst = 0, .labels = 1, .wrong = 1};
  CHECK_FALSE(a.within({}));
  a.wrong = 0;
  CHECK(a.within({}));
  a.worst = 1e-4;
  CHECK_FALSE(a.within({}));
  CHECK(a.within({.rtol = 1e-3}));
}

TEST_CASE("random inputs depend on the seed alone and follow the normalisation that is known") {
  const NetworkInputs a = random_inputs(build(2), {}, 5), b = random_inputs(build(2), {}, 5),
                      c = random_inputs(build(2), {}, 6);
  const auto bytes = [](const NetworkInputs& in) {
    return std::vector<uint8_t>(in.at("image").data<uint8_t>().begin(), in.at("image").data<uint8_t>().end());
  };
  CHECK(bytes(a) == bytes(b));
  CHECK(bytes(a) != bytes(c));
  Graph g;
  g.add_leaf(ValueKind::input, "x", {DType::f32, {500, 2}});
  const NetworkInputs x = random_inputs(g, {{"x", {{100, -3}, {1, 0.5f}}}}, 1);
  double mean[2] = {0, 0};
  for (size_t i = 0; i < 1000; ++i) mean[i % 2] += static_cast<double>(x.at("x").data<float>()[i]) / 500;
  CHECK(mean[0] == doctest::Approx(100).epsilon(0.01));
  CHECK(mean[1] == doctest::Approx(-3).epsilon(0.05));
}
