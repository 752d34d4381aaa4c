#include "train/device.h"

#include <charconv>

#include "base/str.h"

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
    const std::shared_ptr<Device> device = Device::open(0);
    how = str(device->name(), " (", device->info().name, ", ", size(device->info().memory), ')');
    return device->name();
  }
  const int n = number_of(asked);
  if (n < 0)
    throw Error(Exit::usage, {},
                str("--device '", asked, "' is not known, expected cpu, cuda, cuda:N or auto"));
  return Device::open(n)->name();
}

std::shared_ptr<Device> open_device(const std::string& resolved) {
  return resolved == "cpu" ? nullptr : Device::open(number_of(resolved));
}

int64_t device_bytes(const Plan& plan) {
  const Plan::Bytes b = plan.bytes();
  return b.parameters + b.state + b.constants + b.arena + 2 * b.inputs;
}

void require_device_memory(const Plan& plan, int64_t batch,
                           const std::function<Plan(int64_t batch)>& plan_for) {
  if (!plan.device) return;
  const int64_t free = plan.device->free_memory() - kReserve;
  const int64_t needed = device_bytes(plan);
  if (needed <= free) return;
  int64_t fits = 0;
  for (int64_t above = batch; above - fits > 1;) {
    const int64_t middle = fits + (above - fits) / 2;
    (device_bytes(plan_for(middle)) <= free ? fits : above) = middle;
  }
  const Plan::Bytes b = plan.bytes();
  throw Error(
      Exit::memory, "/train/batch_size",
      str("a batch of ", batch, " needs ", size(needed), " on ", plan.device->name(), " (parameters ",
          size(b.parameters), ", optimiser and statistics ", size(b.state), ", activations and gradients ",
          size(b.arena), ", batches ", size(2 * b.inputs), "), where ", size(std::max<int64_t>(free, 0)),
          " are free"),
      fits > 0 ? str("the largest batch that fits is ", fits) : "not even a batch of one sample fits");
}

}  // namespace dl
