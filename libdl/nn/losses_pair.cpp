// Losses that compare numbers one by one, or two classes by the sign of one number.
#include <array>
#include <cmath>

#include "nn/loss_def.h"

namespace dl {

enum class Reduction { mean, sum, sample };
constexpr auto enum_names(const Reduction*) {
  return std::array<std::string_view, 3>{"mean", "sum", "sample"};
}
struct PairLoss : Weighted {
  Reduction reduction = Reduction::mean;
};
template <class A, class... F>
constexpr auto pair_fields(F... own) {
  return loss_fields(
      own..., field("reduction", &PairLoss::reduction,
                    "'mean' of all numbers of the batch, their 'sum', or the sum for each 'sample' and "
                    "the mean over those."));
}
constexpr auto fields(const PairLoss*) { return pair_fields<PairLoss>(); }

struct BceLoss : PairLoss {
  double pos_weight = 1;
};
constexpr auto fields(const BceLoss*) {
  return pair_fields<BceLoss>(
      field("pos_weight", &BceLoss::pos_weight, "Factor of the terms whose target is 1.").range(0, 1e12));
}

struct HuberLoss : PairLoss {
  double delta = 1;
};
constexpr auto fields(const HuberLoss*) {
  return pair_fields<HuberLoss>(
      field("delta", &HuberLoss::delta, "Error above which the loss grows linearly.").range(1e-12, 1e12));
}

struct SmoothL1Loss : PairLoss {
  double beta = 1;
};
constexpr auto fields(const SmoothL1Loss*) {
  return pair_fields<SmoothL1Loss>(
      field("beta", &SmoothL1Loss::beta, "Error below which the loss is a square.").range(1e-12, 1e12));
}

struct QuantileLoss : PairLoss {
  double q = 0.5;
};
constexpr auto fields(const QuantileLoss*) {
  return pair_fields<QuantileLoss>(
      field("q", &QuantileLoss::q, "The quantile of the target that the output is to be.").range(0, 1));
}

struct PoissonLoss : PairLoss {
  bool full = false;
};
constexpr auto fields(const PoissonLoss*) {
  return pair_fields<PoissonLoss>(
      field("full", &PoissonLoss::full, "Add Stirling's approximation of log t!, which has no gradient."));
}

struct GaussianLoss : PairLoss {
  std::string log_variance;
  bool full = false;
};
constexpr auto fields(const GaussianLoss*) {
  return pair_fields<GaussianLoss>(
      field("log_variance", &GaussianLoss::log_variance,
            "The model's output with the logarithm of the variance; empty: the variance is 1."),
      field("full", &GaussianLoss::full, "Add log(2 pi) / 2, which has no gradient."));
}

struct CosineLoss : Weighted {};
constexpr auto fields(const CosineLoss*) { return loss_fields(); }

namespace {

// The mean over all numbers in the form that the config asks for.
ValueId reduced(LossCtx& c, ValueId mean) {
  const Reduction r = c.as<PairLoss>().reduction;
  const Shape& y = c.shape(c.x());
  const int64_t all = y.elements(), batch = y.rank() > 0 ? y[0] : 1;
  if (r == Reduction::mean || all == 0) return mean;
  return c.linear(mean, static_cast<double>(r == Reduction::sum ? all : all / batch), 0);
}

ValueId build_pair(LossCtx& c) { return reduced(c, c.emit(c.type, {c.x(), c.numbers(false)})); }

ValueId build_bce(LossCtx& c) {
  return reduced(
      c, c.emit("bce_with_logits", {c.x(), c.numbers(true)}, {{"pos_weight", c.as<BceLoss>().pos_weight}}));
}

ValueId build_huber(LossCtx& c) {
  return reduced(c, c.emit("huber", {c.x(), c.numbers(false)}, {{"delta", c.as<HuberLoss>().delta}}));
}

ValueId build_smooth_l1(LossCtx& c) {
  const double beta = c.as<SmoothL1Loss>().beta;
  return reduced(c, c.linear(c.emit("huber", {c.x(), c.numbers(false)}, {{"delta", beta}}), 1 / beta, 0));
}

ValueId build_quantile(LossCtx& c) {
  return reduced(c, c.emit("quantile", {c.x(), c.numbers(false)}, {{"q", c.as<QuantileLoss>().q}}));
}

ValueId build_poisson(LossCtx& c) {
  return reduced(c, c.emit("poisson_nll", {c.x(), c.numbers(false)}, {{"full", c.as<PoissonLoss>().full}}));
}

// (log v + (x - t)^2 / v) / 2 for variances v.
ValueId build_gaussian(LossCtx& c) {
  const auto& a = c.as<GaussianLoss>();
  const double constant = a.full ? 0.5 * std::log(2 * M_PI) : 0;
  const ValueId square = c.emit("square", {c.emit("sub", {c.x(), c.numbers(false)})});
  if (a.log_variance.empty()) return reduced(c, c.linear(c.mean(square), 0.5, constant));
  std::vector<std::string> names;
  for (const GraphOutput& o : c.outputs) {
    names.push_back(o.name);
    if (o.name != a.log_variance) continue;
    const Shape y = c.shape(c.x());
    if (c.shape(o.value) != y)
      c.fail(str("output '", o.name, "' has shape [", c.shape(o.value).text(), "], output '", c.output.name,
                 "' [", y.text(), "]"),
             {}, "log_variance");
    const ValueId precision = c.emit("exp", {c.emit("neg", {o.value})});
    const ValueId terms = c.emit("add", {o.value, c.emit("mul", {square, precision})});
    return reduced(c, c.linear(c.mean(terms), 0.5, constant));
  }
  c.fail(str("the model has no output '", a.log_variance, "'"), "outputs: " + join(names, ", "),
         "log_variance");
}

// 1 - x t / (|x| |t|) of each sample.
ValueId build_cosine(LossCtx& c) {
  const ValueId t = c.numbers(false), x = c.rows();
  const Shape rows = c.shape(x);
  const ValueId y = c.reshape(t, {rows.begin(), rows.end()});
  const auto squares = [&](ValueId a, ValueId b) { return c.sum(c.emit("mul", {a, b}), 1); };
  const ValueId lengths = c.emit("sqrt", {c.linear(c.emit("mul", {squares(x, x), squares(y, y)}), 1, 1e-16)});
  return c.linear(c.mean(c.emit("div", {squares(x, y), lengths})), -1, 1);
}

}  // namespace

std::span<const LossDef> pair_losses() {
  static const LossDef all[] = {
      {"bce_with_logits", "Binary cross entropy of one logit for each 0 or 1.", &attr_ops<BceLoss>,
       build_bce},
      {"mse", "Mean squared error.", &attr_ops<PairLoss>, build_pair},
      {"l1", "Mean absolute error.", &attr_ops<PairLoss>, build_pair},
      {"huber", "Squared for small errors, linear for large ones.", &attr_ops<HuberLoss>, build_huber},
      {"smooth_l1", "Huber loss over its beta: slope 1 for large errors.", &attr_ops<SmoothL1Loss>,
       build_smooth_l1},
      {"log_cosh", "Logarithm of the hyperbolic cosine of the error: smooth between squared and absolute.",
       &attr_ops<PairLoss>, build_pair},
      {"quantile", "Pinball loss: least where the output is the quantile q of the target.",
       &attr_ops<QuantileLoss>, build_quantile},
      {"poisson_nll", "Minus the log likelihood of counts, the output being the logarithm of their mean.",
       &attr_ops<PoissonLoss>, build_poisson},
      {"gaussian_nll", "Minus the log likelihood of a normal distribution whose mean is the output.",
       &attr_ops<GaussianLoss>, build_gaussian},
      {"cosine", "1 less the cosine of the angle between output and target, which are vectors.",
       &attr_ops<CosineLoss>, build_cosine},
  };
  return all;
}

}  // namespace dl
