// Elementwise mathematics, casts, and the normalisation of raw input.
#include <array>

#include "kernels/elementwise_attrs.h"
#include "ops/gradient.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const ClipAttrs*) {
  return std::tuple{field("min", &ClipAttrs::min, "Smallest result."),
                    field("max", &ClipAttrs::max, "Largest result.")};
}
constexpr auto fields(const ScaleShiftAttrs*) {
  return std::tuple{field("scale", &ScaleShiftAttrs::scale, "Factor."),
                    field("shift", &ScaleShiftAttrs::shift, "Summand.")};
}
constexpr auto fields(const PowAttrs*) {
  return std::tuple{field("exponent", &PowAttrs::exponent, "Exponent.").range(-1e4, 1e4)};
}
constexpr auto fields(const OneHotAttrs*) {
  return std::tuple{field("classes", &OneHotAttrs::classes, "How many numbers stand for a label.")
                        .range(1, 1e9)
                        .required()};
}
constexpr auto enum_names(const Elem*) {
  return std::array<std::string_view, 7>{"f32", "f64", "i32", "i64", "u8", "bf16", "f16"};
}
constexpr auto fields(const CastAttrs*) {
  return std::tuple{field("to", &CastAttrs::to, "Element type of the result.")};
}

constexpr auto fields(const RoundToAttrs*) {
  return std::tuple{field("to", &RoundToAttrs::to, "bf16 or f16.")};
}

namespace op {
namespace {

constexpr uint32_t kMap = kElementwise | kInPlace;

void infer_clip(InferCtx& c) {
  const auto& a = c.as<ClipAttrs>();
  c.require(a.min <= a.max, str("min ", a.min, " is above max ", a.max));
  infer_same_as_first(c);
}

void infer_normalize(InferCtx& c) {
  const TensorType &x = c.x(0), &shift = c.x(1), &scale = c.x(2);
  c.require(x.dtype == DType::u8 || x.dtype == DType::i32 || x.dtype == DType::f32,
            str("takes x of u8, i32 or f32, got ", x.text()));
  c.require(shift.dtype == DType::f32 && shift == scale,
            str("shift ", shift.text(), " and scale ", scale.text(), " must both be f32 of one shape"));
  Shape sample;
  for (int i = 1; i < x.shape.rank(); ++i) sample.push_back(x.shape[i]);
  const bool channels = x.shape.rank() >= 2 && shift.shape == Shape{x.shape[1]};
  c.require(shift.shape.rank() == 0 || channels || (x.shape.rank() > 0 && shift.shape == sample),
            str("shift ", shift.text(), " fits neither the channels nor the samples of ", x.text()));
  c.out = {{DType::f32, x.shape}};
}

}  // namespace

const OpDef exp{
    .name = "exp",
    .doc = "Exponential function.",
    .traits = kMap,
    .onnx = {"Exp", 13},
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(mul, {c.dy[0], c.y()});
        },
};

const OpDef log{
    .name = "log",
    .doc = "Natural logarithm: -inf at 0, NaN below.",
    .traits = kMap,
    .onnx = {"Log", 13},
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(div, {c.dy[0], c.x(0)});
        },
};

const OpDef sqrt{
    .name = "sqrt",
    .doc = "Square root.",
    .traits = kMap,
    .onnx = {"Sqrt", 13},
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(sqrt_grad, {c.y(), c.dy[0]});
        },
};
const OpDef sqrt_grad{
    .name = "sqrt_grad",
    .doc = "Gradient of sqrt: dy / (2 y).",
    .args = "y dy",
    .results = "dx",
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef square{
    .name = "square",
    .doc = "The square of x.",
    .traits = kMap,
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(square_grad, {c.x(0), c.dy[0]});
        },
};
const OpDef square_grad{
    .name = "square_grad",
    .doc = "Gradient of square: 2 x dy.",
    .args = "x dy",
    .results = "dx",
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef abs{
    .name = "abs",
    .doc = "Absolute value.",
    .traits = kMap,
    .onnx = {"Abs", 13},
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(abs_grad, {c.x(0), c.dy[0]});
        },
};
const OpDef abs_grad{
    .name = "abs_grad",
    .doc = "Gradient of abs: dy times the sign of x, 0 at 0.",
    .args = "x dy",
    .results = "dx",
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef neg{
    .name = "neg",
    .doc = "Changes the sign of x.",
    .traits = kMap,
    .onnx = {"Neg", 13},
    .infer = infer_same_as_first,
    .grad = [](GradCtx& c) { c.dx[0] = c.emit(neg, {c.dy[0]}); },
};

const OpDef sin{
    .name = "sin",
    .doc = "Sine of x in radians, for |x| up to 12000.",
    .traits = kMap,
    .onnx = {"Sin", 7},
    .infer = infer_same_as_first,
    .grad = grad_by_x<sin_grad>,
};
const OpDef sin_grad{
    .name = "sin_grad",
    .doc = "Gradient of sin: dy cos(x).",
    .args = "x dy",
    .results = "dx",
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef cos{
    .name = "cos",
    .doc = "Cosine of x in radians, for |x| up to 12000.",
    .traits = kMap,
    .onnx = {"Cos", 7},
    .infer = infer_same_as_first,
    .grad = grad_by_x<cos_grad>,
};
const OpDef cos_grad{
    .name = "cos_grad",
    .doc = "Gradient of cos: -dy sin(x).",
    .args = "x dy",
    .results = "dx",
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef pow{
    .name = "pow",
    .doc = "x to a fixed power; NaN for negative x where the exponent is no integer.",
    .attrs = &attr_ops<PowAttrs>,
    .traits = kMap,
    .infer = infer_same_as_first,
    .grad = grad_by_x<pow_grad>,
};
const OpDef pow_grad{
    .name = "pow_grad",
    .doc = "Gradient of pow: exponent x^(exponent - 1) dy.",
    .args = "x dy",
    .results = "dx",
    .attrs = &attr_ops<PowAttrs>,
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef one_hot{
    .name = "one_hot",
    .doc =
        "Labels (N, ...) as (N, classes, ...): 1 at the label along axis 1, else 0; a label that is no class "
        "gives "
        "zeros alone.",
    .args = "labels",
    .attrs = &attr_ops<OneHotAttrs>,
    .infer =
        [](InferCtx& c) {
          const TensorType& labels = c.x(0);
          c.require(labels.dtype == DType::i32 || labels.dtype == DType::u8,
                    str("takes labels of i32 or u8, got ", labels.text()));
          c.require(labels.shape.rank() >= 1 && labels.shape.rank() < kMaxRank,
                    str("takes 1 to ", kMaxRank - 1, " axes, got ", labels.text()));
          TensorType y{DType::f32, {labels.shape[0], c.as<OneHotAttrs>().classes}};
          for (int i = 1; i < labels.shape.rank(); ++i) y.shape.push_back(labels.shape[i]);
          c.out = {y};
        },
    .flops = [](const InferCtx&) { return int64_t{0}; },
};

const OpDef clip{
    .name = "clip",
    .doc = "x held between min and max.",
    .attrs = &attr_ops<ClipAttrs>,
    .traits = kMap,
    .infer = infer_clip,
    .grad =
        [](GradCtx& c) {
          c.dx[0] = c.emit(clip_grad, {c.x(0), c.dy[0]}, c.attrs());
        },
};
const OpDef clip_grad{
    .name = "clip_grad",
    .doc = "Gradient of clip: dy where min <= x <= max, else 0.",
    .args = "x dy",
    .results = "dx",
    .attrs = &attr_ops<ClipAttrs>,
    .traits = kMap,
    .in_place = {1, -1, -1, -1},
    .infer = infer_same_as_first,
};

const OpDef scale_shift{
    .name = "scale_shift",
    .doc = "scale x + shift, with numbers.",
    .attrs = &attr_ops<ScaleShiftAttrs>,
    .traits = kMap,
    .infer = infer_same_as_first,
    .grad =
        [](GradCtx& c) {
          c.dx[0] =
              c.emit(scale_shift, {c.dy[0]}, make_attrs(ScaleShiftAttrs{c.as<ScaleShiftAttrs>().scale, 0}));
        },
};

const OpDef cast{
    .name = "cast",
    .doc =
        "Converts elements. Fractions are cut off; floats outside the integer range give its end, NaN gives "
        "0.",
    .attrs = &attr_ops<CastAttrs>,
    .infer =
        [](InferCtx& c) {
          c.out = {{static_cast<DType>(c.as<CastAttrs>().to), c.x(0).shape}};
        },
};

const OpDef normalize{
    .name = "normalize",
    .doc =
        "(x - shift) * scale. shift and scale are f32 of shape (C) for axis 1, of the shape of a sample, or "
        "single.",
    .args = "x shift scale",
    .infer = infer_normalize,
};

const OpDef round_to{
    .name = "round_to",
    .doc = "f32 numbers rounded to those that bf16 or f16 can hold, ties to even.",
    .attrs = &attr_ops<RoundToAttrs>,
    .traits = kMap,
    .infer =
        [](InferCtx& c) {
          const Elem to = c.as<RoundToAttrs>().to;
          c.require(to == Elem::bf16 || to == Elem::f16, "rounds to bf16 or f16");
          c.require(c.x(0).dtype == DType::f32, str("takes f32, got ", c.x(0).text()));
          infer_same_as_first(c);
        },
};

}  // namespace op
}  // namespace dl
