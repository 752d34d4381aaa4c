#include "train/train_config.h"

#include "base/error.h"
#include "base/str.h"
#include "train/interval.h"
#include "train/rates.h"

namespace dl {

namespace {

void check_average(const TrainConfig& config) {
  const SwaAverage* swa = swa_of(config.average);
  if (!swa) return;
  if (swa->end_lr && !swa->lr)
    throw Error(Exit::config, "/train/average/end_lr", "a rate at the end of cycles needs one at their start",
                "give average.lr too");
  if (swa->from_epoch >= config.epochs && config.epochs > 0)
    throw Error(Exit::config, "/train/average/from_epoch",
                str("the run has ", config.epochs, " epochs, none is left to average"));
  if (!config.save.best.empty())
    throw Error(Exit::config, "/train/average",
                str("the model cannot be the mean of epochs and the best by ", config.save.best),
                "leave out average, or save.best and early_stopping.restore_best");
}

void restore_best(TrainConfig& config) {
  if (!config.early_stopping || !config.early_stopping->restore_best) return;
  const std::string& metric = config.early_stopping->metric;
  if (!config.save.best.empty() && config.save.best != metric)
    throw Error(Exit::config, "/train/early_stopping/restore_best",
                str("the model cannot be the best by ", metric, " and by ", config.save.best),
                "leave out save.best or restore_best");
  config.save.best = metric;
}

}  // namespace

void check_train(TrainConfig& config) {
  check_rates(config);
  if (parse_interval(config.validate_every, "/train/validate_every").unit == Interval::Unit::seconds)
    throw Error(Exit::config, "/train/validate_every",
                str("'", config.validate_every, "' would make the result depend on the clock"),
                "expected epochs or steps");
  for (size_t i = 1; i < config.unfreeze.size(); ++i)
    if (config.unfreeze[i].epoch <= config.unfreeze[i - 1].epoch)
      throw Error(Exit::config, str("/train/unfreeze/", i, "/epoch"), "does not come after the one before");
  restore_best(config);
  check_average(config);
}

}  // namespace dl
