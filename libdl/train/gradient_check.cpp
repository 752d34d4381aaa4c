#include "train/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/random.h"
#include "base/str.h"
#include "train/run_state.h"
#include "train/stepper.h"

namespace dl {
namespace {

constexpr int kParts = 3, kSigns = 2, kElements = 3;     // directions of each kind
constexpr double kChanges[] = {1e-2, 2e-3, 4e-4, 8e-5};  // of the loss, which choose the step
constexpr double kRounding = 4 * 6e-8;                   // of the loss, relative
constexpr double kMostMove = 0.05;                       // of a weight, in root mean squares of the tensor

double norm_of(std::span<const float> v) {
  double sum = 0;
  for (float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

struct Direction {
  std::string name;
  std::vector<float> v;  // of length 1
};

// Makes it of length 1; drops what has none.
void add(std::vector<Direction>& out, std::string name, std::vector<float> v) {
  const double norm = norm_of(v);
  if (norm == 0 || !std::isfinite(norm)) return;
  for (float& x : v) x = static_cast<float>(static_cast<double>(x) / norm);
  out.push_back({std::move(name), std::move(v)});
}

std::vector<Direction> directions(std::span<const float> gradient, Random random) {
  std::vector<Direction> out;
  const size_t n = gradient.size();
  add(out, "gradient", {gradient.begin(), gradient.end()});
  for (int k = 0; k < kParts && n > 1; ++k) {
    std::vector<float> v(gradient.begin(), gradient.end());
    for (float& x : v)
      if (random.uniform() < 0.5) x = 0;
    add(out, str("part ", k + 1, " of the gradient"), std::move(v));
  }
  for (int k = 0; k < kSigns && n > 1; ++k) {
    std::vector<float> v(n);
    for (float& x : v) x = random.uniform() < 0.5 ? -1.0f : 1.0f;
    add(out, str("random signs ", k + 1), std::move(v));
  }
  std::set<size_t> elements;
  const auto larger = [](float a, float b) { return std::abs(a) < std::abs(b); };
  elements.insert(
      static_cast<size_t>(std::max_element(gradient.begin(), gradient.end(), larger) - gradient.begin()));
  for (int k = 1; k < kElements; ++k)
    elements.insert(static_cast<size_t>(random.below(static_cast<int64_t>(n))));
  for (size_t i : elements) {
    std::vector<float> v(n);
    v[i] = 1;
    add(out, str("element ", i), std::move(v));
  }
  return out;
}

class Prober {
 public:
  Prober(std::span<float> values, const std::function<double()>& loss)
      : values_(values),
        start_(values.begin(), values.end()),
        loss_(loss),
        at_start_(loss()),
        spread_(norm_of(values) / std::sqrt(static_cast<double>(values.size())) + 0.01) {}

  // (L(w + h v) - L(w - h v)) / 2h, where the loss changes by about `change` of itself if `slope` is right.
  double difference(const Direction& d, double slope, double change, double& rounding) {
    const double moved =
        static_cast<double>(std::count_if(d.v.begin(), d.v.end(), [](float x) { return x != 0; }));
    const double most = kMostMove * spread_ * std::sqrt(moved);
    const double scale = std::max(std::abs(at_start_), 1e-3);
    const double h = std::min(most * change / kChanges[0], change * scale / std::max(std::abs(slope), 1e-12));
    const double above = at(d, h), below = at(d, -h);
    rounding = kRounding * scale / h;
    std::copy(start_.begin(), start_.end(), values_.begin());
    return (above - below) / (2 * h);
  }

 private:
  double at(const Direction& d, double h) {
    for (size_t i = 0; i < values_.size(); ++i)
      values_[i] = static_cast<float>(static_cast<double>(start_[i]) + h * static_cast<double>(d.v[i]));
    return loss_();
  }
  std::span<float> values_;
  std::vector<float> start_;
  const std::function<double()>& loss_;
  double at_start_, spread_;
};

std::vector<std::string> kinks_of(const Graph& g) {
  static const std::set<std::string_view> kKinked{"relu",       "relu6",      "leaky_relu", "abs",     "clip",
                                                  "max_pool2d", "reduce_max", "maximum",    "minimum", "l1"};
  std::vector<std::string> out;
  for (const Node& n : g.nodes)
    if (n.phase == Phase::forward && kKinked.contains(n.op->name))
      out.push_back(str(n.name, " (", n.op->name, ')'));
  return out;
}

std::string brief(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", v);
  return text;
}

}  // namespace

ParameterCheck check_gradient(std::string name, std::span<float> values, std::span<const float> gradient,
                              const std::function<double()>& loss, double tolerance, uint64_t seed) {
  ParameterCheck result;
  result.norm = norm_of(gradient);
  Prober prober(values, loss);
  for (const Direction& d : directions(gradient, Random(seed, stream_id(name)))) {
    double slope = 0, error = INFINITY, found = 0;
    for (size_t i = 0; i < d.v.size(); ++i)
      slope += static_cast<double>(d.v[i]) * static_cast<double>(gradient[i]);
    for (double change : kChanges) {
      double rounding = 0;
      const double difference = prober.difference(d, slope, change, rounding);
      const double off = std::max(0.0, std::abs(difference - slope) - rounding);
      const double relative = off / std::max({result.norm, std::abs(difference), 1e-30});
      if (!(relative < error)) continue;
      error = relative;
      found = difference;
      if (error < tolerance / 10) break;
    }
    if (error < result.worst) continue;
    result.worst = error;
    result.direction = d.name;
    result.gradient = slope;
    result.difference = found;
  }
  result.name = std::move(name);
  result.passed = result.worst <= tolerance;
  return result;
}

GradientCheck check_gradients(TrainRequest request, TrainHooks hooks, const GradientCheckOptions& options) {
  if (request.device != "cpu")
    throw Error(Exit::usage, "gradients are checked on the CPU, leave out --device");
  request.resume = "none";
  request.state_dir.clear();
  if (json& train = request.config["train"]; train.is_object()) {
    train.erase("accumulate");
    train.erase("average");
    train.erase("recompute");
    train["precision"] = "f32";
    train["batch_size"] = options.samples;
  }
  RunSetup setup(std::move(request));
  const RunLog log(std::move(hooks));
  RunState state(setup, log);
  state.start();
  const Batch& batch = setup.loader.next();
  const Model with_gradients =
      build_shown_gradients(setup.section, setup.config, setup.schema(), setup.counts, batch.rows).model;
  Graph forward = with_gradients.graph;
  forward.outputs = {{"loss", forward.output("loss")}};
  PlanOptions plan = setup.options;
  Executor losses(make_plan(std::move(forward), plan), setup.pool.get(), state.store, setup.request.seed);
  Executor all(make_plan(with_gradients.graph, plan), setup.pool.get(), state.store, setup.request.seed);
  for (Executor* ex : {&losses, &all}) {
    feed_batch(setup.schema(), batch, *ex);
    ex->feed_scalar("step", 1);
  }
  all.run();
  GradientCheck check;
  check.loss = static_cast<double>(all.scalar("loss"));
  check.kinks = kinks_of(with_gradients.graph);
  const std::function<double()> loss = [&] {
    losses.refresh();
    losses.run();
    return static_cast<double>(losses.scalar("loss"));
  };
  int64_t done = 0;
  const auto total = static_cast<int64_t>(with_gradients.parameters.size());
  for (const Parameter& p : with_gradients.parameters) {
    log.progress(++done, total, p.name);
    const std::string output = p.name + std::string(kGradientSuffix);
    if (all.graph().output(output) == kNone) continue;
    Tensor& values = state.store.at(p.name);
    const std::span<const float> gradient{static_cast<const float*>(all.output(output)),
                                          static_cast<size_t>(values.elements())};
    check.parameters.push_back(
        check_gradient(p.name, values.data<float>(), gradient, loss, options.tolerance, setup.request.seed));
    check.parameters.back().type = values.type().text();
    if (log.stop()) break;
  }
  return check;
}

bool GradientCheck::passed() const {
  return std::all_of(parameters.begin(), parameters.end(), [](const ParameterCheck& p) { return p.passed; });
}

json GradientCheck::record() const {
  json list = json::array();
  for (const ParameterCheck& p : parameters)
    list.push_back({{"name", p.name},
                    {"type", p.type},
                    {"gradient_norm", p.norm},
                    {"worst_relative_error", p.worst},
                    {"direction", p.direction},
                    {"gradient", p.gradient},
                    {"difference", p.difference},
                    {"passed", p.passed}});
  return {{"passed", passed()}, {"loss", loss}, {"kinks", kinks}, {"parameters", list}};
}

std::string GradientCheck::text() const {
  size_t widest = 9;
  for (const ParameterCheck& p : parameters) widest = std::max(widest, p.name.size());
  const auto padded = [](std::string s, size_t width) {
    s.resize(std::max(s.size(), width), ' ');
    return s + "  ";
  };
  std::string out =
      padded("parameter", widest) + padded("gradient", 8) + padded("error", 8) + "worst along\n";
  for (const ParameterCheck& p : parameters)
    out += str(
        padded(p.name, widest), padded(brief(p.norm), 8), padded(brief(p.worst), 8), p.direction,
        p.passed ? ""
                 : str("  FAILED: the gradient says ", brief(p.gradient), ", the loss ", brief(p.difference)),
        '\n');
  if (!kinks.empty())
    out += str("the loss has kinks at ", join(kinks, ", "), ": differences across one are off\n");
  return out + (passed() ? "gradients and differences of the loss agree"
                         : "some gradients are not those of the loss");
}

}  // namespace dl
