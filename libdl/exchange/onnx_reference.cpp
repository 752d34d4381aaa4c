#include "exchange/onnx_reference.h"

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

using Table = std::map<std::string_view, OnnxFn>;

const Table& table() {
  static const Table all = [] {
    Table t;
    for (const auto& part :
         {onnx_pointwise_ops(), onnx_shape_ops(), onnx_window_ops(), onnx_matrix_ops(), onnx_norm_ops()})
      for (const OnnxEntry& e : part) t[e.type] = e.run;
    return t;
  }();
  return all;
}

OnnxReference::Port port_of(const onnx::ValueInfoProto& info) {
  OnnxReference::Port p{info.name(), info.type().tensor_type().elem_type(), {}};
  for (const auto& dim : info.type().tensor_type().shape().dim())
    p.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  return p;
}

void check_port(const OnnxReference::Port& port, const OnnxValue& v, std::string_view what) {
  bool fits = port.type == v.type && port.shape.size() == v.shape.size() && onnx_count(v.shape) == v.size();
  for (size_t i = 0; fits && i < v.shape.size(); ++i) fits = port.shape[i] < 0 || port.shape[i] == v.shape[i];
  if (!fits)
    throw Error(Exit::data, str("ONNX ", what, " '", port.name, "' does not have the stated type and shape"));
}

}  // namespace

void run_onnx_op(OnnxCall& call) {
  const auto found = table().find(call.node.op_type());
  if (found == table().end()) call.fail("is not known");
  found->second(call);
}

struct OnnxReference::Impl {
  onnx::ModelProto model;
  std::map<std::string, OnnxValue> constants;
  int64_t opset = 0;
};

OnnxValue onnx_value(const Tensor& t) {
  OnnxValue out;
  out.shape.assign(t.shape().begin(), t.shape().end());
  const auto copy = [&](auto span) { out.v.assign(span.begin(), span.end()); };
  switch (t.dtype()) {
    case DType::f32:
      out.type = onnx::TensorProto::FLOAT, copy(t.data<float>());
      break;
    case DType::f64:
      out.type = onnx::TensorProto::DOUBLE, copy(t.data<double>());
      break;
    case DType::i32:
      out.type = onnx::TensorProto::INT32, copy(t.data<int32_t>());
      break;
    case DType::i64:
      out.type = onnx::TensorProto::INT64, copy(t.data<int64_t>());
      break;
    case DType::u8:
      out.type = onnx::TensorProto::UINT8, copy(t.data<uint8_t>());
      break;
    case DType::bf16:
    case DType::f16:
      throw Error(Exit::internal, "ONNX values of 16 bits are not compared");
  }
  return out;
}

OnnxReference::OnnxReference(std::string_view bytes) : impl_(std::make_unique<Impl>()) {
  onnx::ModelProto& model = impl_->model;
  if (bytes.size() > size_t{INT32_MAX} ||
      !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph())
    throw Error(Exit::data, "is not an ONNX model");
  for (const auto& import : model.opset_import())
    if (import.domain().empty()) impl_->opset = import.version();
  for (const onnx::TensorProto& t : model.graph().initializer()) impl_->constants[t.name()] = onnx_tensor(t);
  for (const onnx::NodeProto& n : model.graph().node())
    if (!table().contains(n.op_type()) || !n.domain().empty())
      throw Error(Exit::config, str("ONNX node '", n.name(), "': operator '", n.op_type(),
                                    "' is not known to the checker"));
}

OnnxReference::~OnnxReference() = default;
int64_t OnnxReference::opset() const { return impl_->opset; }

std::vector<OnnxReference::Port> OnnxReference::inputs() const {
  std::vector<Port> ports;
  for (const auto& info : impl_->model.graph().input()) ports.push_back(port_of(info));
  return ports;
}

std::vector<OnnxReference::Port> OnnxReference::outputs() const {
  std::vector<Port> ports;
  for (const auto& info : impl_->model.graph().output()) ports.push_back(port_of(info));
  return ports;
}

std::map<std::string, std::string> OnnxReference::metadata() const {
  std::map<std::string, std::string> out;
  for (const auto& entry : impl_->model.metadata_props()) out[entry.key()] = entry.value();
  return out;
}

std::map<std::string, OnnxValue> OnnxReference::run(const std::map<std::string, OnnxValue>& inputs) const {
  std::map<std::string, OnnxValue> computed;
  const auto find = [&](const std::string& name) -> const OnnxValue* {
    for (const auto* map : std::initializer_list<const std::map<std::string, OnnxValue>*>{&computed, &inputs,
                                                                                          &impl_->constants})
      if (const auto it = map->find(name); it != map->end()) return &it->second;
    return nullptr;
  };
  for (const Port& port : this->inputs()) {
    const OnnxValue* v = find(port.name);
    if (!v) throw Error(Exit::data, str("ONNX input '", port.name, "' is not given"));
    check_port(port, *v, "input");
  }
  for (const onnx::NodeProto& node : impl_->model.graph().node()) {
    OnnxCall call{node, impl_->opset, {}, std::vector<OnnxValue>(static_cast<size_t>(node.output_size()))};
    for (const std::string& name : node.input()) {
      call.in.push_back(name.empty() ? nullptr : find(name));
      if (!name.empty() && !call.in.back()) call.fail(str("operand '", name, "' is not defined"));
    }
    table().at(node.op_type())(call);
    for (int i = 0; i < node.output_size(); ++i)
      computed[node.output(i)] = std::move(call.out[static_cast<size_t>(i)]);
  }
  std::map<std::string, OnnxValue> out;
  for (const Port& port : outputs()) {
    const OnnxValue* v = find(port.name);
    if (!v) throw Error(Exit::data, str("ONNX output '", port.name, "' is not computed"));
    check_port(port, *v, "output");
    out[port.name] = *v;
  }
  return out;
}

}  // namespace dl
