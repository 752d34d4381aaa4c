#include "exec/executor.h"

#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

[[noreturn]] void internal(const std::string& message) { throw Error(Exit::internal, message); }

bool finite(const TensorType& type, const void* data) {
  if (type.dtype != DType::f32) return true;
  const auto* p = static_cast<const float*>(data);
  for (int64_t i = 0, n = type.elements(); i < n; ++i)
    if (!std::isfinite(p[i])) return false;
  return true;
}

}  // namespace

Executor::Executor(Plan plan, Pool* pool, TensorMap& state, uint64_t seed, std::shared_ptr<Arena> arena)
    : plan_(std::move(plan)),
      pool_(pool),
      arena_(arena ? std::move(arena) : std::make_shared<Arena>(plan_.device)) {
  if (arena_->device() != plan_.device) internal("the plan and the arena are for different devices");
  if (plan_.device) plan_.device->allow_tf32(plan_.precision == Precision::tf32);
  if (plan_.device) session_ = std::make_unique<DeviceSession>(plan_.device, plan_.graph);
  arena_->reserve(static_cast<size_t>(plan_.memory.arena_bytes));
  const Graph& g = plan_.graph;
  address_.assign(g.values.size(), nullptr);
  uses_.resize(g.values.size());
  fed_.resize(g.values.size());
  bind_leaves(state);
  size_t operands = 0;
  for (const Node& n : g.nodes) operands += n.in.size() + n.out.size();
  args_.reserve(operands);
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    const Node& n = g.nodes[k];
    const size_t first = args_.size();
    const auto add = [&](ValueId v) {
      if (v == kNone) return args_.push_back(absent_arg());
      uses_[at(v)].push_back(args_.size());
      args_.push_back(make_arg(g.type(v), address_[at(plan_.memory.alias[at(v)])]));
    };
    for (ValueId v : n.in) add(v);
    for (ValueId v : n.out) add(v);
    Step s{plan_.kernels[k], {}, &plan_.work[k]};
    s.call.in = args_.data() + first;
    s.call.out = s.call.in + n.in.size();
    s.call.n_in = static_cast<int>(n.in.size());
    s.call.n_out = static_cast<int>(n.out.size());
    s.call.attrs = n.attrs.get();
    s.call.threads = plan_.threads;
    s.call.fixed_weights = plan_.fixed_weights(n);
    s.call.seed = seed;
    s.call.stream = stream_id(n.name);
    s.call.queue = plan_.device ? plan_.device->queue() : nullptr;
    steps_.push_back(s);
  }
  for (const Update& u : g.updates)
    if (plan_.memory.alias[at(u.next)] != u.state) copies_.push_back({u.next, u.state});
  bind_arena();
}

void Executor::bind_leaves(TensorMap& state) {
  const Graph& g = plan_.graph;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (session_)
      address_[i] = session_->leaf(static_cast<ValueId>(i));
    else if (v.kind == ValueKind::constant)
      address_[i] = const_cast<void*>(g.constants.at(static_cast<ValueId>(i)).raw());
    if (v.kind != ValueKind::parameter && v.kind != ValueKind::state) continue;
    const auto it = state.find(v.name);
    if (it == state.end()) internal(str("no value for ", name_of(v.kind), " '", v.name, "'"));
    if (it->second.type() != v.type)
      internal(str("'", v.name, "' is ", it->second.type().text(), ", the network expects ", v.type.text()));
    address_[i] = session_ ? arena_->state(state).address(v.name) : it->second.raw();
  }
}

void Executor::bind_arena() {
  char* const base = arena_->data();
  bound_ = base;
  if (session_) session_->forget_recordings();
  for (size_t v = 0; v < address_.size(); ++v) {
    const int64_t offset = plan_.memory.offset[v];
    address_[v] = offset != MemoryPlan::kElsewhere ? base + offset : address_[at(plan_.memory.alias[v])];
    for (size_t use : uses_[v]) args_[use].data = address_[v];
  }
  for (size_t k = 0; k < steps_.size(); ++k)
    if (const int64_t offset = plan_.memory.scratch[k]; offset != MemoryPlan::kElsewhere)
      steps_[k].call.shared = reinterpret_cast<float*>(base + offset);
}

bool Executor::has_input(std::string_view name) const {
  const ValueId v = graph().find(name);
  return v != kNone && graph().value(v).kind == ValueKind::input;
}

void Executor::feed(std::string_view name, const Tensor& value) {
  const ValueId v = graph().find(name);
  if (v == kNone || graph().value(v).kind != ValueKind::input)
    internal(str("the network has no input '", name, "'"));
  if (value.type() != graph().type(v))
    internal(
        str("input '", name, "' is ", value.type().text(), ", the network expects ", graph().type(v).text()));
  if (session_) return session_->feed(v, value.raw());
  fed_[at(v)] = value;
  void* data = fed_[at(v)].raw();
  for (size_t i = 0; i < plan_.memory.alias.size(); ++i) {  // the input and the views of it
    if (plan_.memory.alias[i] != v) continue;
    address_[i] = data;
    for (size_t use : uses_[i]) args_[use].data = data;
  }
}

void Executor::feed_scalar(std::string_view name, double value) {
  const ValueId v = graph().find(name);
  if (v == kNone) return;  // a step without dropout needs no "step"
  Tensor& t = fed_[at(v)];
  if (!t.defined()) {
    t = Tensor(graph().type(v));
    if (!session_) feed(name, Tensor(t));
  }
  if (t.dtype() == DType::f32)
    t.data<float>()[0] = static_cast<float>(value);
  else
    t.data<int64_t>()[0] = static_cast<int64_t>(value);
  if (session_) session_->feed(v, t.raw());
}

void Executor::report_to(Profile* profile, const std::string& stage) {
  profile_ = profile;
  if (profile) profile_row_ = profile->add(plan_, stage);
}

void Executor::run_nodes(size_t first, size_t last) {
  for (size_t k = first; k < last; ++k) {
    if (!steps_[k].kernel) continue;
    const double start = profile_ ? steady_seconds() : 0;
    if (profile_ && session_) session_->device().mark(0);
    run_step(k, k < plan_.prologue ? 0 : steps_[k].work->once, *steps_[k].work);
    if (!profile_) continue;
    double end = steady_seconds();
    if (session_) {
      session_->device().mark(1);
      end = start + session_->device().elapsed(0, 1);
    }
    profile_->record(profile_row_ + k, start, end);
  }
}

// Phases of one node, from `first_phase` on.
void Executor::run_step(size_t k, int first_phase, const Work& work) {
  const Step& s = steps_[k];
  if (!session_) return run_call(pool_, *s.kernel, s.call, work, first_phase);
  for (int phase = first_phase; phase < work.phases; ++phase) s.kernel->run(s.call, phase, 0, nullptr);
  const Node& n = graph().nodes[k];
  const std::string where = str("layer '", n.name, "' (", n.op->name, ")");
  session_->device().check_launch(where);
  if (session_->careful()) session_->device().wait(where);
}

// Everything that follows from parameters and state alone.
void Executor::prepare() {
  run_nodes(0, plan_.prologue);
  for (size_t k = plan_.prologue; k < steps_.size(); ++k) {
    if (!steps_[k].kernel || steps_[k].work->once == 0) continue;
    Work once = *steps_[k].work;
    once.phases = once.once;
    run_step(k, 0, once);
  }
  prepared_ = true;
}

void Executor::run(size_t first, size_t last) {
  if (session_ && first == 0) session_->arrive();
  if (bound_ != arena_->data()) bind_arena();
  if (arena_->claim(this)) prepared_ = false;
  if (!prepared_) prepare();
  first = std::max(first, plan_.prologue);
  const auto work = [&](size_t from, size_t to) {
    run_nodes(from, to);
    if (to == steps_.size()) copy_updates();
  };
  if (session_ && !profile_)
    session_->run(first, last, work);
  else
    work(first, last);
}

void Executor::copy_updates() {
  for (const Copy& c : copies_) {
    const auto bytes = static_cast<size_t>(graph().type(c.to).bytes());
    if (session_)
      session_->device().copy(address_[at(c.to)], address_[at(c.from)], bytes);
    else
      std::memcpy(address_[at(c.to)], address_[at(c.from)], bytes);
  }
}

size_t Executor::end_of(std::string_view name) const {
  const ValueId v = graph().output(name);
  if (v == kNone) internal(str("the network has no output '", name, "'"));
  return static_cast<size_t>(graph().value(v).node + 1);
}

const void* Executor::on_host(ValueId v) {
  const void* address = address_[at(v)];
  if (!session_ || !address) return address;
  return session_->fetch(v, address, static_cast<size_t>(graph().type(v).bytes()));
}

const void* Executor::output(std::string_view name) {
  const ValueId v = graph().output(name);
  if (v == kNone) internal(str("the network has no output '", name, "'"));
  return on_host(v);
}

const TensorType& Executor::output_type(std::string_view name) const {
  const ValueId v = graph().output(name);
  if (v == kNone) internal(str("the network has no output '", name, "'"));
  return graph().type(v);
}

float Executor::scalar(std::string_view name) { return *static_cast<const float*>(output(name)); }

Executor::Culprit Executor::find_non_finite(size_t last) {
  const Graph& g = graph();
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].kind != ValueKind::computed && address_[i] &&
        !finite(g.values[i].type, on_host(static_cast<ValueId>(i))))
      return {str(name_of(g.values[i].kind), " '", g.values[i].name, "'"), {}};
  for (size_t k = 0; k < last; ++k) {
    run_nodes(k, k + 1);
    const Node& n = g.nodes[k];
    for (ValueId y : n.out)
      if (!finite(g.type(y), on_host(y))) return {str("layer '", n.name, "' (", n.op->name, ")"), n.origin};
  }
  return {};
}

}  // namespace dl
