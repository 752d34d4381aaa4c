#include "exchange/onnx.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <set>

#include "base/str.h"
#include "exchange/onnx_emit.h"

namespace dl {
namespace {

constexpr int64_t kMostBytes = (int64_t{1} << 31) - 1;
constexpr int64_t kMessageSpare = int64_t{1} << 20;  // for everything but the initializers

// The IR version that was current with an opset (onnx/docs/Versioning.md); runtimes refuse newer ones.
int64_t ir_version_of(int64_t opset) {
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  return opset <= 22 ? 10 : 11;
}

void set_value_info(onnx::ValueInfoProto& out, const std::string& name, const TensorType& type,
                    int64_t batch) {
  out.set_name(name);
  onnx::TypeProto_Tensor& tensor = *out.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_type(type.dtype));
  tensor.mutable_shape();
  for (int i = 0; i < type.shape.rank(); ++i) {
    onnx::TensorShapeProto_Dimension& dim = *tensor.mutable_shape()->add_dim();
    if (i == 0 && batch > 0 && type.shape[0] == batch)
      dim.set_dim_param("N");
    else
      dim.set_dim_value(type.shape[i]);
  }
}

const Tensor& value_of(const Graph& g, ValueId v, const std::map<std::string, Tensor>& values) {
  if (const auto constant = g.constants.find(v); constant != g.constants.end()) return constant->second;
  const Value& leaf = g.value(v);
  const auto found = values.find(leaf.name);
  if (found == values.end()) throw Error(Exit::data, str("parameter '", leaf.name, "' has no value"));
  if (found->second.type() != leaf.type)
    throw Error(Exit::data, str("parameter '", leaf.name, "' is ", found->second.type().text(),
                                ", the network expects ", leaf.type.text()));
  return found->second;
}

// Leaves that some node or output reads.
std::vector<bool> used_values(const Graph& g) {
  std::vector<bool> used(g.values.size());
  for (const Node& n : g.nodes)
    for (ValueId v : n.in)
      if (v != kNone) used[static_cast<size_t>(v)] = true;
  for (const GraphOutput& o : g.outputs) used[static_cast<size_t>(o.value)] = true;
  return used;
}

void add_leaves(const Graph& g, const std::map<std::string, Tensor>& values, const OnnxOptions& options,
                OnnxEmitter& emitter, onnx::GraphProto& out) {
  const std::vector<bool> used = used_values(g);
  int64_t bytes = 0;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& leaf = g.values[i];
    const auto v = static_cast<ValueId>(i);
    if (leaf.kind == ValueKind::computed) continue;
    if (leaf.kind == ValueKind::input)
      set_value_info(*out.add_input(), emitter.name(v), leaf.type, options.batch);
    else if (used[i])
      bytes += leaf.type.bytes();
  }
  if (bytes > kMostBytes - kMessageSpare)
    throw Error(Exit::config, str("the network has ", human_bytes(static_cast<double>(bytes)),
                                  " of parameters, an ONNX file holds at most 2 GiB"));
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& leaf = g.values[i];
    if (leaf.kind == ValueKind::computed || leaf.kind == ValueKind::input || !used[i]) continue;
    const auto v = static_cast<ValueId>(i);
    set_onnx_tensor(*out.add_initializer(), emitter.name(v), value_of(g, v, values));
  }
}

// Inputs, parameters and outputs keep their names. The first output of a computed value names the value
// itself; the others, which are returned, become copies.
std::vector<GraphOutput> name_outputs(const Graph& g, OnnxEmitter& emitter) {
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].kind != ValueKind::computed) emitter.name(static_cast<ValueId>(i));
  std::vector<GraphOutput> copies;
  std::vector<bool> named(g.values.size());
  for (const GraphOutput& o : g.outputs) {
    const bool direct = g.producer(o.value) && !named[static_cast<size_t>(o.value)];
    const std::string name = emitter.fresh(o.name);
    if (name != o.name)
      throw Error(Exit::config, str("output '", o.name, "' has the name of an input or a parameter"));
    if (direct)
      emitter.set_name(o.value, name);
    else
      copies.push_back(o);
    named[static_cast<size_t>(o.value)] = true;
  }
  return copies;
}

std::string serialize(const onnx::ModelProto& model) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    model.SerializeToCodedStream(&coded);
  }
  return bytes;
}

// Numbers take the place of all names but those of inputs and outputs.
void strip_names(onnx::GraphProto& g) {
  std::map<std::string, std::string> names;
  for (const auto& port : g.input()) names[port.name()] = port.name();
  for (const auto& port : g.output()) names[port.name()] = port.name();
  std::set<std::string> kept;
  for (const auto& [name, same] : names) kept.insert(name);
  int64_t next = 0;
  const auto numbered = [&](std::string* name) {
    if (name->empty()) return;
    std::string& to = names[*name];
    while (to.empty() || (to != *name && kept.contains(to))) to = std::to_string(next++);
    *name = to;
  };
  for (auto& t : *g.mutable_initializer()) numbered(t.mutable_name());
  for (auto& n : *g.mutable_node()) {
    n.clear_name();
    for (auto& name : *n.mutable_input()) numbered(&name);
    for (auto& name : *n.mutable_output()) numbered(&name);
  }
  g.set_name("network");
}

[[noreturn]] void unsupported(const Node& node) {
  throw Error(Exit::config, node.origin,
              str("layer '", node.name, "': operator '", node.op->name, "' has no ONNX form"),
              "dl-export --check lists what each layer becomes");
}

// Returns the opset that the nodes need.
int64_t fill_graph(const Graph& graph, const std::map<std::string, Tensor>& values,
                   const OnnxOptions& options, int64_t target, onnx::GraphProto& out) {
  out.set_name(graph.name.empty() ? "network" : graph.name);
  OnnxEmitter emitter(graph, out, target);
  const std::vector<GraphOutput> copies = name_outputs(graph, emitter);
  add_leaves(graph, values, options, emitter, out);
  for (const Node& node : graph.nodes)
    if (!emitter.emit(node)) unsupported(node);
  for (const GraphOutput& o : copies) emitter.add_node("Identity", 13, {emitter.name(o.value)}, {o.name}, {});
  for (const GraphOutput& o : graph.outputs)
    set_value_info(*out.add_output(), o.name, graph.type(o.value), options.batch);
  return std::max(emitter.opset(), target);
}

}  // namespace

OnnxFile to_onnx(const Graph& graph, const std::map<std::string, Tensor>& values,
                 const OnnxOptions& options) {
  onnx::ModelProto model;
  OnnxFile file;
  // The form of a node may depend on the opset, and the opset on the nodes.
  for (int64_t target = std::max(kOnnxLeastOpset, options.opset); file.opset != target;) {
    model.clear_graph();
    file.opset = target;
    target = fill_graph(graph, values, options, target, *model.mutable_graph());
  }
  if (options.opset > 0 && file.opset != options.opset)
    throw Error(Exit::config, "/export/opset",
                str("the network needs opset ", file.opset, ", ", options.opset, " is asked for"),
                "dl-export --check lists the opset of each layer");
  if (options.strip) strip_names(*model.mutable_graph());
  file.ir_version = ir_version_of(file.opset);
  model.set_ir_version(file.ir_version);
  model.set_producer_name("dl");
  model.set_producer_version(options.producer_version);
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(file.opset);
  for (const auto& [key, value] : options.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  file.bytes = serialize(model);
  return file;
}

std::vector<OnnxRow> onnx_mapping(const Graph& graph) {
  std::vector<OnnxRow> rows;
  for (const Node& node : graph.nodes) {
    onnx::GraphProto scratch;
    OnnxEmitter emitter(graph, scratch, kOnnxLeastOpset);
    OnnxRow row{node.name, std::string(node.op->name), node.origin, {}, 0};
    if (emitter.emit(node)) {
      std::vector<std::string> types;
      for (const onnx::NodeProto& n : scratch.node()) types.push_back(n.op_type());
      row.onnx = join(types, " ");
      row.opset = emitter.opset();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace dl
