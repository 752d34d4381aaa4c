#include "train/step_graph.h"

#include <algorithm>

#include "nn/optimizer.h"
#include "ops/registry.h"
#include "passes/autodiff.h"

namespace dl {
namespace {

std::vector<TargetInfo> target_infos(const Schema& schema, const ClassCounts& counts) {
  std::vector<TargetInfo> out;
  for (const Target& t : schema.targets) {
    TargetInfo info{
        .name = t.name,
        .type = t.type,
        .classes = t.kind == TargetKind::class_index ? static_cast<int64_t>(t.classes.size()) : 0};
    if (const auto it = counts.find(t.name); it != counts.end()) info.counts = it->second;
    out.push_back(std::move(info));
  }
  return out;
}

StepGraph with_losses(Model model, const TrainConfig& train, const Schema& schema,
                      const ClassCounts& counts) {
  StepGraph s{std::move(model), {}};
  s.heads = find_heads(s.model.graph, s.model.batch, schema);
  add_losses(s.model, train.loss, target_infos(schema, counts), "/train/loss");
  return s;
}

}  // namespace

bool has_balanced_classes(const Losses& losses) {
  return FieldType<Losses>::dump(losses).dump().find("\"balanced\"") != std::string::npos;
}

ClassCounts class_counts(const Dataset& data, const std::string& split) {
  constexpr int64_t kRows = 4096;
  ClassCounts out;
  const Schema& schema = data.schema();
  std::vector<std::vector<int32_t>> labels(schema.columns());
  std::vector<void*> columns(schema.columns(), nullptr);
  for (size_t i = 0; i < schema.targets.size(); ++i) {
    if (schema.targets[i].kind != TargetKind::class_index) continue;
    std::vector<int32_t>& column = labels[schema.inputs.size() + i];
    column.resize(kRows);
    columns[schema.inputs.size() + i] = column.data();
    out[schema.targets[i].name].resize(schema.targets[i].classes.size());
  }
  const int64_t rows = data.rows(split);
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t n = std::min(kRows, rows - first);
    data.read(split, first, n, columns);
    for (size_t i = 0; i < schema.targets.size(); ++i)
      if (columns[schema.inputs.size() + i])
        for (int64_t r = 0; r < n; ++r)
          ++out[schema.targets[i].name].at(
              static_cast<size_t>(labels[schema.inputs.size() + i][static_cast<size_t>(r)]));
  }
  return out;
}

StepGraph build_evaluation(const json& model, const TrainConfig& train, const Schema& schema,
                           const ClassCounts& counts, int64_t batch) {
  return with_losses(build_model(model, build_options(schema, batch, false)), train, schema, counts);
}

StepGraph build_training_step(const json& model, const TrainConfig& train, const Schema& schema,
                              const ClassCounts& counts, int64_t batch) {
  BuildOptions options = build_options(schema, batch, true);
  options.groups = train.groups;
  Model network = build_model(model, options);
  if (train.weight_noise) add_weight_noise(network, *train.weight_noise, "/train/weight_noise");
  StepGraph s = with_losses(std::move(network), train, schema, counts);
  const std::vector<ValueId> wanted = trainable(s.model);
  check_constraints(train.constraints, parameter_layers(s.model), "/train/constraints");
  ValueId loss =
      add_penalties(s.model, train.regularizers, s.model.graph.output("loss"), "/train/regularizers");
  LossScale scaled;
  if (train.precision == Precision::f16) {
    scaled = add_loss_scale(s.model);
    loss = s.model.graph.add(op::mul, {loss, scaled.scale}, {}, "loss_scale", "/train/precision");
  }
  const std::vector<ValueId> gradients = autodiff(s.model.graph, loss, wanted);
  add_optimizer(s.model, train.optimizer, gradients, scaled,
                {.cycled_momentum = cycles_momentum(train.schedule), .constraints = train.constraints});
  return s;
}

Schema schema_from_model(const json& model) {
  const Model m = build_model(model, {.batch = 1, .training = false});
  Schema schema;
  const auto sample = [](const TensorType& batch) {
    const std::span<const int64_t> dims(batch.shape.begin(), batch.shape.end());
    return TensorType{batch.dtype, Shape(dims.subspan(1))};
  };
  for (const Value& v : m.graph.values)
    if (v.kind == ValueKind::input && v.type.shape.rank() > 0) {
      const TensorType type = sample(v.type);
      schema.inputs.push_back({v.name, type.shape.rank() == 3 ? Role::image : Role::features, type, {}});
    }
  for (const GraphOutput& o : m.graph.outputs) {
    const TensorType type = sample(m.graph.type(o.value));
    Target t{o.name, TargetKind::regression, type, {}};
    if (type.shape.rank() == 1 && type.shape[0] > 1) {
      t.kind = TargetKind::class_index;
      t.type = {DType::i32, {}};
      for (int64_t c = 0; c < type.shape[0]; ++c) t.classes.push_back(std::to_string(c));
    }
    schema.targets.push_back(std::move(t));
  }
  return schema;
}

}  // namespace dl
