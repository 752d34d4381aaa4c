#include "train/run_setup.h"

#include <algorithm>

#include "base/memory.h"
#include "base/str.h"
#include "train/average_graph.h"
#include "train/device.h"
#include "train/monitor.h"
#include "train/rates.h"

namespace dl {
namespace {

TrainConfig parse_train(const json& config) {
  TrainConfig t;
  parse_fields(t, config.value("train", json::object()), "/train");
  check_train(t);
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

RunSetup::RunSetup(TrainRequest r)
    : request(std::move(r)),
      config(parse_train(request.config)),
      section(model_section(request.config)),
      data(request.data, {.tmp = request.tmp, .fold = config.fold}),
      valid_file(request.valid.empty()
                     ? nullptr
                     : std::make_unique<Dataset>(request.valid, DatasetOptions{.tmp = request.tmp})),
      options{.passes = request.passes, .device = open_device(request.device), .threads = request.threads},
      resident(resident_bytes()),
      loader(data, loading()),
      counts(has_balanced_classes(config.loss) ? class_counts(data, config.split) : ClassCounts()),
      pool(pool_create(request.threads)),
      valid_split_(choose_valid_split()) {
  options.passes.recompute = config.recompute;
  options.passes.precision = config.precision;
  check_unfreeze();
  const auto step_at = [&](int64_t batch) { return step_graph(last_phase(), batch, false); };
  step = step_at(full_batch());
  whole = config.accumulate > 1 ? update_model(last_phase()) : step.model;
  if (config.average) add_averages(whole);
  plan = make_plan(step.model.graph, options);
  require_device_memory(
      plan, full_batch(), [&](int64_t batch) { return make_plan(step_at(batch).model.graph, options); },
      further_state());
  check_watched(config, valid_split_);
  footprint = predict_footprint();
  require_memory();
}

void RunSetup::require_memory() const {
  const int64_t needed = plan.device ? footprint.device.total() : footprint.total();
  if (request.max_memory == 0 || needed <= request.max_memory) return;
  throw Error(Exit::memory, "/train/batch_size",
              str("a batch of ", full_batch(), " needs ", human_bytes(double(needed)), ", ",
                  human_bytes(double(request.max_memory)), " are allowed: ", text(footprint)),
              "a smaller batch with train.accumulate, or train.recompute, takes less");
}

LoaderOptions RunSetup::loading() const {
  LoaderOptions o{.split = config.split,
                  .batch_size = config.batch_size,
                  .seed = request.seed,
                  .shuffle = config.shuffle,
                  .drop_last = config.drop_last,
                  .augment = parse_augment(request.config.value("augment", json::array()), "/augment")};
  if (!o.augment.transforms.empty()) o.workers = (request.threads + 1) / 2;
  return o;
}

LoaderOptions RunSetup::valid_loading() const {
  return {.split = valid_split_,
          .batch_size = config.batch_size,
          .shuffle = false,
          .augment = {},
          .soft_targets = has_soft_targets(schema())};
}

std::string RunSetup::choose_valid_split() const {
  if (valid_file) {
    for (const std::string& name : {config.valid_split, std::string("test"), std::string("train")})
      if (valid_file->has(name)) return name;
    return valid_file->splits().empty() ? "" : valid_file->splits().front();
  }
  return data.has(config.valid_split) && data.rows(config.valid_split) > 0 ? config.valid_split : "";
}

int64_t RunSetup::further_state() const {
  int64_t bytes = 0;
  const auto add = [&](const std::string& name, ValueId value) {
    if (plan.graph.find(name) == kNone) bytes += whole.graph.type(value).bytes();
  };
  for (const Parameter& p : whole.parameters) add(p.name, p.value);
  for (const StateLeaf& s : whole.states) add(s.name, s.value);
  return bytes;
}

Footprint RunSetup::predict_footprint() const {
  Footprint f;
  f.add(plan, resident);
  f.parameters += further_state();
  if (plan.device) f.device.parameters += further_state();
  f.add(data, loading());
  if (!valid_split_.empty()) f.add(valid_data(), valid_loading());
  if (config.save.best.empty()) return f;
  for (const Parameter& p : whole.parameters) f.best += whole.graph.type(p.value).bytes();
  for (const StateLeaf& s : whole.states)
    if (!s.optimizer) f.best += whole.graph.type(s.value).bytes();
  return f;
}

int64_t RunSetup::steps_per_epoch() const {
  return (loader.batches() + config.accumulate - 1) / config.accumulate;
}

int64_t RunSetup::total_steps() const { return run_steps(config, steps_per_epoch()); }

double RunSetup::learning_rate(int64_t step, double plateau_factor) const {
  return plateau_factor * scheduled_rate(config, step, steps_per_epoch());
}

size_t RunSetup::phase(int64_t epoch) const {
  size_t n = 0;
  while (n < config.unfreeze.size() && config.unfreeze[n].epoch <= epoch) ++n;
  return n;
}

Thawed RunSetup::thawed(size_t phase) const {
  Thawed names;
  for (size_t i = 0; i < phase; ++i)
    names.insert(names.end(), config.unfreeze[i].layers.begin(), config.unfreeze[i].layers.end());
  return names;
}

// Every name of train.unfreeze is one of a layer with parameters that is frozen until then.
void RunSetup::check_unfreeze() const {
  if (config.unfreeze.empty()) return;
  BuildOptions options = build_options(schema(), 1, true);
  options.groups = config.groups;
  const Model model = build_model(section, options);
  std::vector<std::string> frozen;
  for (const LayerInfo& layer : model.layers)
    if (layer.frozen && layer.parameters > 0) frozen.push_back(layer.name);
  for (size_t i = 0; i < config.unfreeze.size(); ++i)
    for (size_t k = 0; k < config.unfreeze[i].layers.size(); ++k) {
      const std::string& name = config.unfreeze[i].layers[k];
      const auto named = [&](const std::string& layer) { return names_layer(name, layer); };
      if (std::any_of(frozen.begin(), frozen.end(), named)) continue;
      throw Error(
          Exit::config, str("/train/unfreeze/", i, "/layers/", k),
          str("no frozen layer has the name '", name, "'"),
          frozen.empty() ? "\"freeze\": true freezes a layer" : str("frozen are ", join(frozen, ", ")));
    }
}

StepGraph RunSetup::step_graph(size_t phase, int64_t batch, bool first_of_step) const {
  if (config.accumulate > 1)
    return build_gradients(section, config, schema(), counts, batch, thawed(phase), first_of_step);
  return build_step(section, config, schema(), counts, batch,
                    {.thawed = thawed(phase), .shown = !request.tensorboard.empty()});
}

Model RunSetup::update_model(size_t phase) const {
  return build_update(section, config, schema(), counts, full_batch(), thawed(phase));
}

Model RunSetup::evaluation_model(int64_t batch, bool averaged) const {
  Model network = build_evaluation(section, config, schema(), counts, batch).model;
  if (averaged) use_averages(network);
  return network;
}

Model RunSetup::statistics_model(int64_t batch) const {
  Model network;
  BuildOptions form = build_options(schema(), batch, true);
  form.thawed = thawed(last_phase());
  network.graph = statistics_step(build_model(section, form));
  return network;
}

}  // namespace dl
