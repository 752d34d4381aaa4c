#include "nn/optimizer.h"

#include "base/str.h"
#include "ops/registry.h"

namespace dl {

struct CommonOptimizer {
  double lr = 0.01, weight_decay = 0, l1 = 0, clip_value = 0, clip_norm = 0;
  bool decay_all = false;
};

template <class... F>
constexpr auto with_common(F... own) {
  using O = CommonOptimizer;
  return std::tuple_cat(
      std::tuple{field("lr", &O::lr, "Learning rate before the schedule.").at_least(0)}, std::tuple{own...},
      std::tuple{
          field("weight_decay", &O::weight_decay,
                "L2 decay of weights: adds weight_decay w to the gradient (adamw: shrinks w by lr "
                "weight_decay).")
              .at_least(0),
          field("l1", &O::l1, "L1 decay of weights: adds l1 sign(w) to the gradient.").at_least(0),
          field("decay_all", &O::decay_all, "Decay biases and the parameters of norms too."),
          field("clip_value", &O::clip_value, "Largest magnitude of a gradient element; 0: any.").at_least(0),
          field("clip_norm", &O::clip_norm, "Largest norm of all gradients together; 0: any.").at_least(0),
      });
}

struct SgdOptimizer : CommonOptimizer {
  double momentum = 0;
  bool nesterov = false;
};
constexpr auto fields(const SgdOptimizer*) {
  return with_common(
      field("momentum", &SgdOptimizer::momentum, "Share of the velocity that stays.").range(0, 1),
      field("nesterov", &SgdOptimizer::nesterov, "Look ahead along the velocity."));
}

struct AdagradOptimizer : CommonOptimizer {
  double epsilon = 1e-10;
};
constexpr auto fields(const AdagradOptimizer*) {
  return with_common(
      field("epsilon", &AdagradOptimizer::epsilon, "Added to the root in the divisor.").at_least(0));
}

struct RmspropOptimizer : CommonOptimizer {
  RmspropOptimizer() { lr = 0.001; }
  double alpha = 0.99, epsilon = 1e-8, momentum = 0;
};
constexpr auto fields(const RmspropOptimizer*) {
  return with_common(
      field("alpha", &RmspropOptimizer::alpha, "Share of the running mean square that stays.").range(0, 1),
      field("epsilon", &RmspropOptimizer::epsilon, "Added to the root in the divisor.").at_least(0),
      field("momentum", &RmspropOptimizer::momentum, "Share of the velocity that stays.").range(0, 1));
}

struct AdamOptimizer : CommonOptimizer {
  AdamOptimizer() { lr = 0.001; }
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};
constexpr auto fields(const AdamOptimizer*) {
  return with_common(
      field("beta1", &AdamOptimizer::beta1, "Share of the running mean that stays.").range(0, 1),
      field("beta2", &AdamOptimizer::beta2, "Share of the running mean square that stays.").range(0, 1),
      field("epsilon", &AdamOptimizer::epsilon, "Added to the root in the divisor.").at_least(0));
}

struct AdamwOptimizer : AdamOptimizer {
  AdamwOptimizer() { weight_decay = 0.01; }
};
constexpr auto fields(const AdamwOptimizer*) { return fields(static_cast<const AdamOptimizer*>(nullptr)); }

std::span<const Variant> OptimizerFamily::variants() {
  static const Variant all[] = {
      {"sgd", "Stochastic gradient descent, with momentum or Nesterov's form of it.",
       &attr_ops<SgdOptimizer>},
      {"adagrad", "AdaGrad (Duchi, Hazan and Singer 2011).", &attr_ops<AdagradOptimizer>},
      {"rmsprop", "RMSprop (Tieleman and Hinton 2012).", &attr_ops<RmspropOptimizer>},
      {"adam", "Adam (Kingma and Ba 2015).", &attr_ops<AdamOptimizer>},
      {"adamw", "Adam with decoupled decay (Loshchilov and Hutter 2019).", &attr_ops<AdamwOptimizer>},
  };
  return all;
}

namespace {

// One update operator: its attributes beside the common ones, what it remembers, whether it counts steps.
struct Rule {
  std::string_view op;
  json attrs = json::object();
  std::vector<std::string> states;
  bool step = false;
};

Rule rule_of(const Optimizer& o) {
  if (o.type == "sgd") {
    const auto& a = o.as<SgdOptimizer>();
    if (a.momentum == 0) return {"sgd", json::object(), {}, false};
    return {"momentum", {{"momentum", a.momentum}, {"nesterov", a.nesterov}}, {"momentum"}, false};
  }
  if (o.type == "adagrad")
    return {"adagrad", {{"epsilon", o.as<AdagradOptimizer>().epsilon}}, {"sum"}, false};
  if (o.type == "rmsprop") {
    const auto& a = o.as<RmspropOptimizer>();
    Rule r{
        "rmsprop", {{"alpha", a.alpha}, {"epsilon", a.epsilon}, {"momentum", a.momentum}}, {"square"}, false};
    if (a.momentum > 0) r.states.push_back("velocity");
    return r;
  }
  const AdamOptimizer& a = o.type == "adamw" ? o.as<AdamwOptimizer>() : o.as<AdamOptimizer>();
  Rule r{"adam", {{"beta1", a.beta1}, {"beta2", a.beta2}, {"epsilon", a.epsilon}}, {"m", "v"}, true};
  if (o.type == "adamw") r.attrs["decoupled"] = true;
  return r;
}

const CommonOptimizer& common_of(const Optimizer& o) {
  if (o.type == "sgd") return o.as<SgdOptimizer>();
  if (o.type == "adagrad") return o.as<AdagradOptimizer>();
  if (o.type == "rmsprop") return o.as<RmspropOptimizer>();
  if (o.type == "adamw") return o.as<AdamwOptimizer>();
  return o.as<AdamOptimizer>();
}

ValueId input(Graph& g, const char* name, DType type) {
  const ValueId known = g.find(name);
  return known != kNone ? known : g.add_leaf(ValueKind::input, name, {type, {}});
}

const OpDef& definition(std::string_view name) {
  const OpDef* def = find_op(name);
  if (!def) throw Error(Exit::internal, str("there is no operator '", name, "'"));
  return *def;
}

struct Scalars {
  Graph& g;
  ValueId constant(const char* name, float v) const {
    Tensor t(DType::f32, {});
    t.data<float>()[0] = v;
    return g.add_constant(name, std::move(t));
  }
  ValueId operator()(const char* op, ValueId a, ValueId b, const char* name) const {
    return g.add_node(definition(op), {a, b}, {}, name, {}, Phase::update)[0];
  }
};

// The common factor of all gradients that keeps their norm below the bound; kNone without a bound. `factor`, where there is
// one, is that which undoes the scale of the loss, or 0.
ValueId clip_scale(Graph& g, double most, const std::vector<ValueId>& gradients, ValueId factor) {
  if (most <= 0 || gradients.empty()) return factor;
  const OpDef& op = definition("global_norm_scale");
  const auto out = g.add_node(op, gradients, op.attrs->parse({{"max_norm", most}}, {}, {}), "clip_norm", {},
                              Phase::update);
  if (factor == kNone) {
    g.outputs.push_back({"gradient_norm", out[1]});
    return out[0];
  }
  // min(1, most / norm) factor, where the norm is that of the scaled gradients times factor. maximum(NaN, 0) is 0.
  const Scalars make{g};
  const ValueId norm = make("mul", out[1], factor, "clip_norm");
  g.outputs.push_back({"gradient_norm", norm});
  const ValueId share =
      make("div", make.constant("clip_norm/most", static_cast<float>(most)), norm, "clip_norm");
  const ValueId clipped = make("minimum", make.constant("clip_norm/one", 1), share, "clip_norm");
  return make("maximum", make("mul", clipped, factor, "clip_norm"), make.constant("clip_norm/zero", 0),
              "clip_norm");
}

// The factor that undoes the scale of the loss, 0 where a gradient is not finite; adds the update of the scale.
ValueId unscale(Model& model, const LossScale& scaled, const std::vector<ValueId>& gradients) {
  Graph& g = model.graph;
  std::vector<ValueId> in{scaled.scale, scaled.good};
  in.insert(in.end(), gradients.begin(), gradients.end());
  const auto out = g.add_node(definition("loss_scale"), in, {}, "loss_scale", {}, Phase::update);
  g.updates.push_back({scaled.scale, out[1]});
  g.updates.push_back({scaled.good, out[2]});
  return out[0];
}

void add_update(Model& model, const Parameter& p, const Rule& rule, const CommonOptimizer& common,
                ValueId gradient, ValueId lr, ValueId step, ValueId scale) {
  Graph& g = model.graph;
  json attrs = rule.attrs;
  attrs["lr_scale"] = p.lr_scale;
  attrs["clip_value"] = common.clip_value;
  if (p.decay || common.decay_all) {
    attrs["weight_decay"] = common.weight_decay;
    attrs["l1"] = common.l1;
  }
  std::vector<ValueId> states;
  for (const std::string& suffix : rule.states) {
    const std::string name = p.name + '/' + suffix;
    states.push_back(g.add_leaf(ValueKind::state, name, g.type(p.value)));
    model.states.push_back({name, states.back(), 0, true});
  }
  std::vector<ValueId> in{p.value, gradient};
  const bool late = rule.op == "rmsprop";  // its velocity stands after the scale
  in.insert(in.end(), states.begin(), late ? states.begin() + 1 : states.end());
  in.push_back(lr);
  if (rule.step) in.push_back(step);
  if (scale != kNone || (late && states.size() > 1)) in.push_back(scale);
  if (late) in.insert(in.end(), states.begin() + 1, states.end());
  const OpDef& op = definition(rule.op);
  const auto out = g.add_node(op, in, op.attrs->parse(attrs, p.origin, {}), p.name, p.origin, Phase::update);
  g.updates.push_back({p.value, out[0]});
  for (size_t i = 0; i < states.size(); ++i) g.updates.push_back({states[i], out[i + 1]});
}

}  // namespace

double base_lr(const Optimizer& optimizer) { return common_of(optimizer).lr; }

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
  s.scale = add("loss_scale", DType::f32, 65536);
  s.good = add("loss_scale/good", DType::i64, 0);
  return s;
}

void add_optimizer(Model& model, const Optimizer& optimizer, std::span<const ValueId> gradients,
                   const LossScale& scaled) {
  Graph& g = model.graph;
  if (gradients.size() != trainable(model).size())
    throw Error(Exit::internal,
                str(gradients.size(), " gradients for ", trainable(model).size(), " parameters"));
  const Rule rule = rule_of(optimizer);
  const CommonOptimizer& common = common_of(optimizer);
  const ValueId lr = input(g, "learning_rate", DType::f32);
  const ValueId step = rule.step ? input(g, "step", DType::i64) : kNone;
  std::vector<ValueId> all;
  for (ValueId v : gradients)
    if (v != kNone) all.push_back(v);
  const ValueId factor = scaled.scale == kNone ? kNone : unscale(model, scaled, all);
  const ValueId scale = clip_scale(g, common.clip_norm, all, factor);
  size_t next = 0;
  for (const Parameter& p : model.parameters) {
    if (p.frozen) continue;
    const ValueId gradient = gradients[next++];
    if (gradient != kNone) add_update(model, p, rule, common, gradient, lr, step, scale);
  }
}

}  // namespace dl
