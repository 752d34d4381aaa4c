#include "nn/optimizer.h"

#include "base/random.h"
#include "base/str.h"
#include "nn/emit.h"
#include "nn/optimizer_rule.h"

namespace dl {
namespace {

// The common factor of all gradients that keeps their norm below the bound; kNone without a bound. `factor`, where there is
// one, is that which undoes the scale of the loss, or 0.
ValueId clip_scale(Graph& g, double most, const std::vector<ValueId>& gradients, ValueId factor) {
  if (most <= 0 || gradients.empty()) return factor;
  const Emit emit{g, "clip_norm", {}, Phase::update};
  const auto out = emit.all("global_norm_scale", gradients, {{"max_norm", most}});
  if (factor == kNone) {
    g.outputs.push_back({"gradient_norm", out[1]});
    return out[0];
  }
  // min(1, most / norm) factor, where the norm is that of the scaled gradients times factor. maximum(NaN, 0) is 0.
  const ValueId norm = emit("mul", {out[1], factor});
  g.outputs.push_back({"gradient_norm", norm});
  const ValueId share = emit("div", {emit.number(most), norm});
  const ValueId clipped = emit("minimum", {emit.number(1), share});
  return emit("maximum", {emit("mul", {clipped, factor}), emit.number(0)});
}

// The factor that undoes the scale of the loss, 0 where a gradient is not finite; adds the update of the scale.
ValueId unscale(Model& model, const LossScale& scaled, const std::vector<ValueId>& gradients) {
  Graph& g = model.graph;
  std::vector<ValueId> in{scaled.scale, scaled.good};
  in.insert(in.end(), gradients.begin(), gradients.end());
  const auto out = Emit{g, "loss_scale", {}, Phase::update}.all("loss_scale", in);
  g.updates.push_back({scaled.scale, out[1]});
  g.updates.push_back({scaled.good, out[2]});
  return out[0];
}

// Adds the updates of single parameters. lr, step, scale, momentum: values of the step; kNone where there is none.
struct Updates {
  Model& model;
  const UpdateRule& rule;
  const CommonOptimizer& common;
  ValueId lr, step, scale, momentum;

  Emit emitter(const Parameter& p) const { return {model.graph, p.name, p.origin, Phase::update}; }
  // What the optimiser adds to a gradient before all else: it is then of its true size, and what is left of the scale says
  // whether the step is left out.
  void add_noise(const Parameter& p, ValueId& gradient, ValueId& factor) const {
    if (common.gradient_noise == 0) return;
    const Emit emit = emitter(p);
    if (factor != kNone) {
      gradient = emit("mul", {gradient, factor});
      factor = emit("less", {emit.number(0), factor});
    }
    const json attrs{{"variance", common.gradient_noise},
                     {"decay", common.gradient_noise_decay},
                     {"stream", static_cast<int64_t>(stream_id(p.name + "/gradient_noise") >> 1)}};
    gradient = emit("annealed_noise", {gradient, step}, attrs);
  }
  std::vector<ValueId> add_memory(const Parameter& p, const std::vector<UpdateMemory>& memory) const {
    std::vector<ValueId> leaves;
    for (const UpdateMemory& m : memory) {
      const std::string name = str(p.name, '/', m.suffix);
      leaves.push_back(model.graph.add_leaf(ValueKind::state, name, model.graph.type(p.value)));
      model.states.push_back({name, leaves.back(), m.fill, true});
    }
    return leaves;
  }
  json attributes(const Parameter& p, bool decays) const {
    json attrs = rule.attrs;
    attrs["clip_value"] = common.clip_value;
    if (rule.trust != Trust::direction) attrs["lr_scale"] = p.lr_scale;
    attrs["decoupled"] = common.decoupled;
    const double decay = decays ? common.weight_decay : 0;
    attrs["weight_decay"] = p.weight_decay.value_or(decay);
    if (decays) attrs["l1"] = common.l1;
    return attrs;
  }
  json trust_attributes(const json& attrs) const {
    json trust = rule.trust_attrs;
    if (!common.decoupled) trust["weight_decay"] = attrs.at("weight_decay");
    return trust;
  }
  // Adds the update operator; returns its results.
  std::vector<ValueId> apply(const Parameter& p, ValueId gradient, ValueId factor, const json& attrs,
                             const std::vector<ValueId>& memory, const std::vector<ValueId>& behind) const {
    const Emit emit = emitter(p);
    const bool adapts = rule.trust != Trust::none && (p.decay || common.decay_all);
    std::vector<ValueId> in{p.value, gradient};
    in.insert(in.end(), memory.begin(), memory.end());
    if (rule.trust == Trust::rate && adapts) {
      const ValueId ratio = emit("trust_ratio", {p.value, gradient, factor}, trust_attributes(attrs));
      in.push_back(emit("mul", {lr, ratio}));
    } else if (rule.trust != Trust::direction) {
      in.push_back(lr);
    }
    if (rule.step) in.push_back(step);
    in.push_back(factor);
    in.insert(in.end(), behind.begin(), behind.end());
    if (rule.has_momentum) in.push_back(momentum);
    std::vector<ValueId> out = emit.all(rule.op, in, attrs);
    if (rule.trust != Trust::direction) return out;
    const ValueId ratio = adapts ? emit("trust_ratio", {p.value, out[0]}, rule.trust_attrs) : kNone;
    out[0] = emit("sgd", {p.value, out[0], lr, ratio}, {{"lr_scale", p.lr_scale}});
    return out;
  }
  void add(const Parameter& p, ValueId gradient, std::span<const Constraint> constraints) const {
    Graph& g = model.graph;
    ValueId factor = scale;
    add_noise(p, gradient, factor);
    std::vector<ValueId> memory = add_memory(p, rule.memory);
    const std::vector<ValueId> behind = add_memory(p, rule.behind);
    const json attrs = attributes(p, p.decay || common.decay_all);
    const std::vector<ValueId> out = apply(p, gradient, factor, attrs, memory, behind);
    g.updates.push_back({p.value, constrain(g, constraints, p, out[0])});
    memory.insert(memory.end(), behind.begin(), behind.end());
    for (size_t i = 0; i < memory.size(); ++i) g.updates.push_back({memory[i], out[i + 1]});
  }
};

}  // namespace

double base_lr(const Optimizer& optimizer) { return common_of(optimizer).lr; }

std::optional<double> base_momentum(const Optimizer& optimizer) {
  const UpdateRule rule = rule_of(optimizer);
  if (!rule.has_momentum) return {};
  return rule.attrs.at("momentum").get<double>();
}

std::vector<ValueId> trainable(const Model& model) {
  std::vector<ValueId> values;
  for (const Parameter& p : model.parameters)
    if (!p.frozen) values.push_back(p.value);
  return values;
}

LossScale add_loss_scale(Model& model) {
  LossScale s;
  const auto add = [&](const char* name, DType type, double first) {
    const ValueId v = model.graph.add_leaf(ValueKind::state, name, {type, {}});
    model.states.push_back({name, v, first, true});
    return v;
  };
  s.scale = add("loss_scale/scale", DType::f32, 65536);
  s.good = add("loss_scale/good", DType::i64, 0);
  return s;
}

void add_optimizer(Model& model, const Optimizer& optimizer, std::span<const ValueId> gradients,
                   const LossScale& scaled, const UpdateExtras& extras) {
  Graph& g = model.graph;
  if (gradients.size() != trainable(model).size())
    throw Error(Exit::internal,
                str(gradients.size(), " gradients for ", trainable(model).size(), " parameters"));
  const UpdateRule rule = rule_of(optimizer);
  const CommonOptimizer& common = common_of(optimizer);
  const ValueId lr = scalar_input(g, "learning_rate", DType::f32);
  const bool counts = rule.step || common.gradient_noise > 0;
  const ValueId step = counts ? scalar_input(g, "step", DType::i64) : kNone;
  const ValueId momentum =
      extras.cycled_momentum && rule.has_momentum ? scalar_input(g, "momentum", DType::f32) : kNone;
  std::vector<ValueId> all;
  for (ValueId v : gradients)
    if (v != kNone) all.push_back(v);
  const ValueId factor = scaled.scale == kNone ? kNone : unscale(model, scaled, all);
  const ValueId scale = clip_scale(g, common.clip_norm, all, factor);
  const Updates updates{model, rule, common, lr, step, scale, momentum};
  size_t next = 0;
  for (const Parameter& p : model.parameters) {
    if (p.frozen) continue;
    const ValueId gradient = gradients[next++];
    if (gradient != kNone) updates.add(p, gradient, extras.constraints);
  }
}

}  // namespace dl
