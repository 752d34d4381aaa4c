#pragma once
// Memory for activations, gradients and scratch that executors share: one of them runs at a time. On a device, the
// parameters and the state that they share are kept here as well.
#include <memory>

#include "base/memory.h"
#include "exec/device_state.h"

namespace dl {

class Arena {
 public:
  explicit Arena(std::shared_ptr<Device> device = nullptr) : device_(std::move(device)) {}
  // Makes room. Where it grows, it moves and its content is lost.
  void reserve(size_t bytes) {
    if (bytes <= this->bytes()) return;
    if (device_) {
      device_memory_ = DeviceMemory();
      device_memory_ = DeviceMemory(*device_, bytes, "activations");
    } else {
      memory_ = Memory();
      memory_ = Memory(bytes);
    }
    user_ = nullptr;
  }
  char* data() const { return static_cast<char*>(device_ ? device_memory_.data() : memory_.data()); }
  size_t bytes() const { return device_ ? device_memory_.bytes() : memory_.bytes(); }
  // Before `user` runs. True when someone else did since it did, or the content was lost.
  bool claim(const void* user) {
    const bool lost = user_ != user;
    user_ = user;
    return lost;
  }
  const std::shared_ptr<Device>& device() const { return device_; }
  // What the device holds of `host`, the same for all who ask. Sent when it is first asked for.
  DeviceState& state(TensorMap& host) {
    if (!state_ || &state_->host() != &host) state_ = std::make_unique<DeviceState>(*device_, host);
    return *state_;
  }
  // Brings parameters and state back to the host's tensors; on the CPU they are there.
  void fetch() {
    if (state_) state_->fetch();
  }

 private:
  std::shared_ptr<Device> device_;
  Memory memory_;
  DeviceMemory device_memory_;
  std::unique_ptr<DeviceState> state_;
  const void* user_ = nullptr;
};

}  // namespace dl
