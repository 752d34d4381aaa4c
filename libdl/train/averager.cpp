#include "train/averager.h"

#include "train/average_graph.h"
#include "train/stepper.h"

namespace dl {

Averager::Averager(RunSetup& setup, RunState& state)
    : setup_(setup), state_(state), ema_(ema_of(setup.config.average)), swa_(swa_of(setup.config.average)) {
  if (!setup.config.average) return;
  step_ = std::make_unique<Executor>(make_plan(average_step(setup.whole), setup.options), setup.pool.get(),
                                     state.store, setup.request.seed, state.arena);
  step_->report_to(setup.request.profile, "average");
}

void Averager::update(double keep) {
  step_->feed_scalar(kKeepInput, keep);
  step_->feed_scalar(kTakeInput, 1 - keep);
  step_->run();
}

void Averager::after_step() {
  const int64_t step = state_.counters.step;
  if (ema_ && step % ema_->every == 0) update(ema_keep(*ema_, step / ema_->every));
}

void Averager::after_epoch() {
  const int64_t epoch = state_.counters.epoch;
  if (!swa_ || epoch <= swa_->from_epoch || (epoch - swa_->from_epoch) % swa_->cycle_epochs != 0) return;
  const auto n = static_cast<double>(state_.counters.averaged++);
  update(n / (n + 1));
}

bool Averager::complete() {
  if (!swa_ || state_.counters.averaged == 0) return false;
  ExecutorCache executors([this](int64_t batch) { return setup_.statistics_model(batch); }, setup_.options,
                          setup_.pool.get(), state_.store, setup_.request.seed, state_.arena);
  setup_.loader.set_position(state_.counters.epoch, 0);
  double seen = 0;
  for (int64_t i = 0; i < setup_.loader.batches(); ++i) {
    const Batch& batch = setup_.loader.next();
    Executor& ex = executors.at(batch.rows);
    if (ex.graph().updates.empty()) return true;  // no statistics
    feed_batch(setup_.schema(), batch, ex);
    const auto rows = static_cast<double>(batch.rows);
    ex.feed_scalar(kKeepInput, seen / (seen + rows));
    ex.feed_scalar(kTakeInput, rows / (seen + rows));
    ex.feed_scalar("step", 1);
    ex.run();
    seen += rows;
  }
  return true;
}

}  // namespace dl
