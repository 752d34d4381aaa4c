#include "dl-train/checks.h"

#include <cmath>

#include "base/str.h"
#include "io/output_file.h"
#include "train/find_lr.h"
#include "train/gradient_check.h"
#include "train/overfit.h"

namespace dl::cli {
namespace {

constexpr const char* kModes[] = {"--find-lr", "--check-gradients", "--overfit-one-batch"};

double positive(const std::string& text, const char* what) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || !(v > 0) || !std::isfinite(v))
    usage_error(str(what, " '", text, "' is not above 0"));
  return v;
}

LrRange lr_range(const Invocation& in) {
  LrRange range;
  if (in.has("--lr-range")) {
    const std::vector<std::string> ends = split(in.text("--lr-range"), ':');
    if (ends.size() != 2) usage_error("--lr-range takes two rates, for example 1e-6:10");
    range.from = positive(ends[0], "the first rate");
    range.to = positive(ends[1], "the last rate");
    if (range.from >= range.to) usage_error("--lr-range must rise: the first rate is not below the last");
  }
  range.steps = in.integer("--lr-steps");
  if (range.steps < 10) usage_error("--lr-steps takes 10 or more");
  return range;
}

// By the ending of the name.
std::string curve_file(const LrCurve& curve, const std::string& path) {
  if (path.ends_with(".csv")) return curve.csv();
  if (path.ends_with(".svg")) return curve.svg();
  return curve.record().dump(2) + '\n';
}

int find_lr(Invocation& in, TrainRequest request, TrainHooks hooks) {
  const std::string path = in.has("--output") ? in.text("--output") : "";
  const LrCurve curve = find_learning_rate(std::move(request), std::move(hooks), lr_range(in));
  if (!path.empty()) write_text(path, curve_file(curve, path));
  if (path != "-") in.emit(curve.record(), curve.text());
  return interrupted();
}

int overfit(Invocation& in, TrainRequest request, TrainHooks hooks) {
  OverfitOptions options;
  if (in.has("--overfit-steps")) options.steps = in.integer("--overfit-steps");
  const Overfit result = overfit_one_batch(std::move(request), std::move(hooks), options);
  in.emit(result.record(), result.text());
  if (const int code = interrupted()) return code;
  return static_cast<int>(result.passed ? Exit::ok : Exit::numeric);
}

int gradients(Invocation& in, TrainRequest request, TrainHooks hooks) {
  GradientCheckOptions options;
  options.samples = in.integer("--check-samples");
  if (options.samples < 1) usage_error("--check-samples takes 1 or more");
  options.tolerance = in.number("--check-tolerance");
  const GradientCheck check = check_gradients(std::move(request), std::move(hooks), options);
  in.emit(check.record(), check.text());
  if (const int code = interrupted()) return code;
  return static_cast<int>(check.passed() ? Exit::ok : Exit::numeric);
}

}  // namespace

std::vector<Option> check_options() {
  return {{.name = "--find-lr",
           .doc = "Instead of training, let the learning rate rise exponentially over a short run and say "
                  "which rates the "
                  "losses suggest. -o takes the curve as .json, .csv or .svg; no model is written.",
           .take = Take::nothing},
          {.name = "--lr-range", .arg = "FROM:TO", .doc = "Rates of --find-lr; 1e-6:10 if not given."},
          {.name = "--lr-steps",
           .arg = "N",
           .doc = "Steps of --find-lr.",
           .fallback = "150",
           .type = Type::integer},
          {.name = "--check-gradients",
           .doc = "Instead of training, compare the gradient of every parameter with differences of the loss "
                  "on a few "
                  "samples. Exit 8 where they do not agree.",
           .take = Take::nothing},
          {.name = "--check-samples",
           .arg = "N",
           .doc = "Samples of --check-gradients.",
           .fallback = "8",
           .type = Type::integer},
          {.name = "--check-tolerance",
           .arg = "ERROR",
           .doc = "Largest error of --check-gradients, relative to the norm of a gradient.",
           .fallback = "0.01",
           .type = Type::number},
          {.name = "--overfit-one-batch",
           .doc = "Instead of training, learn the first batch by heart: its loss must come down to a tenth. "
                  "Exit 8 with "
                  "hints where it does not.",
           .take = Take::nothing},
          {.name = "--overfit-steps",
           .arg = "N",
           .doc = "Steps of --overfit-one-batch; 500 if not given.",
           .type = Type::integer}};
}

bool asks_for_check(const Invocation& in) {
  int modes = 0;
  for (const char* mode : kModes) modes += in.on(mode);
  if (modes > 1) usage_error("--find-lr, --check-gradients and --overfit-one-batch exclude each other");
  return modes > 0;
}

int run_check(Invocation& in, TrainRequest request, TrainHooks hooks) {
  if (in.on("--find-lr")) return find_lr(in, std::move(request), std::move(hooks));
  return (in.on("--check-gradients") ? gradients : overfit)(in, std::move(request), std::move(hooks));
}

}  // namespace dl::cli
