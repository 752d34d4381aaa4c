#pragma once
// Learning rate over time: {"type": "cosine", "warmup_epochs": 1}. A pure function of the step, so that
// resuming needs no state; but for "plateau", whose factor follows a metric (train/plateau.h).
#include <cstdint>
#include <optional>
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
// epochs. Warm-up is linear: step t of W runs at from + (1 - from) (t + 1) / W of the base rate. With e = step /
// steps_per_epoch, t = e - warm-up, p = t / T from 0 to 1 where T is `epochs` or else the rest of the run:
//   constant             lr
//   step                 lr gamma^floor(e / every)
//   piecewise            lr factors[i], i = the last boundary <= e; lr before the first
//   list                 lr factors[floor(e)], the last one from there on
//   exponential          lr gamma^n, n = e / every, rounded down when `staircase`
//   natural_exponential  lr exp(-decay n)
//   inverse_time         lr / (1 + decay n)
//   polynomial           lr ((1 - end) (1 - p)^power + end); with `cycle` T grows to T ceil(t / T)
//   cosine               lr ((1 - end) (1 + cos(pi p)) / 2 + end)
//   cosine_restarts      the same within periods of epochs, epochs t_mul, epochs t_mul^2, ...; the i-th wave times m_mul^i
//   linear_cosine        lr ((alpha + 1 - p) (1 + cos(2 pi periods p)) / 2 + beta)
//   noisy_linear_cosine  lr max(0, (alpha + 1 - p + z) (1 + cos(2 pi periods p)) / 2 + beta), z normal with the variance
//                        variance / (1 + step)^variance_decay
//   one_cycle            from `start` lr to lr over the share `peak_at` of all steps but the last, then down to `end` lr
//   cyclic               lr (low + (1 - low) max(0, 1 - |t / up - 2 c + 1|) s), c = floor(1 + t / (2 up)); s is 1, 2^(1 - c)
//                        (triangular2) or gamma^step (exp_range)
//   noam                 lr model_size^-0.5 min(s^-0.5, s warmup_steps^-1.5), s = step + 1
//   plateau              lr times a factor that falls when the metric no longer improves
//   sequence             one schedule after the other, each as in a run of its own length
DL_API double rate(const Schedule& schedule, double base_lr, int64_t step, int64_t steps_per_epoch,
                   double total_epochs);

// The momentum of that step, where the schedule cycles it: as the rate rises it falls from the upper to the lower number.
DL_API std::optional<double> momentum_at(const Schedule& schedule, int64_t step, int64_t steps_per_epoch,
                                         double total_epochs);
DL_API bool cycles_momentum(const Schedule& schedule);

// The rule of "plateau".
struct PlateauRule {
  std::string metric = "valid.loss";
  double factor = 0.1, min_delta = 1e-4, min = 0;
  int64_t patience = 3, cooldown = 0;
};
DL_API const PlateauRule* plateau_of(const Schedule& schedule);  // null for other schedules

// Throws Error (config) at `pointer` for what single fields cannot tell: boundaries that do not rise, a
// warm-up given twice.
DL_API void check_schedule(const Schedule& schedule, const std::string& pointer);

}  // namespace dl
