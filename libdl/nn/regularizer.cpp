#include "nn/regularizer.h"

#include "base/random.h"
#include "nn/emit.h"

namespace dl {

struct LayersPenalty {
  double weight = 1e-4;
  Globs layers;
};
template <class... F>
constexpr auto with_layers(F... own) {
  using A = LayersPenalty;
  return std::tuple{field("weight", &A::weight, "Factor of the penalty.").at_least(0),
                    field("layers", &A::layers, "Names or patterns of the layers; empty: all."), own...};
}
constexpr auto fields(const LayersPenalty*) { return with_layers(); }

struct ElasticPenalty : LayersPenalty {
  double ratio = 0.5;
};
constexpr auto fields(const ElasticPenalty*) {
  return with_layers(field("ratio", &ElasticPenalty::ratio, "Share of l1; the rest is l2.").range(0, 1));
}

enum class PenaltyGroups { units, inputs };
constexpr auto enum_names(const PenaltyGroups*) { return std::array<std::string_view, 2>{"units", "inputs"}; }
struct GroupPenalty : LayersPenalty {
  PenaltyGroups groups = PenaltyGroups::units;
};
constexpr auto fields(const GroupPenalty*) {
  return with_layers(
      field("groups", &GroupPenalty::groups,
            "What becomes zero together: the weights of a unit, or all that see one input (channel)."));
}

struct NuclearPenalty : LayersPenalty {
  int64_t iterations = 24;
};
constexpr auto fields(const NuclearPenalty*) {
  return with_layers(
      field("iterations", &NuclearPenalty::iterations,
            "Of the orthogonal factor. 24 count singular values above 1e-3 of the Euclidean norm in "
            "full, smaller ones in part.")
          .range(1, 100));
}

struct SparsityPenalty : LayersPenalty {
  double target = 0.05;
};
constexpr auto fields(const SparsityPenalty*) {
  return with_layers(field("target", &SparsityPenalty::target,
                           "Wanted mean r of each unit, which is to lie between 0 and 1.")
                         .range(1e-6, 1 - 1e-6));
}

namespace {

// A penalty on one tensor, before its weight: a scalar.
using Term = ValueId (*)(const Emit& emit, ValueId x, const void* attrs);

template <class A>
const A& read(const void* attrs) {
  static const A defaults{};
  return attrs ? *static_cast<const A*>(attrs) : defaults;
}
ValueId scaled(const Emit& emit, ValueId x, double factor, double shift = 0) {
  return emit("scale_shift", {x}, {{"scale", factor}, {"shift", shift}});
}
ValueId sum(const Emit& emit, ValueId x) { return emit("reduce_sum", {x}); }
ValueId sum_abs(const Emit& emit, ValueId x, const void*) { return sum(emit, emit("abs", {x})); }
ValueId half_square(const Emit& emit, ValueId x, const void*) {
  return scaled(emit, sum(emit, emit("square", {x})), 0.5);
}
ValueId elastic(const Emit& emit, ValueId x, const void* attrs) {
  const double ratio = read<ElasticPenalty>(attrs).ratio;
  return emit("add", {scaled(emit, sum_abs(emit, x, attrs), ratio),
                      scaled(emit, half_square(emit, x, attrs), 1 - ratio)});
}

// Norms are taken of 1e-24 and the squares, so that a group of zeros has a gradient.
ValueId group_norms(const Emit& emit, ValueId x, const void* attrs) {
  std::vector<int64_t> axes;
  const bool units = read<GroupPenalty>(attrs).groups == PenaltyGroups::units;
  for (int i = 0; i < emit.g.type(x).shape.rank(); ++i)
    if (i != (units ? 0 : 1)) axes.push_back(i);
  const ValueId squares = emit("reduce_sum", {emit("square", {x})}, {{"axes", axes}});
  return sum(emit, emit("sqrt", {scaled(emit, squares, 1, 1e-24)}));
}

// (out, in times window).
ValueId as_matrix(const Emit& emit, ValueId x) {
  const Shape& s = emit.g.type(x).shape;
  return s.rank() == 2 ? x : emit("reshape", {x}, {{"shape", {s[0], -1}}});
}
// W W' or W' W, whichever is smaller.
ValueId small_gram(const Emit& emit, ValueId w) {
  const Shape& s = emit.g.type(w).shape;
  return emit("matmul", {w, w}, {{s[0] <= s[1] ? "trans_b" : "trans_a", true}});
}

// The nuclear norm is the inner product of W with its orthogonal factor U V', which is also its gradient. The factor is
// found by Newton and Schulz's iteration X <- 3/2 X - 1/2 X X' X from W / |W|: it takes every singular value s of X to
// s (3 - s^2) / 2, towards 1.
ValueId nuclear(const Emit& emit, ValueId x, const void* attrs) {
  const ValueId w = as_matrix(emit, x), fixed = emit("stop_gradient", {w});
  const Shape s = emit.g.type(w).shape;
  const ValueId norm = emit("sqrt", {scaled(emit, sum(emit, emit("square", {fixed})), 1, 1e-24)});
  ValueId factor = emit("div", {fixed, norm});
  for (int64_t i = 0; i < read<NuclearPenalty>(attrs).iterations; ++i) {
    const ValueId gram = small_gram(emit, factor);
    const ValueId cube = emit("matmul", s[0] <= s[1] ? std::vector{gram, factor} : std::vector{factor, gram});
    factor = emit("sub", {scaled(emit, factor, 1.5), scaled(emit, cube, 0.5)});
  }
  return sum(emit, emit("mul", {w, emit("stop_gradient", {factor})}));
}

ValueId orthogonal(const Emit& emit, ValueId x, const void*) {
  const ValueId gram = small_gram(emit, as_matrix(emit, x));
  const int64_t n = emit.g.type(gram).shape[0];
  Tensor identity(DType::f32, {n, n});
  for (int64_t i = 0; i < n; ++i) identity.data<float>()[static_cast<size_t>(i * n + i)] = 1;
  const ValueId one =
      emit.g.add_constant(str(emit.name, "/constant_", emit.g.constants.size()), std::move(identity));
  return sum(emit, emit("square", {emit("sub", {gram, one})}));
}

ValueId sparsity(const Emit& emit, ValueId x, const void* attrs) {
  const double r = read<SparsityPenalty>(attrs).target;
  const ValueId mean =
      emit("clip", {emit("reduce_mean", {x}, {{"axes", {0}}})}, {{"min", 1e-6}, {"max", 1 - 1e-6}});
  const ValueId on = scaled(emit, emit("log", {mean}), -r, r * std::log(r) + (1 - r) * std::log(1 - r));
  const ValueId off = scaled(emit, emit("log", {scaled(emit, mean, -1, 1)}), r - 1);
  return sum(emit, emit("add", {on, off}));
}

// What a penalty is taken of.
enum class Of { weights, outputs, means };  // means: of outputs over the batch

struct PenaltyRow {
  Variant variant;
  Of of;
  Term term;
  const LayersPenalty& (*common)(const void*);
};
template <class A>
PenaltyRow row(std::string_view name, std::string_view doc, Of of, Term term) {
  return {
      {name, doc, &attr_ops<A>}, of, term, [](const void* p) -> const LayersPenalty& { return read<A>(p); }};
}

std::span<const PenaltyRow> table() {
  static const PenaltyRow all[] = {
      row<LayersPenalty>("l1", "weight sum |w|: makes weights sparse.", Of::weights, sum_abs),
      row<LayersPenalty>("l2", "weight / 2 sum w^2, as the optimizer's weight_decay without `decoupled`.",
                         Of::weights, half_square),
      row<ElasticPenalty>("elastic",
                          "weight (ratio sum |w| + (1 - ratio) / 2 sum w^2) (Zou and Hastie 2005).",
                          Of::weights, elastic),
      row<GroupPenalty>(
          "l21",
          "weight sum |unit|, Euclidean norms: makes whole units zero (group lasso, Yuan and Lin 2006).",
          Of::weights, group_norms),
      row<NuclearPenalty>("nuclear",
                          "weight times the sum of the singular values: makes weights of low rank.",
                          Of::weights, nuclear),
      row<LayersPenalty>("orthogonal",
                         "weight |W W' - 1|^2, or of W' W, whichever is smaller: units at right angles.",
                         Of::weights, orthogonal),
      row<LayersPenalty>("activity_l1", "weight sum |a| of a layer's output a, per sample.", Of::outputs,
                         sum_abs),
      row<LayersPenalty>("activity_l2", "weight / 2 sum a^2 of a layer's output a, per sample.", Of::outputs,
                         half_square),
      row<SparsityPenalty>(
          "kl_sparsity",
          "Divergence of the mean of each unit over the batch from a small target, for outputs of "
          "sigmoid layers (Ng 2011, sparse autoencoder).",
          Of::means, sparsity),
  };
  return all;
}

const PenaltyRow& row_of(std::string_view type) {
  for (const PenaltyRow& r : table())
    if (r.variant.name == type) return r;
  throw Error(Exit::internal, str("regularizer '", type, "' has no row"));
}

// The tensors that a regularizer is taken of.
std::vector<ValueId> subjects(const Model& model, const PenaltyRow& row, const Globs& layers) {
  std::vector<ValueId> out;
  if (row.of == Of::weights) {
    for (const Parameter& p : model.parameters)
      if (p.decay && !p.frozen && layers.match(p.layer)) out.push_back(p.value);
  } else {
    for (const LayerInfo& l : model.layers)
      if (layers.match(l.name)) out.push_back(l.output);
  }
  return out;
}

}  // namespace

std::span<const Variant> RegularizerFamily::variants() {
  static const std::vector<Variant> all = [] {
    std::vector<Variant> v;
    for (const PenaltyRow& r : table()) v.push_back(r.variant);
    return v;
  }();
  return all;
}

std::vector<std::string> layer_names(const Model& model) {
  std::vector<std::string> names;
  for (const LayerInfo& l : model.layers) names.push_back(l.name);
  return names;
}

std::vector<std::string> parameter_layers(const Model& model) {
  std::vector<std::string> names;
  for (const Parameter& p : model.parameters)
    if (names.empty() || names.back() != p.layer) names.push_back(p.layer);
  return names;
}

ValueId add_penalties(Model& model, std::span<const Regularizer> regularizers, ValueId loss,
                      const std::string& pointer) {
  ValueId total = kNone;
  for (size_t i = 0; i < regularizers.size(); ++i) {
    const Emit emit{model.graph, "penalty", str(pointer, '/', i)};
    const PenaltyRow& row = row_of(regularizers[i].type);
    const void* attrs = regularizers[i].attrs.get();
    const LayersPenalty& common = row.common(attrs);
    check_globs(common.layers, row.of == Of::weights ? parameter_layers(model) : layer_names(model),
                emit.origin + "/layers");
    const std::vector<ValueId> of = subjects(model, row, common.layers);
    if (of.empty())
      throw Error(Exit::config, emit.origin,
                  str(row.variant.name, ": none of these layers has weights that are trained"));
    const double share =
        row.of == Of::outputs ? 1 / static_cast<double>(std::max<int64_t>(1, model.batch)) : 1;
    for (ValueId x : of) {
      const ValueId term = scaled(emit, row.term(emit, x, attrs), common.weight * share);
      total = total == kNone ? term : emit("add", {total, term});
    }
  }
  if (total == kNone) return loss;
  model.graph.outputs.push_back({"penalty", total});
  return Emit{model.graph, "penalty", pointer}("add", {loss, total});
}

void add_weight_noise(Model& model, const WeightNoise& noise, const std::string& pointer) {
  check_globs(noise.layers, parameter_layers(model), pointer + "/layers");
  Graph& g = model.graph;
  const ValueId step = scalar_input(g, "step", DType::i64);
  std::vector<Node> forward = std::move(g.nodes);
  g.nodes.clear();
  for (const Parameter& p : model.parameters) {
    if (!p.decay || p.frozen || !noise.layers.match(p.layer)) continue;
    const json attrs{{"variance", noise.std * noise.std},
                     {"stream", static_cast<int64_t>(stream_id(p.name + "/weight_noise") >> 1)}};
    const ValueId noisy = Emit{g, p.name, pointer}("annealed_noise", {p.value, step}, attrs);
    for (Node& n : forward)
      for (ValueId& x : n.in)
        if (x == p.value) x = noisy;
  }
  for (Node& n : forward) {
    for (ValueId y : n.out) g.values[static_cast<size_t>(y)].node = static_cast<int32_t>(g.nodes.size());
    g.nodes.push_back(std::move(n));
  }
}

}  // namespace dl
