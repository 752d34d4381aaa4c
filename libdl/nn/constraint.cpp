#include "nn/constraint.h"

#include "nn/emit.h"
#include "nn/model.h"

namespace dl {

struct LayersConstraint {
  Globs layers;
};
constexpr auto fields(const LayersConstraint*) {
  return std::tuple{field("layers", &LayersConstraint::layers,
                          "Names or patterns of the layers it holds for; empty: all.")};
}
struct MaxNormConstraint : LayersConstraint {
  double max = 3;
};
constexpr auto fields(const MaxNormConstraint*) {
  return std::tuple_cat(
      std::tuple{field("max", &MaxNormConstraint::max, "Largest Euclidean norm of a unit's weights.")
                     .at_least(1e-6)},
      fields(static_cast<const LayersConstraint*>(nullptr)));
}

std::span<const Variant> ConstraintFamily::variants() {
  static const Variant all[] = {
      {"max_norm", "Units whose norm is above `max` are scaled back to it (Srivastava et al. 2014).",
       &attr_ops<MaxNormConstraint>},
      {"unit_norm", "Every unit is scaled to the norm 1.", &attr_ops<LayersConstraint>},
      {"non_negative", "Weights below zero become zero.", &attr_ops<LayersConstraint>},
  };
  return all;
}

namespace {

const LayersConstraint& layers_of(const Constraint& c) {
  if (c.type == "max_norm") return c.as<MaxNormConstraint>();
  return c.as<LayersConstraint>();
}

// Norm of each unit, (out, 1, ...).
ValueId norms(const Emit& emit, ValueId w) {
  std::vector<int64_t> axes;
  for (int i = 1; i < emit.g.type(w).shape.rank(); ++i) axes.push_back(i);
  const ValueId squares = emit("square", {w});
  return emit("sqrt", {emit("reduce_sum", {squares}, {{"axes", axes}, {"keepdims", true}})});
}

ValueId constrain_to(const Emit& emit, const Constraint& c, ValueId w) {
  if (c.type == "non_negative") return emit("relu", {w});
  // A unit of zeros stays: it is divided by a number that is not 0.
  const ValueId norm = emit("maximum", {norms(emit, w), emit.number(1e-12)});
  const double most = c.type == "max_norm" ? c.as<MaxNormConstraint>().max : 1;
  ValueId factor = emit("div", {emit.number(most), norm});
  if (c.type == "max_norm") factor = emit("minimum", {factor, emit.number(1)});
  return emit("mul", {w, factor});
}

}  // namespace

ValueId constrain(Graph& g, std::span<const Constraint> constraints, const Parameter& p, ValueId next) {
  if (!p.decay) return next;
  const Emit emit{g, p.name, p.origin, Phase::update};
  for (const Constraint& c : constraints)
    if (layers_of(c).layers.match(p.layer)) next = constrain_to(emit, c, next);
  return next;
}

void check_constraints(std::span<const Constraint> constraints, std::span<const std::string> names,
                       const std::string& pointer) {
  for (size_t i = 0; i < constraints.size(); ++i)
    check_globs(layers_of(constraints[i]).layers, names, str(pointer, '/', i, "/layers"));
}

}  // namespace dl
