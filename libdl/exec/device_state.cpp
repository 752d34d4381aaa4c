#include "exec/device_state.h"

namespace dl {
namespace {
constexpr size_t kAlign = 256;
}

DeviceState::DeviceState(Device& device, TensorMap& host) : device_(device), host_(host) {
  size_t bytes = 0;
  for (const auto& [name, t] : host) {
    offset_[name] = bytes;
    bytes += (static_cast<size_t>(t.bytes()) + kAlign - 1) / kAlign * kAlign;
  }
  memory_ = DeviceMemory(device, bytes, "parameters");
  for (const auto& [name, t] : host)
    if (t.bytes()) device_.copy(address(name), t.raw(), static_cast<size_t>(t.bytes()));
  device_.wait();
}

void* DeviceState::address(const std::string& name) const {
  const auto it = offset_.find(name);
  return it == offset_.end() ? nullptr : static_cast<char*>(memory_.data()) + it->second;
}

void DeviceState::fetch() {
  for (auto& [name, t] : host_)
    if (t.bytes()) device_.copy(t.raw(), address(name), static_cast<size_t>(t.bytes()));
  device_.wait();
}

}  // namespace dl
