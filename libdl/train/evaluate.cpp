#include "train/evaluate.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/str.h"
#include "data/loader.h"
#include "train/predictions.h"
#include "train/step_graph.h"

namespace dl {
namespace {

MetricsSetup setup_of(const Head& head, const EvalConfig& config) {
  return {.form = head.form, .columns = head.columns, .class_names = head.classes, .wanted = config.metrics};
}

std::vector<Metrics> metrics_of(const std::vector<Head>& heads, const EvalConfig& config) {
  std::vector<Metrics> out;
  for (const Head& head : heads) out.emplace_back(setup_of(head, config), "/eval/metrics");
  return out;
}

std::vector<Head> heads_of(const Inference& network) {
  constexpr int64_t kBatch = 2;
  return find_heads(network.network(kBatch).graph, kBatch, network.schema());
}

Footprint predict_footprint(Inference& network, const Dataset& data, const LoaderOptions& loading) {
  Footprint f;
  const int64_t resident = resident_bytes(), rows = data.rows(loading.split);
  f.add(network.executor(std::min(loading.batch_size, std::max<int64_t>(rows, 1))).plan(), resident);
  f.program -= f.parameters;  // they are loaded
  f.add(data, loading);
  return f;
}

size_t column_of(const Schema& schema, const std::string& name) {
  for (size_t i = 0; i < schema.columns(); ++i)
    if (schema.column_name(i) == name) return i;
  throw Error(Exit::internal, str("no column '", name, "'"));
}

}  // namespace

std::string choose_split(const Dataset& data, const std::string& asked) {
  if (!asked.empty()) {
    data.rows(asked);
    return asked;
  }
  for (const char* usual : {"test", "valid"})
    if (data.has(usual) && data.rows(usual) > 0) return usual;
  if (data.splits().size() == 1) return data.splits().front();
  throw Error(Exit::data, {},
              str(data.name(), ": has neither a split 'test' nor 'valid', expected --split with one of ",
                  join(data.splits(), ", ")));
}

void check_compatible(const Schema& model, const Schema& data, const std::string& data_name) {
  for (const Input& want : model.inputs) {
    const Input* have = data.input(want.name);
    if (!have)
      throw Error(Exit::data,
                  str(data_name, ": has no input '", want.name, "', the model was trained on it"));
    if (have->type != want.type)
      throw Error(Exit::data, str(data_name, ": input '", want.name, "' is ", have->type.text(),
                                  ", the model was trained on ", want.type.text()));
    if (have->columns != want.columns)
      throw Error(Exit::data, str(data_name, ": the columns of input '", want.name,
                                  "' are not those the model was trained on"));
  }
  for (const Target& want : model.targets) {
    const Target* have = data.target(want.name);
    if (!have)
      throw Error(Exit::data,
                  str(data_name, ": has no target '", want.name, "', the model was trained on it"));
    const bool classes = have->kind != TargetKind::regression && want.kind != TargetKind::regression;
    if ((!classes && (have->kind != want.kind || have->type != want.type)) || have->classes != want.classes)
      throw Error(Exit::data, str(data_name, ": target '", want.name,
                                  "' has other classes or another type than the model was trained on"));
  }
}

MetricList Evaluation::values() const {
  MetricList out{{"loss", loss_samples > 0 ? loss / static_cast<double>(loss_samples)
                                           : std::numeric_limits<double>::quiet_NaN()}};
  bool loss_wanted = false, all = true;
  for (size_t i = 0; i < heads.size(); ++i) {
    all = all && metrics[i].everything();
    for (Metric& m : metrics[i].values()) {
      loss_wanted = loss_wanted || m.name == "loss";
      if (m.name != "loss")
        out.push_back({heads.size() > 1 ? str(heads[i].output, '.', m.name) : std::move(m.name), m.value});
    }
  }
  if (!all && !loss_wanted) out.erase(out.begin());
  return out;
}

MetricList planned_metrics(const Inference& network, const EvalConfig& config) {
  Evaluation e;
  e.heads = heads_of(network);
  e.metrics = metrics_of(e.heads, config);
  return e.values();
}

Evaluation evaluate(Inference& network, const Dataset& data, const EvaluateOptions& options) {
  check_compatible(network.schema(), data.schema(), data.name());
  Evaluation e;
  e.split = choose_split(data, options.config.split);
  e.heads = heads_of(network);
  e.metrics = metrics_of(e.heads, options.config);
  const bool soft =
      has_soft_targets(network.schema());  // else the loss takes labels, which mixtures do not have
  const bool with_loss =
      (soft || !has_soft_targets(data.schema())) &&
      (network.add_loss() || (data.has("train") && network.add_loss(class_counts(data, "train"))));
  const LoaderOptions loading{.split = e.split,
                              .batch_size = options.config.batch_size,
                              .shuffle = false,
                              .augment = {},
                              .soft_targets = soft};
  if (options.begin) options.begin(predict_footprint(network, data, loading));
  Loader loader(data, loading);
  std::unique_ptr<PredictionsWriter> predictions;
  if (!options.predictions.empty()) {
    std::vector<std::string> outputs;
    for (const GraphOutput& o : network.network(1).graph.outputs) outputs.push_back(o.name);
    predictions =
        std::make_unique<PredictionsWriter>(options.predictions, data, e.split, outputs, options.output);
    predictions->artifact().config(options.recipe);
    predictions->artifact().recipe_hash(options.recipe_hash);
    predictions->artifact().parent("model", network.model().content_hash);
    predictions->artifact().parent("dataset", data.artifact().content_hash());
  }
  int64_t done = 0;
  for (int64_t b = 0; b < loader.batches(); ++b) {
    const Batch& batch = loader.next();
    std::map<std::string, Tensor> inputs;
    for (const Input& input : network.schema().inputs)
      inputs[input.name] = batch.columns[column_of(data.schema(), input.name)];
    if (with_loss)
      for (const Target& target : network.schema().targets)
        inputs[target.name] = batch.columns[column_of(data.schema(), target.name)];
    Executor& run = network.run(inputs);
    if (with_loss) {
      e.loss += static_cast<double>(run.scalar("loss")) * static_cast<double>(batch.rows);
      e.loss_samples += batch.rows;
    }
    for (size_t h = 0; h < e.heads.size(); ++h)
      e.metrics[h].add(output_tensor(run, e.heads[h].output),
                       batch.columns[column_of(data.schema(), e.heads[h].target)], batch.rows);
    if (predictions) predictions->append(run, batch);
    done += batch.rows;
    if (options.progress) options.progress(done, loader.samples());
  }
  if (predictions) predictions->finish();
  return e;
}

}  // namespace dl
