#include "nn/weight_form.h"

namespace dl {
namespace {

constexpr double kTiny = 1e-12;  // keeps weights of zero finite

json every_axis_but_first(const Shape& shape) {
  json axes = json::array();
  for (int i = 1; i < shape.rank(); ++i) axes.push_back(i);
  return axes;
}

// gain w / |w| for each output.
ValueId weight_norm(LayerCtx& c, ValueId w, const Shape& shape) {
  const std::string of = c.model.parameters.back().name;
  const ValueId gain = c.gain("gain", {shape[0]}, 1);
  c.model.parameters.back().lengths_of = of;
  const ValueId squares = c.emit("reduce_sum", {c.emit("square", {w})},
                                 {{"axes", every_axis_but_first(shape)}, {"keepdims", true}});
  const ValueId length = c.emit("sqrt", {c.emit("scale_shift", {squares}, {{"shift", kTiny}})});
  const Shape column = c.model.graph.type(length).shape;
  const ValueId factors =
      c.emit("reshape", {gain}, {{"shape", std::vector<int64_t>(column.begin(), column.end())}});
  return c.emit("mul", {w, c.emit("div", {factors, length})});
}

// w over u^T w v, with u and v after one more step of the power iteration, through which no gradient flows.
ValueId spectral_norm(LayerCtx& c, ValueId w, const Shape& shape) {
  const int64_t outputs = shape[0], inputs = shape.elements(1, shape.rank());
  const ValueId matrix = c.emit("reshape", {w}, {{"shape", {outputs, inputs}}});
  const ValueId fixed = c.training() ? c.emit("stop_gradient", {matrix}) : matrix;
  const ValueId state = c.state("singular_vector", {1, outputs}, 1);
  ValueId u = c.unit_length(state, 1, kTiny);
  const ValueId v = c.unit_length(c.emit("matmul", {u, fixed}), 1, kTiny);
  if (c.training()) {
    u = c.unit_length(c.emit("matmul", {v, fixed}, {{"trans_b", true}}), 1, kTiny);
    c.model.graph.updates.push_back({state, u});
  }
  const ValueId image = c.emit("matmul", {u, matrix});  // (1, inputs)
  const ValueId value = c.emit("reduce_sum", {c.emit("mul", {image, v})}, {{"axes", json::array()}});
  return c.emit("div", {w, value});
}

}  // namespace

ValueId used_weight(LayerCtx& c, const WeightUse& use, const Shape& shape) {
  ValueId w = c.weight("weight", shape);
  if (use.weight_form == WeightForm::weight_norm) w = weight_norm(c, w, shape);
  if (use.weight_form == WeightForm::spectral_norm) w = spectral_norm(c, w, shape);
  if (!c.training()) return w;
  if (use.dropconnect > 0)
    w = c.emit("dropout", {w, c.step_input()},
               {{"rate", use.dropconnect}, {"stream", c.stream("dropconnect")}});
  if (use.weight_noise > 0) {
    const ValueId noise = c.emit("noise", {w, c.step_input()}, {{"stream", c.stream("weight_noise")}});
    w = c.emit("add", {w, c.emit("scale_shift", {noise}, {{"scale", use.weight_noise}})});
  }
  return w;
}

}  // namespace dl
