// The reference interpreter on hand-worked values: it must not be right only where the kernels are.
#include "exchange/onnx_reference.h"

#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <variant>

#include "base/error.h"
#include "base/str.h"

using namespace dl;

namespace {

using Values = std::vector<double>;
using Extents = std::vector<int64_t>;
using Attribute = std::pair<std::string, std::variant<int64_t, float, std::string, Extents>>;

void set(onnx::AttributeProto& a, const Attribute& from) {
  a.set_name(from.first);
  if (const auto* i = std::get_if<int64_t>(&from.second))
    a.set_type(onnx::AttributeProto::INT), a.set_i(*i);
  else if (const auto* f = std::get_if<float>(&from.second))
    a.set_type(onnx::AttributeProto::FLOAT), a.set_f(*f);
  else if (const auto* s = std::get_if<std::string>(&from.second))
    a.set_type(onnx::AttributeProto::STRING), a.set_s(*s);
  else {
    a.set_type(onnx::AttributeProto::INTS);
    for (int64_t v : std::get<Extents>(from.second)) a.add_ints(v);
  }
}

// Runs one node on operands x0, x1, ...; lists of integers are int64.
OnnxValue run(const std::string& type, const std::vector<OnnxValue>& in,
              const std::vector<Attribute>& attributes = {}, int out_type = 1, int rank = -1) {
  onnx::ModelProto m;
  m.set_ir_version(8);
  m.add_opset_import()->set_version(17);
  onnx::GraphProto& g = *m.mutable_graph();
  onnx::NodeProto& node = *g.add_node();
  node.set_op_type(type);
  std::map<std::string, OnnxValue> feeds;
  for (size_t i = 0; i < in.size(); ++i) {
    const std::string name = str("x", i);
    node.add_input(name);
    onnx::ValueInfoProto& info = *g.add_input();
    info.set_name(name);
    info.mutable_type()->mutable_tensor_type()->set_elem_type(in[i].type);
    for (int64_t d : in[i].shape)
      info.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(d);
    feeds[name] = in[i];
  }
  for (const Attribute& a : attributes) set(*node.add_attribute(), a);
  node.add_output("y");
  onnx::ValueInfoProto& info = *g.add_output();
  info.set_name("y");
  info.mutable_type()->mutable_tensor_type()->set_elem_type(out_type);
  for (size_t i = 0; i < (rank < 0 ? in[0].shape.size() : static_cast<size_t>(rank)); ++i)
    info.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_param(str("d", i));
  return OnnxReference(m.SerializeAsString()).run(feeds).at("y");
}

OnnxValue f(Extents shape, Values v) { return {1, std::move(shape), std::move(v)}; }
OnnxValue ints(Values v) { return {7, {static_cast<int64_t>(v.size())}, std::move(v)}; }

void check(const OnnxValue& got, const Extents& shape, const Values& v) {
  CHECK(got.shape == shape);
  REQUIRE(got.v.size() == v.size());
  for (size_t i = 0; i < v.size(); ++i) CHECK(got.v[i] == doctest::Approx(v[i]));
}

}  // namespace

TEST_CASE("Conv: stride, padding and groups") {
  const OnnxValue x = f({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  check(run("Conv", {x, f({1, 1, 2, 2}, {1, 0, 0, 1})}), {1, 1, 2, 2}, {6, 8, 12, 14});
  check(run("Conv", {x, f({1, 1, 3, 3}, {0, 0, 0, 0, 1, 0, 0, 0, 1}), f({1}, {10})},
            {{"pads", Extents{1, 1, 1, 1}}, {"strides", Extents{2, 2}}}),
        {1, 1, 2, 2}, {16, 13, 17, 19});
  check(run("Conv", {f({1, 2, 1, 2}, {1, 2, 3, 4}), f({2, 1, 1, 1}, {10, 100})}, {{"group", int64_t{2}}}),
        {1, 2, 1, 2}, {10, 20, 300, 400});
  check(run("Conv", {f({1, 1, 1, 5}, {1, 2, 3, 4, 5}), f({1, 1, 1, 2}, {1, 10})},
            {{"dilations", Extents{1, 3}}}),
        {1, 1, 1, 2}, {41, 52});
}

TEST_CASE("ConvTranspose: stride, padding, output_padding and groups") {
  const OnnxValue x = f({1, 1, 2, 2}, {1, 2, 3, 4});
  check(run("ConvTranspose", {x, f({1, 1, 2, 2}, {1, 10, 100, 1000}), f({1}, {5})},
            {{"strides", Extents{2, 2}}}),
        {1, 1, 4, 4}, {6, 15, 7, 25, 105, 1005, 205, 2005, 8, 35, 9, 45, 305, 3005, 405, 4005});
  check(run("ConvTranspose", {x, f({1, 1, 1, 3}, {1, 10, 100})},
            {{"pads", Extents{0, 1, 0, 0}}, {"strides", Extents{1, 2}}, {"output_padding", Extents{0, 1}}}),
        {1, 1, 2, 5}, {10, 102, 20, 200, 0, 30, 304, 40, 400, 0});
  check(run("ConvTranspose", {f({1, 2, 1, 1}, {1, 2}), f({2, 1, 1, 2}, {1, 10, 100, 1000})},
            {{"group", int64_t{2}}, {"dilations", Extents{1, 2}}}),
        {1, 2, 1, 3}, {1, 0, 10, 200, 0, 2000});
}

TEST_CASE("Resize: nearest and linear") {
  const OnnxValue x = f({1, 1, 1, 2}, {4, 8}), scales = f({4}, {1, 1, 1, 2});
  check(run("Resize", {x, f({0}, {}), scales},
            {{"mode", std::string("nearest")},
             {"coordinate_transformation_mode", std::string("asymmetric")},
             {"nearest_mode", std::string("floor")}}),
        {1, 1, 1, 4}, {4, 4, 8, 8});
  check(run("Resize", {x, f({0}, {}), scales}, {{"mode", std::string("linear")}}), {1, 1, 1, 4},
        {4, 5, 7, 8});
}

TEST_CASE("pooling: ceil mode drops a window that starts in the padding, averages count what they should") {
  const OnnxValue x = f({1, 1, 1, 5}, {1, 2, 3, 4, 5});
  check(run("MaxPool", {x}, {{"kernel_shape", Extents{1, 2}}, {"strides", Extents{1, 2}}}), {1, 1, 1, 2},
        {2, 4});
  check(run("MaxPool", {x},
            {{"kernel_shape", Extents{1, 2}}, {"strides", Extents{1, 2}}, {"ceil_mode", int64_t{1}}}),
        {1, 1, 1, 3}, {2, 4, 5});
  check(run("AveragePool", {x},
            {{"kernel_shape", Extents{1, 2}}, {"strides", Extents{1, 2}}, {"ceil_mode", int64_t{1}}}),
        {1, 1, 1, 3}, {1.5, 3.5, 5});
  const std::vector<Attribute> padded{
      {"kernel_shape", Extents{1, 3}}, {"strides", Extents{1, 3}}, {"pads", Extents{0, 1, 0, 0}}};
  check(run("AveragePool", {x}, padded), {1, 1, 1, 2}, {1.5, 4});
  std::vector<Attribute> included = padded;
  included.push_back({"count_include_pad", int64_t{1}});
  check(run("AveragePool", {x}, included), {1, 1, 1, 2}, {1, 4});
  check(run("GlobalAveragePool", {f({1, 2, 1, 2}, {1, 2, 3, 5})}), {1, 2, 1, 1}, {1.5, 4});
}

TEST_CASE("Gemm, MatMul and Transpose") {
  const OnnxValue a = f({2, 2}, {1, 2, 3, 4}), b = f({2, 2}, {5, 6, 7, 8});
  check(run("Gemm", {a, b}), {2, 2}, {19, 22, 43, 50});
  check(run("Gemm", {a, b, f({2}, {1, 2})}, {{"transB", int64_t{1}}, {"alpha", 2.0f}, {"beta", 3.0f}}),
        {2, 2}, {37, 52, 81, 112});
  check(run("MatMul", {f({2, 1, 2}, {1, 2, 3, 4}), b}), {2, 1, 2}, {19, 22, 43, 50});
  check(run("Transpose", {f({1, 2, 3}, {1, 2, 3, 4, 5, 6})}, {{"perm", Extents{2, 0, 1}}}), {3, 1, 2},
        {1, 4, 2, 5, 3, 6});
}

TEST_CASE("shapes: Reshape, Flatten, Concat, Slice, Expand, Unsqueeze") {
  const OnnxValue x = f({2, 3}, {1, 2, 3, 4, 5, 6});
  check(run("Reshape", {x, ints({0, -1, 1})}, {}, 1, 3), {2, 3, 1}, x.v);
  check(run("Flatten", {f({2, 1, 3}, x.v)}, {}, 1, 2), {2, 3}, x.v);
  check(run("Concat", {x, f({2, 1}, {7, 8})}, {{"axis", int64_t{1}}}), {2, 4}, {1, 2, 3, 7, 4, 5, 6, 8});
  check(run("Slice", {x, ints({1}), ints({100}), ints({1})}), {2, 2}, {2, 3, 5, 6});
  check(run("Slice", {x, ints({-1}), ints({-100}), ints({1}), ints({-2})}), {2, 2}, {3, 1, 6, 4});
  check(run("Expand", {f({2, 1}, {1, 2}), ints({1, 2})}), {2, 2}, {1, 1, 2, 2});
  check(run("Unsqueeze", {f({2}, {1, 2}), ints({1})}, {}, 1, 2), {2, 1}, {1, 2});
}

TEST_CASE("softmax, normalisation and reductions") {
  check(run("Softmax", {f({1, 2}, {1000, 1000 + std::log(3)})}), {1, 2}, {0.25, 0.75});
  check(run("LogSoftmax", {f({2, 1}, {0, 0})}, {{"axis", int64_t{0}}}), {2, 1}, {-std::log(2), -std::log(2)});
  const OnnxValue one = f({1}, {1});
  check(run("BatchNormalization", {f({1, 1, 2}, {3, 5}), f({1}, {2}), one, f({1}, {4}), f({1}, {0.25})},
            {{"epsilon", 0.0f}}),
        {1, 1, 2}, {-3, 5});
  const OnnxValue x = f({2, 3}, {1, 2, 3, 4, 5, 6});
  check(run("ReduceSum", {x, ints({1})}, {{"keepdims", int64_t{0}}}, 1, 1), {2}, {6, 15});
  check(run("ReduceMean", {x}, {{"axes", Extents{0}}}), {1, 3}, {2.5, 3.5, 4.5});
  check(run("ReduceMax", {x}), {1, 1}, {6});
  check(run("ArgMax", {f({1, 3}, {1, 7, 7})}, {{"axis", int64_t{1}}}, 7), {1, 1}, {1});
}

TEST_CASE("elementwise operators broadcast and know their kinks") {
  check(run("Sub", {f({2, 1}, {1, 2}), f({2}, {10, 20})}, {}, 1, 2), {2, 2}, {-9, -19, -8, -18});
  check(run("LeakyRelu", {f({2}, {-1, 2})}, {{"alpha", 0.5f}}), {2}, {-0.5, 2});
  check(run("Elu", {f({2}, {-1, 2})}), {2}, {std::exp(-1) - 1, 2});
  check(run("Softplus", {f({2}, {-800, 800})}), {2}, {0, 800});
  check(run("Sigmoid", {f({2}, {-800, 800})}), {2}, {0, 1});
  check(run("Clip", {f({3}, {-1, 0.5, 2}), f({}, {0}), f({}, {1})}), {3}, {0, 0.5, 1});
  check(run("Cast", {f({2}, {-1.7, 2.7})}, {{"to", int64_t{6}}}, 6), {2}, {-1, 2});
}

TEST_CASE("what does not fit is an error that names the node") {
  CHECK_THROWS_AS(run("Gemm", {f({2, 2}, {1, 2, 3, 4}), f({1, 2}, {1, 2})}), Error);
  CHECK_THROWS_AS(run("Add", {f({2}, {1, 2}), f({3}, {1, 2, 3})}), Error);
  CHECK_THROWS_AS(run("Einsum", {f({2}, {1, 2})}), Error);
  CHECK_THROWS_AS(run("LeakyRelu", {f({1}, {1})}, {{"alpha", int64_t{1}}}), Error);
  CHECK_THROWS_AS(run("Reshape", {f({2}, {1, 2}), ints({3})}), Error);
}
