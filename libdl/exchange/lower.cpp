#include "exchange/lower.h"

#include <cstring>

#include "base/str.h"
#include "exec/executor.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// Values that the nodes from `first` on, or outputs, read.
std::vector<bool> values_read(const Graph& g, size_t first) {
  std::vector<bool> read(g.values.size());
  for (size_t k = first; k < g.nodes.size(); ++k)
    for (ValueId v : g.nodes[k].in)
      if (v != kNone) read[at(v)] = true;
  for (const GraphOutput& o : g.outputs) read[at(o.value)] = true;
  return read;
}

// Computes what the first `prologue` nodes hand on to the others.
std::map<ValueId, Tensor> evaluate(const Graph& g, size_t prologue, TensorMap& values, Pool* pool) {
  const std::vector<bool> read = values_read(g, prologue);
  Graph head;
  std::vector<ValueId> moved = copy_leaves(g, head), wanted;
  for (size_t k = 0; k < prologue; ++k) {
    copy_node(g, g.nodes[k], head, moved);
    for (ValueId v : g.nodes[k].out)
      if (read[at(v)]) wanted.push_back(v);
  }
  std::map<ValueId, Tensor> out;
  if (wanted.empty()) return out;
  for (ValueId v : wanted) head.outputs.push_back({str('v', v), moved[at(v)]});
  PlanOptions options;
  for (const std::string& pass : pass_names()) options.passes.off.insert(pass);
  Executor executor(make_plan(std::move(head), options), pool, values);
  executor.run();
  for (ValueId v : wanted) {
    Tensor t(g.type(v));
    std::memcpy(t.raw(), executor.output(str('v', v)), static_cast<size_t>(t.bytes()));
    out.emplace(v, std::move(t));
  }
  return out;
}

const Tensor& leaf_value(const Graph& g, ValueId v, const TensorMap& values) {
  const auto constant = g.constants.find(v);
  return constant != g.constants.end() ? constant->second : values.at(g.value(v).name);
}

}  // namespace

Graph lower(Graph graph, TensorMap& values, Pool* pool) {
  const Graph g = optimise(
      std::move(graph), {.off = {"fuse", "layout", "winograd", "split_batch", "recompute"}, .recompute = {}});
  const size_t prologue = prologue_of(g);
  const std::map<ValueId, Tensor> computed = evaluate(g, prologue, values, pool);
  const std::vector<bool> read = values_read(g, prologue);
  Graph out;
  out.name = g.name;
  std::vector<ValueId> moved(g.values.size(), kNone);
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (v.kind == ValueKind::input)
      moved[i] = out.add_leaf(v.kind, v.name, v.type);
    else if (v.kind != ValueKind::computed && read[i])
      moved[i] = out.add_constant(v.name, leaf_value(g, static_cast<ValueId>(i), values));
  }
  for (const auto& [v, tensor] : computed) moved[at(v)] = out.add_constant(str("folded_", v), tensor);
  for (size_t k = prologue; k < g.nodes.size(); ++k) copy_node(g, g.nodes[k], out, moved);
  for (const GraphOutput& o : g.outputs) out.outputs.push_back({o.name, moved[at(o.value)]});
  return out;
}

}  // namespace dl
