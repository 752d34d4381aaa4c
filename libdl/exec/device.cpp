#include "exec/device.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "base/str.h"

namespace dl {
namespace {

struct Library {
  const DeviceTable* table = nullptr;
  std::string why;  // it could not be loaded
};

// Beside the library that this code is in. DL_CUDA_LIBRARY in the environment (for tests) names another one.
std::string library_path() {
  if (const char* given = std::getenv("DL_CUDA_LIBRARY")) return given;
  Dl_info self = {};
  if (!::dladdr(reinterpret_cast<const void*>(&library_path), &self) || !self.dli_fname)
    return "libdl_cuda.so";
  return std::filesystem::path(self.dli_fname).replace_filename("libdl_cuda.so").string();
}

Library load() {
  const std::string path = library_path();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* error = ::dlerror();
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored))
      return {nullptr, str("this build has no CUDA kernels (no ", path, ')')};
    return {nullptr, str("the CUDA kernels do not load: ", error ? error : path)};
  }
  const auto table_of = reinterpret_cast<DeviceTableFn>(::dlsym(handle, kDeviceTableFn));
  const DeviceTable* table = table_of ? table_of() : nullptr;
  if (!table || table->version != DeviceTable::kVersion)
    return {nullptr, str(path, " is of another version")};
  return {table, {}};
}

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

}  // namespace

int Device::count(std::string& why) {
  const Library& l = library();
  if (!l.table) {
    why = l.why;
    return 0;
  }
  int n = 0;
  const char* error = l.table->count(&n);
  if (n == 0) why = error ? error : "there is no CUDA device";
  return n;
}

DeviceInfo Device::describe(int number) {
  std::string why;
  const int n = count(why);
  if (n == 0)
    throw Error(Exit::device, {}, str("device 'cuda:", number, "' is not there: ", why),
                "use --device cpu, or --device auto to take what is there");
  if (number < 0 || number >= n)
    throw Error(Exit::device, {},
                str("device 'cuda:", number, "' is not there: found ",
                    n == 1 ? std::string("cuda:0 alone") : str("cuda:0 to cuda:", n - 1)),
                "use --device cuda, or --device auto to take what is there");
  DeviceInfo info = {};
  if (const char* error = library().table->describe(number, &info))
    throw Error(Exit::device, str("device cuda:", number, ": cannot be asked: ", error));
  return info;
}

std::shared_ptr<Device> Device::open(int number) {
  const DeviceInfo info = describe(number);
  return std::shared_ptr<Device>(new Device(*library().table, number, info));
}

Device::Device(const DeviceTable& table, int number, const DeviceInfo& info)
    : table_(table), number_(number), info_(info) {
  check(table_.open(number, &context_), "cannot be used");
}

Device::~Device() { table_.close(context_); }

std::string Device::name() const { return str("cuda:", number_); }

void Device::check(const char* error, std::string_view what) const {
  if (error) throw Error(Exit::device, str("device ", name(), ": ", what, ": ", error));
}

int64_t Device::free_memory() const {
  int64_t bytes = 0;
  check(table_.free_memory(context_, &bytes), "free memory");
  return bytes;
}

void Device::copy(void* to, const void* from, size_t bytes, bool ahead) {
  check(table_.copy(context_, ahead ? DeviceStream::copy : DeviceStream::compute, to, from, bytes), "copy");
}

void Device::download(void* to, const void* from, size_t bytes) {
  copy(to, from, bytes);
  wait();
}

void Device::computing_waits_for_copies() {
  check(table_.order(context_, DeviceStream::copy, DeviceStream::compute), "wait for copies");
}
void Device::copies_wait_for_computing() {
  check(table_.order(context_, DeviceStream::compute, DeviceStream::copy), "wait for kernels");
}
void Device::wait(std::string_view what) { check(table_.wait(context_, DeviceStream::compute), what); }
void Device::wait_for_copies() { check(table_.wait(context_, DeviceStream::copy), "copies"); }
void Device::check_launch(std::string_view where) { check(table_.error(context_), where); }

void Device::begin_recording() { check(table_.begin_graph(context_), "recording a step"); }
void* Device::end_recording() {
  void* recording = nullptr;
  check(table_.end_graph(context_, &recording), "recording a step");
  return recording;
}
void Device::launch(void* recording) { check(table_.launch_graph(context_, recording), "running a step"); }

void Device::mark(int slot) { check(table_.mark(context_, slot), "timing"); }
double Device::elapsed(int from, int to) const {
  float seconds = 0;
  check(table_.elapsed(context_, from, to, &seconds), "timing");
  return static_cast<double>(seconds);
}

DeviceMemory::DeviceMemory(Device& device, size_t bytes, std::string_view what)
    : device_(&device), bytes_(bytes) {
  device.check(device.table_.allocate(device.context_, bytes, &data_), "allocation");
  if (!data_ && bytes)
    throw Error(Exit::memory,
                str("device ", device.name(), ": ", human_bytes(static_cast<double>(bytes)), " for ", what,
                    " cannot be had, ", human_bytes(static_cast<double>(device.free_memory())), " are free"));
}
DeviceMemory::~DeviceMemory() {
  if (data_) device_->table_.release(device_->context_, data_);
}

PinnedMemory::PinnedMemory(Device& device, size_t bytes) : device_(&device) {
  device.check(device.table_.allocate_host(device.context_, bytes, &data_), "allocation");
  if (!data_ && bytes)
    throw Error(Exit::memory,
                str(human_bytes(static_cast<double>(bytes)), " of pinned host memory cannot be had"));
}
PinnedMemory::~PinnedMemory() {
  if (data_) device_->table_.release_host(device_->context_, data_);
}

}  // namespace dl
