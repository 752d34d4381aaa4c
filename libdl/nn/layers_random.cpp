// Layers that draw random numbers in training and are fixed otherwise.
#include <cmath>

#include "nn/layer.h"

namespace dl {

struct DropoutLayer {
  double rate = 0.5;
};
constexpr auto fields(const DropoutLayer*) {
  return std::tuple{
      field("rate", &DropoutLayer::rate, "Fraction of elements set to zero in training.").range(0, 0.999)};
}

struct DropGroupLayer {
  double rate = 0.1;
};
constexpr auto fields(const DropGroupLayer*) {
  return std::tuple{
      field("rate", &DropGroupLayer::rate, "Fraction that is dropped in training.").range(0, 0.999)};
}

struct NoiseLayer {
  double std = 0.1;
};
constexpr auto fields(const NoiseLayer*) {
  return std::tuple{field("std", &NoiseLayer::std, "Standard deviation of the noise.").range(0, 1e6)};
}

struct RandomReluLayer {
  double lower = 0.125, upper = 1.0 / 3;
};
constexpr auto fields(const RandomReluLayer*) {
  return std::tuple{field("lower", &RandomReluLayer::lower, "Least slope for negative x.").range(0, 1e6),
                    field("upper", &RandomReluLayer::upper, "Largest slope for negative x.").range(0, 1e6)};
}

namespace {

ValueId drop(LayerCtx& c, ValueId x, double rate) {
  return c.emit("dropout", {x, c.step_input()}, {{"rate", rate}, {"stream", c.stream()}});
}
ValueId linear(LayerCtx& c, ValueId x, double scale, double shift) {
  return c.emit("scale_shift", {x}, {{"scale", scale}, {"shift", shift}});
}
ValueId noise(LayerCtx& c, const char* kind) {
  return c.emit("noise", {c.in[0], c.step_input()}, {{"kind", kind}, {"stream", c.stream()}});
}

ValueId build_dropout(LayerCtx& c) {
  const auto& a = c.as<DropoutLayer>();
  return !c.training() || a.rate == 0 ? c.in[0] : drop(c, c.in[0], a.rate);
}

// One draw for each index of the first `axes` axes: those of x, as a mask that is 0 or 1 / (1 - rate).
ValueId drop_groups(LayerCtx& c, int axes) {
  const auto& a = c.as<DropGroupLayer>();
  if (c.shape().rank() < axes) c.fail("", str(c.layer.type, " takes channels, got ", c.sample_text()));
  if (!c.training() || a.rate == 0) return c.in[0];
  Shape mask = c.shape();
  for (int i = axes; i < mask.rank(); ++i) mask[i] = 1;
  return c.emit("mul", {c.in[0], drop(c, c.constant("one", mask, 1), a.rate)});
}
ValueId build_dropout2d(LayerCtx& c) { return drop_groups(c, 2); }
ValueId build_drop_path(LayerCtx& c) { return drop_groups(c, 1); }

// Dropped elements become the lower limit s of selu; a and b restore mean 0 and variance 1: a (d + s) + b for d = x - s.
ValueId build_alpha_dropout(LayerCtx& c) {
  const auto& attrs = c.as<DropGroupLayer>();
  if (!c.training() || attrs.rate == 0) return c.in[0];
  constexpr double s = -1.0507009873554805 * 1.6732632423543772;
  const double keep = 1 - attrs.rate, a = 1 / std::sqrt(keep + s * s * keep * attrs.rate),
               b = -a * attrs.rate * s;
  const ValueId dropped = drop(c, linear(c, c.in[0], 1, -s), attrs.rate);  // times 1 / keep
  return linear(c, dropped, a * keep, a * s + b);
}

ValueId build_gaussian_noise(LayerCtx& c) {
  const auto& a = c.as<NoiseLayer>();
  if (!c.training() || a.std == 0) return c.in[0];
  return c.emit("add", {c.in[0], linear(c, noise(c, "normal"), a.std, 0)});
}

ValueId build_gaussian_dropout(LayerCtx& c) {
  const auto& a = c.as<DropoutLayer>();
  if (!c.training() || a.rate == 0) return c.in[0];
  return c.emit("mul", {c.in[0], linear(c, noise(c, "normal"), std::sqrt(a.rate / (1 - a.rate)), 1)});
}

ValueId build_rrelu(LayerCtx& c) {
  const auto& a = c.as<RandomReluLayer>();
  if (a.lower > a.upper) c.fail("lower", str(a.lower, " is above the upper slope ", a.upper));
  if (!c.training()) return c.emit("leaky_relu", {c.in[0]}, {{"slope", (a.lower + a.upper) / 2}});
  return c.emit("prelu", {c.in[0], linear(c, noise(c, "uniform"), a.upper - a.lower, a.lower)});
}

}  // namespace

std::span<const LayerDef> random_layers() {
  static const LayerDef all[] = {
      {"dropout",
       "Sets random elements to zero in training and scales the rest by 1 / (1 - rate); nothing otherwise.",
       &attr_ops<DropoutLayer>, 1, 1, build_dropout},
      {"dropout2d",
       "Dropout of whole channels: each of a sample is kept or zero as one (Tompson et al. 2015).",
       &attr_ops<DropGroupLayer>, 1, 1, build_dropout2d},
      {"drop_path",
       "Dropout of whole samples, for the branch of a residual block before its sum: stochastic depth (Huang "
       "et al. 2016).",
       &attr_ops<DropGroupLayer>, 1, 1, build_drop_path},
      {"alpha_dropout",
       "Dropout behind selu that keeps mean 0 and variance 1: elements become selu's lower limit (Klambauer "
       "et al. 2017).",
       &attr_ops<DropGroupLayer>, 1, 1, build_alpha_dropout},
      {"gaussian_noise", "Adds normal noise in training; nothing otherwise.", &attr_ops<NoiseLayer>, 1, 1,
       build_gaussian_noise},
      {"gaussian_dropout",
       "Multiplies by normal noise of mean 1 and variance rate / (1 - rate) in training (Srivastava et al. "
       "2014).",
       &attr_ops<DropoutLayer>, 1, 1, build_gaussian_dropout},
      {"rrelu",
       "Leaky relu with a random slope for each element in training, their mean otherwise (Xu et al. 2015).",
       &attr_ops<RandomReluLayer>, 1, 1, build_rrelu},
  };
  return all;
}

}  // namespace dl
