#include "exchange/onnx.h"

#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>

#include "base/error.h"
#include "exchange/onnx_reference.h"
#include "ops/registry.h"

using namespace dl;

namespace {

constexpr int64_t kBatch = 97;

Tensor filled(Shape shape, float first) {
  Tensor t(DType::f32, shape);
  for (float& v : t.data<float>()) v = first++ * 0.125f;
  return t;
}

// image f32[97,2,3] -> reshape -> affine -> relu, with the outputs "hidden" and "class" of one value.
struct Net {
  Graph g;
  std::map<std::string, Tensor> values{{"fc.weight", filled({4, 6}, -12)}, {"fc.bias", filled({4}, 1)}};
  Net() {
    g.name = "net";
    const ValueId x = g.add_leaf(ValueKind::input, "image", {DType::f32, {kBatch, 2, 3}});
    const ValueId w = g.add_leaf(ValueKind::parameter, "fc.weight", {DType::f32, {4, 6}});
    const ValueId b = g.add_leaf(ValueKind::parameter, "fc.bias", {DType::f32, {4}});
    const ValueId flat =
        g.add(op::reshape, {x}, op::reshape.attrs->parse({{"shape", {0, -1}}}, "", {}), "flatten_1");
    const ValueId y =
        g.add(op::relu, {g.add(op::affine, {flat, w, b}, {}, "fc")}, {}, "relu_1", "/model/layers/2");
    g.outputs = {{"hidden", y}, {"class", y}};
  }
};

Exit code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) { return e.code; }
  return Exit::ok;
}

}  // namespace

TEST_CASE(
    "inputs, parameters and outputs keep their names, the batch is symbolic, opset and metadata are stated") {
  const Net net;
  const OnnxFile file = to_onnx(
      net.g, net.values, {.batch = kBatch, .producer_version = "1.2", .metadata = {{"classes", "[]"}}});
  onnx::ModelProto m;
  REQUIRE(m.ParseFromString(file.bytes));
  CHECK(m.producer_name() == "dl");
  CHECK(m.producer_version() == "1.2");
  CHECK(m.ir_version() == file.ir_version);
  CHECK(file.opset >= 13);
  CHECK(m.opset_import(0).version() == file.opset);
  const onnx::GraphProto& g = m.graph();
  REQUIRE(g.input_size() == 1);
  CHECK(g.input(0).name() == "image");
  CHECK(g.input(0).type().tensor_type().shape().dim(0).dim_param() == "N");
  CHECK(g.input(0).type().tensor_type().shape().dim(1).dim_value() == 2);
  REQUIRE(g.output_size() == 2);
  CHECK(g.output(0).name() == "hidden");
  CHECK(g.output(1).name() == "class");
  CHECK(g.output(1).type().tensor_type().shape().dim(0).dim_param() == "N");
  std::set<std::string> initializers;
  for (const auto& t : g.initializer()) initializers.insert(t.name());
  CHECK(initializers.contains("fc.weight"));
  CHECK(initializers.contains("fc.bias"));
  CHECK(OnnxReference(file.bytes).metadata().at("classes") == "[]");
}

TEST_CASE("equal networks give equal bytes") {
  const OnnxOptions options{.batch = kBatch, .producer_version = "1", .metadata = {{"a", "1"}, {"b", "2"}}};
  CHECK(to_onnx(Net().g, Net().values, options).bytes == to_onnx(Net().g, Net().values, options).bytes);
}

TEST_CASE("the reference evaluates a written network with any batch size") {
  const Net net;
  const OnnxReference reference(to_onnx(net.g, net.values, {.batch = kBatch}).bytes);
  for (int64_t n : {1, 3}) {
    const auto out = reference.run({{"image", onnx_value(filled({n, 2, 3}, 0))}});
    REQUIRE(out.at("class").shape == std::vector<int64_t>{n, 4});
    CHECK(out.at("class").v == out.at("hidden").v);
    // Row 0: x = 0, 1/8 ... 5/8; weight row 2: 0, 1/8 ... 5/8; bias 3/8.
    CHECK(out.at("class").v[2] == doctest::Approx((1 + 4 + 9 + 16 + 25) / 64.0 + 3.0 / 8));
    CHECK(out.at("class").v[0] == 0);
  }
}

TEST_CASE("the mapping lists every layer with its ONNX operators") {
  const std::vector<OnnxRow> rows = onnx_mapping(Net().g);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].onnx == "Reshape");
  CHECK(rows[1].layer == "fc");
  CHECK(rows[1].onnx == "Gemm");
  CHECK(rows[2].origin == "/model/layers/2");
}

TEST_CASE("what cannot be written is refused with a reason") {
  Net net;
  CHECK(code_of([&] { to_onnx(net.g, {}); }) == Exit::data);
  net.values["fc.bias"] = filled({5}, 0);
  CHECK(code_of([&] { to_onnx(net.g, net.values); }) == Exit::data);

  Net clash;
  clash.g.outputs[0].name = "image";
  CHECK(code_of([&] { to_onnx(clash.g, clash.values); }) == Exit::config);

  Graph huge;
  const ValueId w = huge.add_leaf(ValueKind::parameter, "w", {DType::f32, {1 << 15, 1 << 14}});
  huge.outputs = {{"y", huge.add(op::relu, {w})}};
  CHECK_THROWS_WITH_AS(to_onnx(huge, {}),
                       "the network has 2.0 GiB of parameters, an ONNX file holds at most 2 GiB", Error);

  Graph backward;
  const ValueId y = backward.add_leaf(ValueKind::input, "y", {DType::f32, {2}});
  backward.outputs = {{"dx", backward.add(op::relu_grad, {y, y}, {}, "relu_1", "/model/layers/0")}};
  try {
    to_onnx(backward, {});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    CHECK(e.pointer == "/model/layers/0");
    CHECK(std::string(e.what()).find("relu_1") != std::string::npos);
  }
  CHECK(onnx_mapping(backward)[0].onnx.empty());
}

TEST_CASE("bytes that are no network are refused") {
  CHECK(code_of([] { OnnxReference("GIF89a"); }) == Exit::data);
  CHECK(code_of([] { OnnxReference(""); }) == Exit::data);
  const Net net;
  const std::string bytes = to_onnx(net.g, net.values, {.batch = kBatch}).bytes;
  CHECK(code_of([&] { OnnxReference(std::string_view(bytes).substr(0, bytes.size() - 3)); }) == Exit::data);
  const OnnxReference reference(bytes);
  CHECK(code_of([&] { reference.run({}); }) == Exit::data);
  CHECK(code_of([&] { reference.run({{"image", onnx_value(filled({2, 3, 2}, 0))}}); }) == Exit::data);
}
