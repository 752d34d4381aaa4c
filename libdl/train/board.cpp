#include "train/board.h"

#include <map>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

// The network as it infers, a node for each operator under the name of its layer.
std::vector<EventGraphNode> nodes_of(const Graph& g) {
  std::vector<EventGraphNode> out;
  std::vector<std::string> made(g.values.size());  // the node that gives each value
  std::map<std::string, int> used;
  const auto unique = [&](std::string name) {
    const int n = used[name]++;
    return n == 0 ? name : str(name, '_', n);
  };
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (v.kind == ValueKind::computed || v.kind == ValueKind::constant) continue;
    std::string name = v.name;  // "conv2d_1.weight" stands inside its layer
    if (const size_t dot = name.rfind('.'); dot != std::string::npos) name[dot] = '/';
    made[i] = unique(std::move(name));
    out.push_back({made[i], std::string(name_of(v.kind)), {}});
  }
  for (const Node& n : g.nodes) {
    EventGraphNode node{
        unique(str(n.name.empty() ? "data" : n.name, '/', n.op->name)), std::string(n.op->name), {}};
    for (ValueId v : n.in)
      if (v != kNone && !made[static_cast<size_t>(v)].empty())
        node.inputs.push_back(made[static_cast<size_t>(v)]);
    for (ValueId v : n.out) made[static_cast<size_t>(v)] = node.name;
    out.push_back(std::move(node));
  }
  return out;
}

// Numbers, switches and types of section "train": what tells one run from another.
void collect(const json& j, const std::string& at, std::vector<EventParameter>& out) {
  if (j.is_object())
    for (const auto& item : j.items())
      collect(item.value(), at.empty() ? item.key() : str(at, '.', item.key()), out);
  else if (j.is_number())
    out.push_back({.name = at, .text = {}, .number = j.get<double>(), .is_number = true});
  else if (j.is_string() || j.is_boolean())
    out.push_back({.name = at, .text = j.is_string() ? j.get<std::string>() : j.dump()});
}

std::string as_markdown(const json& j) {
  std::string out;
  for (const std::string& line : split(j.dump(2), '\n')) out += str("    ", line, '\n');
  return out;
}

}  // namespace

Board::Board(const RunSetup& setup, const RunState& state, const RunLog& log)
    : setup_(setup), state_(state), log_(log) {
  const std::string& folder = setup.request.tensorboard;
  if (folder.empty()) return;
  const int64_t done = state.counters.step;
  file_ = std::make_unique<EventFile>(folder, done > 0 ? done + 1 : 0);
  if (done == 0) attempt([this] { introduce(); });
}

// Runs `write` unless an earlier one failed.
template <class Write>
void Board::attempt(Write write) {
  if (!file_) return;
  try {
    write();
  } catch (const Error& e) {
    log_.warn(str("TensorBoard gets nothing from here on: ", e.what()));
    file_.reset();
  }
}

void Board::introduce() {
  file_->text("config", as_markdown(setup_.request.config), 0);
  file_->graph(nodes_of(setup_.evaluation_model(setup_.full_batch(), false).graph));
  std::vector<EventParameter> parameters;
  collect(setup_.request.config.value("train", json::object()), "", parameters);
  parameters.push_back(
      {.name = "seed", .text = {}, .number = static_cast<double>(setup_.request.seed), .is_number = true});
  file_->parameters(parameters);
  file_->flush();
}

void Board::step(float loss, double learning_rate) {
  attempt([&] {
    file_->scalar("step/loss", static_cast<double>(loss), state_.counters.step);
    file_->scalar("step/learning_rate", learning_rate, state_.counters.step);
  });
}

void Board::metrics(const json& metrics) {
  attempt([&] {
    const int64_t step = state_.counters.step;
    for (const auto& part : metrics.items())
      for (const auto& m : part.value().items())
        if (m.value().is_number())
          file_->scalar(str(part.key(), '/', m.key()), m.value().get<double>(), step);
    file_->scalar("epoch", static_cast<double>(state_.counters.epoch), step);
    file_->flush();
  });
}

void Board::histograms(Stepper& stepper) {
  attempt([&] {
    const int64_t step = state_.counters.step;
    for (const auto& [name, tensor] : state_.trained_tensors())
      if (tensor.dtype() == DType::f32)
        file_->histogram(str("parameters/", name), tensor.data<float>(), step);
    for (const Parameter& p : setup_.whole.parameters)
      if (const std::span<const float> gradient = stepper.gradient(p.name); !gradient.empty())
        file_->histogram(str("gradients/", p.name), gradient, step);
    file_->flush();
  });
}

void Board::flush() {
  attempt([&] { file_->flush(); });
}

void Board::end() {
  attempt([&] { file_->end(true); });
}

}  // namespace dl
