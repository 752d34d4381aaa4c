#include "train/evaluate.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/str.h"
#include "data/loader.h"
#include "train/bootstrap.h"
#include "train/breakdown.h"
#include "train/predictions.h"
#include "train/step_graph.h"

namespace dl {
namespace {

std::vector<Metrics> metrics_of(const std::vector<Head>& heads, const EvalConfig& config) {
  std::vector<Metrics> out;
  for (const Head& head : heads) out.emplace_back(metrics_setup(head, config), "/eval/metrics");
  return out;
}

bool combines(size_t networks, const EvalConfig& config) { return networks > 1 || config.tta > 0; }

std::vector<Head> heads_of(const Inference& network, const EvalConfig& config, bool combined) {
  constexpr int64_t kBatch = 2;
  std::vector<Head> heads =
      find_heads(network.network(kBatch).graph, kBatch, network.schema(), network.train().loss);
  if (combined)
    for (Head& h : heads) h = combined_head(h, config.ensemble);
  return heads;
}

Footprint predict_footprint(std::span<Inference* const> networks, const Dataset& data,
                            const LoaderOptions& loading, const Evaluation& e, bool keep) {
  Footprint f;
  const int64_t rows = data.rows(loading.split);
  for (Inference* network : networks) {
    Footprint one;
    const int64_t resident = resident_bytes();
    one.add(network->executor(std::min(loading.batch_size, std::max<int64_t>(rows, 1))).plan(), resident);
    f.program = one.program - one.parameters;  // they are loaded
    f.parameters += one.parameters;
    f.activations += one.activations;
    f.batches += one.batches;
    f.device = one.device;
  }
  f.add(data, loading);
  for (size_t h = 0; h < e.heads.size(); ++h) {
    f.data += rows * e.metrics[h].bytes_per_sample();
    if (keep)
      f.data += rows * (8 * e.heads[h].columns + data.schema().target(e.heads[h].target)->type.bytes());
  }
  return f;
}

// Runs batches through the networks, as they are and augmented, and gives the answers of each head.
class Answers {
 public:
  Answers(std::span<Inference* const> networks, const Dataset& data, const EvaluateOptions& options,
          const std::vector<Head>& heads, bool with_loss)
      : networks_(networks),
        data_(data),
        options_(options),
        with_loss_(with_loss),
        augmenter_({options.config.augment}, data.schema(), options.seed) {
    for (const Head& h : heads) names_.push_back(h.output);
    if (!combines(networks.size(), options.config)) {
      for (const GraphOutput& o : networks.front()->network(1).graph.outputs)
        if (std::find(names_.begin(), names_.end(), o.name) == names_.end()) names_.push_back(o.name);
      return;
    }
    // The combiner takes what the networks say, so it starts from their own form.
    const std::vector<Head> own = heads_of(*networks.front(), options.config, false);
    const Ensemble method =
        options.config.ensemble == Ensemble::none ? Ensemble::average : options.config.ensemble;
    for (const Head& h : own) combiners_.emplace_back(h, method, options.config.temperature);
  }

  // What of() gives: the heads' outputs, then those of a single network that no target judges.
  const std::vector<std::string>& names() const { return names_; }
  // Outputs by name. `loss` is set where the networks give one.
  std::vector<Tensor> of(const Batch& batch, double* loss) {
    std::vector<Tensor> out;
    for (int64_t round = 0; round <= options_.config.tta; ++round) {
      const std::map<std::string, Tensor> inputs = inputs_of(batch, round);
      for (Inference* network : networks_) {
        Executor& run = network->run(inputs);
        if (with_loss_) *loss = static_cast<double>(run.scalar("loss"));
        for (size_t h = 0; h < names_.size(); ++h) {
          Tensor t = output_tensor(run, names_[h]);
          if (combiners_.empty())
            out.push_back(std::move(t));
          else
            combiners_[h].add(t);
        }
      }
    }
    for (Combiner& c : combiners_) out.push_back(c.take());
    return out;
  }

 private:
  std::map<std::string, Tensor> inputs_of(const Batch& batch, int64_t round) {
    std::map<std::string, Tensor> inputs;
    const Schema& schema = data_.schema();
    std::vector<Tensor> columns;
    for (size_t i = 0; i < schema.inputs.size(); ++i)
      columns.push_back(round == 0 ? batch.columns[i] : batch.columns[i].clone());
    for (int64_t r = 0; round > 0 && r < batch.rows; ++r) {
      std::vector<void*> sample;
      for (size_t i = 0; i < columns.size(); ++i)
        sample.push_back(static_cast<unsigned char*>(columns[i].raw()) + r * schema.inputs[i].type.bytes());
      augmenter_.apply(sample, static_cast<uint64_t>(round),
                       static_cast<uint64_t>(batch.samples[static_cast<size_t>(r)]), work_);
    }
    for (const Input& input : networks_.front()->schema().inputs)
      inputs[input.name] = columns[column_of(schema, input.name)];
    if (with_loss_)
      for (const Target& target : networks_.front()->schema().targets)
        inputs[target.name] = batch.columns[column_of(schema, target.name)];
    return inputs;
  }

  std::span<Inference* const> networks_;
  const Dataset& data_;
  const EvaluateOptions& options_;
  std::vector<std::string> names_;
  bool with_loss_;
  Augmenter augmenter_;
  Image work_;
  std::vector<Combiner> combiners_;
};

// Takes rows [first, first + rows) of a batch into the tensor of all `total` rows.
void keep_rows(Tensor& all, const Tensor& batch, int64_t first, int64_t rows, int64_t total) {
  const int64_t width = batch.shape()[0] == 0 ? 0 : batch.bytes() / batch.shape()[0];
  if (!all.defined()) {
    TensorType type{batch.dtype(), {total}};
    for (int i = 1; i < batch.shape().rank(); ++i) type.shape.push_back(batch.shape()[i]);
    all = Tensor(type);
  }
  std::memcpy(static_cast<unsigned char*>(all.raw()) + first * width, batch.raw(),
              static_cast<size_t>(rows * width));
}

}  // namespace

MetricsSetup metrics_setup(const Head& head, const EvalConfig& config) {
  return {.form = head.form,
          .columns = head.columns,
          .class_names = head.classes,
          .wanted = config.metrics,
          .labels = head.labels,
          .threshold = config.threshold.value_or(std::numeric_limits<double>::quiet_NaN()),
          .positive = config.positive,
          .costs = config.costs,
          .temperature = config.temperature,
          .bins = config.bins};
}

size_t column_of(const Schema& schema, const std::string& name) {
  for (size_t i = 0; i < schema.columns(); ++i)
    if (schema.column_name(i) == name) return i;
  throw Error(Exit::internal, str("no column '", name, "'"));
}

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
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

MetricList planned_metrics(const Inference& network, const EvalConfig& config, const Schema& schema) {
  Evaluation e;
  e.heads = heads_of(network, config, combines(config.ensemble == Ensemble::none ? 1 : 2, config));
  e.metrics = metrics_of(e.heads, config);
  check_breakdown(config.by, schema);
  for (size_t h = 0; h < e.heads.size(); ++h) {
    const std::string prefix = e.heads.size() > 1 ? e.heads[h].output + '.' : "";
    const std::vector<std::string> headline = headline_metrics(e.metrics[h].setup());
    const auto plan = [&](const std::string& name) {
      e.more.push_back({prefix + name, std::numeric_limits<double>::quiet_NaN()});
    };
    for (const std::string& name : headline) {
      if (config.bootstrap > 0) plan(name + ".low"), plan(name + ".high");
      for (const std::string& by : config.by) {
        plan(str("gap.", by, '.', name));
        for (const std::string& part : values_of(by, schema, e.heads[h]))
          plan(str("by.", by, '.', part, '.', name));
      }
    }
  }
  return e.values();
}

Evaluation evaluate(Inference& network, const Dataset& data, const EvaluateOptions& options) {
  Inference* const one[] = {&network};
  return evaluate(one, data, options);
}

Evaluation evaluate(std::span<Inference* const> networks, const Dataset& data,
                    const EvaluateOptions& options) {
  for (const Inference* network : networks) check_compatible(network->schema(), data.schema(), data.name());
  if (options.config.tta > 0 && options.config.augment.empty())
    throw Error(Exit::config, "/eval/tta", "there are no transforms to augment with, expected eval.augment");
  Inference& first = *networks.front();
  const bool combined = combines(networks.size(), options.config);
  Evaluation e;
  e.split = choose_split(data, options.config.split);
  e.heads = heads_of(first, options.config, combined);
  e.metrics = metrics_of(e.heads, options.config);
  const bool soft =
      has_soft_targets(first.schema());  // else the loss takes labels, which mixtures do not have
  const bool with_loss =
      !combined && (soft || !has_soft_targets(data.schema())) &&
      (first.add_loss() || (data.has("train") && first.add_loss(class_counts(data, "train"))));
  const LoaderOptions loading{.split = e.split,
                              .batch_size = options.config.batch_size,
                              .shuffle = false,
                              .augment = {},
                              .soft_targets = soft};
  if (options.begin) options.begin(predict_footprint(networks, data, loading, e, options.keep));
  Loader loader(data, loading);
  Answers answers(networks, data, options, e.heads, with_loss);
  std::unique_ptr<PredictionsWriter> predictions;
  if (!options.predictions.empty()) {
    predictions = std::make_unique<PredictionsWriter>(options.predictions, data, e.split, answers.names(),
                                                      options.output);
    predictions->artifact().config(options.recipe);
    predictions->artifact().recipe_hash(options.recipe_hash);
    for (const Inference* network : networks)
      predictions->artifact().parent("model", network->model().content_hash);
    predictions->artifact().parent("dataset", data.artifact().content_hash());
  }
  if (options.keep) e.kept.resize(e.heads.size());
  int64_t done = 0;
  for (int64_t b = 0; b < loader.batches(); ++b) {
    const Batch& batch = loader.next();
    double loss = 0;
    const std::vector<Tensor> outputs = answers.of(batch, &loss);
    if (with_loss) {
      e.loss += loss * static_cast<double>(batch.rows);
      e.loss_samples += batch.rows;
    }
    for (size_t h = 0; h < e.heads.size(); ++h) {
      const Tensor& targets = batch.columns[column_of(data.schema(), e.heads[h].target)];
      e.metrics[h].add(outputs[h], targets, batch.rows);
      if (!options.keep) continue;
      keep_rows(e.kept[h].outputs, outputs[h], done, batch.rows, loader.samples());
      keep_rows(e.kept[h].targets, targets, done, batch.rows, loader.samples());
    }
    if (predictions) predictions->append(outputs, batch);
    done += batch.rows;
    if (options.progress) options.progress(done, loader.samples());
  }
  if (predictions) predictions->finish();
  return e;
}

}  // namespace dl
