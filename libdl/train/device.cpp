#include "train/device.h"

#include <charconv>

#include "base/str.h"
#include "train/footprint.h"

namespace dl {
namespace {

// CUDA's context, the libraries' own memory and what rounding to pages takes.
constexpr int64_t kReserve = 64 << 20;

// N of "cuda:N", 0 for "cuda", -1 for anything else.
int number_of(const std::string& name) {
  if (name == "cuda") return 0;
  if (!name.starts_with("cuda:")) return -1;
  int n = -1;
  const char* const end = name.data() + name.size();
  const auto [next, error] = std::from_chars(name.data() + 5, end, n);
  return error == std::errc() && next == end ? n : -1;
}

std::string name_of(int number) { return str("cuda:", number); }
std::string size(int64_t bytes) { return human_bytes(static_cast<double>(bytes)); }

}  // namespace

std::string resolve_device(const std::string& asked, std::string& how) {
  if (asked == "cpu") return "cpu";
  if (asked == "auto") {
    std::string why;
    if (Device::count(why) == 0) {
      how = str("cpu (", why, ')');
      return "cpu";
    }
    const DeviceInfo info = Device::describe(0);
    how = str(name_of(0), " (", info.name, ", ", size(info.memory), ')');
    return name_of(0);
  }
  const int n = number_of(asked);
  if (n < 0)
    throw Error(Exit::usage, {},
                str("--device '", asked, "' is not known, expected cpu, cuda, cuda:N or auto"));
  Device::describe(n);
  return name_of(n);
}

std::vector<std::string> devices_for(const std::string& asked) {
  std::string how, why;
  const std::string first = resolve_device(asked, how);
  if (first == "cpu") return {};
  if (asked != "cuda" && asked != "auto") return {first};
  std::vector<std::string> all;
  for (int i = 0, n = Device::count(why); i < n; ++i) all.push_back(name_of(i));
  return all;
}

std::shared_ptr<Device> open_device(const std::string& resolved) {
  return resolved == "cpu" ? nullptr : Device::open(number_of(resolved));
}

std::string place_of(const Plan& plan) {
  return plan.device ? str(plan.device->name(), ", ", plan.device->info().name)
                     : std::string(name_of(plan.isa));
}

int64_t device_bytes(const Plan& plan) { return DeviceFootprint(plan).total(); }

void require_device_memory(const Plan& plan, int64_t batch,
                           const std::function<Plan(int64_t batch)>& plan_for, int64_t further) {
  if (!plan.device) return;
  const int64_t free = plan.device->free_memory() - kReserve - further;
  const int64_t needed = device_bytes(plan);
  if (needed <= free) return;
  int64_t fits = 0;
  for (int64_t above = batch; above - fits > 1;) {
    const int64_t middle = fits + (above - fits) / 2;
    (device_bytes(plan_for(middle)) <= free ? fits : above) = middle;
  }
  const DeviceFootprint f(plan);
  throw Error(
      Exit::memory, "/train/batch_size",
      str("a batch of ", batch, " needs ", size(needed), " on ", plan.device->name(), ": ", text(f),
          ", where ", size(std::max<int64_t>(free, 0)), " are free"),
      fits > 0 ? str("the largest batch that fits is ", fits) : "not even a batch of one sample fits");
}

}  // namespace dl
