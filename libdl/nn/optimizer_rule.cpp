#include "nn/optimizer_rule.h"

namespace dl {
namespace {

using O = CommonOptimizer;

template <class... F>
constexpr auto with_common(F... own) {
  return std::tuple_cat(
      std::tuple{field("lr", &O::lr, "Learning rate before the schedule.").at_least(0)}, std::tuple{own...},
      std::tuple{
          field(
              "weight_decay", &O::weight_decay,
              "L2 decay of weights: adds weight_decay w to the gradient, or with `decoupled` shrinks w by lr "
              "weight_decay.")
              .at_least(0),
          field("l1", &O::l1, "L1 decay of weights: adds l1 sign(w) to the gradient.").at_least(0),
          field("decoupled", &O::decoupled, "Decay apart from the gradient (Loshchilov and Hutter 2019)."),
          field("decay_all", &O::decay_all, "Decay biases and the parameters of norms too."),
          field("clip_value", &O::clip_value, "Largest magnitude of a gradient element; 0: any.").at_least(0),
          field("clip_norm", &O::clip_norm, "Largest norm of all gradients together; 0: any.").at_least(0),
          field("gradient_noise", &O::gradient_noise,
                "Variance in the first step of normal noise that is added to gradients (Neelakantan et al. "
                "2015: 0.01 to 1); 0: none.")
              .at_least(0),
          field("gradient_noise_decay", &O::gradient_noise_decay,
                "Exponent of the step that this variance is divided by.")
              .at_least(0),
      });
}

}  // namespace

struct SgdOptimizer : CommonOptimizer {
  double momentum = 0;
  bool nesterov = false;
};
constexpr auto fields(const SgdOptimizer*) {
  return with_common(
      field("momentum", &SgdOptimizer::momentum, "Share of the velocity that stays.").range(0, 1),
      field("nesterov", &SgdOptimizer::nesterov, "Look ahead along the velocity."));
}
static UpdateRule rule_of(const SgdOptimizer& a) {
  if (a.momentum == 0) return {.op = "sgd"};
  return {.op = "momentum",
          .attrs = {{"momentum", a.momentum}, {"nesterov", a.nesterov}},
          .memory = {{"momentum"}},
          .has_momentum = true};
}

struct LarsOptimizer : CommonOptimizer {
  LarsOptimizer() {
    lr = 0.1;
    weight_decay = 5e-4;
  }
  double momentum = 0.9, trust = 0.001;
};
constexpr auto fields(const LarsOptimizer*) {
  return with_common(
      field("momentum", &LarsOptimizer::momentum, "Share of the velocity that stays.").range(0, 1),
      field("trust", &LarsOptimizer::trust,
            "How far a weight may move, as a share of its norm, at the rate 1. Parameters that are not "
            "decayed move "
            "by the rate alone.")
          .at_least(0));
}
static UpdateRule rule_of(const LarsOptimizer& a) {
  return {.op = "momentum",
          .attrs = {{"momentum", a.momentum}, {"rate_inside", true}},
          .memory = {{"momentum"}},
          .trust = Trust::rate,
          .trust_attrs = {{"coefficient", a.trust}},
          .has_momentum = true};
}

struct AdagradOptimizer : CommonOptimizer {
  double epsilon = 1e-10;
};
constexpr auto fields(const AdagradOptimizer*) {
  return with_common(
      field("epsilon", &AdagradOptimizer::epsilon, "Added to the root in the divisor.").at_least(0));
}
static UpdateRule rule_of(const AdagradOptimizer& a) {
  return {.op = "adagrad", .attrs = {{"epsilon", a.epsilon}}, .memory = {{"sum"}}};
}

struct AdadeltaOptimizer : CommonOptimizer {
  AdadeltaOptimizer() { lr = 1; }
  double rho = 0.9, epsilon = 1e-6;
};
constexpr auto fields(const AdadeltaOptimizer*) {
  return with_common(
      field("rho", &AdadeltaOptimizer::rho, "Share of the running mean squares that stays.").range(0, 1),
      field("epsilon", &AdadeltaOptimizer::epsilon, "Added to the mean squares under both roots.")
          .at_least(0));
}
static UpdateRule rule_of(const AdadeltaOptimizer& a) {
  return {
      .op = "adadelta", .attrs = {{"rho", a.rho}, {"epsilon", a.epsilon}}, .memory = {{"square"}, {"delta"}}};
}

struct RmspropOptimizer : CommonOptimizer {
  RmspropOptimizer() { lr = 0.001; }
  double alpha = 0.99, epsilon = 1e-8, momentum = 0;
  bool centered = false;
};
constexpr auto fields(const RmspropOptimizer*) {
  return with_common(
      field("alpha", &RmspropOptimizer::alpha, "Share of the running mean square that stays.").range(0, 1),
      field("epsilon", &RmspropOptimizer::epsilon, "Added to the root in the divisor.").at_least(0),
      field("momentum", &RmspropOptimizer::momentum, "Share of the velocity that stays.").range(0, 1),
      field("centered", &RmspropOptimizer::centered,
            "Divide by the standard deviation: take the square of the running mean off the mean square."));
}
static UpdateRule rule_of(const RmspropOptimizer& a) {
  UpdateRule r{.op = "rmsprop",
               .attrs = {{"alpha", a.alpha}, {"epsilon", a.epsilon}, {"momentum", a.momentum}},
               .memory = {{"square"}}};
  if (a.momentum > 0 || a.centered) r.behind.push_back({"velocity"});
  if (a.centered) r.behind.push_back({"mean"});
  return r;
}

struct RpropOptimizer : CommonOptimizer {
  double shrink = 0.5, grow = 1.2, min_step = 1e-6, max_step = 50;
};
constexpr auto fields(const RpropOptimizer*) {
  return with_common(
      field("shrink", &RpropOptimizer::shrink, "Factor of the step where the gradient's sign turned.")
          .range(0, 1),
      field("grow", &RpropOptimizer::grow, "Factor of the step where it did not.").at_least(1),
      field("min_step", &RpropOptimizer::min_step, "Least size of a step.").at_least(0),
      field("max_step", &RpropOptimizer::max_step, "Largest size of a step.").at_least(0));
}
static UpdateRule rule_of(const RpropOptimizer& a) {
  return {.op = "rprop",
          .attrs = {{"shrink", a.shrink},
                    {"grow", a.grow},
                    {"min_step", a.min_step},
                    {"max_step", a.max_step},
                    {"initial", a.lr}},
          .memory = {{"last_gradient"}, {"size", a.lr}}};
}

struct FtrlOptimizer : CommonOptimizer {
  FtrlOptimizer() { lr = 0.1; }
  double beta = 1;
};
constexpr auto fields(const FtrlOptimizer*) {
  return with_common(
      field("beta", &FtrlOptimizer::beta, "Added to the root of the sum of squares.").at_least(0));
}
static UpdateRule rule_of(const FtrlOptimizer& a) {
  return {.op = "ftrl", .attrs = {{"beta", a.beta}}, .memory = {{"sum"}, {"z"}}, .step = true};
}

struct AdamOptimizer : CommonOptimizer {
  AdamOptimizer() { lr = 0.001; }
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};
template <class... F>
constexpr auto with_adam(F... own) {
  return with_common(
      field("beta1", &AdamOptimizer::beta1, "Share of the running mean that stays.").range(0, 1),
      field("beta2", &AdamOptimizer::beta2, "Share of the running mean square that stays.").range(0, 1),
      field("epsilon", &AdamOptimizer::epsilon, "Added to the root in the divisor.").at_least(0), own...);
}
constexpr auto fields(const AdamOptimizer*) { return with_adam(); }
static UpdateRule adam_rule(std::string_view op, const AdamOptimizer& a) {
  return {.op = op,
          .attrs = {{"beta1", a.beta1}, {"beta2", a.beta2}, {"epsilon", a.epsilon}},
          .memory = {{"m"}, {"v"}},
          .step = true};
}

struct AmsOptimizer : AdamOptimizer {
  bool amsgrad = false;
};
constexpr auto fields(const AmsOptimizer*) {
  return with_adam(field("amsgrad", &AmsOptimizer::amsgrad,
                         "Divide by the largest mean square so far (Reddi, Kale and Kumar 2018)."));
}
static UpdateRule rule_of(const AmsOptimizer& a) {
  UpdateRule r = adam_rule("adam", a);
  if (a.amsgrad) r.behind.push_back({"v_max"});
  return r;
}
struct AdamwOptimizer : AmsOptimizer {
  AdamwOptimizer() {
    weight_decay = 0.01;
    decoupled = true;
  }
};
constexpr auto fields(const AdamwOptimizer*) { return fields(static_cast<const AmsOptimizer*>(nullptr)); }

struct AdamaxOptimizer : AdamOptimizer {
  AdamaxOptimizer() { lr = 0.002; }
};
constexpr auto fields(const AdamaxOptimizer*) { return with_adam(); }
static UpdateRule rule_of(const AdamaxOptimizer& a) {
  UpdateRule r = adam_rule("adamax", a);
  r.memory[1] = {"u"};
  return r;
}

struct NadamOptimizer : AdamOptimizer {
  NadamOptimizer() { lr = 0.002; }
  double momentum_decay = 0.004;
};
constexpr auto fields(const NadamOptimizer*) {
  return with_adam(field("momentum_decay", &NadamOptimizer::momentum_decay,
                         "How fast the share of the mean grows towards beta1, from half of it.")
                       .at_least(0));
}
static UpdateRule rule_of(const NadamOptimizer& a) {
  UpdateRule r = adam_rule("nadam", a);
  r.attrs["momentum_decay"] = a.momentum_decay;
  return r;
}

struct RadamOptimizer : AdamOptimizer {};
constexpr auto fields(const RadamOptimizer*) { return with_adam(); }
static UpdateRule rule_of(const RadamOptimizer& a) { return adam_rule("radam", a); }

struct LionOptimizer : CommonOptimizer {
  LionOptimizer() {
    lr = 1e-4;
    decoupled = true;
  }
  double beta1 = 0.9, beta2 = 0.99;
};
constexpr auto fields(const LionOptimizer*) {
  return with_common(
      field("beta1", &LionOptimizer::beta1, "Share of the running mean in the direction.").range(0, 1),
      field("beta2", &LionOptimizer::beta2, "Share of the running mean that stays.").range(0, 1));
}
static UpdateRule rule_of(const LionOptimizer& a) {
  return {.op = "lion", .attrs = {{"beta1", a.beta1}, {"beta2", a.beta2}}, .memory = {{"m"}}};
}

struct LambOptimizer : AdamOptimizer {
  LambOptimizer() {
    epsilon = 1e-6;
    weight_decay = 0.01;
    decoupled = true;
  }
};
constexpr auto fields(const LambOptimizer*) { return with_adam(); }
static UpdateRule rule_of(const LambOptimizer& a) {
  UpdateRule r = adam_rule("lamb", a);
  r.trust = Trust::direction;
  return r;
}

namespace {

struct OptimizerRow {
  Variant variant;
  UpdateRule (*rule)(const Optimizer&);
  const CommonOptimizer& (*common)(const Optimizer&);
};
template <class A>
OptimizerRow row(std::string_view name, std::string_view doc) {
  return {{name, doc, &attr_ops<A>},
          [](const Optimizer& o) { return dl::rule_of(o.as<A>()); },
          [](const Optimizer& o) -> const CommonOptimizer& { return o.as<A>(); }};
}

std::span<const OptimizerRow> table() {
  static const OptimizerRow all[] = {
      row<SgdOptimizer>("sgd", "Stochastic gradient descent, with momentum or Nesterov's form of it."),
      row<AdagradOptimizer>("adagrad",
                            "AdaGrad (Duchi, Hazan and Singer 2011): rates fall with the squares seen."),
      row<AdadeltaOptimizer>("adadelta", "AdaDelta (Zeiler 2012): steps as large as those before."),
      row<RmspropOptimizer>("rmsprop", "RMSprop (Tieleman and Hinton 2012)."),
      row<RpropOptimizer>(
          "rprop",
          "Rprop (Riedmiller and Braun 1993): signs of gradients alone, a size of step for each "
          "weight that begins as lr. For batches of all samples."),
      row<AmsOptimizer>("adam", "Adam (Kingma and Ba 2015)."),
      row<AdamwOptimizer>("adamw", "Adam with decoupled decay (Loshchilov and Hutter 2019)."),
      row<AdamaxOptimizer>("adamax",
                           "AdaMax (Kingma and Ba 2015): Adam with the largest gradient as the scale."),
      row<NadamOptimizer>("nadam", "NAdam (Dozat 2016): Adam with Nesterov's momentum."),
      row<RadamOptimizer>("radam",
                          "RAdam (Liu et al. 2020): Adam whose first steps allow for the unknown variance."),
      row<LionOptimizer>("lion", "Lion (Chen et al. 2023): the sign of a mean; rates a tenth of Adam's."),
      row<LarsOptimizer>(
          "lars",
          "LARS (You, Gitman and Ginsburg 2017): momentum with a rate for each weight, for large "
          "batches."),
      row<LambOptimizer>("lamb",
                         "LAMB (You et al. 2020): Adam with a rate for each weight, for large batches."),
      row<FtrlOptimizer>(
          "ftrl",
          "FTRL-proximal (McMahan et al. 2013): l1 makes weights exactly zero, for sparse linear "
          "models."),
  };
  return all;
}

const OptimizerRow& row_of(const Optimizer& o) {
  for (const OptimizerRow& r : table())
    if (r.variant.name == o.type) return r;
  throw Error(Exit::internal, str("optimizer '", o.type, "' has no row"));
}

}  // namespace

std::span<const Variant> OptimizerFamily::variants() {
  static const std::vector<Variant> all = [] {
    std::vector<Variant> v;
    for (const OptimizerRow& r : table()) v.push_back(r.variant);
    return v;
  }();
  return all;
}

const CommonOptimizer& common_of(const Optimizer& o) { return row_of(o).common(o); }
UpdateRule rule_of(const Optimizer& o) { return row_of(o).rule(o); }

}  // namespace dl
