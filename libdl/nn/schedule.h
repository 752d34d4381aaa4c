#pragma once
// Learning rate over time: {"type": "cosine", "warmup_epochs": 1}. A pure function of the step, so that
// resuming needs no state.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fields.h"

namespace dl {

struct ScheduleFamily {
  static constexpr std::string_view what = "schedule";
  DL_API static std::span<const Variant> variants();
};
using Schedule = Typed<ScheduleFamily>;  // default-constructed: constant

// The rate of step `step` (0-based) when an epoch has `steps_per_epoch` steps and the run `total_epochs`
// epochs. Warm-up is linear: step t of W runs at (t + 1) / W of the base rate. Cosine and polynomial start
// when it ends; step, piecewise and exponential count epochs from the start of the run. With e = step /
// steps_per_epoch:
//   constant     lr
//   step         lr gamma^floor(e / every)
//   piecewise    lr factors[i], i = the last boundary <= e; lr before the first
//   exponential  lr gamma^(e / every), the exponent rounded down when `staircase`
//   polynomial   lr ((1 - end) (1 - p)^power + end), p from 0 to 1 over `epochs` epochs (0: the rest)
//   cosine       lr ((1 - end) (1 + cos(pi p)) / 2 + end)
DL_API double rate(const Schedule& schedule, double base_lr, int64_t step, int64_t steps_per_epoch,
                   double total_epochs);

// Throws Error (config) at `pointer` for what single fields cannot tell: boundaries that do not rise, a
// warm-up given twice.
DL_API void check_schedule(const Schedule& schedule, const std::string& pointer);

}  // namespace dl
