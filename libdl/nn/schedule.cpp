#include "nn/schedule.h"

#include <algorithm>
#include <numbers>

#include "base/random.h"
#include "nn/schedule_types.h"

namespace dl {
namespace {

constexpr double kPi = std::numbers::pi;

// Where a step stands: times in epochs.
struct Clock {
  int64_t step;
  double per_epoch, total, warm = 0;  // total: the run, warm: its warm-up

  double epoch() const { return static_cast<double>(step) / per_epoch; }
  double since_warmup() const { return std::max(0.0, epoch() - warm); }
  double length(double epochs) const { return epochs > 0 ? epochs : total - warm; }
  // Share of the decay that is over.
  double part(double epochs) const {
    const double n = length(epochs);
    return n > 0 ? std::min(1.0, since_warmup() / n) : 1;
  }
  double count(double every, bool staircase) const {
    return staircase ? std::floor(epoch() / every) : epoch() / every;
  }
};

// Half a wave from 1 to 0.
double half_wave(double p) { return (1 + std::cos(kPi * p)) / 2; }

// ---- The fraction of the base rate

double factor(const ConstantSchedule&, const Clock&) { return 1; }
double factor(const PlateauSchedule&, const Clock&) { return 1; }
double factor(const StepSchedule& a, const Clock& c) {
  return std::pow(a.gamma, std::floor(c.epoch() / a.every));
}
double factor(const PiecewiseSchedule& a, const Clock& c) {
  double f = 1;
  for (size_t i = 0; i < a.boundaries.size() && i < a.factors.size() && a.boundaries[i] <= c.epoch(); ++i)
    f = a.factors[i];
  return f;
}
double factor(const ListSchedule& a, const Clock& c) {
  const auto last = static_cast<int64_t>(a.factors.size()) - 1;
  return a.factors[static_cast<size_t>(std::min(last, c.step / static_cast<int64_t>(c.per_epoch)))];
}
double factor(const ExponentialSchedule& a, const Clock& c) {
  return std::pow(a.gamma, c.count(a.every, a.staircase));
}
double factor(const NaturalExponentialSchedule& a, const Clock& c) {
  return std::exp(-a.decay * c.count(a.every, a.staircase));
}
double factor(const InverseTimeSchedule& a, const Clock& c) {
  return 1 / (1 + a.decay * c.count(a.every, a.staircase));
}
double factor(const PolynomialSchedule& a, const Clock& c) {
  double length = c.length(a.epochs);
  const double t = c.since_warmup();
  if (a.cycle && t > length && length > 0) length *= std::ceil(t / length);
  return (1 - a.end) * std::pow(1 - c.part(length), a.power) + a.end;
}
double factor(const CosineSchedule& a, const Clock& c) {
  return (1 - a.end) * half_wave(c.part(a.epochs)) + a.end;
}
double factor(const RestartsSchedule& a, const Clock& c) {
  double t = c.since_warmup(), length = a.epochs, height = 1;
  if (a.t_mul == 1) {
    const double n = std::floor(t / length);
    t -= n * length;
    height = std::pow(a.m_mul, n);
  }
  for (; t >= length; length *= a.t_mul, height *= a.m_mul) t -= length;
  return (1 - a.end) * height * half_wave(t / length) + a.end;
}
double linear_cosine(const LinearCosineSchedule& a, const Clock& c, double noise) {
  const double p = c.part(a.epochs);
  return (a.alpha + 1 - p + noise) * half_wave(2 * a.periods * p) + a.beta;
}
double factor(const LinearCosineSchedule& a, const Clock& c) { return linear_cosine(a, c, 0); }
double factor(const NoisyLinearCosineSchedule& a, const Clock& c) {
  Random random(static_cast<uint64_t>(a.seed), stream_id("noisy_linear_cosine"),
                static_cast<uint64_t>(c.step));
  const double variance = a.variance / std::pow(1 + static_cast<double>(c.step), a.variance_decay);
  return std::max(0.0, linear_cosine(a, c, std::sqrt(variance) * random.normal()));
}

// From `from` to the peak and on to `to`, where peak_at of the steps but the last are over.
double one_cycle(const OneCycleSchedule& a, const Clock& c, double from, double peak, double to) {
  const double steps = std::round(c.total * c.per_epoch), t = static_cast<double>(c.step);
  const double top = std::max(0.0, a.peak_at * steps - 1), last = std::max(top, steps - 1);
  const bool up = t <= top;
  const double n = up ? top : last - top, p = n > 0 ? std::min(1.0, (up ? t : t - top) / n) : 1;
  const double a0 = up ? from : peak, a1 = up ? peak : to;
  return a1 + (a0 - a1) * (a.anneal == Anneal::cosine ? half_wave(p) : 1 - p);
}
double factor(const OneCycleSchedule& a, const Clock& c) { return one_cycle(a, c, a.start, 1, a.end); }
double factor(const CyclicSchedule& a, const Clock& c) {
  const double t = c.since_warmup() / a.up, cycle = std::floor(1 + t / 2);
  const double height = a.mode == Cycle::triangular2 ? std::pow(2, 1 - cycle)
                        : a.mode == Cycle::exp_range ? std::pow(a.gamma, static_cast<double>(c.step))
                                                     : 1;
  return a.low + (1 - a.low) * std::max(0.0, 1 - std::fabs(t - 2 * cycle + 1)) * height;
}
double factor(const NoamSchedule& a, const Clock& c) {
  const double s = static_cast<double>(c.step) + 1, w = static_cast<double>(a.warmup_steps);
  return std::min(1 / std::sqrt(s), s / (w * std::sqrt(w))) / std::sqrt(static_cast<double>(a.model_size));
}
double factor(const SequenceSchedule& a, const Clock& c);

// ---- The table

template <class A>
const Warmup* warmup_of(const A& a) {
  if constexpr (std::is_base_of_v<Warmup, A>)
    return &a;
  else
    return nullptr;
}

// Behind the warm-up, if there is one.
template <class A>
double warmed_factor(const A& a, Clock c) {
  if (const Warmup* w = warmup_of(a)) {
    const double steps = w->warmup_steps > 0 ? static_cast<double>(w->warmup_steps)
                                             : std::round(w->warmup_epochs * c.per_epoch);
    const auto t = static_cast<double>(c.step);
    if (t < steps) return w->warmup_from + (1 - w->warmup_from) * (t + 1) / steps;
    c.warm = steps / c.per_epoch;
  }
  return factor(a, c);
}

struct ScheduleRow {
  Variant variant;
  double (*factor)(const void*, const Clock&);
  const Warmup* (*warmup)(const void*);
};
template <class A>
const A& read(const void* attrs) {
  static const A defaults{};
  return attrs ? *static_cast<const A*>(attrs) : defaults;
}
template <class A>
ScheduleRow row(std::string_view name, std::string_view doc) {
  return {{name, doc, &attr_ops<A>},
          [](const void* p, const Clock& c) { return warmed_factor(read<A>(p), c); },
          [](const void* p) { return warmup_of(read<A>(p)); }};
}

std::span<const ScheduleRow> table() {
  static const ScheduleRow all[] = {
      row<ConstantSchedule>("constant", "The same rate throughout: lr."),
      row<StepSchedule>(
          "step", "Multiplied by gamma at regular intervals: lr gamma^floor(e / every), e the epochs done."),
      row<PiecewiseSchedule>("piecewise",
                             "Given fractions between given epochs: lr factors[i], i the last boundary "
                             "passed; lr before the first."),
      row<ListSchedule>("list", "A given fraction for each epoch: lr factors[floor(e)]."),
      row<ExponentialSchedule>("exponential", "Falls by a constant factor: lr gamma^(e / every)."),
      row<NaturalExponentialSchedule>("natural_exponential", "lr exp(-decay e / every)."),
      row<InverseTimeSchedule>("inverse_time", "lr / (1 + decay e / every)."),
      row<PolynomialSchedule>("polynomial",
                              "Falls as a power of the time left: lr ((1 - end) (1 - p)^power + end), p from "
                              "0 to 1 over `epochs`."),
      row<CosineSchedule>("cosine",
                          "Falls along half a cosine (Loshchilov and Hutter 2017, without restarts): lr ((1 "
                          "- end) (1 + cos(pi p)) / 2 + end)."),
      row<RestartsSchedule>("cosine_restarts",
                            "Half cosines, the i-th over epochs t_mul^i and m_mul^i as high (SGDR, "
                            "Loshchilov and Hutter 2017)."),
      row<LinearCosineSchedule>("linear_cosine",
                                "A straight line times a cosine (Bello et al. 2017): lr ((alpha + 1 - p) (1 "
                                "+ cos(2 pi periods p)) / 2 + beta)."),
      row<NoisyLinearCosineSchedule>("noisy_linear_cosine",
                                     "The same with noise added to the line, of the variance variance / (1 + "
                                     "step)^variance_decay; at least 0."),
      row<OneCycleSchedule>("one_cycle",
                            "From start lr up to lr, then down to end lr (Smith and Topin 2018)."),
      row<CyclicSchedule>("cyclic", "Up and down between low lr and lr, `up` epochs each way (Smith 2017)."),
      row<NoamSchedule>(
          "noam", "lr model_size^-0.5 min(s^-0.5, s warmup_steps^-1.5) in step s (Vaswani et al. 2017)."),
      row<PlateauSchedule>("plateau", "lr times a factor that falls when a metric no longer improves."),
      row<SequenceSchedule>("sequence", "One schedule after the other, each as in a run of its own length."),
  };
  return all;
}

const ScheduleRow& row_of(std::string_view type) {
  for (const ScheduleRow& r : table())
    if (r.variant.name == type) return r;
  throw Error(Exit::internal, str("schedule '", type, "' has no row"));
}

// The part of a sequence that a step is in, and the step within it.
struct PartOfSequence {
  const SequencePart* part;
  Clock clock;
};
PartOfSequence part_at(const SequenceSchedule& a, Clock c) {
  double left = c.total;
  for (size_t i = 0;; ++i) {
    const double epochs = a.parts[i].epochs > 0 ? a.parts[i].epochs : left;
    const auto steps = static_cast<int64_t>(std::round(epochs * c.per_epoch));
    if (i + 1 == a.parts.size() || c.step < steps) return {&a.parts[i], {c.step, c.per_epoch, epochs}};
    c.step -= steps;
    left -= epochs;
  }
}
double factor(const SequenceSchedule& a, const Clock& c) {
  const PartOfSequence p = part_at(a, c);
  return row_of(p.part->schedule.type).factor(p.part->schedule.attrs.get(), p.clock);
}

template <class F>
std::optional<double> momentum_of(const Typed<F>& s, const Clock& c) {
  if (s.type == "sequence") {
    const auto& parts = s.template as<SequenceSchedule>();
    const PartOfSequence p = part_at(parts, c);
    return momentum_of(p.part->schedule, p.clock);
  }
  if (s.type != "one_cycle") return {};
  const auto& a = s.template as<OneCycleSchedule>();
  if (a.momentum.size() != 2) return {};
  return one_cycle(a, c, a.momentum[1], a.momentum[0], a.momentum[1]);
}

Clock clock_of(int64_t step, int64_t steps_per_epoch, double total_epochs) {
  return {step, static_cast<double>(std::max<int64_t>(1, steps_per_epoch)), total_epochs};
}

template <class F>
void check(const Typed<F>& schedule, const std::string& pointer) {
  const Warmup* w = row_of(schedule.type).warmup(schedule.attrs.get());
  if (w && w->warmup_epochs > 0 && w->warmup_steps > 0)
    field_error(pointer + "/warmup_steps", "the warm-up is given in epochs already",
                "keep warmup_epochs or warmup_steps");
  if (schedule.type == "list" && schedule.template as<ListSchedule>().factors.empty())
    field_error(pointer + "/factors", "is empty, expected a fraction for each epoch");
  if (schedule.type == "one_cycle") {
    const std::vector<double>& m = schedule.template as<OneCycleSchedule>().momentum;
    if (!m.empty() && (m.size() != 2 || m[0] > m[1]))
      field_error(pointer + "/momentum", "expected two numbers, the lower one first");
  }
  if (schedule.type != "piecewise") return;
  const auto& a = schedule.template as<PiecewiseSchedule>();
  if (a.boundaries.size() != a.factors.size())
    field_error(pointer + "/factors",
                str("there are ", a.factors.size(), " factors for ", a.boundaries.size(), " boundaries"),
                "one factor for each boundary; before the first the base rate counts");
  for (size_t i = 1; i < a.boundaries.size(); ++i)
    if (a.boundaries[i] <= a.boundaries[i - 1])
      field_error(str(pointer, "/boundaries/", i),
                  str("boundary ", a.boundaries[i], " does not lie after ", a.boundaries[i - 1]));
}

void check_parts(const SequenceSchedule& a, const std::string& pointer) {
  if (a.parts.empty()) field_error(pointer + "/parts", "is empty, expected schedules");
  for (size_t i = 0; i < a.parts.size(); ++i) {
    const std::string at = str(pointer, "/parts/", i);
    if (a.parts[i].epochs == 0 && i + 1 < a.parts.size())
      field_error(at + "/epochs", "is missing: only the last part may take the rest of the run");
    check(a.parts[i].schedule, at + "/schedule");
  }
}

}  // namespace

std::span<const Variant> ScheduleFamily::variants() {
  static const std::vector<Variant> all = [] {
    std::vector<Variant> v;
    for (const ScheduleRow& r : table()) v.push_back(r.variant);
    return v;
  }();
  return all;
}
// The last two rows stand for themselves alone.
std::span<const Variant> PartFamily::variants() {
  const std::span<const Variant> all = ScheduleFamily::variants();
  return all.first(all.size() - 2);
}

double rate(const Schedule& schedule, double base_lr, int64_t step, int64_t steps_per_epoch,
            double total_epochs) {
  return base_lr *
         row_of(schedule.type).factor(schedule.attrs.get(), clock_of(step, steps_per_epoch, total_epochs));
}

std::optional<double> momentum_at(const Schedule& schedule, int64_t step, int64_t steps_per_epoch,
                                  double total_epochs) {
  return momentum_of(schedule, clock_of(step, steps_per_epoch, total_epochs));
}

bool cycles_momentum(const Schedule& schedule) {
  const auto cycles = [](const auto& s) {
    return s.type == "one_cycle" && !s.template as<OneCycleSchedule>().momentum.empty();
  };
  if (schedule.type != "sequence") return cycles(schedule);
  const std::vector<SequencePart>& parts = schedule.as<SequenceSchedule>().parts;
  return std::any_of(parts.begin(), parts.end(), [&](const SequencePart& p) { return cycles(p.schedule); });
}

const PlateauRule* plateau_of(const Schedule& schedule) {
  return schedule.type == "plateau" ? &schedule.as<PlateauSchedule>() : nullptr;
}

void check_schedule(const Schedule& schedule, const std::string& pointer) {
  check(schedule, pointer);
  if (schedule.type == "sequence") check_parts(schedule.as<SequenceSchedule>(), pointer);
}

}  // namespace dl
