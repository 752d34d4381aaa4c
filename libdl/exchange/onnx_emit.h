#pragma once
// How nodes of the graph become nodes of ONNX. Internal to libdl_onnx.
#include <onnx/onnx_pb.h>

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace dl {

class OnnxEmitter {
 public:
  using Names = std::vector<std::string>;
  // `target`: the opset of the file, on which the form of some nodes depends.
  OnnxEmitter(const Graph& graph, onnx::GraphProto& out, int64_t target)
      : graph_(graph), out_(out), target_(target) {}

  // False when the operator has no ONNX form; nothing is emitted then.
  bool emit(const Node& node);
  int64_t opset() const { return opset_; }  // what the nodes so far need, at least 13
  int64_t target() const { return target_; }

  // For the emitters of single operators.
  const Graph& graph() const { return graph_; }
  const std::string& name(ValueId v);          // "" for kNone
  void set_name(ValueId v, std::string name);  // one that fresh() gave, before anything uses it
  std::string fresh(const std::string& stem);  // a name not used yet
  json attributes(const Node& node) const { return node.op->attrs->dump(node.attrs.get()); }
  // One ONNX node with one output, `result` or a fresh name, which is returned. `since`: least opset.
  std::string add(std::string_view type, int64_t since, const Names& in, const json& attributes = {},
                  std::string result = {});
  onnx::NodeProto& add_node(std::string_view type, int64_t since, const Names& in, const Names& out,
                            const json& attributes);
  std::string integers(const std::vector<int64_t>& values);  // a 1-D int64 initializer
  std::string floats(const std::vector<float>& values);      // a 1-D float initializer
  std::string scalar(float value);                           // a 0-D float initializer

 private:
  const Graph& graph_;
  onnx::GraphProto& out_;
  std::vector<std::string> names_;  // per value, empty: none yet
  std::set<std::string> used_;
  std::string prefix_;  // of the node being emitted
  int64_t target_, opset_ = 13;
};

// The emitter of an operator that is not one ONNX node with the same operands; null: OpDef::onnx says it all.
// False when these attributes have no ONNX form; nothing is emitted then.
using EmitFn = bool (*)(OnnxEmitter&, const Node&);
EmitFn onnx_emitter(std::string_view op);
struct OnnxSpecial {
  std::string_view op;
  EmitFn emit;
};
std::span<const OnnxSpecial> onnx_norm_emitters();  // those of exchange/onnx_norms.cpp

void set_onnx_tensor(onnx::TensorProto& out, const std::string& name, const Tensor& value);
int32_t onnx_type(DType t);

}  // namespace dl
