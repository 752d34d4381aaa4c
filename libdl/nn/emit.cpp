#include "nn/emit.h"

#include "ops/registry.h"

namespace dl {

std::vector<ValueId> Emit::all(std::string_view op, std::vector<ValueId> in, const json& attrs) const {
  const OpDef* def = find_op(op);
  if (!def) throw Error(Exit::internal, str("there is no operator '", op, "'"));
  while (!in.empty() && in.back() == kNone) in.pop_back();
  return g.add_node(*def, std::move(in), def->attrs->parse(attrs, origin, {}), name, origin, phase);
}

ValueId Emit::number(double v) const {
  Tensor t(DType::f32, {});
  t.data<float>()[0] = static_cast<float>(v);
  return g.add_constant(str(name, "/constant_", g.constants.size()), std::move(t));
}

ValueId scalar_input(Graph& g, std::string_view name, DType type) {
  const ValueId known = g.find(name);
  return known != kNone ? known : g.add_leaf(ValueKind::input, std::string(name), {type, {}});
}

}  // namespace dl
