#include "exchange/onnx_emit.h"

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

// JSON does not tell 1 from 1.0; these ONNX attributes are floats whatever they look like.
bool is_float_attribute(std::string_view name) {
  for (std::string_view known : {"alpha", "beta", "gamma", "epsilon", "momentum", "lambd", "bias"})
    if (name == known) return true;
  return false;
}

void set_attribute(onnx::AttributeProto& out, const std::string& name, const json& value) {
  out.set_name(name);
  if (value.is_string()) {
    out.set_type(onnx::AttributeProto::STRING);
    out.set_s(value.get<std::string>());
  } else if (value.is_array()) {
    out.set_type(onnx::AttributeProto::INTS);
    for (const json& one : value) out.add_ints(one.get<int64_t>());
  } else if (value.is_number_float() || is_float_attribute(name)) {
    out.set_type(onnx::AttributeProto::FLOAT);
    out.set_f(value.get<float>());
  } else {
    out.set_type(onnx::AttributeProto::INT);
    out.set_i(value.is_boolean() ? value.get<bool>() : value.get<int64_t>());
  }
}

}  // namespace

int32_t onnx_type(DType t) {
  switch (t) {
    case DType::f32:
      return onnx::TensorProto::FLOAT;
    case DType::f64:
      return onnx::TensorProto::DOUBLE;
    case DType::i32:
      return onnx::TensorProto::INT32;
    case DType::i64:
      return onnx::TensorProto::INT64;
    case DType::u8:
      return onnx::TensorProto::UINT8;
    case DType::bf16:
      return onnx::TensorProto::BFLOAT16;
    case DType::f16:
      return onnx::TensorProto::FLOAT16;
  }
  return onnx::TensorProto::UNDEFINED;
}

void set_onnx_tensor(onnx::TensorProto& out, const std::string& name, const Tensor& value) {
  out.set_name(name);
  out.set_data_type(onnx_type(value.dtype()));
  for (int64_t extent : value.shape()) out.add_dims(extent);
  out.set_raw_data(value.raw(), static_cast<size_t>(value.bytes()));
}

std::string OnnxEmitter::fresh(const std::string& stem) {
  std::string candidate = stem;
  for (int i = 1; !used_.insert(candidate).second; ++i) candidate = str(stem, '_', i);
  return candidate;
}

void OnnxEmitter::set_name(ValueId v, std::string name) {
  if (names_.empty()) names_.resize(graph_.values.size());
  names_[static_cast<size_t>(v)] = std::move(name);
}

const std::string& OnnxEmitter::name(ValueId v) {
  static const std::string absent;
  if (v == kNone) return absent;
  if (names_.empty()) names_.resize(graph_.values.size());
  std::string& mine = names_[static_cast<size_t>(v)];
  if (!mine.empty()) return mine;
  const Value& value = graph_.value(v);
  const Node* producer = graph_.producer(v);
  if (!producer) return mine = fresh(value.name);
  std::string stem =
      producer->name.empty() ? std::string(producer->op->name) : str(producer->name, '/', producer->op->name);
  if (value.index > 0) stem += str(':', value.index);
  return mine = fresh(stem);
}

onnx::NodeProto& OnnxEmitter::add_node(std::string_view type, int64_t since, const Names& in,
                                       const Names& out, const json& attributes) {
  opset_ = std::max(opset_, since);
  onnx::NodeProto& node = *out_.add_node();
  node.set_op_type(std::string(type));
  node.set_name(str("node/", out.front()));
  size_t last = in.size();
  while (last > 0 && in[last - 1].empty()) --last;  // trailing absent operands are left out
  for (size_t i = 0; i < last; ++i) node.add_input(in[i]);
  for (const std::string& one : out) node.add_output(one);
  if (attributes.is_object())
    for (const auto& item : attributes.items())
      set_attribute(*node.add_attribute(), item.key(), item.value());
  return node;
}

std::string OnnxEmitter::add(std::string_view type, int64_t since, const Names& in, const json& attributes,
                             std::string result) {
  if (result.empty()) result = fresh(str(prefix_, '/', type));
  add_node(type, since, in, {result}, attributes);
  return result;
}

std::string OnnxEmitter::integers(const std::vector<int64_t>& values) {
  Tensor t(DType::i64, Shape{static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<int64_t>().begin());
  const std::string result = fresh(str(prefix_, "/extents"));
  set_onnx_tensor(*out_.add_initializer(), result, t);
  return result;
}

std::string OnnxEmitter::floats(const std::vector<float>& values) {
  Tensor t(DType::f32, Shape{static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<float>().begin());
  const std::string result = fresh(str(prefix_, "/numbers"));
  set_onnx_tensor(*out_.add_initializer(), result, t);
  return result;
}

std::string OnnxEmitter::scalar(float value) {
  Tensor t(DType::f32, Shape{});
  t.data<float>()[0] = value;
  const std::string result = fresh(str(prefix_, "/constant"));
  set_onnx_tensor(*out_.add_initializer(), result, t);
  return result;
}

// Images in blocked form and terms that the fuse pass moved into a node are a plan's own.
static bool of_plans_only(const OnnxEmitter& e, const Node& node) {
  const json a = e.attributes(node);
  const Shape& x = e.graph().type(node.in[0]).shape;
  const bool pooled = (node.op->name.ends_with("_pool2d") || node.op->name == "upsample2d") && x.rank() == 5;
  const bool norm = node.op->name.starts_with("batch_norm");
  return pooled || a.value("algorithm", "im2col") != "im2col" || a.value("blocked", false) ||
         (norm && (node.in.size() > 5 || a.value("activation", "none") != "none"));
}

bool OnnxEmitter::emit(const Node& node) {
  if (of_plans_only(*this, node)) return false;
  prefix_ = node.name.empty() ? std::string(node.op->name) : node.name;
  if (const EmitFn special = onnx_emitter(node.op->name)) return special(*this, node);
  if (node.op->onnx.op_type.empty()) return false;
  Names in, out;
  for (ValueId v : node.in) in.push_back(name(v));
  for (ValueId v : node.out) out.push_back(name(v));
  json attributes = json::parse(node.op->onnx.attrs);
  attributes.update(node.op->attrs->onnx(node.attrs.get()));
  add_node(node.op->onnx.op_type, node.op->onnx.opset, in, out, attributes);
  return true;
}

}  // namespace dl
