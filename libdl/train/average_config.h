#pragma once
// Config "train.average": the model is an average of the parameters along the run.
#include <optional>
#include <string_view>

#include "base/fields.h"

namespace dl {

enum class EmaStart : uint8_t { debias, warmup, plain };
constexpr auto enum_names(const EmaStart*) {
  return std::to_array<std::string_view>({"debias", "warmup", "plain"});
}

// avg <- d avg + (1 - d) w after each step.
struct EmaAverage {
  double decay = 0.999;
  EmaStart start = EmaStart::debias;
  int64_t every = 1;
};
constexpr auto fields(const EmaAverage*) {
  return std::tuple{
      field("decay", &EmaAverage::decay, "Share of the average that stays.").range(0, 1),
      field("start", &EmaAverage::start,
            "How the first values fade: \"debias\": weighed as if the average had begun with nothing, the "
            "first update "
            "takes the parameters; \"warmup\": the t-th update keeps at most (1 + t) / (10 + t); \"plain\": "
            "not faster "
            "than others."),
      field("every", &EmaAverage::every, "Steps between two updates of the average.").at_least(1),
  };
}

// The mean of the parameters at the ends of epochs.
struct SwaAverage {
  int64_t from_epoch = 0;
  int64_t cycle_epochs = 1;
  std::optional<double> lr, end_lr;
};
constexpr auto fields(const SwaAverage*) {
  return std::tuple{
      field("from_epoch", &SwaAverage::from_epoch, "Epochs that are done before the first cycle.")
          .at_least(0)
          .required(),
      field("cycle_epochs", &SwaAverage::cycle_epochs,
            "Epochs of a cycle, at whose end the parameters count.")
          .at_least(1),
      field("lr", &SwaAverage::lr, "Learning rate of the cycles; else the schedule goes on.").at_least(0),
      field("end_lr", &SwaAverage::end_lr,
            "Learning rate at the end of each cycle, to which it falls in a straight line from lr.")
          .at_least(0),
  };
}

struct AverageFamily {
  static constexpr std::string_view what = "average";
  DL_API static std::span<const Variant> variants();
};
using Average = Typed<AverageFamily>;

const EmaAverage* ema_of(const std::optional<Average>& average);  // null where there is none
const SwaAverage* swa_of(const std::optional<Average>& average);

// What the t-th update of an exponential average, from 1 on, keeps of it.
DL_API double ema_keep(const EmaAverage& ema, int64_t update);
// The rate that a step of a cycle has, counted from 0 at the first of all; nothing where the schedule goes on.
DL_API std::optional<double> swa_rate(const SwaAverage& swa, int64_t step, int64_t steps_per_epoch);

}  // namespace dl
