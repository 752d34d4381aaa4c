#include "nn/loss.h"

#include <algorithm>

#include "nn/loss_def.h"
#include "ops/registry.h"

namespace dl {

// "balanced", or one weight for each class.
struct ClassWeights {
  bool balanced = false;
  std::vector<double> each;
};
template <>
struct FieldType<ClassWeights> {
  static void parse(ClassWeights& v, const json& j, const std::string& at, const Bounds& b) {
    v = {};
    if (j.is_null()) return;
    if (j.is_string()) {
      if (j != "balanced")
        field_error(
            at, str("'", j.get<std::string>(), "' is not known, expected \"balanced\" or a list of weights"));
      v.balanced = true;
    } else {
      FieldType<std::vector<double>>::parse(v.each, j, at, b);
    }
  }
  static json schema(const Bounds& b) {
    return {
        {"anyOf", {{{"type", "null"}}, {{"enum", {"balanced"}}}, FieldType<std::vector<double>>::schema(b)}}};
  }
  static json dump(const ClassWeights& v) {
    if (v.balanced) return "balanced";
    return v.each.empty() ? json() : json(v.each);
  }
  static bool equal(const ClassWeights& a, const ClassWeights& b) { return dump(a) == dump(b); }
};

struct CrossEntropyLoss : Weighted {
  double label_smoothing = 0;
  ClassWeights class_weights;
};
constexpr auto fields(const CrossEntropyLoss*) {
  return std::tuple_cat(
      std::tuple{
          field("label_smoothing", &CrossEntropyLoss::label_smoothing,
                "Probability spread evenly over all classes.")
              .range(0, 0.999),
          field("class_weights", &CrossEntropyLoss::class_weights,
                "One weight for each class, or \"balanced\": inverse to how often it occurs, 1 on average.")
              .at_least(0)},
      fields(static_cast<const Weighted*>(nullptr)));
}

std::span<const Variant> LossFamily::variants() {
  static const std::vector<Variant> all = [] {
    std::vector<Variant> v{{"cross_entropy", "Cross entropy of logits (batch, classes) with class labels.",
                            &attr_ops<CrossEntropyLoss>}};
    for (const auto table : {class_losses(), pair_losses(), embedding_losses(), mask_losses()})
      for (const LossDef& def : table) v.push_back({def.name, def.doc, def.attrs});
    return v;
  }();
  return all;
}

namespace {

// One loss or a list of them, all of one output.
void parse_entries(Losses& v, const std::string& output, const json& j, const std::string& at,
                   const Bounds& b) {
  const bool list = j.is_array();
  if (list && j.empty()) field_error(at, "an empty list, expected at least one loss");
  for (size_t i = 0; i < (list ? j.size() : 1); ++i) {
    Losses::Entry e{.output = output, .place = list ? str('/', i) : "", .loss = {}};
    FieldType<Loss>::parse(e.loss, list ? j[i] : j, at + e.place, b);
    v.entries.push_back(std::move(e));
  }
}

}  // namespace

void FieldType<Losses>::parse(Losses& v, const json& j, const std::string& at, const Bounds& b) {
  v.entries.clear();
  if (j.is_null()) return;
  if (j.is_string() || j.is_array() || (j.is_object() && j.contains("type")))
    return parse_entries(v, "", j, at, b);
  detail::expect(j.is_object(), j, "the name of a loss, an object with \"type\", or losses by output", at);
  for (const auto& item : j.items()) {
    if (item.key().starts_with('_') || item.key().starts_with("x-")) continue;
    parse_entries(v, item.key(), item.value(), pointer_join(at, item.key()), b);
  }
}

json FieldType<Losses>::schema(const Bounds& b) {
  json one = FieldType<Loss>::schema(b);
  json list{{"type", "array"}, {"items", one}, {"minItems", 1}};
  json all = one, some = one;
  some["anyOf"].push_back(list);
  all["anyOf"].push_back(list);
  all["anyOf"].push_back({{"type", "object"}, {"additionalProperties", some}});
  return all;
}

json FieldType<Losses>::dump(const Losses& v) {
  if (v.entries.empty()) return nullptr;
  json out = json::object();
  for (const Losses::Entry& e : v.entries) {
    json one = FieldType<Loss>::dump(e.loss);
    if (e.place.empty())
      out[e.output] = std::move(one);
    else
      out[e.output].push_back(std::move(one));
  }
  return v.entries[0].output.empty() ? out.at("") : out;
}

namespace {

class LossBuilder {
 public:
  LossBuilder(Model& model, std::span<const TargetInfo> targets, const std::string& pointer)
      : model_(model), g_(model.graph), targets_(targets), pointer_(pointer) {}

  std::vector<LossTerm> run(const Losses& losses) {
    const std::vector<GraphOutput> outputs = g_.outputs;
    if (targets_.empty())
      throw Error(Exit::config, pointer_, "the data set has no targets to compute a loss from");
    std::vector<LossTerm> terms;
    if (losses.entries.empty())
      for (const GraphOutput& o : outputs) {
        const TargetInfo& target = target_for(o.name, "", outputs.size(), pointer_);
        Loss loss;
        loss.type = target.classes > 0 ? "cross_entropy" : "mse";
        terms.push_back(add(o, target, outputs, loss, pointer_));
      }
    for (const Losses::Entry& e : losses.entries) {
      const std::string at = (e.output.empty() ? pointer_ : pointer_join(pointer_, e.output)) + e.place;
      const GraphOutput& o = output_for(e.output, outputs, at);
      const std::string& wanted = e.loss.as<Weighted>().target;
      terms.push_back(add(o, target_for(o.name, wanted, outputs.size(), at), outputs, e.loss, at));
    }
    g_.outputs.push_back({"loss", sum(terms)});
    return terms;
  }

 private:
  [[noreturn]] void fail(const std::string& at, const std::string& message,
                         const std::string& hint = {}) const {
    throw Error(Exit::config, at, message, hint);
  }

  const GraphOutput& output_for(const std::string& name, const std::vector<GraphOutput>& outputs,
                                const std::string& at) const {
    std::vector<std::string> names;
    for (const GraphOutput& o : outputs) {
      if (o.name == name || (name.empty() && outputs.size() == 1)) return o;
      names.push_back(o.name);
    }
    if (name.empty())
      fail(at, str("the model has ", outputs.size(), " outputs, give a loss for each"),
           "outputs: " + join(names, ", "));
    fail(at, str("the model has no output '", name, "'"), "outputs: " + join(names, ", "));
  }

  // `wanted`: the target's name, when the loss gives one.
  const TargetInfo& target_for(const std::string& output, const std::string& wanted, size_t outputs,
                               const std::string& at) const {
    std::vector<std::string> names;
    for (const TargetInfo& t : targets_) {
      if (t.name == (wanted.empty() ? output : wanted)) return t;
      names.push_back(t.name);
    }
    if (!wanted.empty())
      fail(at + "/target", str("the data set has no target '", wanted, "'"), "targets: " + join(names, ", "));
    if (outputs == 1 && targets_.size() == 1) return targets_[0];
    fail(
        at, str("the data set has no target for output '", output, "'"),
        "targets: " + join(names, ", ") + "; name the output like its target, or give the loss a \"target\"");
  }

  ValueId emit(std::string_view op, std::vector<ValueId> in, const json& attrs = json::object()) {
    const OpDef* def = find_op(op);
    if (!def) throw Error(Exit::internal, str("there is no operator '", op, "'"));
    return g_.add_node(*def, std::move(in), def->attrs->parse(attrs, at_, {}), "loss", at_)[0];
  }

  ValueId target_leaf(const TargetInfo& target) {
    if (const ValueId known = g_.find(target.name); known != kNone) return known;
    TensorType type{target.type.dtype, {model_.batch}};
    for (int64_t extent : target.type.shape) type.shape.push_back(extent);
    return g_.add_leaf(ValueKind::input, target.name, type);
  }

  LossTerm add(const GraphOutput& output, const TargetInfo& target, std::span<const GraphOutput> outputs,
               const Loss& loss, const std::string& at) {
    at_ = at;
    LossTerm term{output.name, target.name, loss.type, loss.as<Weighted>().weight, kNone};
    const ValueId leaf = target_leaf(target);
    if (loss.type == "cross_entropy") {
      term.value = cross_entropy(output, target, leaf, loss.as<CrossEntropyLoss>());
      return term;
    }
    const LossDef& def = *find_loss(loss.type);
    const Attrs attrs = loss.attrs ? loss.attrs : def.attrs->parse(json::object(), at, {});
    LossCtx c{model_, output, target, outputs, leaf, loss.type, at, attrs.get()};
    term.value = def.build(c);
    return term;
  }

  ValueId cross_entropy(const GraphOutput& output, const TargetInfo& target, ValueId leaf,
                        const CrossEntropyLoss& a) {
    const TensorType& y = g_.type(output.value);
    if (target.classes == 0)
      fail(at_, str("cross_entropy needs class labels, target '", target.name, "' holds numbers"),
           "use mse, l1 or huber");
    if (y.shape.rank() != 2 || y.shape[1] != target.classes)
      fail(at_,
           str("output '", output.name, "' gives ", y.shape.rank() > 1 ? y.shape[1] : 1,
               " values, the data set has ", target.classes, " classes"),
           "\"units\": \"$classes\" takes their number from the data set");
    if (g_.type(leaf).dtype == DType::f32) return soft_cross_entropy(output, target, leaf, a);
    std::vector<ValueId> in{output.value, leaf};
    if (a.class_weights.balanced || !a.class_weights.each.empty())
      in.push_back(class_weights(output, target, a.class_weights));
    return emit("cross_entropy", in, {{"label_smoothing", a.label_smoothing}});
  }

  // Of probabilities q (batch, classes) with smoothing s and class weights w:
  //   - sum_ik w_k ((1 - s) q_ik + s / C) log_softmax(x)_ik / sum_ik w_k q_ik
  // which for labels, as probabilities of one class, is what cross_entropy gives.
  ValueId soft_cross_entropy(const GraphOutput& output, const TargetInfo& target, ValueId leaf,
                             const CrossEntropyLoss& a) {
    const bool weighted = a.class_weights.balanced || !a.class_weights.each.empty();
    const double keep = 1 - a.label_smoothing, each = a.label_smoothing / static_cast<double>(target.classes);
    ValueId share = leaf, spread = kNone;
    if (weighted) {
      const ValueId weights = class_weights(output, target, a.class_weights);
      share = emit("mul", {leaf, weights});
      if (each > 0) spread = emit("scale_shift", {weights}, {{"scale", each}});
    }
    ValueId factor = share;
    if (each > 0 && weighted)
      factor = emit("add", {emit("scale_shift", {share}, {{"scale", keep}}), spread});
    else if (each > 0)
      factor = emit("scale_shift", {share}, {{"scale", keep}, {"shift", each}});
    const ValueId log_p = emit("log_softmax", {output.value});
    const ValueId terms = emit("mul", {log_p, factor});
    if (weighted)
      return emit("div", {emit("neg", {emit("reduce_sum", {terms})}), emit("reduce_sum", {share})});
    return emit("scale_shift", {emit("reduce_mean", {terms})},
                {{"scale", -static_cast<double>(target.classes)}});
  }

  ValueId class_weights(const GraphOutput& output, const TargetInfo& target, const ClassWeights& w) {
    Tensor t(DType::f32, {target.classes});
    const std::span<float> v = t.data<float>();
    if (w.balanced) {
      if (target.counts.size() != v.size())
        fail(at_ + "/class_weights",
             "how often each class occurs is not known here, expected a list of weights");
      double total = 0;
      for (int64_t n : target.counts) total += static_cast<double>(n);
      for (size_t i = 0; i < v.size(); ++i)  // a class without samples weighs 1
        v[i] = target.counts[i] ? static_cast<float>(total / static_cast<double>(target.classes) /
                                                     static_cast<double>(target.counts[i]))
                                : 1;
    } else {
      if (w.each.size() != v.size())
        fail(at_ + "/class_weights",
             str("has ", w.each.size(), " weights, the data set has ", target.classes, " classes"));
      for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(w.each[i]);
    }
    return g_.add_constant(output.name + ".class_weights", std::move(t));
  }

  ValueId sum(const std::vector<LossTerm>& terms) {
    ValueId total = kNone;
    for (const LossTerm& t : terms) {
      const ValueId v = t.weight == 1 ? t.value : emit("scale_shift", {t.value}, {{"scale", t.weight}});
      total = total == kNone ? v : emit("add", {total, v});
    }
    return total;
  }

  Model& model_;
  Graph& g_;
  std::span<const TargetInfo> targets_;
  const std::string& pointer_;
  std::string at_;  // of the loss being added
};

}  // namespace

std::vector<LossTerm> add_losses(Model& model, const Losses& losses, std::span<const TargetInfo> targets,
                                 const std::string& pointer) {
  return LossBuilder(model, targets, pointer).run(losses);
}

}  // namespace dl
