#pragma once
// The state of an import, and what the handlers of single operators see. Internal to libdl_onnx.
#include <optional>
#include <set>

#include "exchange/onnx_import.h"
#include "exchange/onnx_ops.h"

namespace dl {

// A value of the file. Part of GELU and the normalisation of inputs are no layers: such a value is a function of a layer's
// output, and becomes a layer only when something else needs it.
struct Imported {
  enum class Form { plain, scaled, erf, erf_plus_1, x_erf, standardized };
  std::optional<OnnxValue> constant = {};
  std::string layer = {};  // name of the layer or input that gives it
  Extents shape = {};      // with the batch extent first
  Form form = Form::plain;
  double factor = 1;                          // scaled, x_erf
  std::vector<float> shift = {}, scale = {};  // standardized: (x - shift) scale; shift or scale empty: 0 or 1
  int32_t type = onnx::TensorProto::FLOAT;
};

class OnnxImporter {
 public:
  explicit OnnxImporter(ImportedNetwork& out) : out_(out) {}
  void run(onnx::ModelProto& model);

  // ---- For the handlers. Every error names the node.
  struct Node {
    const onnx::NodeProto& proto;
    OnnxCall call;  // attributes; its operands are constants, null for others
  };
  int64_t batch() const { return batch_; }
  bool has(const Node& n, int i) const { return i < n.proto.input_size() && !n.proto.input(i).empty(); }
  Imported& value(const Node& n, int i);
  // An operand that is not constant, as a layer's output.
  Imported computed(const Node& n, int i);
  const OnnxValue& constant(const Node& n, int i);  // Error when it is computed
  const OnnxValue* constant_if(const Node& n, int i);
  // How many nodes and outputs read operand i.
  int uses(const Node& n, int i) const;
  // Adds a layer and gives the node's output its value. `stem` is its name if it is free and a name.
  std::string add(const Node& n, const std::string& type, const std::vector<std::string>& inputs,
                  json attributes, Extents shape, const std::string& stem = {});
  void set(const Node& n, Imported v);  // the node's first output
  void parameter(const std::string& layer, const std::string& suffix, const OnnxValue& v, Extents shape);
  // The name of a layer whose parameter is operand i: "conv1" for "conv1.weight".
  std::string stem_of(const Node& n, int i) const;
  json* layer(const std::string& name);     // null for inputs
  bool drop_last(const std::string& name);  // takes the layer back if it is the newest
  [[noreturn]] void fail(const Node& n, const std::string& message) const { n.call.fail(message); }

 private:
  void rename_ports(onnx::GraphProto& g);
  void add_inputs(const onnx::GraphProto& g);
  void add_node(const onnx::NodeProto& proto);
  bool fold(const Node& n);
  void add_outputs(const onnx::GraphProto& g);
  std::string materialized(const Node& n, Imported& v);
  std::string free_name(const std::string& stem, const std::string& type);
  ImportedNetwork& out_;
  std::map<std::string, Imported> values_;
  std::map<std::string, int> uses_;
  std::set<std::string> names_, raw_inputs_;
  std::map<std::string, int> counters_;
  int64_t batch_ = 0, opset_ = 0;
};

using OnnxHandler = void (*)(OnnxImporter&, OnnxImporter::Node&);
// By operator type, all that import knows.
const std::map<std::string_view, OnnxHandler>& onnx_handlers();
std::vector<std::pair<std::string_view, OnnxHandler>> onnx_layer_handlers();
std::vector<std::pair<std::string_view, OnnxHandler>> onnx_arithmetic_handlers();

// The operator that is this ONNX type with no attributes and one operand; null if there is none.
const OpDef* op_of_onnx(std::string_view type);

}  // namespace dl
