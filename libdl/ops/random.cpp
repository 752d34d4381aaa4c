// What draws random numbers: dropout (Srivastava et al. 2014) and noise.
#include <array>

#include "kernels/norm_attrs.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const DropoutAttrs*) {
  return std::tuple{
      field("rate", &DropoutAttrs::rate, "Fraction of elements set to zero.").range(0, 0.999),
      field("stream", &DropoutAttrs::stream, "Keys the random numbers, a different number for each layer.")};
}
constexpr auto enum_names(const NoiseKind*) { return std::array<std::string_view, 2>{"normal", "uniform"}; }
constexpr auto fields(const NoiseAttrs*) {
  return std::tuple{
      field("kind", &NoiseAttrs::kind,
            "'normal': of mean 0 and variance 1; 'uniform': in 0..1, 1 not reached."),
      field("stream", &NoiseAttrs::stream, "Keys the random numbers, a different number for each layer.")};
}

namespace op {
namespace {

void infer_random(InferCtx& c) {
  c.require(is_real(c.x(0).dtype), str("takes f32, got ", c.x(0).text()));
  c.require(c.x(1) == TensorType{DType::i64, {}}, str("step must be i64[], got ", c.x(1).text()));
  infer_same_as_first(c);
}

}  // namespace

const OpDef dropout{
    .name = "dropout",
    .doc =
        "Zero with probability rate, else x / (1 - rate). The mask is a function of seed, stream, step "
        "(i64[]) "
        "and position, so the operator is its own gradient.",
    .args = "x step",
    .attrs = &attr_ops<DropoutAttrs>,
    .traits = kInPlace | kRandom,
    .infer = infer_random,
    .grad =
        [](GradCtx& c) {
          if (c.needs(0)) c.dx[0] = c.emit(dropout, {c.dy[0], c.x(1)}, c.attrs());
        },
};

const OpDef noise{
    .name = "noise",
    .doc =
        "Random numbers in the shape of x, whose own numbers do not count: a function of seed, stream, step "
        "(i64[]) and "
        "position. No gradient flows through it.",
    .args = "x step",
    .attrs = &attr_ops<NoiseAttrs>,
    .traits = kRandom,
    .infer = infer_random,
    .grad = [](GradCtx&) {},
};

}  // namespace op
}  // namespace dl
