#include "train/find_lr.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "train/stepper.h"

namespace dl {
namespace {

constexpr size_t kLeastPoints = 10;

double rate_at(const LrRange& range, int64_t step) {
  const double part = range.steps > 1 ? static_cast<double>(step) / static_cast<double>(range.steps - 1) : 0;
  return range.from * std::pow(range.to / range.from, part);
}

json finite(double v) { return std::isfinite(v) ? json(v) : json(); }

}  // namespace

LrCurve find_learning_rate(TrainRequest request, TrainHooks hooks, const LrRange& range) {
  request.resume = "none";
  request.state_dir.clear();
  RunSetup setup(std::move(request));
  const RunLog log(std::move(hooks));
  RunState state(setup, log);
  state.start();
  Stepper stepper(setup, state, log);
  LrCurve curve;
  double mean = 0, least = INFINITY;
  for (int64_t i = 0; i < range.steps && !log.stop(); ++i) {
    const double lr = rate_at(range, i);
    stepper.set_learning_rate(lr);
    try {
      stepper.next_step();
    } catch (const Error& e) {
      if (e.code != Exit::numeric) throw;
      curve.diverged = true;
      break;
    }
    const auto loss = static_cast<double>(stepper.loss());
    mean = range.smoothing * mean + (1 - range.smoothing) * loss;
    const double smoothed = mean / (1 - std::pow(range.smoothing, static_cast<double>(i + 1)));
    curve.points.push_back({lr, loss, smoothed});
    log.progress(i + 1, range.steps, str("rate ", number(static_cast<float>(lr))));
    least = std::min(least, smoothed);
    if (curve.points.size() < kLeastPoints || smoothed <= range.stop_factor * least) continue;
    curve.diverged = true;
    break;
  }
  read_curve(curve);
  return curve;
}

void read_curve(LrCurve& curve) {
  curve.steepest = curve.tenth_of_least = NAN;
  const auto& p = curve.points;
  if (p.size() < kLeastPoints) return;
  const auto below = [](const LrCurve::Point& a, const LrCurve::Point& b) { return a.smoothed < b.smoothed; };
  const auto least = static_cast<size_t>(std::min_element(p.begin(), p.end(), below) - p.begin());
  if (least == 0) return;
  curve.tenth_of_least = p[least].lr / 10;
  double most = 0;
  // Over a tenth of the curve, behind the first points, whose running mean is of a few losses only.
  const size_t reach = std::max<size_t>(2, p.size() / 20);
  for (size_t i = 2 * reach; i + reach < p.size() && i <= least; ++i) {
    const double slope =
        (p[i + reach].smoothed - p[i - reach].smoothed) / std::log(p[i + reach].lr / p[i - reach].lr);
    if (slope >= most) continue;
    most = slope;
    curve.steepest = p[i].lr;
  }
}

json LrCurve::record() const {
  json curve = json::array();
  for (const Point& p : points) curve.push_back({{"lr", p.lr}, {"loss", p.loss}, {"smoothed", p.smoothed}});
  return {{"steepest", finite(steepest)},
          {"tenth_of_least", finite(tenth_of_least)},
          {"diverged", diverged},
          {"curve", curve}};
}

std::string LrCurve::text() const {
  if (points.empty()) return "the first step has no finite loss: there is no rate to suggest";
  const auto shown = [](double v) { return number(static_cast<float>(v)); };
  const std::string range = str(points.size(), " steps, rates ", shown(points.front().lr), " to ",
                                shown(points.back().lr), diverged ? ", where the loss diverged" : "");
  if (!std::isfinite(steepest) && !std::isfinite(tenth_of_least))
    return str(range, "\nthe loss never falls: check the network, the loss and the range");
  return str(range, "\nsteepest descent     ", std::isfinite(steepest) ? shown(steepest) : "none",
             "\na tenth of the least ", shown(tenth_of_least),
             diverged ? "" : "\nthe loss has not diverged: a higher end of the range may tell more");
}

std::string LrCurve::csv() const {
  std::string out = "lr,loss,smoothed\n";
  for (const Point& p : points) out += str(p.lr, ',', p.loss, ',', p.smoothed, '\n');
  return out;
}

}  // namespace dl
