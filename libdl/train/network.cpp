#include "train/network.h"

#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "train/step_graph.h"

namespace dl {
namespace {

// Whether a loss is about yes and no.
bool judges_labels(const Losses& losses, const std::string& output) {
  for (const Losses::Entry& e : losses.entries) {
    if (!e.output.empty() && e.output != output) continue;
    for (const char* part : {"bce", "dice", "focal", "tversky", "jaccard", "iou"})
      if (e.loss.type.find(part) != std::string::npos) return true;
  }
  return false;
}

OutputForm form_of(const Graph& graph, ValueId output, int64_t columns, const Target& target, bool labels) {
  const Node* producer = graph.producer(output);
  if (target.kind == TargetKind::regression) {
    if (!labels) return OutputForm::values;
    return producer && producer->op->name == "sigmoid" ? OutputForm::label_probabilities
                                                       : OutputForm::label_logits;
  }
  if (producer && producer->op->name == "softmax") return OutputForm::probabilities;
  if (producer && producer->op->name == "log_softmax") return OutputForm::log_probabilities;
  return columns == 1 ? OutputForm::binary_logits : OutputForm::logits;
}

Head head_of(const Graph& graph, int64_t batch, const GraphOutput& output, const Target& target,
             bool labels) {
  const TensorType& type = graph.type(output.value);
  Head h{output.name, target.name, OutputForm::logits, batch > 0 ? type.elements() / batch : 0,
         target.classes};
  h.form = form_of(graph, output.value, h.columns, target, labels);
  if (has_labels(h.form)) h.labels = type.shape.rank() == 4 ? type.shape[1] : h.columns;
  const auto classes = static_cast<int64_t>(target.classes.size());
  const bool numbers = !is_classification(h.form);
  const bool fits = numbers                               ? h.columns == target.type.elements()
                    : h.form == OutputForm::binary_logits ? classes <= 2
                                                          : h.columns == classes;
  if (!fits)
    throw Error(
        Exit::config, "/model",
        str("output '", output.name, "' has ", h.columns, " numbers for a sample, target '", target.name,
            "' has ", numbers ? target.type.elements() : classes, numbers ? " numbers" : " classes"));
  return h;
}

}  // namespace

BuildOptions build_options(const Schema& schema, int64_t batch, bool training) {
  BuildOptions options;
  options.batch = batch;
  options.training = training;
  for (const Input& input : schema.inputs) options.inputs.push_back({input.name, input.type});
  for (const auto& [name, n] : schema.normalization) options.normalization[name] = {n.mean, n.std};
  for (const Target& target : schema.targets)
    if (target.kind != TargetKind::regression && options.classes == 0)
      options.classes = static_cast<int64_t>(target.classes.size());
  return options;
}

std::vector<Head> find_heads(const Graph& graph, int64_t batch, const Schema& schema, const Losses& losses) {
  std::vector<Head> heads;
  const bool single = graph.outputs.size() == 1 && schema.targets.size() == 1;
  for (const GraphOutput& output : graph.outputs) {
    const Target* target = single ? &schema.targets.front() : schema.target(output.name);
    if (target) heads.push_back(head_of(graph, batch, output, *target, judges_labels(losses, output.name)));
  }
  if (!heads.empty()) return heads;
  std::vector<std::string> outputs, targets;
  for (const GraphOutput& o : graph.outputs) outputs.push_back(o.name);
  for (const Target& t : schema.targets) targets.push_back(t.name);
  throw Error(
      Exit::config, "/model/outputs",
      str("no output (", join(outputs, ", "), ") has the name of a target (", join(targets, ", "), ")"));
}

Inference::Inference(ModelFile model, Pool* pool, std::shared_ptr<Device> device)
    : model_(std::move(model)),
      schema_(Schema::parse(model_.data_schema, "model")),
      pool_(pool),
      device_(std::move(device)) {
  const json section = model_.config.value("train", json::object()).value("loss", json());
  if (!section.is_null()) FieldType<Losses>::parse(train_.loss, section, "/train/loss", {});
}

Model Inference::network(int64_t batch) const {
  const auto section = model_.config.find("model");
  if (section == model_.config.end())
    throw Error(Exit::data, "the model file's config has no section 'model'");
  Model m = build_model(*section, build_options(schema_, batch, false));
  for (const Value& leaf : m.graph.values) {
    if (leaf.kind != ValueKind::parameter && leaf.kind != ValueKind::state) continue;
    const auto found = model_.parameters.find(leaf.name);
    if (found == model_.parameters.end())
      throw Error(Exit::data, str("the model file has no parameter '", leaf.name, "'"));
    if (found->second.type() != leaf.type)
      throw Error(Exit::data, str("the model file's parameter '", leaf.name, "' is ",
                                  found->second.type().text(), ", the network expects ", leaf.type.text()));
  }
  return m;
}

bool Inference::add_loss(const ClassCounts& counts) {
  if (counts.empty() && has_balanced_classes(train_.loss)) return false;
  counts_ = counts;
  with_loss_ = true;
  executors_.reset();
  return true;
}

Executor& Inference::executor(int64_t batch) {
  if (!executors_) {
    PlanOptions options;
    options.threads = pool_threads(pool_);
    options.device = device_;
    options.passes.precision = precision_;
    executors_ = std::make_unique<ExecutorCache>(
        [this](int64_t samples) {
          Model m = network(samples);
          if (with_loss_)
            m = build_evaluation(model_.config.at("model"), train_, schema_, counts_, samples).model;
          return m;
        },
        options, pool_, model_.parameters, 0, std::make_shared<Arena>(device_));
  }
  return executors_->at(batch);
}

Executor& Inference::run(const std::map<std::string, Tensor>& inputs) {
  if (inputs.empty()) throw Error(Exit::internal, "no inputs");
  Executor& executor = this->executor(inputs.begin()->second.shape()[0]);
  for (const auto& [name, tensor] : inputs)
    if (executor.has_input(name)) executor.feed(name, tensor);
  executor.run();
  return executor;
}

Tensor output_tensor(Executor& executor, const std::string& name) {
  Tensor t(executor.output_type(name));
  std::memcpy(t.raw(), executor.output(name), static_cast<size_t>(t.bytes()));
  return t;
}

}  // namespace dl
