#include "exec/device_session.h"

#include <cstring>

namespace dl {
namespace {
constexpr size_t kAlign = 256;
size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
}  // namespace

DeviceSession::DeviceSession(std::shared_ptr<Device> device, const Graph& graph)
    : device_(std::move(device)) {
  size_t constants = 0, inputs = 0;
  for (const auto& [v, t] : graph.constants) {
    constant_[v] = constants;
    constants += aligned(static_cast<size_t>(t.bytes()));
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& v = graph.values[i];
    if (v.kind != ValueKind::input) continue;
    input_[static_cast<ValueId>(i)] = {inputs, static_cast<size_t>(v.type.bytes())};
    inputs += aligned(static_cast<size_t>(v.type.bytes()));
  }
  constants_ = DeviceMemory(*device_, constants, "constants");
  inputs_ = DeviceMemory(*device_, inputs, "inputs");
  landing_ = DeviceMemory(*device_, inputs, "inputs");
  staging_ = PinnedMemory(*device_, inputs);
  for (const auto& [v, t] : graph.constants)
    if (t.bytes()) device_->copy(leaf(v), t.raw(), static_cast<size_t>(t.bytes()));
  device_->wait();
}

DeviceSession::~DeviceSession() { forget_recordings(); }

void* DeviceSession::leaf(ValueId v) const {
  if (const auto it = constant_.find(v); it != constant_.end()) return at(constants_, it->second);
  if (const auto it = input_.find(v); it != input_.end()) return at(inputs_, it->second.offset);
  return nullptr;
}

void DeviceSession::feed(ValueId v, const void* host) {
  Input& input = input_.at(v);
  if (input.bytes == 0) return;
  char* const staged = static_cast<char*>(staging_.data()) + input.offset;
  if (input.staged) {
    device_->wait_for_copies();
    for (auto& [id, other] : input_) other.staged = false;
  }
  std::memcpy(staged, host, input.bytes);
  device_->copy(at(landing_, input.offset), staged, input.bytes, true);
  input.fed = input.staged = true;
}

void DeviceSession::arrive() {
  bool any = false;
  for (auto& [v, input] : input_) {
    if (!input.fed) continue;
    if (!any) device_->computing_waits_for_copies();
    any = true;
    input.fed = false;
    device_->copy(at(inputs_, input.offset), at(landing_, input.offset), input.bytes);
  }
  if (any) device_->copies_wait_for_computing();
}

const void* DeviceSession::fetch(ValueId v, const void* address, size_t bytes) {
  std::vector<char>& host = fetched_[v];
  host.resize(bytes);
  device_->download(host.data(), address, bytes);
  return host.data();
}

void DeviceSession::forget_recordings() {
  for (auto& [range, r] : recordings_)
    if (r.recorded) device_->release(r.recorded);
  recordings_.clear();
}

}  // namespace dl
