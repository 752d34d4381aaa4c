#pragma once
// Config section "train".
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "nn/constraint.h"
#include "nn/groups.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/regularizer.h"
#include "nn/schedule.h"
#include "passes/precision.h"
#include "passes/recompute.h"
#include "train/average_config.h"
#include "train/batch_size.h"

namespace dl {

struct EarlyStopping {
  std::string metric = "valid.loss";
  int64_t patience = 5;
  double min_delta = 0;
  int64_t start_from_epoch = 0;
  std::optional<double> diverged_at;
  bool restore_best = false;
};
constexpr auto fields(const EarlyStopping*) {
  return std::tuple{
      field("metric", &EarlyStopping::metric, "What must improve, for example valid.accuracy or train.loss."),
      field("patience", &EarlyStopping::patience,
            "Validations without improvement after which training stops.")
          .at_least(1),
      field("min_delta", &EarlyStopping::min_delta, "Least change that counts as an improvement.")
          .at_least(0),
      field("start_from_epoch", &EarlyStopping::start_from_epoch,
            "Epochs at the start in which a lack of improvement does not count.")
          .at_least(0),
      field("diverged_at", &EarlyStopping::diverged_at,
            "Value of the metric at which, or beyond which, training stops at once: it has diverged."),
      field("restore_best", &EarlyStopping::restore_best,
            "Write the model of the best epoch by this metric, as save.best does."),
  };
}

struct SaveConfig {
  std::string every = "1 epoch";
  std::string best;
};
constexpr auto fields(const SaveConfig*) {
  return std::tuple{
      field("every", &SaveConfig::every,
            "How often a checkpoint is written: \"1 epoch\", \"500 steps\", \"10m\" or \"never\"."),
      field("best", &SaveConfig::best,
            "Metric whose best epoch gives the model that is written; empty: the last epoch."),
  };
}

struct Unfreeze {
  int64_t epoch = 1;
  std::vector<std::string> layers;
};
constexpr auto fields(const Unfreeze*) {
  return std::tuple{
      field("epoch", &Unfreeze::epoch, "Epochs that are done before; 0: from the start.")
          .at_least(0)
          .required(),
      field("layers", &Unfreeze::layers,
            "Frozen layers, or blocks of them, that are trained from then on; \"*\": all.")
          .required(),
  };
}

struct TrainConfig {
  int64_t epochs = 10;
  int64_t max_steps = 0;
  BatchSize batch_size;
  int64_t accumulate = 1;
  std::string validate_every = "1 epoch";
  bool train_metrics = false;
  Losses loss;
  Optimizer optimizer;
  Schedule schedule;
  std::vector<ParameterGroup> groups;
  std::vector<Regularizer> regularizers;
  std::vector<Constraint> constraints;
  std::optional<WeightNoise> weight_noise;
  std::vector<std::string> metrics;
  std::optional<EarlyStopping> early_stopping;
  SaveConfig save;
  std::optional<Average> average;
  std::vector<Unfreeze> unfreeze;
  Recompute recompute;
  Precision precision = Precision::f32;
  bool shuffle = true;
  bool drop_last = false;
  std::string split = "train";
  std::string valid_split = "valid";
  std::optional<int64_t> fold;
};
constexpr auto fields(const TrainConfig*) {
  return std::tuple{
      field("epochs", &TrainConfig::epochs, "Epochs in total; a resumed run counts those it has done.")
          .at_least(0),
      field("max_steps", &TrainConfig::max_steps,
            "Steps at most; schedules then end with them. 0: as many as the epochs have.")
          .at_least(0),
      field("batch_size", &TrainConfig::batch_size,
            "Samples that go through the network at once; \"auto\": dl-train chooses what fits the memory "
            "and is fast, says it and "
            "writes the number to the model. The result then depends on the machine.")
          .at_least(1),
      field("accumulate", &TrainConfig::accumulate,
            "Batches of one step: their gradients are summed before parameters change, which gives the step "
            "of a batch "
            "so many times larger, to rounding, in the memory of one. Batch norm takes its statistics from "
            "each batch.")
          .at_least(1),
      field("validate_every", &TrainConfig::validate_every,
            "How often the validation part is judged: \"1 epoch\", \"500 steps\" or \"never\"; at the end of "
            "the run in "
            "any case but the last."),
      field("train_metrics", &TrainConfig::train_metrics,
            "Judge the training part after each epoch as well, without augmentation: train.accuracy and the "
            "like. "
            "train.loss stays the mean over the epoch's steps."),
      field("loss", &TrainConfig::loss,
            "The loss, or a map from output to loss; else cross entropy for classes and mean squared error "
            "for numbers."),
      field("optimizer", &TrainConfig::optimizer, "How parameters follow their gradients."),
      field("schedule", &TrainConfig::schedule, "Learning rate over time."),
      field("groups", &TrainConfig::groups,
            "Layers that learn otherwise than the rest: at another rate, with another decay, or not at all."),
      field("regularizers", &TrainConfig::regularizers,
            "Penalties added to the loss; their sum is reported as train.penalty."),
      field("constraints", &TrainConfig::constraints, "What holds for weights after every update."),
      field("weight_noise", &TrainConfig::weight_noise,
            "Normal noise that the network sees on its weights while it learns, drawn anew for each step."),
      field("metrics", &TrainConfig::metrics, "Metrics of the validation part besides the loss."),
      field("early_stopping", &TrainConfig::early_stopping, "Ends the run when a metric no longer improves."),
      field("save", &TrainConfig::save, "Checkpoints, and which epoch becomes the model."),
      field("average", &TrainConfig::average,
            "Makes the model an average of the parameters along the run; none when absent."),
      field("unfreeze", &TrainConfig::unfreeze,
            "When layers with \"freeze\" are trained after all: from the epochs given on, for fine tuning "
            "from the head "
            "downwards."),
      field(
          "recompute", &TrainConfig::recompute,
          "What the backward part computes again instead of keeping it, which takes less memory, more time, "
          "and gives the same bits: \"none\"; \"cheap\": results of normalisation, activation and dropout; "
          "\"sqrt\": all but what crosses from one segment of the network to the next, with the segments "
          "that "
          "take the least memory; or a number of segments."),
      field("precision", &TrainConfig::precision,
            "What layers compute with. \"tf32\": a device may round the factors of products to 10 bits of "
            "mantissa. "
            "\"bf16\", \"f16\": products and what stands between them in 16 bits, parameters and updates in "
            "f32; f16 "
            "scales the loss so that small gradients survive. The CPU computes in f32 and rounds where a "
            "device would."),
      field("shuffle", &TrainConfig::shuffle, "Draw a new order of the samples for each epoch."),
      field("drop_last", &TrainConfig::drop_last, "Leave out the last batch of an epoch when it is short."),
      field("split", &TrainConfig::split,
            "Part of the data set to learn from; a sum as well: \"train+valid\"."),
      field("valid_split", &TrainConfig::valid_split,
            "Part of the data set to validate on after each epoch; ignored when it is absent."),
      field(
          "fold", &TrainConfig::fold,
          "Round of a data set of folds, from 0: \"train\" is then every fold but this one, \"valid\" this "
          "one, "
          "and inputs are normalised with what the others were fitted to. Of bootstrap samples: this sample, "
          "and what it left out.")
          .at_least(0),
  };
}

// What single fields cannot tell; makes early_stopping.restore_best the same as save.best. Error (config).
void check_train(TrainConfig& config);

}  // namespace dl
