// Losses of the overlap of masks: dice, Jaccard and Tversky indices (Salehi et al. 2017) of probabilities.
#include "nn/loss_def.h"

namespace dl {

struct OverlapLoss : Weighted {
  double smooth = 1;
  bool per_sample = true;
};
template <class... F>
constexpr auto overlap_fields(F... own) {
  return loss_fields(
      own...,
      field("smooth", &OverlapLoss::smooth, "Added to both sides of the fraction.").range(1e-12, 1e12),
      field("per_sample", &OverlapLoss::per_sample,
            "The mean of the samples' indices, not the index of the batch."));
}
constexpr auto fields(const OverlapLoss*) { return overlap_fields(); }

struct TverskyLoss : OverlapLoss {
  double alpha = 0.3, beta = 0.7;
};
constexpr auto fields(const TverskyLoss*) {
  return overlap_fields(
      field("alpha", &TverskyLoss::alpha, "Weight of what is marked and should not be.").range(0, 1e6),
      field("beta", &TverskyLoss::beta, "Weight of what should be marked and is not.").range(0, 1e6));
}

namespace {

// 1 - (hits + s) / (hits + alpha false + beta missed + s), for each class, where hits = sum p t.
ValueId overlap(LossCtx& c, double alpha, double beta) {
  const auto& a = c.as<OverlapLoss>();
  const bool classes = c.several_classes();
  const ValueId t = classes ? c.shares() : c.numbers(true);
  const ValueId p = classes ? c.emit("softmax", {c.x()}, {{"axis", 1}}) : c.emit("sigmoid", {c.x()});
  const Shape y = c.shape(p);
  json axes = json::array();
  for (int i = 0; i < y.rank(); ++i)
    if (i == 0 ? !a.per_sample || y.rank() < 3 : i > 1) axes.push_back(i);
  const auto sum = [&](ValueId v) { return c.emit("reduce_sum", {v}, {{"axes", axes}}); };
  const ValueId hits = sum(c.emit("mul", {p, t}));
  // false = sum p - hits, missed = sum t - hits
  const ValueId others = c.emit("add", {c.linear(sum(p), alpha, 0), c.linear(sum(t), beta, 0)});
  const ValueId all = c.emit("add", {c.linear(hits, 1 - alpha - beta, a.smooth), others});
  return c.linear(c.mean(c.emit("div", {c.linear(hits, 1, a.smooth), all})), -1, 1);
}

ValueId build_dice(LossCtx& c) { return overlap(c, 0.5, 0.5); }
ValueId build_jaccard(LossCtx& c) { return overlap(c, 1, 1); }
ValueId build_tversky(LossCtx& c) { return overlap(c, c.as<TverskyLoss>().alpha, c.as<TverskyLoss>().beta); }

}  // namespace

std::span<const LossDef> mask_losses() {
  static const LossDef all[] = {
      {"dice", "1 less the dice index, twice the overlap over the sum of both sizes, of masks.",
       &attr_ops<OverlapLoss>, build_dice},
      {"jaccard", "1 less the Jaccard index, the overlap over the union, of masks.", &attr_ops<OverlapLoss>,
       build_jaccard},
      {"tversky", "1 less the Tversky index, which weighs the two kinds of errors.", &attr_ops<TverskyLoss>,
       build_tversky},
  };
  return all;
}

}  // namespace dl
