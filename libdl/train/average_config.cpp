#include "train/average_config.h"

#include <algorithm>
#include <cmath>

namespace dl {

std::span<const Variant> AverageFamily::variants() {
  static const Variant all[] = {
      {"ema",
       "Exponential moving average of the parameters (Polyak and Juditsky 1992), judged and written in their "
       "place; running "
       "statistics are averaged alike.",
       &attr_ops<EmaAverage>},
      {"swa",
       "Stochastic weight averaging (Izmailov et al. 2018): the mean of the parameters at the ends of epochs "
       "from one on. At "
       "the end of the run batch norms get the statistics of the training part under it, and it is judged "
       "and written.",
       &attr_ops<SwaAverage>},
  };
  return all;
}

const EmaAverage* ema_of(const std::optional<Average>& average) {
  return average && average->type == "ema" ? &average->as<EmaAverage>() : nullptr;
}
const SwaAverage* swa_of(const std::optional<Average>& average) {
  return average && average->type == "swa" ? &average->as<SwaAverage>() : nullptr;
}

double ema_keep(const EmaAverage& ema, int64_t update) {
  const auto t = static_cast<double>(update);
  const double d = ema.decay;
  switch (ema.start) {
    case EmaStart::debias:  // of m = d m + (1 - d) w from m = 0, the recursion of m / (1 - d^t)
      return d < 1 ? d * (1 - std::pow(d, t - 1)) / (1 - std::pow(d, t)) : (t - 1) / t;
    case EmaStart::warmup:
      return std::min(d, (1 + t) / (10 + t));
    case EmaStart::plain:
      break;
  }
  return d;
}

std::optional<double> swa_rate(const SwaAverage& swa, int64_t step, int64_t steps_per_epoch) {
  const int64_t into = step - swa.from_epoch * steps_per_epoch;
  if (into < 0 || !swa.lr) return std::nullopt;
  if (!swa.end_lr) return swa.lr;
  const int64_t cycle = swa.cycle_epochs * steps_per_epoch;
  const double part = static_cast<double>(into % cycle + 1) / static_cast<double>(cycle);
  return (1 - part) * *swa.lr + part * *swa.end_lr;
}

}  // namespace dl
