#pragma once
// Devices other than the CPU. Their kernels are in a library of their own (libdl_cuda beside libdl) that is loaded when a
// device is first asked for, so that a program that computes on the CPU neither needs nor loads anything of CUDA's.
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/export.h"
#include "kernels/device.h"
#include "ops/registry.h"

namespace dl {

class Device;

// Memory of a device.
class DL_API DeviceMemory {
 public:
  DeviceMemory() = default;
  // Error (memory) when the device has no such amount. `what` it is for stands in the message.
  DeviceMemory(Device& device, size_t bytes, std::string_view what);
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceMemory();
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceMemory& other) {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  Device* device_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Host memory that a device copies from while the host goes on.
class DL_API PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(Device& device, size_t bytes);  // Error (memory)
  PinnedMemory(PinnedMemory&& other) noexcept { swap(other); }
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~PinnedMemory();
  void* data() const { return data_; }

 private:
  void swap(PinnedMemory& other) {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
  }
  Device* device_ = nullptr;
  void* data_ = nullptr;
};

class DL_API Device {
 public:
  // How many there are; 0 and why not in `why`.
  static int count(std::string& why);
  // What is known of one without using it. Error (device) with what was looked for where there is none of that number.
  static DeviceInfo describe(int number);
  static std::shared_ptr<Device> open(int number);  // as describe()
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  std::string name() const;  // "cuda:0"
  const DeviceInfo& info() const { return info_; }
  const Kernel& kernel(OpId op) const { return *table_.kernels[static_cast<size_t>(op)]; }
  bool has_kernel(OpId op) const { return table_.kernels[static_cast<size_t>(op)]; }
  void* queue() const { return table_.queue(context_); }
  int64_t free_memory() const;

  // Whether products of f32 may round their factors to tf32, from now on.
  void allow_tf32(bool allowed) { table_.allow_tf32(context_, allowed); }

  // Enqueues a copy on the compute stream or, with `ahead`, on the copy stream.
  void copy(void* to, const void* from, size_t bytes, bool ahead = false);
  // Copies to the host and waits for it.
  void download(void* to, const void* from, size_t bytes);
  // The compute stream waits for the copies that are enqueued, or the copies for what is computed.
  void computing_waits_for_copies();
  void copies_wait_for_computing();
  // Until the compute stream is done. Error (device) with `what` was running when something failed.
  void wait(std::string_view what = "running kernels");
  void wait_for_copies();
  // Error (device) with `where` when a launch failed.
  void check_launch(std::string_view where);

  void begin_recording();
  void* end_recording();
  void launch(void* recording);
  void release(void* recording) { table_.release_graph(context_, recording); }

  void mark(int slot);                     // a point in time, slot 0 or 1
  double elapsed(int from, int to) const;  // seconds

 private:
  friend class DeviceMemory;
  friend class PinnedMemory;
  Device(const DeviceTable& table, int number, const DeviceInfo& info);
  void check(const char* error, std::string_view what) const;
  const DeviceTable& table_;
  int number_;
  DeviceContext* context_ = nullptr;
  DeviceInfo info_;
};

}  // namespace dl
