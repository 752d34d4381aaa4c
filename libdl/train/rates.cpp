#include "train/rates.h"

#include <algorithm>

#include "base/str.h"

namespace dl {

int64_t run_steps(const TrainConfig& train, int64_t steps_per_epoch) {
  const int64_t all = train.epochs * steps_per_epoch;
  return train.max_steps > 0 ? std::min(all, train.max_steps) : all;
}

double run_epochs(const TrainConfig& train, int64_t steps_per_epoch) {
  return static_cast<double>(run_steps(train, steps_per_epoch)) / static_cast<double>(steps_per_epoch);
}

double scheduled_rate(const TrainConfig& train, int64_t step, int64_t steps_per_epoch) {
  if (const SwaAverage* swa = swa_of(train.average))
    if (const auto fixed = swa_rate(*swa, step, steps_per_epoch)) return *fixed;
  return rate(train.schedule, base_lr(train.optimizer), step, steps_per_epoch,
              run_epochs(train, steps_per_epoch));
}

std::optional<double> scheduled_momentum(const TrainConfig& train, int64_t step, int64_t steps_per_epoch) {
  if (!cycles_momentum(train.schedule)) return {};
  const auto now = momentum_at(train.schedule, step, steps_per_epoch, run_epochs(train, steps_per_epoch));
  return now ? now : base_momentum(train.optimizer);
}

std::string lr_curve(const TrainConfig& train, int64_t steps_per_epoch) {
  std::string csv = str("step,epoch,learning_rate", cycles_momentum(train.schedule) ? ",momentum" : "", '\n');
  for (int64_t step = 0; step < run_steps(train, steps_per_epoch); ++step) {
    const double epoch = static_cast<double>(step) / static_cast<double>(steps_per_epoch);
    csv += str(step + 1, ',', number(epoch), ',', number(scheduled_rate(train, step, steps_per_epoch)));
    if (const auto momentum = scheduled_momentum(train, step, steps_per_epoch))
      csv += str(',', number(*momentum));
    csv += '\n';
  }
  return csv;
}

void check_rates(const TrainConfig& train) {
  check_schedule(train.schedule, "/train/schedule");
  if (cycles_momentum(train.schedule) && !base_momentum(train.optimizer))
    throw Error(
        Exit::config, "/train/schedule",
        str("the schedule cycles the momentum, but the optimizer ", train.optimizer.type, " has none"),
        "sgd with a momentum, or lars");
}

}  // namespace dl
