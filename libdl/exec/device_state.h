#pragma once
// Tensors of the host that live on a device while a run lasts.
#include <map>
#include <string>

#include "exec/device.h"
#include "tensor/tensor.h"

namespace dl {

class DL_API DeviceState {
 public:
  // Sends all tensors, one behind the other in one piece of memory. `host` must outlive this.
  DeviceState(Device& device, TensorMap& host);
  const TensorMap& host() const { return host_; }
  void* address(const std::string& name) const;  // null where there is none of that name
  // Brings everything back.
  void fetch();

 private:
  Device& device_;
  TensorMap& host_;
  DeviceMemory memory_;
  std::map<std::string, size_t> offset_;
};

}  // namespace dl
