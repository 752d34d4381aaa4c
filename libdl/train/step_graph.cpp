#include "train/step_graph.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "nn/constraint.h"
#include "nn/optimizer.h"
#include "nn/regularizer.h"
#include "ops/registry.h"
#include "passes/autodiff.h"
#include "passes/passes.h"

namespace dl {
namespace {

std::vector<TargetInfo> target_infos(const Schema& schema, const ClassCounts& counts) {
  std::vector<TargetInfo> out;
  for (const Target& t : schema.targets) {
    TargetInfo info{.name = t.name,
                    .type = t.type,
                    .classes = t.kind != TargetKind::regression ? static_cast<int64_t>(t.classes.size()) : 0};
    if (const auto it = counts.find(t.name); it != counts.end()) info.counts = it->second;
    out.push_back(std::move(info));
  }
  return out;
}

StepGraph with_losses(Model model, const TrainConfig& train, const Schema& schema,
                      const ClassCounts& counts) {
  StepGraph s{std::move(model), {}};
  s.heads = find_heads(s.model.graph, s.model.batch, schema, train.loss);
  add_losses(s.model, train.loss, target_infos(schema, counts), "/train/loss");
  return s;
}

// Forward, losses and, for trainable(model), gradients of the loss times its scale.
struct Differentiated {
  StepGraph step;
  std::vector<ValueId> gradients;
  LossScale scaled;
};
Differentiated differentiate(const json& model, const TrainConfig& train, const Schema& schema,
                             const ClassCounts& counts, int64_t batch, const Thawed& thawed) {
  BuildOptions options = build_options(schema, batch, true);
  options.groups = train.groups;
  options.thawed = thawed;
  Model network = build_model(model, options);
  if (train.weight_noise) add_weight_noise(network, *train.weight_noise, "/train/weight_noise");
  Differentiated d{with_losses(std::move(network), train, schema, counts), {}, {}};
  Model& m = d.step.model;
  const std::vector<ValueId> wanted = trainable(m);
  check_constraints(train.constraints, parameter_layers(m), "/train/constraints");
  ValueId loss = add_penalties(m, train.regularizers, m.graph.output("loss"), "/train/regularizers");
  if (train.precision == Precision::f16) {
    d.scaled = add_loss_scale(m);
    loss = m.graph.add(op::mul, {loss, d.scaled.scale}, {}, "loss_scale", "/train/precision");
  }
  d.gradients = autodiff(m.graph, loss, wanted);
  return d;
}

void add_update(Model& m, const TrainConfig& train, std::span<const ValueId> gradients,
                const LossScale& scaled) {
  add_optimizer(m, train.optimizer, gradients, scaled,
                {.cycled_momentum = cycles_momentum(train.schedule), .constraints = train.constraints});
}

// The leaves "<parameter>/gradient" of the parameters that have one, kNone for others.
std::vector<ValueId> add_gradient_leaves(Model& m, const std::vector<ValueId>& gradients) {
  std::vector<ValueId> leaves;
  size_t next = 0;
  for (const Parameter& p : m.parameters) {
    if (p.frozen) continue;
    const ValueId gradient = gradients[next++];
    if (gradient == kNone) {
      leaves.push_back(kNone);
      continue;
    }
    const std::string name = p.name + std::string(kGradientSuffix);
    leaves.push_back(m.graph.add_leaf(ValueKind::state, name, m.graph.type(p.value)));
    m.states.push_back({name, leaves.back(), 0, true});
  }
  return leaves;
}

void add_gradient_outputs(Differentiated& d) {
  Model& m = d.step.model;
  size_t next = 0;
  for (const Parameter& p : m.parameters) {
    if (p.frozen) continue;
    const ValueId gradient = d.gradients[next++];
    if (gradient != kNone) m.graph.outputs.push_back({p.name + std::string(kGradientSuffix), gradient});
  }
}

}  // namespace

bool has_balanced_classes(const Losses& losses) {
  return FieldType<Losses>::dump(losses).dump().find("\"balanced\"") != std::string::npos;
}

ClassCounts class_counts(const Dataset& data, const std::string& split) {
  constexpr int64_t kRows = 4096;
  ClassCounts out;
  const Schema& schema = data.schema();
  const int64_t rows = data.rows(split);
  for (size_t i = 0; i < schema.targets.size(); ++i) {
    const Target& target = schema.targets[i];
    if (target.kind == TargetKind::regression) continue;
    const bool soft = target.kind == TargetKind::class_probabilities;
    const size_t classes = target.classes.size(), width = soft ? classes : 1;
    std::vector<double> sums(classes, 0);
    std::vector<int32_t> column(kRows * width);
    std::vector<void*> columns(schema.columns(), nullptr);
    columns[schema.inputs.size() + i] = column.data();
    for (int64_t first = 0; first < rows; first += kRows) {
      const int64_t n = std::min(kRows, rows - first);
      data.read(split, first, n, columns);
      for (size_t k = 0; k < static_cast<size_t>(n) * width; ++k) {
        if (soft)
          sums[k % classes] += static_cast<double>(std::bit_cast<float>(column[k]));
        else
          sums.at(static_cast<size_t>(column[k])) += 1;
      }
    }
    for (double sum : sums) out[target.name].push_back(std::llround(sum));
  }
  return out;
}

StepGraph build_evaluation(const json& model, const TrainConfig& train, const Schema& schema,
                           const ClassCounts& counts, int64_t batch) {
  return with_losses(build_model(model, build_options(schema, batch, false)), train, schema, counts);
}

StepGraph build_step(const json& model, const TrainConfig& train, const Schema& schema,
                     const ClassCounts& counts, int64_t batch, const StepForm& form) {
  Differentiated d = differentiate(model, train, schema, counts, batch, form.thawed);
  if (form.shown) add_gradient_outputs(d);
  add_update(d.step.model, train, d.gradients, d.scaled);
  return std::move(d.step);
}

StepGraph build_training_step(const json& model, const TrainConfig& train, const Schema& schema,
                              const ClassCounts& counts, int64_t batch) {
  return build_step(model, train, schema, counts, batch, {});
}

StepGraph build_shown_gradients(const json& model, const TrainConfig& train, const Schema& schema,
                                const ClassCounts& counts, int64_t batch) {
  Differentiated d = differentiate(model, train, schema, counts, batch, {});
  add_gradient_outputs(d);
  d.step.model.graph.updates.clear();
  return std::move(d.step);
}

StepGraph build_gradients(const json& model, const TrainConfig& train, const Schema& schema,
                          const ClassCounts& counts, int64_t batch, const Thawed& thawed, bool first) {
  Differentiated d = differentiate(model, train, schema, counts, batch, thawed);
  Graph& g = d.step.model.graph;
  const std::vector<ValueId> sums = add_gradient_leaves(d.step.model, d.gradients);
  const ValueId share = g.add_leaf(ValueKind::input, kShareInput, {DType::f32, {}});
  const auto add = [&](const OpDef& op, ValueId a, ValueId b, ValueId sum) {
    return g.add_node(op, {a, b}, {}, g.value(sum).name, "/train/accumulate", Phase::update)[0];
  };
  for (size_t i = 0; i < sums.size(); ++i) {
    if (sums[i] == kNone) continue;
    const ValueId part = add(op::mul, d.gradients[i], share, sums[i]);
    g.updates.push_back({sums[i], first ? part : add(op::add, sums[i], part, sums[i])});
  }
  return std::move(d.step);
}

Model build_update(const json& model, const TrainConfig& train, const Schema& schema,
                   const ClassCounts& counts, int64_t batch, const Thawed& thawed) {
  Differentiated d = differentiate(model, train, schema, counts, batch, thawed);
  Model& m = d.step.model;
  const std::vector<ValueId> sums = add_gradient_leaves(m, d.gradients);
  m.graph.nodes.clear();  // what the update reads are leaves
  m.graph.outputs.clear();
  m.graph.updates.clear();
  add_update(m, train, sums, d.scaled);
  std::vector<Node> update = std::move(m.graph.nodes);
  m.graph = rebuild(m.graph, update, std::vector<ValueId>(m.graph.values.size(), kNone));
  for (Parameter& p : m.parameters) p.value = m.graph.find(p.name);
  for (StateLeaf& s : m.states) s.value = m.graph.find(s.name);
  m.layers.clear();  // their outputs are gone
  return std::move(m);
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
