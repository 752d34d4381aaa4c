// Every row of the operator cases that has an ONNX form: written, read back, and evaluated by the reference
// interpreter, it agrees with the kernels.
#include <doctest/doctest.h>
#include <onnx/checker.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "exchange/onnx.h"
#include "exchange/onnx_reference.h"
#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

// The graph of a row with its outputs, of which there are `count`, named y0, y1, ...
Graph with_outputs(const Built& b, size_t count) {
  Graph g = b.graph;
  const std::vector<ValueId>& out = g.nodes[b.node].out;
  for (size_t i = 0; i < count; ++i) g.outputs.push_back({str("y", i), out[i]});
  return g;
}

struct Feed {
  std::map<std::string, Tensor> values;  // parameters, states
  std::map<std::string, OnnxValue> inputs;
};

Feed feed_of(const Graph& g, const Feeds& feeds) {
  Feed f;
  for (const auto& [v, tensor] : feeds) {
    if (g.value(v).kind == ValueKind::input)
      f.inputs[g.value(v).name] = onnx_value(tensor);
    else
      f.values[g.value(v).name] = tensor;
  }
  return f;
}

void check_model(const std::string& bytes) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(bytes));
  try {
    onnx::checker::check_model(model);
  } catch (const std::exception& e) { FAIL_CHECK("onnx checker: ", e.what()); }
}

json to_json(const Tensor& t) {
  json values = json::array();
  for (double v : onnx_value(t).v) values.push_back(v);
  return {{"type", name_of(t.dtype())},
          {"shape", std::vector<int64_t>(t.shape().begin(), t.shape().end())},
          {"values", values}};
}

// For onnx_check.py: the file with its inputs and the outputs of the kernels, where DL_ONNX_DUMP names a
// folder.
void dump(const Row& row, const Graph& g, const Feeds& feeds, const std::vector<Tensor>& values,
          const std::string& bytes) {
  const char* folder = std::getenv("DL_ONNX_DUMP");
  static int number = 0;
  int64_t elements = 0;
  json j{{"op", row.op}, {"row", row.text()}, {"inputs", json::object()}, {"outputs", json::object()}};
  for (const auto& [v, tensor] : feeds) elements += tensor.elements();
  if (!folder || elements > 20000) return;
  for (const auto& [v, tensor] : feeds)
    if (g.value(v).kind == ValueKind::input) j["inputs"][g.value(v).name] = to_json(tensor);
  for (const GraphOutput& o : g.outputs) j["outputs"][o.name] = to_json(values[static_cast<size_t>(o.value)]);
  const std::string stem = str(folder, "/", 1000 + number++, "_", row.op);
  std::ofstream(stem + ".onnx", std::ios::binary) << bytes;
  std::ofstream(stem + ".json") << j.dump();
}

// Largest difference relative to the largest magnitude of `want`.
double distance(const OnnxValue& got, const Tensor& want) {
  const OnnxValue w = onnx_value(want);
  if (got.shape != w.shape || got.type != w.type) return INFINITY;
  double scale = 1e-30, worst = 0;
  for (double x : w.v) scale = std::fmax(scale, std::fabs(x));
  for (size_t i = 0; i < w.v.size(); ++i) worst = std::fmax(worst, std::fabs(got.v[i] - w.v[i]) / scale);
  return worst;
}

}  // namespace

TEST_CASE("every operator with an ONNX form agrees with the reference interpreter on every case row") {
  std::set<std::string> checked;
  for (const Row& row : rows()) {
    if (!row.opt.error.empty()) continue;
    INFO(row.text());
    const Built b = build(row, false);
    Graph g = with_outputs(b, b.graph.nodes[b.node].out.size());
    std::vector<OnnxRow> mapping = onnx_mapping(g);
    if (mapping.back().onnx.empty()) {  // perhaps for outputs that only the gradient reads
      g = with_outputs(b, 1);
      mapping = onnx_mapping(g);
    }
    if (mapping.back().onnx.empty()) continue;
    bool empty = false;
    for (ValueId v : b.in) empty = empty || (v != kNone && g.type(v).elements() == 0);
    if (empty) continue;
    const Feeds feeds = make_feeds(row, b);
    const Feed feed = feed_of(g, feeds);
    const OnnxFile file = to_onnx(g, feed.values);
    CHECK(file.bytes == to_onnx(g, feed.values).bytes);
    check_model(file.bytes);
    const std::map<std::string, OnnxValue> got = OnnxReference(file.bytes).run(feed.inputs);
    const std::vector<Tensor> want = evaluate(g, feeds, best_isa(), false);
    dump(row, g, feeds, want, file.bytes);
    for (const GraphOutput& o : g.outputs) {
      const double d = distance(got.at(o.name), want[static_cast<size_t>(o.value)]);
      CHECK_MESSAGE(d <= 1e-5, mapping.back().onnx, " ", o.name, ": differs by ", d);
    }
    checked.insert(row.op);
  }
  MESSAGE("operators checked: ", checked.size());
  CHECK(checked.contains("relu"));
}
