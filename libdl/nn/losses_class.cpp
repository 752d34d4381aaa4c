// Losses of class labels besides cross entropy: margins, focal loss, divergence, information gain.
#include <array>

#include "nn/loss_def.h"

namespace dl {

enum class MarginForm { crammer_singer, weston_watkins };
constexpr auto enum_names(const MarginForm*) {
  return std::array<std::string_view, 2>{"crammer_singer", "weston_watkins"};
}
struct HingeLoss : Weighted {
  double margin = 1;
  MarginForm form = MarginForm::crammer_singer;
};
constexpr auto fields(const HingeLoss*) {
  return loss_fields(
      field("margin", &HingeLoss::margin, "By how much the right class is to win.").range(0, 1e6),
      field("form", &HingeLoss::form,
            "With an output for each class: the margin to the best wrong class ('crammer_singer'), or the "
            "sum over all "
            "wrong classes ('weston_watkins')."));
}
struct PlainLoss : Weighted {};
constexpr auto fields(const PlainLoss*) { return loss_fields(); }

struct FocalLoss : Weighted {
  double gamma = 2;
  std::optional<double> alpha;
  std::vector<double> class_weights;
};
constexpr auto fields(const FocalLoss*) {
  return loss_fields(
      field("gamma", &FocalLoss::gamma, "How much less samples count that are right already.").range(0, 100),
      field("alpha", &FocalLoss::alpha,
            "With one output for two classes: factor of the second class, 1 - alpha of the first.")
          .range(0, 1),
      field("class_weights", &FocalLoss::class_weights, "With an output for each class: one factor for each.")
          .at_least(0));
}

struct DivergenceLoss : Weighted {
  double temperature = 1;
};
constexpr auto fields(const DivergenceLoss*) {
  return loss_fields(
      field("temperature", &DivergenceLoss::temperature,
            "The output is divided by it, the loss multiplied by its square (Hinton et al. 2015).")
          .range(1e-6, 1e6));
}

struct InfoGainLoss : Weighted {
  std::vector<std::vector<double>> gain;
};
constexpr auto fields(const InfoGainLoss*) {
  return loss_fields(
      field("gain", &InfoGainLoss::gain,
            "Matrix H: row of the true class, column of the predicted one; the unit matrix gives cross "
            "entropy.")
          .required());
}

namespace {

// With h = 1 for the right class: max(0, margin + max over the wrong of x - x_right), or the sum of such terms.
ValueId class_margin(LossCtx& c, double margin, MarginForm form, bool squared) {
  const ValueId h = c.shares(), x = c.x();
  const ValueId right = c.sum(c.emit("mul", {x, h}), 1);
  const ValueId raised = c.emit("add", {x, c.linear(h, -margin, margin)});  // by the margin, where wrong
  if (form == MarginForm::crammer_singer) {
    const ValueId gap =
        c.emit("sub", {c.largest(raised, 1), right});  // at least 0, by the right class itself
    return c.mean(squared ? c.emit("square", {gap}) : gap);
  }
  const ValueId gaps = c.emit("relu", {c.emit("sub", {raised, right})});  // 0 for the right class
  return c.mean(c.sum(squared ? c.emit("square", {gaps}) : gaps, 1));
}

ValueId margin_loss(LossCtx& c, double margin, MarginForm form, bool squared) {
  if (c.several_classes()) return class_margin(c, margin, form, squared);
  if (c.target.classes > 2) c.shares();  // fails, and says why
  return c.emit("hinge", {c.x(), c.signs()}, {{"margin", margin}, {"squared", squared}});
}

ValueId build_hinge(LossCtx& c) {
  const auto& a = c.as<HingeLoss>();
  return margin_loss(c, a.margin, a.form, c.type == "squared_hinge");
}
ValueId build_perceptron(LossCtx& c) { return margin_loss(c, 0, MarginForm::crammer_singer, false); }

ValueId build_exponential(LossCtx& c) {
  if (c.several_classes())
    c.fail(str("exponential tells two classes apart by one number, output '", c.output.name, "' gives ",
               c.target.classes),
           "end the model with one unit");
  return c.emit("exponential", {c.x(), c.signs()});
}

// - w_y (1 - p_y)^gamma log p_y; 1 - p is kept off 0, where the power of a small gamma has no slope.
ValueId class_focal(LossCtx& c, const FocalLoss& a) {
  if (a.alpha) c.fail("alpha is for one output, expected class_weights", {}, "alpha");
  const ValueId h = c.shares(), log_p = c.emit("log_softmax", {c.x()}, {{"axis", 1}});
  const ValueId miss = c.emit("clip", {c.linear(c.emit("exp", {log_p}), -1, 1)}, {{"min", 1e-7}, {"max", 1}});
  ValueId terms = c.emit("mul", {c.emit("pow", {miss}, {{"exponent", a.gamma}}), log_p});
  terms = c.emit("mul", {terms, h});
  if (!a.class_weights.empty()) {
    if (a.class_weights.size() != static_cast<size_t>(c.target.classes))
      c.fail(str("has ", a.class_weights.size(), " weights, the data set has ", c.target.classes, " classes"),
             {}, "class_weights");
    Shape column{c.target.classes};
    for (int i = 2; i < c.shape(terms).rank(); ++i) column.push_back(1);
    Tensor w(DType::f32, column);
    for (size_t i = 0; i < a.class_weights.size(); ++i)
      w.data<float>()[i] = static_cast<float>(a.class_weights[i]);
    terms = c.emit("mul", {terms, c.constant("class_weights", std::move(w))});
  }
  return c.linear(c.mean(c.sum(terms, 1)), -1, 0);
}

ValueId build_focal(LossCtx& c) {
  const auto& a = c.as<FocalLoss>();
  if (c.several_classes()) return class_focal(c, a);
  if (c.target.classes > 2) c.shares();
  if (!a.class_weights.empty())
    c.fail("class_weights are for an output for each class, expected alpha", {}, "class_weights");
  return c.emit("focal_with_logits", {c.x(), c.numbers(true)},
                {{"gamma", a.gamma}, {"alpha", a.alpha.value_or(-1)}});
}

// sum t (log t - log softmax(x / T)) T^2 of each sample. t is at least 1e-30 in its logarithm, as 0 log 0 is 0.
ValueId build_divergence(LossCtx& c) {
  const double temperature = c.as<DivergenceLoss>().temperature;
  const ValueId t = c.target.classes > 0 ? c.shares() : c.numbers(false);
  if (c.shape(t).rank() < 2)
    c.fail(str("output '", c.output.name, "' gives one number, expected one for each class"));
  const ValueId x = temperature == 1 ? c.x() : c.linear(c.x(), 1 / temperature, 0);
  const ValueId log_t = c.emit("log", {c.emit("clip", {t}, {{"min", 1e-30}, {"max", 1}})});
  const ValueId gap = c.emit("sub", {log_t, c.emit("log_softmax", {x}, {{"axis", 1}})});
  return c.linear(c.mean(c.sum(c.emit("mul", {t, gap}), 1)), temperature * temperature, 0);
}

// - sum_k H[y, k] log p_k of each sample.
ValueId build_info_gain(LossCtx& c) {
  const auto& gain = c.as<InfoGainLoss>().gain;
  const auto n = static_cast<size_t>(c.target.classes);
  const ValueId h = c.shares();
  if (c.shape(h).rank() != 2) c.fail("info_gain takes one label for each sample");
  if (gain.size() != n)
    c.fail(str("has ", gain.size(), " rows, the data set has ", n, " classes"), {}, "gain");
  Tensor matrix(DType::f32, {c.target.classes, c.target.classes});
  for (size_t i = 0; i < n; ++i) {
    if (gain[i].size() != n)
      c.fail(str("row ", i, " has ", gain[i].size(), " numbers, the data set has ", n, " classes"), {},
             "gain");
    for (size_t k = 0; k < n; ++k) matrix.data<float>()[i * n + k] = static_cast<float>(gain[i][k]);
  }
  const ValueId factors = c.emit("matmul", {h, c.constant("gain", std::move(matrix))});
  const ValueId log_p = c.emit("log_softmax", {c.x()}, {{"axis", 1}});
  return c.linear(c.mean(c.sum(c.emit("mul", {factors, log_p}), 1)), -1, 0);
}

}  // namespace

std::span<const LossDef> class_losses() {
  static const LossDef all[] = {
      {"hinge",
       "Margin loss of a support vector machine, for one output of two classes or an output for each class.",
       &attr_ops<HingeLoss>, build_hinge},
      {"squared_hinge", "Hinge loss with squared terms.", &attr_ops<HingeLoss>, build_hinge},
      {"perceptron", "What a wrong class wins by: the perceptron's own loss.", &attr_ops<PlainLoss>,
       build_perceptron},
      {"exponential", "e^(-t x) for two classes t of 1 and -1: the loss of AdaBoost.", &attr_ops<PlainLoss>,
       build_exponential},
      {"focal", "Cross entropy in which samples that are right already count less (Lin et al. 2017).",
       &attr_ops<FocalLoss>, build_focal},
      {"kl_divergence",
       "Kullback-Leibler divergence of the target's probabilities from softmax of the output.",
       &attr_ops<DivergenceLoss>, build_divergence},
      {"info_gain", "Cross entropy in which a matrix says what each confusion costs.",
       &attr_ops<InfoGainLoss>, build_info_gain},
  };
  return all;
}

}  // namespace dl
