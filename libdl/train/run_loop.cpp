#include "train/run_loop.h"

#include <cstdio>

#include "base/clock.h"
#include "base/str.h"

namespace dl {

RunLoop::RunLoop(RunSetup& setup, RunState& state, const RunLog& log)
    : setup_(setup),
      state_(state),
      log_(log),
      config_(setup.config),
      counters_(state.counters),
      save_every_(parse_interval(config_.save.every, "/train/save/every")),
      validate_every_(parse_interval(config_.validate_every, "/train/validate_every")),
      stepper_(setup, state, log),
      averager_(setup, state),
      validator_(setup, state, ema_of(config_.average)),
      board_(setup, state, log),
      last_save_(steady_seconds()),
      saved_step_(counters_.step),
      saved_epoch_(counters_.epoch) {}

int RunLoop::run() {
  announce();
  while (!over()) {
    const bool stepped = stepper_.next_batch();
    const bool epoch_ended = counters_.batch == setup_.loader.batches();
    if (stepped) {
      report_step(stepper_.loss());
      if (epoch_ended) board_.histograms(stepper_);  // before others compute where the gradients are
      averager_.after_step();
    }
    if (epoch_ended) end_epoch();
    if (stepped && !epoch_ended && validation_due()) validate_within();
    const int stop = log_.stop();
    const bool late = log_.out_of_time();
    if (over()) break;
    if (stop || late || checkpoint_due(stepped, epoch_ended) || log_.checkpoint_now()) checkpoint();
    if (stop) return stop;
    if (late) {
      log_.note("the time is up: writing the model as it stands");
      break;
    }
  }
  if (over() && counters_.batch > 0) end_part();
  if (const std::string why = why_stopped(config_, counters_); !why.empty())
    log_.note(str("stopped after epoch ", counters_.epoch, ": ", why));
  counters_.finished = over();
  if (averager_.complete()) judge_average();
  checkpoint();
  board_.end();
  return 0;
}

void RunLoop::announce() const {
  const Plan& plan = setup_.plan;
  if (setup_.request.profile) setup_.request.profile->set_ceilings(measure_ceilings(plan, setup_.pool.get()));
  log_.event("run_start", {{"step", counters_.step},
                           {"epoch", counters_.epoch},
                           {"steps", setup_.total_steps()},
                           {"epochs", config_.epochs},
                           {"samples", setup_.loader.samples()},
                           {"batch_size", config_.batch_size.samples},
                           {"accumulate", config_.accumulate},
                           {"parameters", plan.bytes().parameters / int64_t{sizeof(float)}},
                           {"shuffle", setup_.loader.shuffle() == Shuffle::full ? "full" : "block"},
                           {"seed", setup_.request.seed},
                           {"memory", to_json(setup_.footprint)}});
  log_.note(str("peak memory expected ", text(setup_.footprint), describe_recompute(plan)));
}

void RunLoop::report_step(float loss) {
  const double rate = setup_.learning_rate(counters_.step - 1, counters_.plateau_factor);
  board_.step(loss, rate);
  if (log_.wants_events())
    log_.event(
        "step",
        {{"step", counters_.step}, {"epoch", counters_.epoch + 1}, {"loss", loss}, {"learning_rate", rate}});
  if (const std::string spike = note_loss(static_cast<double>(loss), counters_); !spike.empty())
    log_.warn(spike);
  if (!log_.wants_progress()) return;
  char text[48];
  std::snprintf(text, sizeof text, "epoch %lld  loss %.4f", static_cast<long long>(counters_.epoch + 1),
                static_cast<double>(loss));
  log_.progress(counters_.step, setup_.total_steps(), text);
}

// ---- validation ---------------------------------------------------------------------------------------------------

bool RunLoop::validation_due() const {
  return validate_every_.unit == Interval::Unit::steps &&
         counters_.step % static_cast<int64_t>(validate_every_.amount) == 0;
}

// At the end of the epoch counters_.epoch.
bool RunLoop::epoch_validation_due() const {
  if (validate_every_.unit == Interval::Unit::never) return false;
  if (counters_.epoch >= config_.epochs || counters_.step >= setup_.total_steps()) return true;
  return validate_every_.unit == Interval::Unit::epochs
             ? counters_.epoch % static_cast<int64_t>(validate_every_.amount) == 0
             : validation_due();
}

// {"train": {...}, "valid": {...}} of the run as it stands.
json RunLoop::judge(bool with_valid, bool with_train) {
  json metrics{{"train", json::object()}};
  if (with_train) metrics["train"] = validator_.train_metrics();
  metrics["train"]["loss"] = counters_.loss_sum / static_cast<double>(counters_.loss_rows);
  if (!config_.regularizers.empty()) metrics["train"]["penalty"] = counters_.penalty;
  if (!with_valid) return metrics;
  const json valid = validator_.valid_metrics();
  if (valid.is_null()) return metrics;
  metrics["valid"] = valid;
  log_.event("eval", {{"epoch", counters_.epoch},
                      {"step", counters_.step},
                      {"split", setup_.valid_split()},
                      {"metrics", valid}});
  return metrics;
}

void RunLoop::validate_within() {
  json metrics = judge(true, false);
  board_.metrics(metrics);
  counters_.validations.push_back(validation_entry(metrics, counters_.step));
  log_.note(describe_metrics(str("step ", counters_.step, '/', setup_.total_steps()), metrics));
  metrics.erase("train");  // judged at the end of epochs
  if (note_metrics(config_, metrics, counters_)) state_.keep_best();
}

void RunLoop::end_epoch() {
  ++counters_.epoch;
  counters_.batch = 0;
  averager_.after_epoch();
  note_epoch(judge(epoch_validation_due(), config_.train_metrics), counters_.epoch);
  counters_.loss_sum = 0;
  counters_.loss_rows = 0;
  counters_.validations = json::array();
}

// The run ends within an epoch.
void RunLoop::end_part() {
  counters_.cut = true;
  note_epoch(judge(validate_every_.unit != Interval::Unit::never, config_.train_metrics),
             counters_.epoch + 1);
}

void RunLoop::note_epoch(const json& metrics, int64_t epoch) {
  const double rate = setup_.learning_rate(counters_.step - 1, counters_.plateau_factor);
  board_.metrics(metrics);
  state_.history.push_back(history_entry(metrics, epoch, counters_, rate));
  note_plateau(config_.schedule, metrics, counters_);
  if (note_metrics(config_, metrics, counters_)) state_.keep_best();
  log_.event("epoch", {{"epoch", epoch},
                       {"step", counters_.step},
                       {"learning_rate", rate},
                       {"metrics", metrics},
                       {"wait_seconds", setup_.loader.wait_seconds()}});
  log_.note(describe_metrics(str("epoch ", epoch, '/', config_.epochs), metrics));
}

// The mean of epochs is no state that the run was in: it is judged once it is complete.
void RunLoop::judge_average() {
  const json valid = Validator(setup_, state_, true).valid_metrics();
  if (valid.is_null()) return;
  counters_.metrics["valid"] = valid;
  log_.event("eval", {{"epoch", counters_.epoch},
                      {"step", counters_.step},
                      {"split", setup_.valid_split()},
                      {"average", counters_.averaged},
                      {"metrics", valid}});
  for (const auto& m : valid.items()) state_.history.back()[str("average.", m.key())] = m.value();
  board_.metrics({{"average", valid}});
  log_.note(describe_metrics(str("mean of ", counters_.averaged, " epochs"), {{"valid", valid}}));
}

// ---- checkpoints --------------------------------------------------------------------------------------------------

void RunLoop::checkpoint() {
  board_.flush();
  state_.checkpoint();
  last_save_ = steady_seconds();
  saved_step_ = counters_.step;
  saved_epoch_ = counters_.epoch;
}

bool RunLoop::checkpoint_due(bool stepped, bool epoch_ended) const {
  switch (save_every_.unit) {
    case Interval::Unit::steps:
      return stepped && static_cast<double>(counters_.step - saved_step_) >= save_every_.amount;
    case Interval::Unit::epochs:
      return epoch_ended && static_cast<double>(counters_.epoch - saved_epoch_) >= save_every_.amount;
    case Interval::Unit::seconds:
      return steady_seconds() - last_save_ >= save_every_.amount;
    case Interval::Unit::never:
      return false;
  }
  return false;
}

}  // namespace dl
