#include "exec/plan.h"

#include <algorithm>
#include <array>

namespace dl {
namespace {

// The operands of a node as kernels see them, without data: enough to plan.
struct Operands {
  std::vector<Arg> in, out;
  Operands(const Graph& g, const Node& n) {
    for (ValueId v : n.in) in.push_back(v == kNone ? absent_arg() : make_arg(g.type(v), nullptr));
    for (ValueId v : n.out) out.push_back(make_arg(g.type(v), nullptr));
  }
};

}  // namespace

Plan make_plan(Graph graph, const PlanOptions& options) {
  Plan plan;
  plan.device = options.device;
  plan.isa = options.isa;
  plan.precision = options.passes.precision;
  plan.threads = options.threads;
  if (options.passes.recompute.mode != Recompute::Mode::none && !options.passes.off.contains("recompute")) {
    PlanOptions keeping = options;
    keeping.passes.recompute = {};
    const Plan without = make_plan(graph, keeping);
    plan.kept = {without.memory.arena_bytes, without.flops()};
  }
  PassOptions passes = options.passes;
  passes.device = options.device != nullptr;
  plan.graph = optimise(std::move(graph), passes);
  const Graph& g = plan.graph;
  plan.hoisted = g.updates.empty() && !options.passes.off.contains("hoist");
  if (plan.hoisted) plan.prologue = prologue_of(g);
  std::vector<Scratch> scratch;
  for (const Node& n : g.nodes) {
    Work work;
    const Kernel* kernel = nullptr;
    if (!(n.op->traits & kView))
      kernel = plan.device ? &plan.device->kernel(op_id(*n.op)) : &cpu_kernel(op_id(*n.op), options.isa);
    if (kernel) {
      const Operands operands(g, n);
      Call call;
      call.in = operands.in.data();
      call.out = operands.out.data();
      call.n_in = static_cast<int>(operands.in.size());
      call.n_out = static_cast<int>(operands.out.size());
      call.attrs = n.attrs.get();
      call.threads = options.threads;
      call.fixed_weights = plan.fixed_weights(n);
      kernel->plan(call, work);
      if (!call.fixed_weights) work.once = 0;
    }
    plan.kernels.push_back(kernel);
    plan.work.push_back(work);
    scratch.push_back({work.shared * static_cast<int64_t>(sizeof(float)), work.once > 0});
  }
  const bool in_place = !options.passes.off.contains("in_place");
  plan.memory = plan_memory(g, plan_in_place(g, in_place, plan.prologue), scratch, plan.prologue);
  return plan;
}

bool Plan::fixed_weights(const Node& n) const {
  if (!hoisted) return false;
  for (size_t i = 1; i < std::min<size_t>(3, n.in.size()); ++i) {
    if (n.in[i] == kNone) continue;
    const Value& v = graph.value(n.in[i]);
    if (v.kind == ValueKind::input ||
        (v.kind == ValueKind::computed && v.node >= static_cast<int32_t>(prologue)))
      return false;
  }
  return n.in.size() > 1;
}

Plan::Bytes Plan::bytes() const {
  Bytes b;
  b.arena = memory.arena_bytes;
  for (const Value& v : graph.values) {
    if (v.kind == ValueKind::parameter) b.parameters += v.type.bytes();
    if (v.kind == ValueKind::state) b.state += v.type.bytes();
    if (v.kind == ValueKind::input) b.inputs += v.type.bytes();
    if (v.kind == ValueKind::constant) b.constants += v.type.bytes();
  }
  return b;
}

int64_t Plan::local_bytes() const {
  int64_t floats = 0;
  for (const Work& w : work) floats = std::max(floats, w.local);
  return floats * static_cast<int64_t>(sizeof(float)) * threads;
}

int64_t Plan::flops() const {
  int64_t total = 0;
  for (const Node& n : graph.nodes) total += node_flops(graph, n);
  return total;
}

}  // namespace dl
