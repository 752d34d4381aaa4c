#include "nn/schedule.h"

#include <algorithm>
#include <numbers>

namespace dl {

struct Warmup {
  double warmup_epochs = 0;
  int64_t warmup_steps = 0;
};
constexpr auto fields(const Warmup*) {
  return std::tuple{
      field("warmup_epochs", &Warmup::warmup_epochs, "Epochs over which the rate rises linearly from 0.")
          .at_least(0),
      field("warmup_steps", &Warmup::warmup_steps, "The same in steps.").at_least(0)};
}

template <class... F>
constexpr auto with_warmup(F... own) {
  return std::tuple_cat(std::tuple{own...}, fields(static_cast<const Warmup*>(nullptr)));
}

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

std::span<const Variant> ScheduleFamily::variants() {
  static const Variant all[] = {
      {"constant", "The same rate throughout.", &attr_ops<Warmup>},
      {"step", "Multiplied by gamma at regular intervals.", &attr_ops<StepSchedule>},
      {"piecewise", "Given fractions between given epochs.", &attr_ops<PiecewiseSchedule>},
      {"exponential", "Falls by a constant factor per epoch.", &attr_ops<ExponentialSchedule>},
      {"polynomial", "Falls as a power of the time left.", &attr_ops<PolynomialSchedule>},
      {"cosine", "Falls along half a cosine (Loshchilov and Hutter 2017, without restarts).",
       &attr_ops<CosineSchedule>},
  };
  return all;
}

namespace {

const Warmup& warmup_of(const Schedule& s) {
  if (s.type == "step") return s.as<StepSchedule>();
  if (s.type == "piecewise") return s.as<PiecewiseSchedule>();
  if (s.type == "exponential") return s.as<ExponentialSchedule>();
  if (s.type == "polynomial") return s.as<PolynomialSchedule>();
  if (s.type == "cosine") return s.as<CosineSchedule>();
  return s.as<Warmup>();
}

// Time since the warm-up and the length of the decay, both in epochs.
struct Span {
  double t, length;
  double part() const { return length > 0 ? std::min(1.0, t / length) : 1; }
};

Span span_of(double epoch, double warm, double total, double epochs) {
  return {std::max(0.0, epoch - warm), epochs > 0 ? epochs : total - warm};
}

double factor(const Schedule& s, double epoch, double warm, double total) {
  if (s.type == "step") {
    const auto& a = s.as<StepSchedule>();
    return std::pow(a.gamma, std::floor(epoch / a.every));
  }
  if (s.type == "piecewise") {
    const auto& a = s.as<PiecewiseSchedule>();
    double f = 1;
    for (size_t i = 0; i < a.boundaries.size() && i < a.factors.size() && a.boundaries[i] <= epoch; ++i)
      f = a.factors[i];
    return f;
  }
  if (s.type == "exponential") {
    const auto& a = s.as<ExponentialSchedule>();
    const double n = epoch / a.every;
    return std::pow(a.gamma, a.staircase ? std::floor(n) : n);
  }
  if (s.type == "polynomial") {
    const auto& a = s.as<PolynomialSchedule>();
    Span span = span_of(epoch, warm, total, a.epochs);
    if (a.cycle && span.t > span.length && span.length > 0) span.length *= std::ceil(span.t / span.length);
    return (1 - a.end) * std::pow(1 - span.part(), a.power) + a.end;
  }
  if (s.type == "cosine") {
    const auto& a = s.as<CosineSchedule>();
    const double p = span_of(epoch, warm, total, a.epochs).part();
    return (1 - a.end) * (1 + std::cos(std::numbers::pi * p)) / 2 + a.end;
  }
  return 1;
}

}  // namespace

double rate(const Schedule& schedule, double base_lr, int64_t step, int64_t steps_per_epoch,
            double total_epochs) {
  const auto per_epoch = static_cast<double>(std::max<int64_t>(1, steps_per_epoch));
  const Warmup& w = warmup_of(schedule);
  const double warm_steps =
      w.warmup_steps > 0 ? static_cast<double>(w.warmup_steps) : std::round(w.warmup_epochs * per_epoch);
  const auto t = static_cast<double>(step);
  if (t < warm_steps) return base_lr * (t + 1) / warm_steps;
  return base_lr * factor(schedule, t / per_epoch, warm_steps / per_epoch, total_epochs);
}

void check_schedule(const Schedule& schedule, const std::string& pointer) {
  const Warmup& w = warmup_of(schedule);
  if (w.warmup_epochs > 0 && w.warmup_steps > 0)
    field_error(pointer + "/warmup_steps", "the warm-up is given in epochs already",
                "keep warmup_epochs or warmup_steps");
  if (schedule.type != "piecewise") return;
  const auto& a = schedule.as<PiecewiseSchedule>();
  if (a.boundaries.size() != a.factors.size())
    field_error(pointer + "/factors",
                str("there are ", a.factors.size(), " factors for ", a.boundaries.size(), " boundaries"),
                "one factor for each boundary; before the first the base rate counts");
  for (size_t i = 1; i < a.boundaries.size(); ++i)
    if (a.boundaries[i] <= a.boundaries[i - 1])
      field_error(str(pointer, "/boundaries/", i),
                  str("boundary ", a.boundaries[i], " does not lie after ", a.boundaries[i - 1]));
}

}  // namespace dl
