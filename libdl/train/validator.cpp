#include "train/validator.h"

#include <cmath>

#include "train/monitor.h"
#include "train/stepper.h"

namespace dl {
namespace {

MetricsSetup metrics_setup(const RunSetup& setup) {
  const Head& head = setup.step.heads.front();
  return {.form = head.form,
          .columns = head.columns,
          .class_names = head.classes,
          .wanted = watched_metrics(setup.config, head.form),
          .labels = head.labels};
}

}  // namespace

void check_metrics(const RunSetup& setup) { Metrics(metrics_setup(setup), "/train/metrics"); }

Validator::Validator(const RunSetup& setup, RunState& state, bool averaged)
    : setup_(setup),
      executors_([&setup, averaged](int64_t b) { return setup.evaluation_model(b, averaged); }, setup.options,
                 setup.pool.get(), state.store, setup.request.seed, state.arena) {
  executors_.report_to(setup.request.profile, "evaluation");
}

json Validator::valid_metrics() {
  return setup_.valid_split().empty() ? json() : metrics_of(setup_.valid_data(), setup_.valid_loading());
}

json Validator::train_metrics() {
  LoaderOptions loading = setup_.valid_loading();
  loading.split = setup_.config.split;
  return metrics_of(setup_.data, loading);
}

json Validator::metrics_of(const Dataset& data, const LoaderOptions& loading) {
  const Head& head = setup_.step.heads.front();
  Metrics metrics(metrics_setup(setup_));
  executors_.refresh();
  Loader batches(data, loading);
  const Schema& schema = setup_.schema();
  size_t target = 0;
  while (schema.column_name(target) != head.target) ++target;
  for (int64_t i = 0; i < batches.batches(); ++i) {
    const Batch& batch = batches.next();
    Executor& ex = executors_.at(batch.rows);
    feed_batch(schema, batch, ex);
    ex.run();
    metrics.add(output_tensor(ex, head.output), batch.columns[target]);
    metrics.add_loss(ex.scalar("loss"), batch.rows);
  }
  json values = json::object();
  for (const Metric& m : metrics.values()) values[m.name] = std::isfinite(m.value) ? json(m.value) : json();
  return values;
}

}  // namespace dl
