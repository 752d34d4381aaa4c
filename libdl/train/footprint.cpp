#include "train/footprint.h"

#include <cstdio>

#include "base/str.h"

namespace dl {
namespace {

// Measured: a node with its values, operands and names in two plans; and the pages of the program and its libraries that
// only running and writing touch.
constexpr int64_t kNodeBytes = 6 << 10, kLaterBytes = 3 << 20;

std::string size(int64_t bytes) { return human_bytes(static_cast<double>(bytes)); }

}  // namespace

DeviceFootprint::DeviceFootprint(const Plan& plan) {
  if (!plan.device) return;
  const Plan::Bytes b = plan.bytes();
  name = plan.device->name();
  parameters = b.parameters + b.state;
  activations = b.arena;
  batches = 2 * b.inputs + b.constants;
}

json to_json(const DeviceFootprint& f) {
  return {{"name", f.name},
          {"predicted", f.total()},
          {"parameters", f.parameters},
          {"activations", f.activations},
          {"batches", f.batches}};
}

std::string text(const DeviceFootprint& f) {
  return str(size(f.total()), ": parameters ", size(f.parameters), ", activations ", size(f.activations),
             ", batches ", size(f.batches));
}

void Footprint::add(const Plan& plan, int64_t resident) {
  const Plan::Bytes b = plan.bytes();
  program = resident + kLaterBytes + kNodeBytes * static_cast<int64_t>(plan.graph.nodes.size());
  parameters = b.parameters + b.state;
  device = DeviceFootprint(plan);
  if (plan.device)
    batches += b.inputs;  // on their way to the device
  else
    activations = b.arena + plan.local_bytes();
}

void Footprint::add(const Dataset& set, const LoaderOptions& loading) {
  batches += loader_bytes(set, loading);
  data += set.memory(loading.split);
}

json to_json(const Footprint& f) {
  json record{{"predicted", f.total()}, {"program", f.program},         {"parameters", f.parameters},
              {"best", f.best},         {"activations", f.activations}, {"batches", f.batches},
              {"data", f.data}};
  if (!f.device.name.empty()) record["device"] = to_json(f.device);
  return record;
}

std::string text(const Footprint& f) {
  std::string parts;
  const auto part = [&](const char* name, int64_t bytes) {
    if (bytes > 0) parts += str(parts.empty() ? "" : ", ", name, ' ', size(bytes));
  };
  part("program", f.program);
  part("parameters", f.parameters);
  part("best epoch", f.best);
  part("activations", f.activations);
  part("batches", f.batches);
  part("data", f.data);
  return str(size(f.total()), ": ", parts,
             f.device.name.empty() ? "" : str("; on ", f.device.name, ' ', text(f.device)));
}

std::string text(const Footprint& f, int64_t peak) {
  return str("peak memory ", size(peak), ", predicted ", size(f.total()));
}

std::string describe_recompute(const Plan& plan) {
  if (!plan.kept) return "";
  char more[32];
  std::snprintf(more, sizeof more, "%.1f",
                100 * (static_cast<double>(plan.flops()) / static_cast<double>(plan.kept->flops) - 1));
  return str("; values computed again save ", size(plan.kept->arena - plan.memory.arena_bytes), " of ",
             size(plan.kept->arena), " and take ", more, " % more operations");
}

}  // namespace dl
