#include "exchange/onnx_import.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "exchange/onnx_importer.h"
#include "ops/registry.h"

namespace dl {
namespace {

constexpr int64_t kAnyBatch = 97;  // stands for a symbolic extent
constexpr int64_t kMostFolded = int64_t{1} << 26;

bool is_name(const std::string& s) {
  const auto ok = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  return !s.empty() && s.size() <= 100 && !std::isdigit(static_cast<unsigned char>(s[0])) && s[0] != '.' &&
         s.back() != '.' && s.find("..") == std::string::npos && std::all_of(s.begin(), s.end(), ok);
}

// A name like `text` that the config takes.
std::string as_name(const std::string& text, const std::string& otherwise) {
  if (is_name(text)) return text;
  std::string out;
  for (char c : text)
    if (const bool ok = std::isalnum(static_cast<unsigned char>(c));
        ok || (!out.empty() && out.back() != '_'))
      out += ok ? c : '_';
  while (!out.empty() && out.back() == '_') out.pop_back();
  if (!out.empty() && std::isdigit(static_cast<unsigned char>(out[0]))) out.insert(0, otherwise + '_');
  return is_name(out) ? out : otherwise;
}

DType input_type(const onnx::ValueInfoProto& info) {
  switch (info.type().tensor_type().elem_type()) {
    case onnx::TensorProto::FLOAT:
      return DType::f32;
    case onnx::TensorProto::UINT8:
      return DType::u8;
    case onnx::TensorProto::INT32:
      return DType::i32;
    default:
      throw Error(Exit::config,
                  str("ONNX input '", info.name(), "' has elements of type ",
                      info.type().tensor_type().elem_type(), ", supported are float, uint8 and int32"));
  }
}

const std::set<std::string_view>& foldable() {
  static const std::set<std::string_view> all{
      "Add",      "Sub",      "Mul",     "Div",       "Neg",     "Sqrt",    "Reciprocal", "Cast",
      "Concat",   "Gather",   "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose",  "Slice",
      "Identity", "Constant", "Min",     "Max",       "Pow",     "Shape"};
  return all;
}

}  // namespace

// ---- Names and ports ------------------------------------------------------------------------------------------------

// Inputs and outputs get names that the config takes, everywhere in the file.
void OnnxImporter::rename_ports(onnx::GraphProto& g) {
  std::set<std::string> constants, taken;
  std::map<std::string, std::string> to;
  for (const auto& t : g.initializer()) constants.insert(t.name());
  const auto plan = [&](const std::string& name, const std::string& otherwise) {
    if (constants.contains(name) || to.contains(name)) return;
    std::string fresh = as_name(name, otherwise);
    for (int i = 1; taken.contains(fresh); ++i) fresh = str(as_name(name, otherwise), '_', i);
    taken.insert(fresh);
    to[name] = fresh;
  };
  for (const auto& port : g.input()) plan(port.name(), "input");
  for (const auto& port : g.output()) plan(port.name(), "output");
  std::set<std::string> others;
  const auto rename = [&](std::string* name) {
    if (const auto found = to.find(*name); found != to.end())
      *name = found->second;
    else if (taken.contains(*name))
      *name += "/inner";
  };
  for (auto& port : *g.mutable_input()) rename(port.mutable_name());
  for (auto& port : *g.mutable_output()) rename(port.mutable_name());
  for (auto& t : *g.mutable_initializer()) rename(t.mutable_name());
  for (auto& n : *g.mutable_node()) {
    for (auto& name : *n.mutable_input()) rename(&name);
    for (auto& name : *n.mutable_output()) rename(&name);
  }
}

void OnnxImporter::add_inputs(const onnx::GraphProto& g) {
  json inputs = json::object();
  std::vector<const onnx::ValueInfoProto*> ports;
  for (const auto& info : g.input())
    if (!values_.contains(info.name())) ports.push_back(&info);
  if (ports.empty()) throw Error(Exit::config, "the ONNX file has no inputs");
  for (const onnx::ValueInfoProto* info : ports) {
    const auto& shape = info->type().tensor_type().shape();
    if (shape.dim_size() < 2 || shape.dim_size() > kMaxRank)
      throw Error(Exit::config, str("ONNX input '", info->name(), "' has ", shape.dim_size(),
                                    " extents, expected the batch and 1 to ", kMaxRank - 1, " more"));
    if (shape.dim(0).dim_value() > 0) out_.batch = shape.dim(0).dim_value();
  }
  batch_ = out_.batch > 0 ? out_.batch : kAnyBatch;
  for (const onnx::ValueInfoProto* info : ports) {
    TensorType type{input_type(*info), {}};
    Extents with_batch{batch_};
    for (int i = 1; i < info->type().tensor_type().shape().dim_size(); ++i) {
      const int64_t extent = info->type().tensor_type().shape().dim(i).dim_value();
      if (extent < 1 || extent > int64_t{1} << 30)
        throw Error(Exit::config,
                    str("ONNX input '", info->name(), "': extent ", i, " is not a fixed number"));
      type.shape.push_back(extent);
      with_batch.push_back(extent);
    }
    json sample = json::array();
    for (int64_t extent : type.shape) sample.push_back(extent);
    inputs[info->name()] =
        type.dtype == DType::f32 ? sample : json{{"shape", sample}, {"dtype", name_of(type.dtype)}};
    out_.inputs.push_back({info->name(), type});
    names_.insert(info->name());
    Imported v{.layer = info->name(), .shape = with_batch};
    v.type = info->type().tensor_type().elem_type();
    values_[info->name()] = v;
  }
  out_.model["inputs"] = inputs;
}

void OnnxImporter::add_outputs(const onnx::GraphProto& g) {
  json outputs = json::object();
  if (g.output_size() == 0) throw Error(Exit::config, "the ONNX file has no outputs");
  for (const auto& info : g.output()) {
    onnx::NodeProto end;
    end.set_name(info.name());
    end.set_op_type("output");
    end.add_input(info.name());
    Node n{end, {end, opset_, {}, {}}};
    const Imported v = computed(n, 0);
    if (!layer(v.layer)) fail(n, "is an input of the network, expected the result of a layer");
    outputs[info.name()] = v.layer;
    TensorType type{DType::f32, {}};
    for (size_t i = 1; i < v.shape.size(); ++i) type.shape.push_back(v.shape[i]);
    out_.outputs.push_back({info.name(), type});
  }
  out_.model["outputs"] = outputs;
}

// ---- For the handlers -----------------------------------------------------------------------------------------------

Imported& OnnxImporter::value(const Node& n, int i) {
  if (!has(n, i)) fail(n, str("operand ", i, " is missing"));
  const auto found = values_.find(n.proto.input(i));
  if (found == values_.end()) fail(n, str("operand '", n.proto.input(i), "' is not defined before it"));
  return found->second;
}

const OnnxValue* OnnxImporter::constant_if(const Node& n, int i) {
  if (!has(n, i)) return nullptr;
  const Imported& v = value(n, i);
  return v.constant ? &*v.constant : nullptr;
}

const OnnxValue& OnnxImporter::constant(const Node& n, int i) {
  const OnnxValue* v = constant_if(n, i);
  if (!v) fail(n, str("operand ", i, " is computed, expected a constant"));
  return *v;
}

int OnnxImporter::uses(const Node& n, int i) const {
  const auto found = uses_.find(n.proto.input(i));
  return found == uses_.end() ? 0 : found->second;
}

// The layer that gives a value; one is added where it is a function that waits.
std::string OnnxImporter::materialized(const Node& n, Imported& v) {
  switch (v.form) {
    case Imported::Form::plain:
      if (v.type != onnx::TensorProto::FLOAT && !layer(v.layer))
        fail(n, str("input '", v.layer, "' of integers is used without a Cast"));
      if (!layer(v.layer) && !raw_inputs_.insert(v.layer).second && out_.normalization.contains(v.layer))
        fail(n, str("input '", v.layer, "' is used with and without normalisation"));
      return v.layer;
    case Imported::Form::scaled: {
      const std::string name = free_name("", "scale_shift");
      out_.model["layers"].push_back({{"type", "scale_shift"},
                                      {"name", name},
                                      {"inputs", {v.layer}},
                                      {"scale", static_cast<float>(v.factor)}});
      v = {.layer = name, .shape = v.shape};
      return name;
    }
    case Imported::Form::standardized: {
      Standardization s;
      for (float x : v.shift) s.mean.push_back(x);
      for (float x : v.scale) {  // 1 / deviation is to be this factor again
        float d = 1 / x;
        for (const float near : {std::nextafter(d, 0.0f), std::nextafter(d, INFINITY)})
          if (1 / d != x && 1 / near == x) d = near;
        s.std.push_back(d);
      }
      const auto pairs = static_cast<size_t>(v.shape[1]);
      if (s.mean.empty()) s.mean.assign(pairs, 0);
      if (s.std.empty()) s.std.assign(pairs, 1);
      const bool known = out_.normalization.contains(v.layer);
      if (known && (out_.normalization[v.layer].mean != s.mean || out_.normalization[v.layer].std != s.std))
        fail(n, str("input '", v.layer, "' is normalised in two ways"));
      if (raw_inputs_.contains(v.layer))
        fail(n, str("input '", v.layer, "' is used with and without normalisation"));
      out_.normalization[v.layer] = s;
      return v.layer;
    }
    default:
      fail(n, "operator Erf is supported as a part of GELU only");
  }
}

Imported OnnxImporter::computed(const Node& n, int i) {
  Imported& v = value(n, i);
  if (v.constant) fail(n, str("operand ", i, " is a constant, expected a computed value"));
  Imported out = v;
  out.layer = materialized(n, v);
  out.form = Imported::Form::plain;
  return out;
}

void OnnxImporter::set(const Node& n, Imported v) {
  if (n.proto.output_size() == 0) fail(n, "has no output");
  values_[n.proto.output(0)] = std::move(v);
}

std::string OnnxImporter::free_name(const std::string& stem, const std::string& type) {
  if (is_name(stem) && names_.insert(stem).second) return stem;
  std::string name;
  do name = str(type, '_', ++counters_[type]);
  while (!names_.insert(name).second);
  return name;
}

std::string OnnxImporter::stem_of(const Node& n, int i) const {
  std::string name = n.proto.input(i);
  for (std::string_view end : {".weight", ".scale", ".gamma", "_weight", ".kernel"})
    if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
  return {};
}

std::string OnnxImporter::add(const Node& n, const std::string& type, const std::vector<std::string>& inputs,
                              json attributes, Extents shape, const std::string& stem) {
  for (size_t i = 1; i < shape.size(); ++i)
    if (shape[i] < 1 || shape[i] > int64_t{1} << 40) fail(n, "its result has an extent out of range");
  if (shape.empty() || shape.size() > kMaxRank) fail(n, str("its result has ", shape.size(), " axes"));
  json one = {{"type", type}, {"name", free_name(stem, type)}};
  one["inputs"] = inputs;
  for (const auto& item : attributes.items()) one[item.key()] = item.value();
  const std::string name = one["name"];
  out_.model["layers"].push_back(std::move(one));
  set(n, {.layer = name, .shape = std::move(shape)});
  return name;
}

void OnnxImporter::parameter(const std::string& layer, const std::string& suffix, const OnnxValue& v,
                             Extents shape) {
  Shape s;
  for (int64_t extent : shape) s.push_back(extent);
  Tensor t(DType::f32, s);
  if (t.elements() != v.size())
    throw Error(Exit::data, str("layer '", layer, "': its ", suffix, " has ", v.size(),
                                " elements, expected ", t.elements()));
  std::transform(v.v.begin(), v.v.end(), t.data<float>().begin(),
                 [](double x) { return static_cast<float>(x); });
  out_.parameters[str(layer, '.', suffix)] = std::move(t);
}

json* OnnxImporter::layer(const std::string& name) {
  for (auto it = out_.model["layers"].rbegin(); it != out_.model["layers"].rend(); ++it)
    if ((*it)["name"] == name) return &*it;
  return nullptr;
}

bool OnnxImporter::drop_last(const std::string& name) {
  json& all = out_.model["layers"];
  if (all.empty() || all.back()["name"] != name) return false;
  all.erase(all.size() - 1);
  names_.erase(name);
  return true;
}

// ---- Nodes ----------------------------------------------------------------------------------------------------------

// A node of constants alone is computed by the reference.
bool OnnxImporter::fold(const Node& n) {
  const std::string& type = n.proto.op_type();
  if (!foldable().contains(type)) return false;
  if (type == "Shape" && has(n, 0) && !value(n, 0).constant) {
    OnnxValue v = onnx_zeros(onnx::TensorProto::INT64, {static_cast<int64_t>(value(n, 0).shape.size())});
    for (size_t i = 0; i < v.v.size(); ++i) v.v[i] = static_cast<double>(value(n, 0).shape[i]);
    if (n.proto.attribute_size() > 0) fail(n, "a part of a shape is not supported");
    set(n, {.constant = std::move(v)});
    return true;
  }
  OnnxCall call{n.proto, opset_, {}, std::vector<OnnxValue>(static_cast<size_t>(n.proto.output_size()))};
  double product = 1;
  for (int i = 0; i < n.proto.input_size(); ++i) {
    const OnnxValue* v = constant_if(n, i);
    if (!v && has(n, i)) return false;
    call.in.push_back(v);
    product *= v ? std::max(1.0, static_cast<double>(v->size())) : 1;
  }
  const bool stretches = type == "Add" || type == "Sub" || type == "Mul" || type == "Div" || type == "Min" ||
                         type == "Max" || type == "Pow" || type == "Gather";
  if (n.proto.output_size() != 1) return false;
  if (stretches && product > static_cast<double>(kMostFolded)) fail(n, "is too large a constant");
  run_onnx_op(call);
  set(n, {.constant = std::move(call.out[0])});
  return true;
}

void OnnxImporter::add_node(const onnx::NodeProto& proto) {
  Node n{proto, {proto, opset_, {}, {}}};
  if (proto.output_size() == 0) fail(n, "has no output");
  for (const std::string& out : proto.output())
    if (values_.contains(out)) fail(n, str("'", out, "' is defined twice"));
  const bool standard = proto.domain().empty() || proto.domain() == "ai.onnx";
  if (standard && fold(n)) return;
  const auto& handlers = onnx_handlers();
  const auto found = handlers.find(proto.op_type());
  if (!standard || found == handlers.end())
    throw Error(
        Exit::config, {},
        str("ONNX node '", proto.name().empty() ? proto.output(0) : proto.name(), "': operator '",
            proto.domain().empty() ? "" : proto.domain() + ".", proto.op_type(), "' is not supported"),
        str("supported are ", join(onnx_import_operators(), ", ")));
  for (int i = 1; i < proto.output_size(); ++i)
    if (const auto used = uses_.find(proto.output(i)); used != uses_.end() && used->second > 0)
      fail(n, "only its first output is supported");
  found->second(*this, n);
}

void OnnxImporter::run(onnx::ModelProto& model) {
  onnx::GraphProto& g = *model.mutable_graph();
  for (const auto& import : model.opset_import())
    if (import.domain().empty() || import.domain() == "ai.onnx") opset_ = import.version();
  if (opset_ < 7) throw Error(Exit::config, str("the ONNX file has opset ", opset_, ", expected 7 or newer"));
  rename_ports(g);
  out_.model = {{"name", as_name(g.name(), "network")}, {"layers", json::array()}};
  for (const onnx::TensorProto& t : g.initializer()) values_[t.name()].constant = onnx_tensor(t);
  for (const auto& n : g.node())
    for (const std::string& name : n.input()) ++uses_[name];
  for (const auto& o : g.output()) ++uses_[o.name()];
  add_inputs(g);
  for (const auto& n : g.node()) add_node(n);
  add_outputs(g);
}

const std::map<std::string_view, OnnxHandler>& onnx_handlers() {
  static const std::map<std::string_view, OnnxHandler> all = [] {
    std::map<std::string_view, OnnxHandler> t;
    for (const auto& part : {onnx_layer_handlers(), onnx_arithmetic_handlers()})
      for (const auto& [type, handler] : part) t[type] = handler;
    return t;
  }();
  return all;
}

std::vector<std::string> onnx_import_operators() {
  std::vector<std::string> out;
  for (const auto& [type, handler] : onnx_handlers()) out.emplace_back(type);
  for (std::string_view type : foldable())
    if (!onnx_handlers().contains(type)) out.emplace_back(type);
  std::sort(out.begin(), out.end());
  return out;
}

ImportedNetwork from_onnx(std::string_view bytes) {
  onnx::ModelProto model;
  if (bytes.size() > size_t{INT32_MAX} ||
      !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph())
    throw Error(Exit::data, "is not an ONNX model");
  ImportedNetwork out;
  OnnxImporter(out).run(model);
  for (const auto& entry : model.metadata_props()) out.metadata[entry.key()] = entry.value();
  out.producer = model.producer_name();
  model.SerializeToString(&out.bytes);
  return out;
}

}  // namespace dl
