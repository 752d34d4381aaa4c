#include "nn/loss_def.h"

#include "ops/registry.h"

namespace dl {

const LossDef* find_loss(std::string_view name) {
  for (const auto table : {pair_losses(), class_losses(), embedding_losses(), mask_losses()})
    for (const LossDef& def : table)
      if (def.name == name) return &def;
  return nullptr;
}

void LossCtx::fail(const std::string& message, const std::string& hint, std::string_view key) const {
  throw Error(Exit::config, key.empty() ? at : pointer_join(at, key), message, hint);
}

ValueId LossCtx::emit(std::string_view op, std::vector<ValueId> in, const json& op_attrs) {
  const OpDef* def = find_op(op);
  if (!def) throw Error(Exit::internal, str("there is no operator '", op, "'"));
  return model.graph.add_node(*def, std::move(in), def->attrs->parse(op_attrs, at, {}), "loss", at)[0];
}

ValueId LossCtx::constant(std::string_view suffix, Tensor value) {
  std::string name = str(output.name, '.', suffix);
  for (int i = 2; model.graph.find(name) != kNone; ++i) name = str(output.name, '.', suffix, '_', i);
  return model.graph.add_constant(std::move(name), std::move(value));
}

ValueId LossCtx::reshape(ValueId v, const std::vector<int64_t>& extents) {
  if (shape(v) == Shape(std::span<const int64_t>(extents))) return v;
  return emit("reshape", {v}, {{"shape", extents}});
}
ValueId LossCtx::linear(ValueId v, double scale, double shift) {
  return emit("scale_shift", {v}, {{"scale", scale}, {"shift", shift}});
}
ValueId LossCtx::sum(ValueId v, int axis) {
  return emit("reduce_sum", {v}, {{"axes", {axis}}, {"keepdims", true}});
}
ValueId LossCtx::largest(ValueId v, int axis) {
  return emit("reduce_max", {v}, {{"axes", {axis}}, {"keepdims", true}});
}

ValueId LossCtx::numbers(bool labels) {
  if (target.classes > 2 || (target.classes == 2 && !labels))
    fail(str(type, " needs numbers, target '", target.name, "' has ", target.classes, " classes"),
         "use cross_entropy");
  const Shape y = shape(x());
  ValueId t = leaf;
  if (model.graph.type(t).dtype != DType::f32) t = emit("cast", {t}, {{"to", "f32"}});
  if (shape(t).elements() != y.elements())
    fail(str("output '", output.name, "' has shape [", y.text(), "], target '", target.name, "' [",
             shape(t).text(), "]"),
         "the last layer gives as many values as the target has");
  return reshape(t, {y.begin(), y.end()});
}

ValueId LossCtx::signs() {
  const ValueId t = numbers(true);
  return target.classes == 2 ? linear(t, 2, -1) : t;
}

bool LossCtx::several_classes() const {
  const Shape& y = shape(x());
  return target.classes > 0 && y.rank() >= 2 && y[1] == target.classes && target.classes > 1;
}

ValueId LossCtx::shares() {
  const Shape y = shape(x()), t = shape(leaf);
  if (target.classes == 0)
    fail(str(type, " needs class labels, target '", target.name, "' holds numbers"), "use mse, l1 or huber");
  if (y.rank() < 2 || y[1] != target.classes)
    fail(str("output '", output.name, "' gives ", y.rank() > 1 ? y[1] : 1, " values, the data set has ",
             target.classes, " classes"),
         "\"units\": \"$classes\" takes their number from the data set");
  const bool soft = model.graph.type(leaf).dtype == DType::f32;
  const ValueId share = soft ? leaf : emit("one_hot", {leaf}, {{"classes", target.classes}});
  if (shape(share).elements() != y.elements())
    fail(str("output '", output.name, "' has shape [", y.text(), "], target '", target.name, "' [", t.text(),
             "]"));
  return reshape(share, {y.begin(), y.end()});
}

ValueId LossCtx::rows() {
  const Shape y = shape(x());
  return reshape(x(), {y[0], y.elements(1, y.rank())});
}

}  // namespace dl
