#include "nn/layer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/random.h"
#include "ops/registry.h"

namespace dl {
namespace {

constexpr std::array<std::string_view, 6> kCommonKeys{"if",       "repeat", "freeze",
                                                      "lr_scale", "init",   "bias_init"};

std::array<std::span<const LayerDef>, 7> tables() {
  return {dense_layers(),  conv_layers(),       shape_layers(),   norm_layers(),
          random_layers(), activation_layers(), adaptive_layers()};
}

const LayerDef* find_def(std::string_view name) {
  for (const auto table : tables())
    for (const LayerDef& def : table)
      if (def.name == name) return &def;
  return nullptr;
}

// Operators that stand in a model under their own name: one input, a gradient. These two serve gradients
// only.
bool is_layer(const OpDef& op) {
  return op.args == "x" && op.grad && !(op.traits & (kUpdate | kRandom)) && op.name != "sum_to" &&
         op.name != "broadcast_to";
}

}  // namespace

LayerType find_layer_type(std::string_view name) {
  if (const LayerDef* def = find_def(name)) return {def, nullptr};
  const OpDef* op = find_op(name);
  return {nullptr, op && is_layer(*op) ? op : nullptr};
}

std::vector<std::string> layer_types() {
  std::vector<std::string> names;
  for (const auto table : tables())
    for (const LayerDef& def : table) names.emplace_back(def.name);
  for (const OpDef* op : all_ops())
    if (is_layer(*op) && !find_def(op->name)) names.emplace_back(op->name);
  return names;
}

std::string_view layer_doc(std::string_view name) {
  const LayerType type = find_layer_type(name);
  return type.def ? type.def->doc : type.op->doc;
}

json layer_schema(std::string_view name) {
  const LayerType type = find_layer_type(name);
  return (type.def ? type.def->attrs : type.op->attrs)->schema();
}

Error name_layer(const Error& e, const ExpandedLayer& layer) {
  const std::string text = e.what(), head = str("layer '", layer.name, "': ");
  Error named(e.code, e.pointer.empty() ? layer.pointer : e.pointer,
              (text.starts_with(head) ? "" : head) + text + describe_uses(layer), e.hint);
  named.about_key = e.about_key;
  return named;
}

Attrs read_attributes(const ExpandedLayer& layer) {
  const LayerType type = find_layer_type(layer.type);
  if (!type.def && !type.op) {
    const std::vector<std::string> known = layer_types(), near = closest(layer.type, known);
    throw Error(Exit::config, layer.pointer, str("unknown layer type '", layer.type, "'"),
                near.empty() ? "known: " + join(known, ", ") : "did you mean " + join(near, ", or ") + "?");
  }
  return (type.def ? type.def->attrs : type.op->attrs)->parse(layer.attributes, layer.pointer, kCommonKeys);
}

std::string LayerCtx::sample_text(size_t i) const {
  std::string s;
  for (int d = 1; d < shape(i).rank(); ++d) s += str(d > 1 ? ", " : "", shape(i)[d]);
  return "(" + s + ")";
}

void LayerCtx::fail(std::string_view key, const std::string& message, const std::string& hint) const {
  throw Error(Exit::config, key.empty() ? layer.pointer : pointer_join(layer.pointer, key),
              str("layer '", layer.name, "': ", message), hint);
}

void LayerCtx::need_images() const {
  if (shape().rank() != 4)
    fail("", str(layer.type, " takes images (channels, height, width), got ", sample_text(), " from '",
                 layer.inputs[0], "'"));
}

Initializer LayerCtx::initializer(const char* key, const char* fallback) const {
  Initializer init;
  init.type = fallback;
  const auto it = layer.common.find(key);
  if (it != layer.common.end()) FieldType<Initializer>::parse(init, it->second.value, it->second.pointer, {});
  return init;
}

ValueId LayerCtx::parameter(std::string_view suffix, const Shape& shape, Initializer init, bool decay) {
  double elements = 1;
  for (int64_t extent : shape) elements *= static_cast<double>(extent);
  if (elements > 1e11) fail("", str("its ", suffix, " f32[", shape.text(), "] is too large"));
  Parameter p;
  p.name = str(layer.name, '.', suffix);
  p.value = model.graph.add_leaf(ValueKind::parameter, p.name, {DType::f32, shape});
  p.init = std::move(init);
  p.decay = decay;
  p.frozen = frozen();
  p.layer = layer.name;
  p.origin = layer.pointer;
  if (const auto it = layer.common.find("lr_scale"); it != layer.common.end())
    FieldType<double>::parse(p.lr_scale, it->second.value, it->second.pointer, {0, 1e6});
  info.parameters += shape.elements();
  model.parameters.push_back(std::move(p));
  return model.parameters.back().value;
}

ValueId LayerCtx::weight(std::string_view suffix, const Shape& shape) {
  return parameter(suffix, shape, initializer("init", "he_uniform"), true);
}

ValueId LayerCtx::bias(std::string_view suffix, const Shape& shape) {
  return parameter(suffix, shape, initializer("bias_init", "zero"), false);
}

ValueId LayerCtx::gain(std::string_view suffix, const Shape& shape, double fill) {
  Initializer init;
  FieldType<Initializer>::parse(init, {{"type", "constant"}, {"value", fill}}, layer.pointer, {});
  return parameter(suffix, shape, std::move(init), false);
}

ValueId LayerCtx::state(std::string_view suffix, const Shape& shape, double fill) {
  const std::string name = str(layer.name, '.', suffix);
  const ValueId v = model.graph.add_leaf(ValueKind::state, name, {DType::f32, shape});
  model.states.push_back({name, v, fill, false});
  info.states += shape.elements();
  return v;
}

ValueId LayerCtx::constant(std::string_view suffix, const Shape& shape, float fill) {
  Tensor t(DType::f32, shape);
  std::ranges::fill(t.data<float>(), fill);
  return model.graph.add_constant(str(layer.name, '.', suffix), std::move(t));
}

int64_t LayerCtx::stream(std::string_view use) const {
  return static_cast<int64_t>(stream_id(use.empty() ? layer.name : str(layer.name, '.', use)) >> 2);
}

// Along the last axis it is a root-mean-square norm with a constant factor, which is one operator.
ValueId LayerCtx::unit_length(ValueId x, int axis, double epsilon) {
  const Shape shape = model.graph.type(x).shape;
  if (axis == shape.rank() - 1) {
    const auto n = static_cast<double>(shape[axis]);
    const ValueId factor = constant(str("unit_", model.graph.values.size()), {shape[axis]},
                                    static_cast<float>(1 / std::sqrt(n)));
    return emit("rms_norm", {x, factor}, {{"epsilon", epsilon / n}});
  }
  const ValueId squares = emit("reduce_sum", {emit("square", {x})}, {{"axes", {axis}}, {"keepdims", true}});
  return emit("div", {x, emit("sqrt", {emit("scale_shift", {squares}, {{"shift", epsilon}})})});
}

std::vector<ValueId> LayerCtx::emit_all(std::string_view op, std::vector<ValueId> inputs,
                                        const json& op_attrs) {
  const OpDef* def = find_op(op);
  if (!def) throw Error(Exit::internal, str("there is no operator '", op, "'"));
  return model.graph.add_node(*def, std::move(inputs), def->attrs->parse(op_attrs, layer.pointer, {}),
                              layer.name, layer.pointer);
}

void LayerCtx::count_products(int64_t outputs, int64_t terms) {
  int64_t n = 0;
  if (__builtin_mul_overflow(outputs, terms, &n) ||
      __builtin_add_overflow(info.multiply_adds, n, &info.multiply_adds))
    info.multiply_adds = std::numeric_limits<int64_t>::max();
}

ValueId LayerCtx::step_input() {
  if (*step == kNone) *step = model.graph.add_leaf(ValueKind::input, "step", {DType::i64, {}});
  return *step;
}

}  // namespace dl
