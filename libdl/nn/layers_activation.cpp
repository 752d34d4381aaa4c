// Activations that are more than one operator of one input; the others stand in a model under their operator's name.
#include <array>

#include "nn/layer.h"

namespace dl {

struct PreluLayer {
  bool shared = false;
  double initial = 0.25;
};
constexpr auto fields(const PreluLayer*) {
  return std::tuple{field("shared", &PreluLayer::shared, "One slope for all channels, not one for each."),
                    field("initial", &PreluLayer::initial, "Slope at the start.").range(-1e3, 1e3)};
}

struct MaxoutLayer {
  int64_t pieces = 2;
};
constexpr auto fields(const MaxoutLayer*) {
  return std::tuple{
      field("pieces", &MaxoutLayer::pieces, "Neighbouring channels or features of which the largest goes on.")
          .range(1, 1e7)};
}

enum class Gate { sigmoid, relu, tanh, gelu, swish, none };
constexpr auto enum_names(const Gate*) {
  return std::array<std::string_view, 6>{"sigmoid", "relu", "tanh", "gelu", "swish", "none"};
}
struct GluLayer {
  Gate gate = Gate::sigmoid;
  int64_t axis = 1;
};
constexpr auto fields(const GluLayer*) {
  return std::tuple{
      field("gate", &GluLayer::gate, "Applied to the second half: gelu gives GEGLU, swish SwiGLU."),
      field("axis", &GluLayer::axis, "Axis that is halved; 1: channels or features.")
          .range(-kMaxRank, kMaxRank - 1)};
}

struct HardTanhLayer {
  double min = -1, max = 1;
};
constexpr auto fields(const HardTanhLayer*) {
  return std::tuple{field("min", &HardTanhLayer::min, "Least result.").range(-1e30, 1e30),
                    field("max", &HardTanhLayer::max, "Largest result.").range(-1e30, 1e30)};
}

struct SoftminLayer {
  int64_t axis = -1;
};
constexpr auto fields(const SoftminLayer*) {
  return std::tuple{
      field("axis", &SoftminLayer::axis, "Axis that sums to 1; negative ones count from the end.")
          .range(-kMaxRank, kMaxRank - 1)};
}

enum class StepGradient { none, identity };
constexpr auto enum_names(const StepGradient*) { return std::array<std::string_view, 2>{"none", "identity"}; }
struct StepLayer {
  double threshold = 0;
  StepGradient gradient = StepGradient::none;
};
constexpr auto fields(const StepLayer*) {
  return std::tuple{
      field("threshold", &StepLayer::threshold, "What x must be larger than.").range(-1e30, 1e30),
      field("gradient", &StepLayer::gradient,
            "'none': nothing below can be trained through it; 'identity': as if it were x (Bengio et al. "
            "2013).")};
}

namespace {

ValueId build_prelu(LayerCtx& c) {
  const auto& a = c.as<PreluLayer>();
  const Shape x = c.shape();
  if (x.rank() < 2) c.fail("", str("prelu takes channels or features, got ", c.sample_text()));
  const int64_t slopes = a.shared ? 1 : x[1];
  const ValueId slope = c.gain("slope", {slopes}, a.initial);
  if (a.shared || x.rank() == 2) return c.emit("prelu", {c.in[0], slope});
  std::vector<int64_t> column(static_cast<size_t>(x.rank() - 1), 1);
  column[0] = slopes;
  return c.emit("prelu", {c.in[0], c.emit("reshape", {slope}, {{"shape", column}})});
}

ValueId build_maxout(LayerCtx& c) {
  const auto& a = c.as<MaxoutLayer>();
  const Shape x = c.shape();
  if (x.rank() < 2 || x.rank() >= kMaxRank || x[1] % a.pieces)
    c.fail("pieces", str(c.sample_text(), " cannot be split into groups of ", a.pieces, " channels"));
  json extents{x[0], x[1] / a.pieces, a.pieces};
  for (int i = 2; i < x.rank(); ++i) extents.push_back(x[i]);
  return c.emit("reduce_max", {c.emit("reshape", {c.in[0]}, {{"shape", extents}})}, {{"axes", {2}}});
}

ValueId build_glu(LayerCtx& c) {
  const auto& a = c.as<GluLayer>();
  const Shape& x = c.shape();
  const int64_t axis = a.axis < 0 ? a.axis + x.rank() : a.axis;
  if (axis < 1 || axis >= x.rank() || x[static_cast<int>(axis)] % 2)
    c.fail("axis", str("axis ", a.axis, " of ", c.sample_text(), " cannot be halved"));
  const int64_t half = x[static_cast<int>(axis)] / 2;
  const auto part = [&](int64_t begin) {
    return c.emit("slice", {c.in[0]}, {{"axis", axis}, {"begin", begin}, {"end", begin + half}});
  };
  const ValueId value = part(0), gate = part(half);
  if (a.gate == Gate::none) return c.emit("mul", {value, gate});
  return c.emit("mul", {value, c.emit(enum_names(&a.gate)[static_cast<size_t>(a.gate)], {gate})});
}

ValueId build_hard_tanh(LayerCtx& c) {
  const auto& a = c.as<HardTanhLayer>();
  return c.emit("clip", {c.in[0]}, {{"min", a.min}, {"max", a.max}});
}

ValueId build_softmin(LayerCtx& c) {
  return c.emit("softmax", {c.emit("neg", {c.in[0]})}, {{"axis", c.as<SoftminLayer>().axis}});
}

ValueId build_step(LayerCtx& c) {
  const auto& a = c.as<StepLayer>();
  const ValueId y = c.emit("step", {c.in[0]}, {{"threshold", a.threshold}});
  if (!c.training() || a.gradient == StepGradient::none) return y;
  return c.emit("add", {c.in[0], c.emit("stop_gradient", {c.emit("sub", {y, c.in[0]})})});
}

ValueId build_identity(LayerCtx& c) { return c.in[0]; }

}  // namespace

std::span<const LayerDef> activation_layers() {
  static const LayerDef all[] = {
      {"prelu", "x where x > 0, else a learned slope times x (He et al. 2015).", &attr_ops<PreluLayer>, 1, 1,
       build_prelu},
      {"maxout", "The largest of each group of neighbouring channels or features (Goodfellow et al. 2013).",
       &attr_ops<MaxoutLayer>, 1, 1, build_maxout},
      {"glu",
       "Gated linear unit: the first half of an axis times the gate of the second (Dauphin et al. 2017).",
       &attr_ops<GluLayer>, 1, 1, build_glu},
      {"hard_tanh", "x held between min and max.", &attr_ops<HardTanhLayer>, 1, 1, build_hard_tanh},
      {"softmin", "e^-x divided by its sum along an axis.", &attr_ops<SoftminLayer>, 1, 1, build_softmin},
      {"step", "1 where x > threshold, else 0: the output of a perceptron.", &attr_ops<StepLayer>, 1, 1,
       build_step},
      {"identity", "Its input: a linear output that has a name.", &attr_ops<NoAttrs>, 1, 1, build_identity},
  };
  return all;
}

}  // namespace dl
