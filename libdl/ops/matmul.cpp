// matmul and affine.
#include "kernels/matmul.h"

#include "ops/dims_field.h"
#include "ops/gradient.h"
#include "ops/registry.h"

namespace dl {

constexpr auto enum_names(const MatmulEpilogue*) {
  return std::array<std::string_view, 4>{"none", "relu_grad", "tanh_grad", "sigmoid_grad"};
}

constexpr auto fields(const MatmulAttrs*) {
  return std::tuple{
      field("trans_a", &MatmulAttrs::trans_a, "Use the last two axes of a exchanged."),
      field("trans_b", &MatmulAttrs::trans_b, "Use the last two axes of b exchanged."),
      field("epilogue", &MatmulAttrs::epilogue,
            "Multiply the product by the derivative of an activation, written in its output, the input aux."),
  };
}

constexpr auto fields(const AffineAttrs*) {
  return std::tuple{
      field("activation", &AffineAttrs::activation, "Activation applied to the result."),
  };
}

namespace {

// Operands of one type; `bias`, where there is one, is f32 beside operands of 16 bits.
void require_real(const InferCtx& c, const char* names, size_t bias = ~size_t{0}) {
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.has(i)) continue;
    const DType t = c.x(i).dtype;
    c.require(i == bias ? t == DType::f32 : is_real(t) && t == c.x(0).dtype,
              str("takes f32 ", names, ", got ", c.x(i).text()));
  }
}

void infer_matmul(InferCtx& c) {
  const auto& t = c.as<MatmulAttrs>();
  require_real(c, "matrices");
  const Shape &a = c.x(0).shape, &b = c.x(1).shape;
  const int ra = a.rank(), rb = b.rank();
  c.require(ra >= 2 && rb >= 2, str("takes matrices, got ", c.x(0).text(), " and ", c.x(1).text()));
  c.require(rb == 2 || rb == ra,
            str("a has ", ra, " axes and b ", rb, ", expected equally many, or 2 for b"));
  c.require(rb == ra || !t.trans_a, str("trans_a needs as many axes in b as in a, which has ", ra));
  Shape y;
  for (int i = 0; i < ra - 2; ++i) {
    c.require(rb == 2 || a[i] == b[i],
              str("leading axes must be equal, got ", c.x(0).text(), " and ", c.x(1).text()));
    y.push_back(a[i]);
  }
  const int64_t k = t.trans_a ? a[ra - 2] : a[ra - 1], kb = t.trans_b ? b[rb - 1] : b[rb - 2];
  c.require(k == kb,
            str("cannot multiply ", c.x(0).text(), t.trans_a ? " transposed" : "", " by ", c.x(1).text(),
                t.trans_b ? " transposed" : "", ": ", k, " columns meet ", kb, " rows"));
  y.push_back(t.trans_a ? a[ra - 1] : a[ra - 2]);
  y.push_back(t.trans_b ? b[rb - 2] : b[rb - 1]);
  const bool wants_aux = t.epilogue != MatmulEpilogue::none;
  c.require(c.has(2) == wants_aux,
            wants_aux ? "epilogue needs the input aux" : "the input aux is for an epilogue");
  c.require(!wants_aux || c.x(2).shape == y,
            str("aux is ", wants_aux ? c.x(2).text() : "", ", expected f32[", y.text(), "]"));
  c.out = {{c.x(0).dtype, y}};
}

// With a 2-D b, further axes of a are rows: its gradient needs them flattened.
ValueId rows(GradCtx& c, ValueId v) {
  const Shape& s = c.type(v).shape;
  return reshape_to(c, v, {s.elements(0, s.rank() - 1), s[s.rank() - 1]});
}

ValueId product(GradCtx& c, ValueId a, ValueId b, bool trans_a, bool trans_b) {
  return c.emit(op::matmul, {a, b}, make_attrs(MatmulAttrs{.trans_a = trans_a, .trans_b = trans_b}));
}

void grad_matmul(GradCtx& c) {
  const auto& t = c.as<MatmulAttrs>();
  require_unfused(c, t.epilogue == MatmulEpilogue::none);
  const ValueId a = c.x(0), b = c.x(1), dy = c.dy[0];
  const bool flat = c.type(a).shape.rank() != c.type(b).shape.rank();
  if (c.needs(0))
    c.dx[0] = t.trans_a ? product(c, b, dy, t.trans_b, true) : product(c, dy, b, false, !t.trans_b);
  if (!c.needs(1)) return;
  const ValueId a2 = flat ? rows(c, a) : a, dy2 = flat ? rows(c, dy) : dy;
  c.dx[1] = t.trans_b ? product(c, dy2, a2, true, t.trans_a) : product(c, a2, dy2, !t.trans_a, false);
}

int64_t flops_matmul(const InferCtx& c) {
  const auto& t = c.as<MatmulAttrs>();
  const Shape& a = c.x(0).shape;
  return 2 * c.out[0].elements() * a[t.trans_a ? a.rank() - 2 : a.rank() - 1];
}

void infer_affine(InferCtx& c) {
  require_real(c, "tensors", 2);
  const Shape &x = c.x(0).shape, &w = c.x(1).shape;
  c.require(x.rank() >= 2, str("input is ", c.x(0).text(), ", expected (rows, features)"));
  c.require(w.rank() == 2, str("weight is ", c.x(1).text(), ", expected (out, in)"));
  const int64_t k = x[x.rank() - 1];
  c.require(k == w[1], str("input has ", k, " features, weight expects ", w[1]));
  c.require(!c.has(2) || c.x(2).shape == Shape{w[0]},
            str("bias is ", c.has(2) ? c.x(2).text() : "", ", expected f32[", w[0], "]"));
  Shape y = x;
  y[y.rank() - 1] = w[0];
  c.out = {{c.x(0).dtype, y}};
}

void grad_affine(GradCtx& c) {
  require_unfused(c, c.as<AffineAttrs>().activation == Activation::none);
  const ValueId dy = c.dy[0];
  const bool bias = c.node.in.size() > 2 && c.needs(2);
  if (c.needs(0)) c.dx[0] = product(c, dy, c.x(1), false, false);
  if (c.needs(1)) c.dx[1] = product(c, rows(c, dy), rows(c, c.x(0)), true, false);
  if (bias) c.dx[2] = sum_over(c, rows(c, dy), {0});
}

}  // namespace

namespace op {

const OpDef matmul{
    .name = "matmul",
    .doc =
        "Matrix product a b. Leading axes of both count matrices; with a 2-D b, leading axes of a are "
        "further rows.",
    .args = "a b aux?",
    .attrs = &attr_ops<MatmulAttrs>,
    .onnx = {"MatMul", 13},
    .infer = infer_matmul,
    .grad = grad_matmul,
    .flops = flops_matmul,
};

const OpDef affine{
    .name = "affine",
    .doc = "Affine map y = activation(x w^T + b) of the last axis; x (..., in), w (out, in), b (out).",
    .args = "x w b?",
    .attrs = &attr_ops<AffineAttrs>,
    .onnx = {"Gemm", 13},
    .infer = infer_affine,
    .grad = grad_affine,
    .flops = [](const InferCtx& c) { return 2 * c.out[0].elements() * c.x(1).shape[1]; },
};

}  // namespace op
}  // namespace dl
