#pragma once
// Which device a run computes on, and whether it fits there.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/export.h"
#include "exec/plan.h"

namespace dl {

// What --device asks for (cpu, cuda, cuda:N or auto) as the device that is there: "cpu" or "cuda:N". Error (device) with
// what was looked for, Error (usage) for another text. `how` says for auto what was chosen and why.
DL_API std::string resolve_device(const std::string& asked, std::string& how);
// All devices that `asked` may mean: each there is for cuda and auto, one for cuda:N, none for the CPU. Errors as above.
DL_API std::vector<std::string> devices_for(const std::string& asked);
// A resolved device; null for the CPU.
DL_API std::shared_ptr<Device> open_device(const std::string& resolved);

// "avx512", or of a device "cuda:0, NVIDIA H200": where the plan's kernels run.
DL_API std::string place_of(const Plan& plan);
// Bytes that a plan takes on its device: parameters and state, activations, constants, and batches twice.
DL_API int64_t device_bytes(const Plan& plan);
// Error (memory) with the plan's figures and the largest batch that fits, where the plan, which is for a batch of
// `batch`, does not fit into the device's free memory. `plan_for` makes the plan of another batch; `further` bytes go there besides.
DL_API void require_device_memory(const Plan& plan, int64_t batch,
                                  const std::function<Plan(int64_t batch)>& plan_for, int64_t further = 0);

}  // namespace dl
