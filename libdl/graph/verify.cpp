#include <set>

#include "base/str.h"
#include "graph/graph.h"

namespace dl {
namespace {

[[noreturn]] void broken(const Graph& g, size_t node, const std::string& rule) {
  const Node& n = g.nodes[node];
  throw Error(Exit::internal, n.origin,
              str("graph ", g.name, ": node ", node, " (", n.op ? n.op->name : "?",
                  n.name.empty() ? "" : " " + n.name, "): ", rule));
}

[[noreturn]] void broken(const Graph& g, const std::string& rule) {
  throw Error(Exit::internal, str("graph ", g.name, ": ", rule));
}

bool in_range(const Graph& g, ValueId v) { return v >= 0 && static_cast<size_t>(v) < g.values.size(); }

void verify_leaves(const Graph& g) {
  std::set<std::string> names;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if ((v.kind == ValueKind::computed) != (v.node >= 0))
      broken(g, str("value %", i, " is a leaf and has a producer, or neither"));
    if (v.kind == ValueKind::computed) continue;
    if (v.name.empty()) broken(g, str("leaf %", i, " has no name"));
    if (!names.insert(v.name).second) broken(g, str("two leaves are named '", v.name, "'"));
    if (v.kind == ValueKind::constant && !g.constants.contains(static_cast<ValueId>(i)))
      broken(g, str("constant '", v.name, "' has no data"));
  }
}

void verify_node(const Graph& g, size_t k, std::vector<bool>& defined) {
  const Node& n = g.nodes[k];
  if (!n.op) broken(g, k, "has no operator");
  if (!n.attrs) broken(g, k, "has no attributes");
  const Arity arity = arity_of(n.op->args);
  const auto count = static_cast<int>(n.in.size());
  if (count < arity.least || (arity.most >= 0 && count > arity.most))
    broken(g, k, str("has ", count, " inputs"));
  std::vector<const TensorType*> types;
  for (ValueId v : n.in) {
    if (v == kNone) {
      if (!arity.optional(types.size())) broken(g, k, str("lacks input ", types.size()));
      types.push_back(nullptr);
      continue;
    }
    if (!in_range(g, v)) broken(g, k, str("reads %", v, ", which does not exist"));
    if (!defined[static_cast<size_t>(v)]) broken(g, k, str("reads %", v, " before it is defined"));
    types.push_back(&g.type(v));
  }
  InferCtx c{n.op->name, types, n.attrs.get(), {}};
  n.op->infer(c);
  if (c.out.size() != n.out.size())
    broken(g, k, str("has ", n.out.size(), " outputs, its definition ", c.out.size()));
  for (size_t i = 0; i < n.out.size(); ++i) {
    const ValueId v = n.out[i];
    if (!in_range(g, v)) broken(g, k, str("writes %", v, ", which does not exist"));
    if (defined[static_cast<size_t>(v)]) broken(g, k, str("defines %", v, " a second time"));
    if (g.value(v).node != static_cast<int32_t>(k) || g.value(v).index != static_cast<int32_t>(i))
      broken(g, k, str("output %", v, " names another producer"));
    if (g.type(v) != c.out[i])
      broken(g, k, str("output %", v, " is ", g.type(v).text(), ", inferred ", c.out[i].text()));
    defined[static_cast<size_t>(v)] = true;
  }
}

void verify_updates(const Graph& g) {
  std::set<ValueId> seen;
  for (const Update& u : g.updates) {
    if (!in_range(g, u.state) || !in_range(g, u.next))
      broken(g, "an update names a value that does not exist");
    const Value& s = g.value(u.state);
    if (s.kind != ValueKind::parameter && s.kind != ValueKind::state)
      broken(g, str("update of %", u.state, ", which is no parameter or state"));
    if (g.type(u.state) != g.type(u.next)) broken(g, str("update of '", s.name, "' changes its type"));
    if (!seen.insert(u.state).second) broken(g, str("'", s.name, "' is updated twice"));
    const int32_t writer = g.value(u.next).node;
    if (writer < 0 || !(g.nodes[static_cast<size_t>(writer)].op->traits & kUpdate)) continue;
    for (size_t k = static_cast<size_t>(writer) + 1; k < g.nodes.size(); ++k)
      for (ValueId v : g.nodes[k].in)
        if (v == u.state) broken(g, k, str("reads '", s.name, "' after the node that replaces it"));
  }
}

}  // namespace

void verify(const Graph& g) {
  verify_leaves(g);
  std::vector<bool> defined(g.values.size());
  for (size_t i = 0; i < g.values.size(); ++i) defined[i] = g.values[i].kind != ValueKind::computed;
  for (size_t k = 0; k < g.nodes.size(); ++k) verify_node(g, k, defined);
  for (const GraphOutput& o : g.outputs)
    if (!in_range(g, o.value) || !defined[static_cast<size_t>(o.value)])
      broken(g, str("output '", o.name, "' is not defined"));
  verify_updates(g);
}

}  // namespace dl
