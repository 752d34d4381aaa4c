#include "train/stepper.h"

#include <cmath>

#include "base/str.h"
#include "train/rates.h"

namespace dl {

void feed_batch(const Schema& schema, const Batch& batch, Executor& ex) {
  for (size_t i = 0; i < schema.columns(); ++i)
    if (ex.has_input(schema.column_name(i))) ex.feed(schema.column_name(i), batch.columns[i]);
}

Stepper::Stepper(RunSetup& setup, RunState& state, const RunLog& log)
    : setup_(setup), state_(state), log_(log) {
  enter_phase(setup.phase(state.counters.epoch));
  setup.loader.set_position(state.counters.epoch, state.counters.batch);
}

// Executors of the layers that are trained from here on.
void Stepper::enter_phase(size_t phase) {
  phase_ = phase;
  last_ = nullptr;
  const auto cache = [&](bool first, const char* stage) {
    auto made = std::make_unique<ExecutorCache>(
        [this, phase, first](int64_t batch) { return setup_.step_graph(phase, batch, first).model; },
        setup_.options, setup_.pool.get(), state_.store, setup_.request.seed, state_.arena);
    made->report_to(setup_.request.profile, stage);
    return made;
  };
  more_ = cache(false, "step");
  first_ = cache(true, "first batch of a step");
  if (phase == setup_.last_phase()) more_->put(setup_.full_batch(), setup_.plan);
  if (setup_.config.accumulate == 1) return;
  update_ = std::make_unique<Executor>(make_plan(setup_.update_model(phase).graph, setup_.options),
                                       setup_.pool.get(), state_.store, setup_.request.seed, state_.arena);
  update_->report_to(setup_.request.profile, "update");
}

ExecutorCache& Stepper::executors_for(int64_t batch_in_epoch) {
  return update_ && batch_in_epoch % setup_.config.accumulate == 0 ? *first_ : *more_;
}

// Of the step that the next batch belongs to: the last of an epoch may have fewer.
int64_t Stepper::samples_of_step() const {
  const int64_t full = setup_.config.batch_size * setup_.config.accumulate;
  const int64_t begin = state_.counters.batch / setup_.config.accumulate * full;
  return std::min(full, setup_.loader.samples() - begin);
}

void Stepper::feed_scalars(Executor& ex, int64_t rows) const {
  const RunCounters& c = state_.counters;
  ex.feed_scalar("learning_rate", learning_rate());
  const int64_t within = c.batch % setup_.config.accumulate;
  ex.feed_scalar("step", static_cast<double>(c.step * setup_.config.accumulate + within + 1));
  feed_momentum(ex);
  ex.feed_scalar(kShareInput, static_cast<double>(rows) / static_cast<double>(samples_of_step()));
}

void Stepper::feed_momentum(Executor& ex) const {
  if (const auto momentum = scheduled_momentum(setup_.config, state_.counters.step, setup_.steps_per_epoch()))
    ex.feed_scalar("momentum", *momentum);
}

void Stepper::look_ahead(const Executor* running) {
  const RunCounters& c = state_.counters;
  const int64_t after = c.batch + 1, batches = setup_.loader.batches();
  const bool completes = after % setup_.config.accumulate == 0 || after == batches;
  if (!setup_.options.device || (completes && c.step + 1 >= setup_.total_steps())) return;
  ahead_.batch = &setup_.loader.next();
  if (after == batches && setup_.phase(c.epoch + 1) != phase_) return;
  Executor* const next = executors_for(after == batches ? 0 : after).find(ahead_.batch->rows);
  ahead_.fed = next && (next == running || update_);
  if (ahead_.fed) feed_batch(setup_.schema(), *ahead_.batch, *next);
}

bool Stepper::next_batch() {
  RunCounters& c = state_.counters;
  if (const size_t phase = setup_.phase(c.epoch); phase != phase_) {
    log_.note(str("epoch ", c.epoch + 1, " trains ", join(setup_.config.unfreeze[phase - 1].layers, ", "),
                  " as well"));
    enter_phase(phase);
  }
  const Batch& batch = ahead_.batch ? *ahead_.batch : setup_.loader.next();
  const int64_t rows = batch.rows;
  const double share = static_cast<double>(rows) / static_cast<double>(samples_of_step());
  Executor& ex = executors_for(c.batch).at(rows);
  if (!ahead_.fed) feed_batch(setup_.schema(), batch, ex);
  ahead_ = {};
  feed_scalars(ex, rows);
  const size_t forward = ex.end_of("loss");
  ex.run(0, forward);
  look_ahead(&ex);
  const float loss = ex.scalar("loss");
  if (!std::isfinite(loss)) diverged(ex, forward, loss);
  ex.run(forward, ex.graph().nodes.size());
  last_ = &ex;
  c.step_loss += static_cast<double>(loss) * share;
  c.loss_sum += static_cast<double>(loss) * static_cast<double>(rows);
  c.loss_rows += rows;
  samples_ += rows;
  ++c.batch;
  const bool judged_next = c.batch == setup_.loader.batches() || c.step + 1 >= setup_.total_steps();
  if (judged_next && !setup_.config.regularizers.empty()) c.penalty = ex.scalar("penalty");
  if (c.batch % setup_.config.accumulate != 0 && c.batch != setup_.loader.batches()) return false;
  if (update_) update();
  ++c.step;
  loss_ = static_cast<float>(c.step_loss);
  c.step_loss = 0;
  return true;
}

void Stepper::next_step() {
  RunCounters& c = state_.counters;
  for (bool complete = false; !complete;) {
    if (c.batch == setup_.loader.batches()) {
      c.batch = 0;
      ++c.epoch;
    }
    complete = next_batch();
  }
}

void Stepper::update() {
  update_->feed_scalar("learning_rate", learning_rate());
  update_->feed_scalar("step", static_cast<double>(state_.counters.step + 1));
  feed_momentum(*update_);
  update_->run();
}

std::span<const float> Stepper::gradient(const std::string& parameter) {
  const std::string name = parameter + std::string(kGradientSuffix);
  if (!last_ || setup_.config.precision == Precision::f16) return {};
  if (update_) {
    const auto sum = state_.store.find(name);
    return sum == state_.store.end() ? std::span<const float>() : std::as_const(sum->second).data<float>();
  }
  if (last_->graph().output(name) == kNone) return {};
  return {static_cast<const float*>(last_->output(name)),
          static_cast<size_t>(last_->output_type(name).elements())};
}

void Stepper::diverged(Executor& ex, size_t forward, float loss) {
  const Executor::Culprit culprit = ex.find_non_finite(forward);
  const std::string where = culprit.what.empty() ? "the loss" : culprit.what;
  const int64_t step = state_.counters.step + 1, epoch = state_.counters.epoch + 1;
  log_.event("diverged", {{"step", step}, {"epoch", epoch}, {"where", where}});
  throw Error(
      Exit::numeric, culprit.origin,
      str("step ", step, " (epoch ", epoch, "): the loss is ", number(loss), ": ", where, " is not finite"),
      str(state_.has_checkpoint() ? str("the last good state is kept in ", setup_.request.state_dir, "; ")
                                  : "",
          "lower the learning rate, or clip gradients (train.optimizer.clip_norm)"));
}

}  // namespace dl
