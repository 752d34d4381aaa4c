#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/str.h"
#include "train/device.h"
#include "train/executor_cache.h"
#include "train/monitor.h"
#include "train/resume.h"
#include "train/run_counters.h"

namespace dl {
namespace {

TrainConfig parse_train(const json& config) {
  TrainConfig t;
  parse_fields(t, config.value("train", json::object()), "/train");
  check_schedule(t.schedule, "/train/schedule");
  return t;
}

const json& model_section(const json& config) {
  const auto it = config.find("model");
  if (it == config.end())
    throw Error(Exit::config, "", "there is no section \"model\", expected a network to train",
                "dl-train --init prints a first config");
  return *it;
}

}  // namespace

struct Trainer::Impl {
  Impl(TrainRequest r, TrainHooks h)
      : request(std::move(r)),
        hooks(std::move(h)),
        config(parse_train(request.config)),
        section(model_section(request.config)),
        interval(parse_interval(config.save.every, "/train/save/every")),
        data(request.data, {.tmp = request.tmp, .fold = config.fold}),
        valid_file(request.valid.empty()
                       ? nullptr
                       : std::make_unique<Dataset>(request.valid, DatasetOptions{.tmp = request.tmp})),
        options{.passes = request.passes, .device = open_device(request.device), .threads = request.threads},
        resident(resident_bytes()),
        loader(data, loading()),
        counts(count_classes()),
        step_graph(build_training_step(section, config, data.schema(), counts, full_batch())),
        model(step_graph.model),
        heads(step_graph.heads),
        pool(pool_create(request.threads)) {
    options.passes.recompute = config.recompute;
    options.passes.precision = config.precision;
    plan = make_plan(model.graph, options);
    require_device_memory(plan, full_batch(), [&](int64_t batch) {
      return make_plan(build_training_step(section, config, data.schema(), counts, batch).model.graph,
                       options);
    });
    check_metrics();
    footprint = predict_footprint();
  }

  LoaderOptions loading() const {
    return {.split = config.split,
            .batch_size = config.batch_size,
            .seed = request.seed,
            .shuffle = config.shuffle,
            .drop_last = config.drop_last,
            .augment = parse_augment(request.config.value("augment", json::array()), "/augment")};
  }
  LoaderOptions valid_loading() const {
    return {.split = valid_split(), .batch_size = config.batch_size, .shuffle = false, .augment = {}};
  }
  Footprint predict_footprint() const {
    Footprint f;
    f.add(plan, resident);
    f.add(data, loading());
    if (!valid_split().empty()) f.add(valid_data(), valid_loading());
    if (config.save.best.empty()) return f;
    for (const Parameter& p : model.parameters) f.best += model.graph.type(p.value).bytes();
    for (const StateLeaf& s : model.states)
      if (!s.optimizer) f.best += model.graph.type(s.value).bytes();
    return f;
  }

  int64_t full_batch() const { return std::min(config.batch_size, loader.samples()); }
  ClassCounts count_classes() const {
    return has_balanced_classes(config.loss) ? class_counts(data, config.split) : ClassCounts();
  }

  int64_t total_steps() const { return config.epochs * loader.batches(); }
  const Dataset& valid_data() const { return valid_file ? *valid_file : data; }
  std::string valid_split() const {
    if (valid_file) {
      for (const std::string& name : {config.valid_split, std::string("test"), std::string("train")})
        if (valid_file->has(name)) return name;
      return valid_file->splits().empty() ? "" : valid_file->splits().front();
    }
    return data.has(config.valid_split) && data.rows(config.valid_split) > 0 ? config.valid_split : "";
  }

  // Metric names in the config must be those that will be there.
  void check_metrics() const {
    check_watched(config, valid_split());
    Metrics(metrics_setup(), "/train/metrics");
  }
  MetricsSetup metrics_setup() const {
    const Head& head = heads.front();
    return {.form = head.form,
            .columns = head.columns,
            .class_names = head.classes,
            .wanted = validation_metrics(config, head.form)};
  }

  void event(const std::string& name, const json& fields) const {
    if (hooks.event) hooks.event(name, fields);
  }
  void note(const std::string& line) const {
    if (hooks.note) hooks.note(line);
  }

  // ---- where the run starts ---------------------------------------------------------------------------------------

  void start() {
    counters.data_hash = data.artifact().content_hash();
    store = initial_values(model, request.seed, pool.get());
    if (request.resume != "none" && restore()) return;
    if (!request.init_from.empty()) take_parameters(ModelFile::load(request.init_from, request.tmp));
  }

  bool restore() {
    const std::string folder = request.resume == "auto" ? request.state_dir : request.resume;
    if (folder.empty()) return false;
    const auto loaded = StateStore(folder).load();
    if (!loaded) {
      if (request.resume == "auto") return false;
      throw Error(Exit::data, str(folder, ": holds no checkpoint, expected one to resume from"));
    }
    if (!loaded->note.empty()) warn(loaded->note);
    for (const std::string& line : check_resume(loaded->state.model.config, request.config))
      warn("resumed with a change: " + line);
    RunCounters saved;
    try {
      parse_fields(saved, loaded->state.counters, "");
    } catch (const Error& e) {
      throw Error(Exit::data, str(loaded->path, ": its counters do not read: ", e.what()));
    }
    if (saved.data_hash != counters.data_hash)
      throw Error(
          Exit::config, "",
          str("cannot resume: ", data.name(), " is not the data set that the checkpoint was made with"),
          "start anew with --resume none, or take the weights with --init-from");
    adopt_tensors(loaded->state.model.parameters, loaded->path, store);
    adopt_tensors(loaded->state.state, loaded->path, store);
    best = loaded->state.best;
    counters = saved;
    has_checkpoint = true;
    if (counters.finished && counters.epoch < config.epochs && !stopped_early(config, counters))
      counters.finished = false;
    if (counters.batch >= loader.batches()) counters.batch = 0;
    event("resume", {{"from", loaded->path},
                     {"step", counters.step},
                     {"epoch", counters.epoch},
                     {"batch", counters.batch}});
    note(str("resumed at step ", counters.step, ", epoch ", counters.epoch + 1, " from ", loaded->path));
    return true;
  }

  void take_parameters(const ModelFile& from) {
    std::vector<std::string> names;
    for (const Parameter& p : model.parameters) names.push_back(p.name);
    for (const StateLeaf& s : model.states)
      if (!s.optimizer) names.push_back(s.name);
    counters.init_hash = from.content_hash;
    const Taken taken = take_tensors(from.parameters, names, store);
    if (taken.misfits.empty()) return;
    if (!request.partial)
      throw Error(Exit::config, "", str(request.init_from, ": does not fit the network. ", taken.misfits),
                  "--partial takes what fits");
    warn(str("took ", taken.count, " of ", names.size(), " tensors from ", request.init_from, ". ",
             taken.misfits));
  }

  void warn(const std::string& text) const {
    event("warning", {{"message", text}});
    note("warning: " + text);
  }

  // ---- one step ---------------------------------------------------------------------------------------------------

  void feed(Executor& ex, const Batch& batch) const {
    for (size_t i = 0; i < data.schema().columns(); ++i)
      if (ex.has_input(data.schema().column_name(i))) ex.feed(data.schema().column_name(i), batch.columns[i]);
  }

  double learning_rate(int64_t step) const {
    return rate(config.schedule, base_lr(config.optimizer), step, loader.batches(),
                static_cast<double>(config.epochs));
  }

  // The batch of the next step, taken while a device computes; fed where it is of the same size.
  struct Ahead {
    const Batch* batch = nullptr;
    bool fed = false;
  };
  void look_ahead(Executor& ex, int64_t rows) {
    if (!options.device || counters.step + 1 >= total_steps()) return;
    ahead.batch = &loader.next();
    ahead.fed = ahead.batch->rows == rows;
    if (ahead.fed) feed(ex, *ahead.batch);
  }

  // Gives the loss, adds to `samples`.
  float train_step(ExecutorCache& executors, int64_t& samples) {
    const Batch& batch = ahead.batch ? *ahead.batch : loader.next();
    const int64_t rows = batch.rows;
    Executor& ex = executors.at(rows);
    if (!ahead.fed) feed(ex, batch);
    ahead = {};
    ex.feed_scalar("learning_rate", learning_rate(counters.step));
    ex.feed_scalar("step", static_cast<double>(counters.step + 1));
    const size_t forward = ex.end_of("loss");
    ex.run(0, forward);
    look_ahead(ex, rows);
    const float loss = ex.scalar("loss");
    if (!std::isfinite(loss)) diverged(ex, forward, loss);
    ex.run(forward, ex.graph().nodes.size());
    ++counters.step;
    ++counters.batch;
    counters.loss_sum += static_cast<double>(loss) * static_cast<double>(rows);
    counters.loss_rows += rows;
    samples += rows;
    return loss;
  }

  [[noreturn]] void diverged(Executor& ex, size_t forward, float loss) {
    const Executor::Culprit c = ex.find_non_finite(forward);
    const std::string where = c.what.empty() ? "the loss" : c.what;
    event("diverged", {{"step", counters.step + 1}, {"epoch", counters.epoch + 1}, {"where", where}});
    throw Error(Exit::numeric, c.origin,
                str("step ", counters.step + 1, " (epoch ", counters.epoch + 1, "): the loss is ",
                    number(loss), ": ", where, " is not finite"),
                str(has_checkpoint ? str("the last good state is kept in ", request.state_dir, "; ") : "",
                    "lower the learning rate, or clip gradients (train.optimizer.clip_norm)"));
  }

  // ---- the end of an epoch ----------------------------------------------------------------------------------------

  json validate(ExecutorCache& executors) {
    const std::string split = valid_split();
    if (split.empty()) return {};
    const Head& head = heads.front();
    Metrics metrics(metrics_setup());
    executors.refresh();
    Loader batches(valid_data(), valid_loading());
    size_t target = 0;
    while (data.schema().column_name(target) != head.target) ++target;
    for (int64_t i = 0; i < batches.batches(); ++i) {
      const Batch& batch = batches.next();
      Executor& ex = executors.at(batch.rows);
      feed(ex, batch);
      ex.run();
      metrics.add(output_tensor(ex, head.output), batch.columns[target]);
      metrics.add_loss(ex.scalar("loss"), batch.rows);
    }
    json values = json::object();
    for (const Metric& m : metrics.values()) values[m.name] = std::isfinite(m.value) ? json(m.value) : json();
    return values;
  }

  void end_epoch(ExecutorCache& executors) {
    json metrics{{"train", {{"loss", counters.loss_sum / static_cast<double>(counters.loss_rows)}}}};
    ++counters.epoch;
    counters.batch = 0;
    counters.loss_sum = 0;
    counters.loss_rows = 0;
    if (json valid = validate(executors); !valid.is_null()) {
      metrics["valid"] = valid;
      event(
          "eval",
          {{"epoch", counters.epoch}, {"step", counters.step}, {"split", valid_split()}, {"metrics", valid}});
    }
    if (note_epoch(config, metrics, counters)) keep_best();
    event("epoch", {{"epoch", counters.epoch},
                    {"step", counters.step},
                    {"learning_rate", learning_rate(counters.step - 1)},
                    {"metrics", metrics},
                    {"wait_seconds", loader.wait_seconds()}});
    note(describe_epoch(metrics, counters.epoch, config.epochs));
  }

  // ---- what is written --------------------------------------------------------------------------------------------

  // Of the run as it stands: they share its memory.
  TensorMap model_tensors() const {
    arena->fetch();
    TensorMap out;
    for (const Parameter& p : model.parameters) out[p.name] = store.at(p.name);
    for (const StateLeaf& s : model.states)
      if (!s.optimizer) out[s.name] = store.at(s.name);
    return out;
  }
  void keep_best() {
    for (const auto& [name, tensor] : model_tensors()) {
      Tensor& kept = best[name];
      if (!kept.defined()) kept = Tensor(tensor.type());
      std::memcpy(kept.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes()));
    }
  }

  ModelFile model_file(TensorMap tensors) const {
    ModelFile file;
    file.config = request.config;
    file.data_schema = data.schema_json();
    file.preparation = data.preparation();
    file.parameters = std::move(tensors);
    file.parents = {{"dataset", counters.data_hash}};
    if (!counters.init_hash.empty()) file.parents.push_back({"model", counters.init_hash});
    json inputs{{"data", counters.data_hash}};
    if (valid_file) inputs["valid"] = valid_file->artifact().content_hash();
    if (!counters.init_hash.empty()) inputs["init_from"] = counters.init_hash;
    if (request.recipe) file.recipe_hash = request.recipe(inputs);
    return file;
  }

  void checkpoint() {
    if (request.state_dir.empty()) return;
    StateFile state;
    state.model = model_file(model_tensors());
    for (const StateLeaf& s : model.states)
      if (s.optimizer) state.state[s.name] = store.at(s.name);
    state.best = best;
    state.counters = dump_fields(counters);
    StateStore(request.state_dir).save(state);
    has_checkpoint = true;
    last_save = steady_seconds();
    saved_step = counters.step;
    saved_epoch = counters.epoch;
    event("checkpoint", {{"step", counters.step}, {"epoch", counters.epoch}, {"folder", request.state_dir}});
  }

  bool checkpoint_due(bool epoch_ended) const {
    switch (interval.unit) {
      case Interval::Unit::steps:
        return static_cast<double>(counters.step - saved_step) >= interval.amount;
      case Interval::Unit::epochs:
        return epoch_ended && static_cast<double>(counters.epoch - saved_epoch) >= interval.amount;
      case Interval::Unit::seconds:
        return steady_seconds() - last_save >= interval.amount;
      case Interval::Unit::never:
        return false;
    }
    return false;
  }

  // ---- the loop ---------------------------------------------------------------------------------------------------

  TrainResult run() {
    start();
    TrainResult result;
    if (counters.finished) {
      result.already_complete = true;
      return finish(result);
    }
    ExecutorCache train(
        [this](int64_t b) { return build_training_step(section, config, data.schema(), counts, b).model; },
        options, pool.get(), store, request.seed, arena);
    train.report_to(request.profile, "step");
    train.put(full_batch(), plan);
    ExecutorCache evaluate(
        [this](int64_t b) { return build_evaluation(section, config, data.schema(), counts, b).model; },
        options, pool.get(), store, request.seed, arena);
    evaluate.report_to(request.profile, "evaluation");
    if (request.profile) request.profile->set_ceilings(measure_ceilings(plan, pool.get()));
    loader.set_position(counters.epoch, counters.batch);
    event("run_start", {{"step", counters.step},
                        {"epoch", counters.epoch},
                        {"steps", total_steps()},
                        {"epochs", config.epochs},
                        {"samples", loader.samples()},
                        {"batch_size", config.batch_size},
                        {"parameters", plan.bytes().parameters / int64_t{sizeof(float)}},
                        {"shuffle", loader.shuffle() == Shuffle::full ? "full" : "block"},
                        {"seed", request.seed},
                        {"memory", to_json(footprint)}});
    note(str("peak memory expected ", text(footprint), describe_recompute(plan)));
    const double began = steady_seconds();
    last_save = began;
    saved_step = counters.step;
    saved_epoch = counters.epoch;
    int64_t samples = 0;
    while (counters.epoch < config.epochs && !stopped_early(config, counters)) {
      report_step(train_step(train, samples));
      const bool epoch_ended = counters.batch == loader.batches();
      if (epoch_ended) end_epoch(evaluate);
      const bool last = counters.epoch == config.epochs || stopped_early(config, counters);
      const int stop = hooks.stop ? hooks.stop() : 0;
      const bool late = hooks.out_of_time && hooks.out_of_time();
      if (!last &&
          (stop || late || checkpoint_due(epoch_ended) || (hooks.checkpoint_now && hooks.checkpoint_now())))
        checkpoint();
      if (stop && !last) {
        result.code = stop;
        return result;
      }
      if (late && !last) {
        note("the time is up: writing the model as it stands");
        break;
      }
    }
    if (stopped_early(config, counters))
      note(str("stopped after epoch ", counters.epoch, ": ", config.early_stopping->metric,
               " has not improved for ", counters.bad_epochs, " epochs"));
    result.seconds = steady_seconds() - began;
    result.samples_per_second = result.seconds > 0 ? static_cast<double>(samples) / result.seconds : 0;
    counters.finished = counters.epoch >= config.epochs || stopped_early(config, counters);
    checkpoint();
    return finish(result);
  }

  TrainResult finish(TrainResult& result) {
    const bool from_best = !config.save.best.empty() && !best.empty();
    result.finished = true;
    result.model = model_file(from_best ? best : model_tensors());
    result.metrics = from_best ? counters.best_metrics : counters.metrics;
    result.steps = counters.step;
    result.epochs = counters.epoch;
    result.wait_seconds = loader.wait_seconds();
    event("run_end", {{"step", counters.step},
                      {"epoch", counters.epoch},
                      {"metrics", result.metrics},
                      {"seconds", result.seconds},
                      {"samples_per_second", result.samples_per_second},
                      {"wait_seconds", result.wait_seconds},
                      {"memory", {{"predicted", footprint.total()}, {"peak", peak_resident_bytes()}}}});
    return std::move(result);
  }

  void report_step(float loss) {
    if (hooks.event)
      event("step", {{"step", counters.step},
                     {"epoch", counters.epoch + 1},
                     {"loss", loss},
                     {"learning_rate", learning_rate(counters.step - 1)}});
    if (!hooks.progress) return;
    char text[48];
    std::snprintf(text, sizeof text, "epoch %lld  loss %.4f", static_cast<long long>(counters.epoch + 1),
                  static_cast<double>(loss));
    hooks.progress(counters.step, total_steps(), text);
  }

  TrainRequest request;
  TrainHooks hooks;
  TrainConfig config;
  const json& section;
  Interval interval;
  Dataset data;
  std::unique_ptr<Dataset> valid_file;
  PlanOptions options;
  int64_t resident;  // bytes, before anything of the run is there but the device's libraries
  Loader loader;
  ClassCounts counts;
  StepGraph step_graph;
  Model& model;
  std::vector<Head> heads;
  PoolOwner pool;
  Plan plan;
  Footprint footprint;
  TensorMap store, best;
  std::shared_ptr<Arena> arena = std::make_shared<Arena>(options.device);  // of all executors
  RunCounters counters;
  Ahead ahead;
  double last_save = 0;  // by steady_seconds()
  int64_t saved_step = 0, saved_epoch = 0;
  bool has_checkpoint = false;  // this run has written one, or started from one
};

Trainer::Trainer(TrainRequest request, TrainHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(request), std::move(hooks))) {}
Trainer::~Trainer() = default;
const Model& Trainer::model() const { return impl_->model; }
const Plan& Trainer::plan() const { return impl_->plan; }
const Schema& Trainer::schema() const { return impl_->data.schema(); }
int64_t Trainer::steps_per_epoch() const { return impl_->loader.batches(); }
const Footprint& Trainer::footprint() const { return impl_->footprint; }
int64_t Trainer::checkpoint_bytes() const {
  const Plan::Bytes b = impl_->plan.bytes();
  return b.parameters * (impl_->config.save.best.empty() ? 1 : 2) + b.state;
}
TrainResult Trainer::run() { return impl_->run(); }

}  // namespace dl
