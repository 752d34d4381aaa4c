#include "train/overfit.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/str.h"
#include "nn/optimizer.h"
#include "train/stepper.h"

namespace dl {
namespace {

std::string_view row_of(const Tensor& t, int64_t row, int64_t rows) {
  const auto bytes = static_cast<size_t>(t.bytes() / rows);
  return {static_cast<const char*>(t.raw()) + static_cast<size_t>(row) * bytes, bytes};
}

// Samples with the inputs of an earlier one and other targets.
int64_t contradictions(const Schema& schema, const Batch& batch) {
  std::map<std::string, std::string> seen;
  int64_t count = 0;
  for (int64_t row = 0; row < batch.rows; ++row) {
    std::string inputs, targets;
    for (size_t c = 0; c < schema.columns(); ++c)
      (c < schema.inputs.size() ? inputs : targets) += row_of(batch.columns[c], row, batch.rows);
    count += seen.emplace(std::move(inputs), targets).first->second != targets;
  }
  return count;
}

double setting(const json& optimizer, const char* key) {
  return optimizer.is_object() ? optimizer.value(key, 0.0) : 0.0;
}

std::vector<std::string> hints_for(const RunSetup& setup, const Overfit& result, int64_t contradicting) {
  std::vector<std::string> hints;
  const auto hint = [&](bool applies, const std::string& text) {
    if (applies) hints.push_back(text);
  };
  if (!std::isfinite(result.last))
    return {"the loss is not finite: lower the learning rate (dl-train --find-lr)"};
  const bool still = result.least > 0.999 * result.first;
  hint(result.last > 1.5 * result.first || (still && result.last > 1.02 * result.first),
       "the loss rises: lower the learning rate (dl-train --find-lr)");
  hint(!still && result.last < 1.05 * result.least,
       "the loss still comes down: allow more steps, or a higher rate");
  hint(still && result.last < 1.02 * result.first,
       "the loss hardly moves: is the learning rate too low, does an activation saturate, is the output "
       "before the "
       "loss activated twice?");
  for (const LayerInfo& layer : setup.step.model.layers) {
    hint(layer.type == "dropout",
         str("layer '", layer.name, "' drops elements at random: set its rate to 0 for this check"));
    hint(layer.frozen && layer.parameters > 0, str("layer '", layer.name, "' is frozen"));
  }
  const json optimizer = FieldType<Optimizer>::dump(setup.config.optimizer);
  hint(setting(optimizer, "weight_decay") > 0 || setting(optimizer, "l1") > 0,
       "weights decay (train.optimizer.weight_decay, l1): set it to 0 for this check");
  hint(setting(optimizer, "clip_norm") > 0 || setting(optimizer, "clip_value") > 0,
       "gradients are clipped (train.optimizer.clip_norm, clip_value)");
  hint(FieldType<Losses>::dump(setup.config.loss).dump().find("\"label_smoothing\":0") == std::string::npos &&
           FieldType<Losses>::dump(setup.config.loss).dump().find("\"label_smoothing\"") != std::string::npos,
       "smoothed labels keep the loss up (train.loss.label_smoothing)");
  hint(contradicting > 0,
       str(contradicting, " samples have the inputs of another one in the batch and other targets"));
  return hints;
}

}  // namespace

Overfit overfit_one_batch(TrainRequest request, TrainHooks hooks, const OverfitOptions& options) {
  request.resume = "none";
  request.state_dir.clear();
  if (json& train = request.config["train"]; train.is_object()) {
    train.erase("accumulate");
    train.erase("average");
  }
  RunSetup setup(std::move(request));
  const RunLog log(std::move(hooks));
  if (trainable(setup.step.model).empty())
    throw Error(Exit::config, "/model/freeze", "every layer is frozen: there is nothing to train");
  RunState state(setup, log);
  state.start();
  Loader first_batch(setup.data, setup.loading());
  const int64_t contradicting = contradictions(setup.schema(), first_batch.next());
  Stepper stepper(setup, state, log);
  stepper.set_learning_rate(base_lr(setup.config.optimizer));
  Overfit result;
  result.least = INFINITY;
  for (; result.steps < options.steps && !result.passed && !log.stop(); ++result.steps) {
    state.counters.batch = 0;
    setup.loader.set_position(0, 0);
    try {
      stepper.next_batch();
    } catch (const Error& e) {
      if (e.code != Exit::numeric) throw;
      result.last = NAN;
      break;
    }
    result.last = static_cast<double>(stepper.loss());
    if (result.steps == 0) result.first = result.last;
    result.bound = options.share * result.first;
    result.least = std::min(result.least, result.last);
    result.passed = result.last <= result.bound;
    log.progress(result.steps + 1, options.steps, str("loss ", number(static_cast<float>(result.last))));
  }
  if (!result.passed) result.hints = hints_for(setup, result, contradicting);
  return result;
}

json Overfit::record() const {
  return {{"passed", passed},    {"steps", steps}, {"first_loss", first}, {"last_loss", last},
          {"least_loss", least}, {"bound", bound}, {"hints", hints}};
}

std::string Overfit::text() const {
  const auto shown = [](double v) { return number(static_cast<float>(v)); };
  std::string out = str(passed ? "the network learns one batch: the loss fell from "
                               : "the network does not learn one batch: the loss went from ",
                        shown(first), " to ", shown(last), " in ", steps, " steps");
  if (!passed) out += str(", the least is ", shown(least), ", expected ", shown(bound), " or less");
  for (const std::string& h : hints) out += "\n  " + h;
  return out;
}

}  // namespace dl
