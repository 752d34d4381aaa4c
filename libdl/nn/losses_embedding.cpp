// Losses of embeddings, by the distances between the samples of a batch and their labels.
#include <array>

#include "nn/loss_def.h"

namespace dl {

struct CenterLoss : Weighted {
  double rate = 0.5;
};
constexpr auto fields(const CenterLoss*) {
  return loss_fields(field("rate", &CenterLoss::rate, "How far a step moves the centres.").range(0, 1));
}

struct ContrastiveLoss : Weighted {
  double margin = 1;
};
constexpr auto fields(const ContrastiveLoss*) {
  return loss_fields(
      field("margin", &ContrastiveLoss::margin, "Distance from which on different classes do not count.")
          .range(0, 1e6));
}

struct CosineEmbeddingLoss : Weighted {
  double margin = 0;
};
constexpr auto fields(const CosineEmbeddingLoss*) {
  return loss_fields(
      field("margin", &CosineEmbeddingLoss::margin, "Cosine up to which different classes do not count.")
          .range(-1, 1));
}

enum class Mining { batch_hard, batch_all, semi_hard };
constexpr auto enum_names(const Mining*) {
  return std::array<std::string_view, 3>{"batch_hard", "batch_all", "semi_hard"};
}
struct TripletLoss : Weighted {
  double margin = 0.2;
  Mining mining = Mining::batch_hard;
  bool squared = false, soft = false;
};
constexpr auto fields(const TripletLoss*) {
  using L = TripletLoss;
  return loss_fields(
      field("margin", &L::margin, "By how much the other class is to be further away.").range(0, 1e6),
      field("mining", &L::mining,
            "'batch_hard': the furthest of the same class and the nearest other of each sample (Hermans et "
            "al. 2017); "
            "'batch_all': the mean over all triplets that count; 'semi_hard': for each pair the nearest "
            "other that is "
            "further away, else the furthest (Schroff et al. 2015)."),
      field("squared", &L::squared, "Compare squared distances."),
      field("soft", &L::soft, "log(1 + e^gap) instead of max(0, gap + margin)."));
}

namespace {

constexpr double kFar = 1e6;  // beyond every distance

// What the samples of a batch are to one another, (batch, batch) each.
struct Pairs {
  ValueId rows;      // (batch, features)
  ValueId same;      // 1 for two different samples of one class
  ValueId other;     // 1 for two classes
  ValueId distinct;  // 1 off the diagonal
  int64_t batch;
};

Pairs pairs_of(LossCtx& c) {
  if (c.target.classes == 0 || c.shape(c.leaf).rank() != 1)
    c.fail(str(c.type, " needs one class label for each sample, which target '", c.target.name,
               "' does not hold"));
  Pairs p{.rows = c.rows(), .same = kNone, .other = kNone, .distinct = kNone, .batch = c.shape(c.leaf)[0]};
  Tensor t(DType::f32, {p.batch, p.batch});
  for (int64_t i = 0; i < t.elements(); ++i)
    t.data<float>()[static_cast<size_t>(i)] = i % (p.batch + 1) ? 1.f : 0.f;
  p.distinct = c.constant("distinct", std::move(t));
  const ValueId h = c.emit("one_hot", {c.leaf}, {{"classes", c.target.classes}});
  const ValueId equal = c.emit("matmul", {h, h}, {{"trans_b", true}});
  p.same = c.emit("mul", {equal, p.distinct});
  p.other = c.linear(equal, -1, 1);
  return p;
}

// |a|^2 + |b|^2 - 2 a b, 0 on the diagonal and where rounding makes it negative.
ValueId squared_distances(LossCtx& c, const Pairs& p) {
  const ValueId length = c.sum(c.emit("square", {p.rows}), 1);
  const ValueId sum = c.emit("add", {length, c.reshape(length, {1, p.batch})});
  const ValueId product = c.emit("matmul", {p.rows, p.rows}, {{"trans_b", true}});
  const ValueId d = c.emit("sub", {sum, c.linear(product, 2, 0)});
  return c.emit("mul", {c.emit("relu", {d}), p.distinct});
}
// 1e-8 keeps the slope finite where samples coincide.
ValueId root(LossCtx& c, ValueId squares) { return c.emit("sqrt", {c.linear(squares, 1, 1e-8)}); }

// sum(terms) / max(count, 1); no gradient flows through the count.
ValueId average(LossCtx& c, ValueId terms, ValueId count) {
  const ValueId n = c.emit("clip", {c.emit("stop_gradient", {c.total(count)})}, {{"min", 1}, {"max", 1e30}});
  return c.emit("div", {c.total(terms), n});
}

// Paper (Wen et al. 2016) without its sum over the batch: |x - c_y|^2 / 2, mean over the samples. The centres are a state:
// a step of training moves each by the mean over its samples, with one more in the divisor.
ValueId build_center(LossCtx& c) {
  if (c.target.classes == 0 || c.shape(c.leaf).rank() != 1)
    c.fail(str("center needs one class label for each sample, which target '", c.target.name,
               "' does not hold"));
  const ValueId x = c.rows(), h = c.emit("one_hot", {c.leaf}, {{"classes", c.target.classes}});
  const Shape centers{c.target.classes, c.shape(x)[1]};
  const std::string name = c.output.name + ".centers";
  if (c.model.graph.find(name) != kNone) c.fail(str("output '", c.output.name, "' has centres already"));
  const ValueId state = c.model.graph.add_leaf(ValueKind::state, name, {DType::f32, centers});
  c.model.states.push_back({name, state, 0, false});
  const ValueId gap = c.emit("sub", {x, c.emit("matmul", {h, state})});
  if (c.model.training) {
    const ValueId sums = c.emit("matmul", {h, c.emit("stop_gradient", {gap})}, {{"trans_a", true}});
    const ValueId counts = c.reshape(c.sum(h, 0), {c.target.classes, 1});
    const ValueId move = c.emit("div", {sums, c.linear(counts, 1, 1)});
    const ValueId next = c.emit("add", {state, c.linear(move, c.as<CenterLoss>().rate, 0)});
    c.model.graph.updates.push_back({state, next});
  }
  const auto batch = static_cast<double>(c.shape(x)[0]);
  return c.linear(c.total(c.emit("square", {gap})), batch > 0 ? 0.5 / batch : 0, 0);
}

// Mean over pairs of d^2 for one class and max(0, margin - d)^2 for two (Hadsell et al. 2006).
ValueId build_contrastive(LossCtx& c) {
  const Pairs p = pairs_of(c);
  const ValueId squares = squared_distances(c, p);
  const ValueId gap = c.emit("relu", {c.linear(root(c, squares), -1, c.as<ContrastiveLoss>().margin)});
  const ValueId near = c.emit("mul", {squares, p.same});
  const ValueId far = c.emit("mul", {c.emit("square", {gap}), p.other});
  return average(c, c.emit("add", {near, far}), p.distinct);
}

// Mean over pairs of 1 - cosine for one class and max(0, cosine - margin) for two.
ValueId build_cosine_embedding(LossCtx& c) {
  const Pairs p = pairs_of(c);
  const ValueId length = c.emit("sqrt", {c.linear(c.sum(c.emit("square", {p.rows}), 1), 1, 1e-16)});
  const ValueId unit = c.emit("div", {p.rows, length});
  const ValueId cosine = c.emit("matmul", {unit, unit}, {{"trans_b", true}});
  const ValueId near = c.emit("mul", {c.linear(cosine, -1, 1), p.same});
  const ValueId above = c.emit("relu", {c.linear(cosine, 1, -c.as<CosineEmbeddingLoss>().margin)});
  return average(c, c.emit("add", {near, c.emit("mul", {above, p.other})}), p.distinct);
}

// Of max(0, gap + margin) or its smooth form.
ValueId cost(LossCtx& c, ValueId gap) {
  const auto& a = c.as<TripletLoss>();
  return a.soft ? c.emit("softplus", {gap}) : c.emit("relu", {c.linear(gap, 1, a.margin)});
}
// The least of v along an axis where mask is 1; kFar and more where it is 0 all along.
ValueId least(LossCtx& c, ValueId v, ValueId mask, int axis) {
  const ValueId barred = c.emit("add", {v, c.linear(mask, -kFar, kFar)});
  return c.emit("neg", {c.largest(c.emit("neg", {barred}), axis)});
}

ValueId batch_hard(LossCtx& c, const Pairs& p, ValueId d) {
  const ValueId furthest = c.largest(c.emit("mul", {d, p.same}), 1), nearest = least(c, d, p.other, 1);
  const ValueId counts = c.emit("mul", {c.largest(p.same, 1), c.largest(p.other, 1)});
  return average(c, c.emit("mul", {cost(c, c.emit("sub", {furthest, nearest})), counts}), counts);
}

// Anchors, then positives, then negatives.
struct Triplets {
  ValueId near, far, same, other;  // (batch, batch, 1), (batch, 1, batch)
};
Triplets triplets_of(LossCtx& c, const Pairs& p, ValueId d) {
  const std::vector<int64_t> left{p.batch, p.batch, 1}, right{p.batch, 1, p.batch};
  return {c.reshape(d, left), c.reshape(d, right), c.reshape(p.same, left), c.reshape(p.other, right)};
}

ValueId batch_all(LossCtx& c, const Pairs& p, ValueId d) {
  const Triplets t = triplets_of(c, p, d);
  const ValueId costs =
      c.emit("mul", {cost(c, c.emit("sub", {t.near, t.far})), c.emit("mul", {t.same, t.other})});
  return average(c, costs, c.emit("stop_gradient", {c.emit("step", {costs})}));
}

ValueId semi_hard(LossCtx& c, const Pairs& p, ValueId d) {
  const Triplets t = triplets_of(c, p, d);
  const ValueId further = c.emit("stop_gradient", {c.emit("less", {t.near, t.far})});
  const ValueId mask = c.emit("mul", {further, t.other});
  const ValueId any = c.largest(mask, 2);  // (batch, batch, 1)
  const ValueId nearest = least(c, t.far, mask, 2);
  const ValueId furthest = c.largest(c.emit("mul", {t.far, t.other}), 2);  // (batch, 1, 1)
  const ValueId chosen =
      c.emit("add", {c.emit("mul", {nearest, any}), c.emit("mul", {furthest, c.linear(any, -1, 1)})});
  const ValueId costs = c.emit("mul", {cost(c, c.emit("sub", {t.near, chosen})), t.same});
  return average(c, costs, p.same);
}

ValueId build_triplet(LossCtx& c) {
  const auto& a = c.as<TripletLoss>();
  const Pairs p = pairs_of(c);
  const ValueId squares = squared_distances(c, p), d = a.squared ? squares : root(c, squares);
  if (a.mining == Mining::batch_hard) return batch_hard(c, p, d);
  return a.mining == Mining::batch_all ? batch_all(c, p, d) : semi_hard(c, p, d);
}

}  // namespace

std::span<const LossDef> embedding_losses() {
  static const LossDef all[] = {
      {"center", "Half the squared distance to the moving centre of a sample's class, beside another loss.",
       &attr_ops<CenterLoss>, build_center},
      {"contrastive",
       "Pairs within the batch: one class close together, two classes at least a margin apart.",
       &attr_ops<ContrastiveLoss>, build_contrastive},
      {"cosine_embedding", "Pairs within the batch: one class in one direction, two classes in others.",
       &attr_ops<CosineEmbeddingLoss>, build_cosine_embedding},
      {"triplet", "Triplets within the batch: another class further away than the same by a margin.",
       &attr_ops<TripletLoss>, build_triplet},
  };
  return all;
}

}  // namespace dl
