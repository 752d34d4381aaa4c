#include "train/average_graph.h"

#include "ops/registry.h"

namespace dl {
namespace {

std::string average_of(const std::string& name) { return name + std::string(kAverageSuffix); }

// keep average + take value, exact where one of them is 0.
class Blend {
 public:
  explicit Blend(Graph& g)
      : g_(g),
        keep_(g.add_leaf(ValueKind::input, kKeepInput, {DType::f32, {}})),
        take_(g.add_leaf(ValueKind::input, kTakeInput, {DType::f32, {}})) {}
  void operator()(ValueId average, ValueId value) {
    const std::string name = g_.value(average).name;
    const auto node = [&](const OpDef& op, ValueId a, ValueId b) {
      return g_.add_node(op, {a, b}, {}, name, "/train/average", Phase::update)[0];
    };
    g_.updates.push_back(
        {average, node(op::add, node(op::mul, average, keep_), node(op::mul, value, take_))});
  }

 private:
  Graph& g_;
  ValueId keep_, take_;
};

void set_attribute(Node& n, const char* key, double value) {
  json attrs = n.op->attrs->dump(n.attrs.get());
  attrs[key] = value;
  n.attrs = n.op->attrs->parse(attrs, n.origin, {});
}

}  // namespace

void add_averages(Model& model) {
  std::vector<StateLeaf> more;
  const auto add = [&](const std::string& name, ValueId value) {
    const ValueId leaf = model.graph.add_leaf(ValueKind::state, average_of(name), model.graph.type(value));
    more.push_back({average_of(name), leaf, 0, true});
  };
  for (const Parameter& p : model.parameters) add(p.name, p.value);
  for (const StateLeaf& s : model.states)
    if (!s.optimizer) add(s.name, s.value);
  model.states.insert(model.states.end(), more.begin(), more.end());
}

Graph average_step(const Model& model) {
  Graph g;
  g.name = "average";
  Blend blend(g);
  const auto add = [&](ValueKind kind, const std::string& name, ValueId value) {
    const TensorType& type = model.graph.type(value);
    const ValueId leaf = g.add_leaf(kind, name, type);
    blend(g.add_leaf(ValueKind::state, average_of(name), type), leaf);
  };
  for (const Parameter& p : model.parameters) add(ValueKind::parameter, p.name, p.value);
  for (const StateLeaf& s : model.states)
    if (!s.optimizer) add(ValueKind::state, s.name, s.value);
  return g;
}

void use_averages(Model& network) {
  for (Value& v : network.graph.values)
    if (v.kind == ValueKind::parameter || v.kind == ValueKind::state) v.name = average_of(v.name);
}

Graph statistics_step(Model network) {
  Graph g = std::move(network.graph);
  for (Node& n : g.nodes) {
    if (n.op == &op::batch_norm) set_attribute(n, "momentum", 1);  // the statistics of the batch alone
    if (n.op == &op::dropout) set_attribute(n, "rate", 0);
  }
  for (Value& v : g.values)
    if (v.kind == ValueKind::parameter) v.name = average_of(v.name);
  const std::vector<Update> statistics = std::move(g.updates);
  g.updates.clear();
  g.outputs.clear();
  Blend blend(g);
  for (const Update& u : statistics)
    blend(g.add_leaf(ValueKind::state, average_of(g.value(u.state).name), g.type(u.state)), u.next);
  return g;
}

}  // namespace dl
