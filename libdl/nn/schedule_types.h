#pragma once
// The schedules of the config, each a struct with its field list; schedule.cpp has their formulas.
#include <string>
#include <tuple>
#include <vector>

#include "nn/schedule.h"

namespace dl {

struct Warmup {
  double warmup_epochs = 0;
  int64_t warmup_steps = 0;
  double warmup_from = 0;
};
constexpr auto fields(const Warmup*) {
  return std::tuple{
      field("warmup_epochs", &Warmup::warmup_epochs, "Epochs over which the rate rises linearly.")
          .at_least(0),
      field("warmup_steps", &Warmup::warmup_steps, "The same in steps.").at_least(0),
      field("warmup_from", &Warmup::warmup_from, "Fraction of the rate from which it rises.").range(0, 1)};
}

template <class... F>
constexpr auto with_warmup(F... own) {
  return std::tuple_cat(std::tuple{own...}, fields(static_cast<const Warmup*>(nullptr)));
}

struct ConstantSchedule : Warmup {};
constexpr auto fields(const ConstantSchedule*) { return with_warmup(); }

struct StepSchedule : Warmup {
  double every = 30, gamma = 0.1;
};
constexpr auto fields(const StepSchedule*) {
  return with_warmup(field("every", &StepSchedule::every, "Epochs between two steps.").at_least(1e-6),
                     field("gamma", &StepSchedule::gamma, "Factor of each step.").at_least(0));
}

struct PiecewiseSchedule : Warmup {
  std::vector<double> boundaries, factors;
};
constexpr auto fields(const PiecewiseSchedule*) {
  return with_warmup(
      field("boundaries", &PiecewiseSchedule::boundaries, "Epochs at which the rate changes, rising.")
          .at_least(0)
          .required(),
      field("factors", &PiecewiseSchedule::factors, "Fraction of the base rate from each boundary on.")
          .at_least(0)
          .required());
}

struct ListSchedule : Warmup {
  std::vector<double> factors;
};
constexpr auto fields(const ListSchedule*) {
  return with_warmup(field("factors", &ListSchedule::factors,
                           "Fraction of the base rate in each epoch; the last one holds from there on.")
                         .at_least(0)
                         .required());
}

struct ExponentialSchedule : Warmup {
  double gamma = 0.95, every = 1;
  bool staircase = false;
};
constexpr auto fields(const ExponentialSchedule*) {
  return with_warmup(
      field("gamma", &ExponentialSchedule::gamma, "Factor for each `every` epochs.").at_least(0),
      field("every", &ExponentialSchedule::every, "Epochs of one factor.").at_least(1e-6),
      field("staircase", &ExponentialSchedule::staircase,
            "Change once for each `every`, not with each step."));
}

struct DecaySchedule : Warmup {
  double decay = 0.05, every = 1;
  bool staircase = false;
};
constexpr auto fields(const DecaySchedule*) {
  return with_warmup(
      field("decay", &DecaySchedule::decay, "How much the decay grows in each `every` epochs.").at_least(0),
      field("every", &DecaySchedule::every, "Epochs of one decay.").at_least(1e-6),
      field("staircase", &DecaySchedule::staircase, "Change once for each `every`, not with each step."));
}
struct NaturalExponentialSchedule : DecaySchedule {};
struct InverseTimeSchedule : DecaySchedule {};

struct PolynomialSchedule : Warmup {
  double end = 0, power = 1, epochs = 0;
  bool cycle = false;
};
constexpr auto fields(const PolynomialSchedule*) {
  return with_warmup(
      field("end", &PolynomialSchedule::end, "Final rate as a fraction of the base rate.").range(0, 1),
      field("power", &PolynomialSchedule::power, "Exponent; 1 is a straight line.").at_least(0),
      field("epochs", &PolynomialSchedule::epochs, "Length of the decay; 0: the rest of the run.")
          .at_least(0),
      field("cycle", &PolynomialSchedule::cycle,
            "At the end of `epochs`, stretch the decay to the next multiple of it."));
}

struct CosineSchedule : Warmup {
  double end = 0, epochs = 0;
};
constexpr auto fields(const CosineSchedule*) {
  return with_warmup(
      field("end", &CosineSchedule::end, "Final rate as a fraction of the base rate.").range(0, 1),
      field("epochs", &CosineSchedule::epochs, "Length of the decay; 0: the rest of the run.").at_least(0));
}

struct RestartsSchedule : Warmup {
  double epochs = 10, t_mul = 2, m_mul = 1, end = 0;
};
constexpr auto fields(const RestartsSchedule*) {
  return with_warmup(
      field("epochs", &RestartsSchedule::epochs, "Length of the first period.").at_least(1e-6),
      field("t_mul", &RestartsSchedule::t_mul, "Factor of the length from one period to the next.")
          .at_least(1),
      field("m_mul", &RestartsSchedule::m_mul, "Factor of the rate from one period to the next.").range(0, 1),
      field("end", &RestartsSchedule::end, "Least rate as a fraction of the base rate.").range(0, 1));
}

struct LinearCosineSchedule : Warmup {
  double periods = 0.5, alpha = 0, beta = 0.001, epochs = 0;
};
template <class... F>
constexpr auto with_linear_cosine(F... own) {
  using A = LinearCosineSchedule;
  return with_warmup(
      field("periods", &A::periods, "Waves of the cosine.").at_least(0),
      field("alpha", &A::alpha, "Added to the straight line that the wave is multiplied by.").at_least(0),
      field("beta", &A::beta, "Added to the product.").at_least(0),
      field("epochs", &A::epochs, "Length of the decay; 0: the rest of the run.").at_least(0), own...);
}
constexpr auto fields(const LinearCosineSchedule*) { return with_linear_cosine(); }

struct NoisyLinearCosineSchedule : LinearCosineSchedule {
  double variance = 1, variance_decay = 0.55;
  int64_t seed = 0;
};
constexpr auto fields(const NoisyLinearCosineSchedule*) {
  using A = NoisyLinearCosineSchedule;
  return with_linear_cosine(
      field("variance", &A::variance, "Variance of the noise in the first step.").at_least(0),
      field("variance_decay", &A::variance_decay, "Exponent of the step it is divided by.").at_least(0),
      field("seed", &A::seed, "Another one draws another curve."));
}

enum class Anneal { cosine, linear };
constexpr auto enum_names(const Anneal*) { return std::array<std::string_view, 2>{"cosine", "linear"}; }

struct OneCycleSchedule {
  double start = 0.04, peak_at = 0.3, end = 4e-6;
  Anneal anneal = Anneal::cosine;
  std::vector<double> momentum;
};
constexpr auto fields(const OneCycleSchedule*) {
  using A = OneCycleSchedule;
  return std::tuple{
      field("start", &A::start, "First rate as a fraction of the base rate, which is the largest.")
          .range(0, 1),
      field("peak_at", &A::peak_at, "Share of the run after which the rate is largest.").range(0, 1),
      field("end", &A::end, "Last rate as a fraction of the base rate.").range(0, 1),
      field("anneal", &A::anneal, "The form of rise and fall."),
      field(
          "momentum", &A::momentum,
          "[low, high]: the optimizer's momentum falls from high to low as the rate rises, and back. For sgd "
          "with momentum, and lars.")
          .range(0, 1)};
}

enum class Cycle { triangular, triangular2, exp_range };
constexpr auto enum_names(const Cycle*) {
  return std::array<std::string_view, 3>{"triangular", "triangular2", "exp_range"};
}

struct CyclicSchedule : Warmup {
  double low = 0.1, up = 2, gamma = 1;
  Cycle mode = Cycle::triangular;
};
constexpr auto fields(const CyclicSchedule*) {
  return with_warmup(
      field("low", &CyclicSchedule::low, "Least rate as a fraction of the base rate, which is the largest.")
          .range(0, 1),
      field("up", &CyclicSchedule::up,
            "Epochs from the least to the largest rate; the way back takes as long.")
          .at_least(1e-6),
      field("mode", &CyclicSchedule::mode,
            "Cycles of one height, each half as high as the one before, or falling by gamma with each step."),
      field("gamma", &CyclicSchedule::gamma, "Factor of each step, for exp_range.").range(0, 1));
}

struct NoamSchedule {
  int64_t model_size = 512, warmup_steps = 4000;
};
constexpr auto fields(const NoamSchedule*) {
  return std::tuple{
      field("model_size", &NoamSchedule::model_size, "Width of the model.").at_least(1),
      field("warmup_steps", &NoamSchedule::warmup_steps, "Steps until the rate is largest.").at_least(1)};
}

struct PlateauSchedule : Warmup, PlateauRule {};
constexpr auto fields(const PlateauSchedule*) {
  using A = PlateauRule;
  return with_warmup(
      field("metric", &A::metric, "What must improve, for example valid.accuracy or train.loss."),
      field("factor", &A::factor, "Factor of the rate when it does not.").range(0, 1),
      field("patience", &A::patience, "Epochs without improvement after which the rate falls.").at_least(1),
      field("min_delta", &A::min_delta, "Least change that counts as an improvement.").at_least(0),
      field("cooldown", &A::cooldown, "Epochs after a fall that are not counted.").at_least(0),
      field("min", &A::min, "Least rate as a fraction of the base rate.").range(0, 1));
}

// Schedules that may stand in a sequence.
struct PartFamily {
  static constexpr std::string_view what = "schedule";
  DL_API static std::span<const Variant> variants();
};
struct SequencePart {
  double epochs = 0;
  Typed<PartFamily> schedule;
};
constexpr auto fields(const SequencePart*) {
  return std::tuple{
      field("epochs", &SequencePart::epochs, "How long it lasts; 0, for the last one: the rest of the run.")
          .at_least(0),
      field("schedule", &SequencePart::schedule, "A schedule, as in a run of this length.").required()};
}
struct SequenceSchedule {
  std::vector<SequencePart> parts;
};
constexpr auto fields(const SequenceSchedule*) {
  return std::tuple{field("parts", &SequenceSchedule::parts,
                          "One after the other: [{\"epochs\": 5, \"schedule\": \"constant\"}, ...].")
                        .required()};
}

}  // namespace dl
