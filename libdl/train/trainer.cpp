#include "train/trainer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "train/run_loop.h"

namespace dl {

struct Trainer::Impl {
  Impl(TrainRequest request, TrainHooks hooks)
      : setup(std::move(request)), log(std::move(hooks)), state(setup, log) {
    check_metrics(setup);
    parse_interval(setup.config.save.every, "/train/save/every");
  }

  TrainResult run() {
    state.start();
    TrainResult result;
    result.already_complete = state.counters.finished;
    if (!result.already_complete) {
      RunLoop loop(setup, state, log);
      const double began = steady_seconds();
      result.code = loop.run();
      result.seconds = steady_seconds() - began;
      if (result.seconds > 0)
        result.samples_per_second = static_cast<double>(loop.samples()) / result.seconds;
    }
    result.steps = state.counters.step;
    result.epochs = state.counters.epoch;
    result.wait_seconds = setup.loader.wait_seconds();
    if (result.code == 0) finish(result);
    return result;
  }

  void finish(TrainResult& result) const {
    const bool from_best = !setup.config.save.best.empty() && !state.best.empty();
    result.finished = true;
    result.model = state.model_file(from_best ? state.best : state.model_tensors());
    result.metrics = from_best ? state.counters.best_metrics : state.counters.metrics;
    log.event("run_end",
              {{"step", result.steps},
               {"epoch", result.epochs},
               {"metrics", result.metrics},
               {"seconds", result.seconds},
               {"samples_per_second", result.samples_per_second},
               {"wait_seconds", result.wait_seconds},
               {"memory", {{"predicted", setup.footprint.total()}, {"peak", peak_resident_bytes()}}}});
  }

  RunSetup setup;
  RunLog log;
  RunState state;
};

Trainer::Trainer(TrainRequest request, TrainHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(request), std::move(hooks))) {}
Trainer::~Trainer() = default;
const Model& Trainer::model() const { return impl_->setup.step.model; }
const Plan& Trainer::plan() const { return impl_->setup.plan; }
const Schema& Trainer::schema() const { return impl_->setup.schema(); }
int64_t Trainer::steps_per_epoch() const { return impl_->setup.steps_per_epoch(); }
const Footprint& Trainer::footprint() const { return impl_->setup.footprint; }
int64_t Trainer::checkpoint_bytes() const {
  const Footprint& f = impl_->setup.footprint;
  return f.parameters + f.best;
}
TrainResult Trainer::run() { return impl_->run(); }

}  // namespace dl
