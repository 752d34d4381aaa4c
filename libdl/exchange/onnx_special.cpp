// Operators that are not one ONNX node with the same operands. Attributes are read as JSON: their structs
// belong to the kernels.
#include <array>
#include <cmath>
#include <numeric>

#include "base/str.h"
#include "exchange/onnx_emit.h"

namespace dl {
namespace {

using Names = OnnxEmitter::Names;

int rank_of(const OnnxEmitter& e, ValueId v) { return e.graph().type(v).shape.rank(); }
ValueId operand(const Node& n, size_t i) { return i < n.in.size() ? n.in[i] : kNone; }

// gelu(x) = x / 2 (1 + erf(x / sqrt 2)), as Gelu itself came with opset 20 only.
void emit_gelu(OnnxEmitter& e, const std::string& x, const std::string& result) {
  const std::string scaled = e.add("Mul", 13, {x, e.scalar(static_cast<float>(std::sqrt(0.5)))});
  const std::string shifted = e.add("Add", 13, {e.add("Erf", 13, {scaled}), e.scalar(1)});
  e.add("Mul", 13, {e.add("Mul", 13, {x, shifted}), e.scalar(0.5f)}, {}, result);
}

// The activation that a fused operator applies to its result.
void emit_activation(OnnxEmitter& e, const std::string& kind, const std::string& x,
                     const std::string& result) {
  if (kind == "gelu") return emit_gelu(e, x, result);
  e.add(kind == "relu" ? "Relu" : kind == "tanh" ? "Tanh" : "Sigmoid", 13, {x}, {}, result);
}

// Where the operator itself is to write: to the node's output, or to a name that its activation reads.
struct Fused {
  OnnxEmitter& e;
  std::string kind, target, result;
  Fused(OnnxEmitter& e, const Node& n)
      : e(e), kind(e.attributes(n).value("activation", "none")), result(e.name(n.out[0])) {
    target = kind == "none" ? result : e.fresh(result + "/linear");
  }
  void finish() {
    if (kind != "none") emit_activation(e, kind, target, result);
  }
};

std::string transposed(OnnxEmitter& e, ValueId v) {
  std::vector<int64_t> perm(static_cast<size_t>(rank_of(e, v)));
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return e.add("Transpose", 13, {e.name(v)}, {{"perm", perm}});
}

bool affine(OnnxEmitter& e, const Node& n) {
  Fused fused(e, n);
  const std::string bias = e.name(operand(n, 2));
  if (rank_of(e, n.in[0]) == 2) {
    e.add("Gemm", 13, {e.name(n.in[0]), e.name(n.in[1]), bias}, {{"transB", 1}}, fused.target);
  } else if (bias.empty()) {
    e.add("MatMul", 13, {e.name(n.in[0]), transposed(e, n.in[1])}, {}, fused.target);
  } else {
    const std::string product = e.add("MatMul", 13, {e.name(n.in[0]), transposed(e, n.in[1])});
    e.add("Add", 13, {product, bias}, {}, fused.target);
  }
  fused.finish();
  return true;
}

bool matmul(OnnxEmitter& e, const Node& n) {
  const json attributes = e.attributes(n);
  if (attributes.at("epilogue") != "none") return false;  // of gradients only
  const std::string a = attributes.at("trans_a").get<bool>() ? transposed(e, n.in[0]) : e.name(n.in[0]);
  const std::string b = attributes.at("trans_b").get<bool>() ? transposed(e, n.in[1]) : e.name(n.in[1]);
  e.add("MatMul", 13, {a, b}, {}, e.name(n.out[0]));
  return true;
}

// The extents of the attribute mean the same in ONNX: 0 keeps, -1 stands for the rest.
bool reshape(OnnxEmitter& e, const Node& n) {
  const std::string shape = e.integers(e.attributes(n).at("shape").get<std::vector<int64_t>>());
  e.add("Reshape", 13, {e.name(n.in[0]), shape}, {}, e.name(n.out[0]));
  return true;
}

struct Special {
  std::string_view op;
  EmitFn emit;
};
constexpr Special kSpecial[] = {{"affine", affine}, {"matmul", matmul}, {"reshape", reshape}};

}  // namespace

EmitFn onnx_emitter(std::string_view op) {
  for (const Special& s : kSpecial)
    if (s.op == op) return s.emit;
  return nullptr;
}

}  // namespace dl
