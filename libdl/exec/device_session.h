#pragma once
// What an executor has on a device besides the arena: constants, inputs on their way, outputs that the host reads, and
// recordings of what it runs again and again.
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "exec/device.h"
#include "graph/graph.h"

namespace dl {

class DL_API DeviceSession {
 public:
  // Sends the constants and makes room for the inputs.
  DeviceSession(std::shared_ptr<Device> device, const Graph& graph);
  ~DeviceSession();
  Device& device() const { return *device_; }
  void* leaf(ValueId v) const;  // of a constant or an input; else null
  // Copies an input on its way: what runs now still sees the old one.
  void feed(ValueId v, const void* host);
  // Puts the inputs that were fed since the last call in their place.
  void arrive();
  // The bytes at a device address, on the host until the next call for that value.
  const void* fetch(ValueId v, const void* address, size_t bytes);

  // Runs work(first, last): at first as it is, from the second time on as a recording of it. The first time is careful():
  // the caller waits for each node, so that a fault in it has a name.
  template <class Work>
  void run(size_t first, size_t last, Work work) {
    Recording& r = recordings_[{first, last}];
    if (!r.ran) {
      r.ran = true;
      careful_ = true;
      work(first, last);
      careful_ = false;
      return;
    }
    if (!r.recorded) {
      device_->begin_recording();
      try {
        work(first, last);
      } catch (...) {
        device_->release(device_->end_recording());
        throw;
      }
      r.recorded = device_->end_recording();
    }
    device_->launch(r.recorded);
  }
  bool careful() const { return careful_; }
  // Addresses have changed.
  void forget_recordings();

 private:
  struct Input {
    size_t offset, bytes;
    bool fed = false;     // since the last arrive()
    bool staged = false;  // the copy from staging memory may be under way
  };
  struct Recording {
    bool ran = false;
    void* recorded = nullptr;
  };
  char* at(const DeviceMemory& m, size_t offset) const { return static_cast<char*>(m.data()) + offset; }
  std::shared_ptr<Device> device_;
  std::map<ValueId, size_t> constant_;
  std::map<ValueId, Input> input_;
  DeviceMemory constants_, inputs_, landing_;  // inputs land in the third and are moved to the second
  PinnedMemory staging_;
  std::map<ValueId, std::vector<char>> fetched_;
  std::map<std::pair<size_t, size_t>, Recording> recordings_;
  bool careful_ = false;
};

}  // namespace dl
