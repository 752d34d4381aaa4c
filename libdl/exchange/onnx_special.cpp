// Operators that are not one ONNX node with the same operands. Attributes are read as JSON: their structs
// belong to the kernels.
#include <algorithm>
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
  if (kind == "relu6") {
    e.add("Clip", 13, {x, e.scalar(0), e.scalar(6)}, {}, result);
    return;
  }
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

// The extents of the attribute mean the same in ONNX: 0 keeps, -1 stands for the rest. A first extent that stays is
// written as 0, so that the batch may have any size.
bool reshape(OnnxEmitter& e, const Node& n) {
  auto shape = e.attributes(n).at("shape").get<std::vector<int64_t>>();
  const Shape& from = e.graph().type(n.in[0]).shape;
  if (!shape.empty() && from.rank() > 0 && shape[0] == from[0]) shape[0] = 0;
  e.add("Reshape", 13, {e.name(n.in[0]), e.integers(shape)}, {}, e.name(n.out[0]));
  return true;
}

// One ONNX node as OpDef::onnx says, with the fused activation behind it.
bool windowed(OnnxEmitter& e, const Node& n) {
  Fused fused(e, n);
  Names in;
  for (ValueId v : n.in) in.push_back(e.name(v));
  e.add(n.op->onnx.op_type, n.op->onnx.opset, in, n.op->attrs->onnx(n.attrs.get()), fused.target);
  fused.finish();
  return true;
}

bool gelu(OnnxEmitter& e, const Node& n) {
  const std::string x = e.name(n.in[0]), y = e.name(n.out[0]);
  if (e.attributes(n).value("approximate", "none") == "none") {
    emit_gelu(e, x, y);
    return true;
  }
  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  const std::string cube = e.add("Mul", 13, {e.add("Mul", 13, {x, x}), x});
  const std::string inner = e.add("Add", 13, {x, e.add("Mul", 13, {cube, e.scalar(0.044715f)})});
  const std::string scaled = e.add("Mul", 13, {inner, e.scalar(static_cast<float>(std::sqrt(2 / M_PI)))});
  const std::string shifted = e.add("Add", 13, {e.add("Tanh", 13, {scaled}), e.scalar(1)});
  e.add("Mul", 13, {e.add("Mul", 13, {x, shifted}), e.scalar(0.5f)}, {}, y);
  return true;
}

bool swish(OnnxEmitter& e, const Node& n) {
  const std::string x = e.name(n.in[0]);
  e.add("Mul", 13, {x, e.add("Sigmoid", 13, {x})}, {}, e.name(n.out[0]));
  return true;
}

bool square(OnnxEmitter& e, const Node& n) {
  e.add("Mul", 13, {e.name(n.in[0]), e.name(n.in[0])}, {}, e.name(n.out[0]));
  return true;
}

bool relu6(OnnxEmitter& e, const Node& n) {
  e.add("Clip", 13, {e.name(n.in[0]), e.scalar(0), e.scalar(6)}, {}, e.name(n.out[0]));
  return true;
}

bool clip(OnnxEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  e.add("Clip", 13, {e.name(n.in[0]), e.scalar(a.at("min").get<float>()), e.scalar(a.at("max").get<float>())},
        {}, e.name(n.out[0]));
  return true;
}

bool scale_shift(OnnxEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  const std::string scaled = e.add("Mul", 13, {e.name(n.in[0]), e.scalar(a.at("scale").get<float>())});
  e.add("Add", 13, {scaled, e.scalar(a.at("shift").get<float>())}, {}, e.name(n.out[0]));
  return true;
}

// Comparisons give booleans in ONNX, 0 and 1 here.
bool compared(OnnxEmitter& e, const Node& n, std::string_view type) {
  const std::string truth = e.add(type, 13, {e.name(n.in[0]), e.name(n.in[1])});
  e.add("Cast", 13, {truth}, {{"to", onnx_type(DType::f32)}}, e.name(n.out[0]));
  return true;
}
bool greater_equal(OnnxEmitter& e, const Node& n) { return compared(e, n, "GreaterOrEqual"); }
bool less(OnnxEmitter& e, const Node& n) { return compared(e, n, "Less"); }

// Extents that stay are written as 1, which Expand keeps: so the batch may have any size.
bool broadcast_to(OnnxEmitter& e, const Node& n) {
  std::vector<int64_t> fresh = e.attributes(n).at("axes").get<std::vector<int64_t>>();
  std::string x = e.name(n.in[0]);
  const Shape &from = e.graph().type(n.in[0]).shape, &to = e.graph().type(n.out[0]).shape;
  std::vector<int64_t> extents(to.begin(), to.end());
  std::sort(fresh.begin(), fresh.end());
  if (!fresh.empty()) x = e.add("Unsqueeze", 13, {x, e.integers(fresh)});
  const int gap = fresh.empty() ? to.rank() - from.rank() : 0;
  for (int i = gap, j = 0; i < to.rank(); ++i) {
    if (std::binary_search(fresh.begin(), fresh.end(), i)) continue;
    if (from[j++] == to[i]) extents[static_cast<size_t>(i)] = 1;
  }
  e.add("Expand", 13, {x, e.integers(extents)}, {}, e.name(n.out[0]));
  return true;
}

// The axes became an operand of ReduceSum with opset 13, of the others with 18.
bool reduced(OnnxEmitter& e, const Node& n, std::string_view type, int64_t operand_since) {
  const json a = e.attributes(n);
  const auto axes = a.at("axes").get<std::vector<int64_t>>();
  json attributes{{"keepdims", a.at("keepdims").get<bool>() ? 1 : 0}};
  Names in{e.name(n.in[0])};
  if (!axes.empty() && e.target() >= operand_since)
    in.push_back(e.integers(axes));
  else if (!axes.empty())
    attributes["axes"] = axes;
  e.add(type, 13, in, attributes, e.name(n.out[0]));
  return true;
}
bool reduce_sum(OnnxEmitter& e, const Node& n) { return reduced(e, n, "ReduceSum", 13); }
bool reduce_mean(OnnxEmitter& e, const Node& n) { return reduced(e, n, "ReduceMean", 18); }
bool reduce_max(OnnxEmitter& e, const Node& n) { return reduced(e, n, "ReduceMax", 18); }

bool slice(OnnxEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  const auto one = [&](const char* key) { return e.integers({a.at(key).get<int64_t>()}); };
  e.add("Slice", 13, {e.name(n.in[0]), one("begin"), one("end"), one("axis")}, {}, e.name(n.out[0]));
  return true;
}

bool upsample2d(OnnxEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  const bool nearest = a.at("mode") == "nearest";
  json attributes{{"mode", nearest ? "nearest" : "linear"},
                  {"coordinate_transformation_mode", nearest ? "asymmetric" : "half_pixel"}};
  if (nearest) attributes["nearest_mode"] = "floor";
  const std::string scales = e.floats({1, 1, a.at("scale")[0].get<float>(), a.at("scale")[1].get<float>()});
  e.add("Resize", 13, {e.name(n.in[0]), "", scales}, attributes, e.name(n.out[0]));
  return true;
}

// ONNX leaves open what a cast to bytes makes of numbers outside 0 to 255; here they give the nearer end.
bool cast(OnnxEmitter& e, const Node& n) {
  if (e.graph().type(n.out[0]).dtype == DType::u8) return false;
  e.add("Cast", 13, {e.name(n.in[0])}, {{"to", onnx_type(e.graph().type(n.out[0]).dtype)}}, e.name(n.out[0]));
  return true;
}

// (x - shift) * scale, with one shift for each channel (axis 1), for each element of a sample, or for all.
bool normalize(OnnxEmitter& e, const Node& n) {
  const TensorType& type = e.graph().type(n.in[0]);
  const bool channels = e.graph().type(n.in[1]).shape.rank() == 1 && type.shape.rank() > 2;
  std::vector<int64_t> inner(static_cast<size_t>(channels ? type.shape.rank() - 2 : 0));
  std::iota(inner.begin(), inner.end(), 1);
  const auto aligned = [&](ValueId v) {
    return channels ? e.add("Unsqueeze", 13, {e.name(v), e.integers(inner)}) : e.name(v);
  };
  std::string x = e.name(n.in[0]);
  if (type.dtype != DType::f32) x = e.add("Cast", 13, {x}, {{"to", onnx_type(DType::f32)}});
  e.add("Mul", 13, {e.add("Sub", 13, {x, aligned(n.in[1])}), aligned(n.in[2])}, {}, e.name(n.out[0]));
  return true;
}

// HardSwish, Mish and LogSigmoid came with opset 14, 18 or never.
bool hard_swish(OnnxEmitter& e, const Node& n) {
  const std::string x = e.name(n.in[0]);
  const std::string gate = e.add("HardSigmoid", 13, {x}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
  e.add("Mul", 13, {x, gate}, {}, e.name(n.out[0]));
  return true;
}

bool mish(OnnxEmitter& e, const Node& n) {
  const std::string x = e.name(n.in[0]);
  const std::string gate = e.add("Tanh", 13, {e.add("Softplus", 13, {x})});
  e.add("Mul", 13, {x, gate}, {}, e.name(n.out[0]));
  return true;
}

bool log_sigmoid(OnnxEmitter& e, const Node& n) {
  const std::string mirrored = e.add("Neg", 13, {e.name(n.in[0])});
  e.add("Neg", 13, {e.add("Softplus", 13, {mirrored})}, {}, e.name(n.out[0]));
  return true;
}

bool step(OnnxEmitter& e, const Node& n) {
  const float threshold = e.attributes(n).at("threshold").get<float>();
  const std::string truth = e.add("Greater", 13, {e.name(n.in[0]), e.scalar(threshold)});
  e.add("Cast", 13, {truth}, {{"to", onnx_type(DType::f32)}}, e.name(n.out[0]));
  return true;
}

bool pow(OnnxEmitter& e, const Node& n) {
  const float exponent = e.attributes(n).at("exponent").get<float>();
  e.add("Pow", 13, {e.name(n.in[0]), e.scalar(exponent)}, {}, e.name(n.out[0]));
  return true;
}

// PRelu stretches the slope only.
bool prelu(OnnxEmitter& e, const Node& n) {
  if (e.graph().type(n.in[0]) != e.graph().type(n.out[0])) return false;
  e.add("PRelu", 13, {e.name(n.in[0]), e.name(n.in[1])}, {}, e.name(n.out[0]));
  return true;
}

constexpr OnnxSpecial kSpecial[] = {{"affine", affine},
                                    {"broadcast_to", broadcast_to},
                                    {"cast", cast},
                                    {"clip", clip},
                                    {"relu6", relu6},
                                    {"conv2d", windowed},
                                    {"conv_transpose2d", windowed},
                                    {"gelu", gelu},
                                    {"greater_equal", greater_equal},
                                    {"hard_swish", hard_swish},
                                    {"less", less},
                                    {"log_sigmoid", log_sigmoid},
                                    {"matmul", matmul},
                                    {"mish", mish},
                                    {"normalize", normalize},
                                    {"pow", pow},
                                    {"prelu", prelu},
                                    {"reduce_max", reduce_max},
                                    {"reduce_mean", reduce_mean},
                                    {"reduce_sum", reduce_sum},
                                    {"reshape", reshape},
                                    {"scale_shift", scale_shift},
                                    {"slice", slice},
                                    {"square", square},
                                    {"step", step},
                                    {"swish", swish},
                                    {"upsample2d", upsample2d}};

}  // namespace

EmitFn onnx_emitter(std::string_view op) {
  for (const std::span<const OnnxSpecial> table :
       {std::span<const OnnxSpecial>(kSpecial), onnx_norm_emitters()})
    for (const OnnxSpecial& s : table)
      if (s.op == op) return s.emit;
  return nullptr;
}

}  // namespace dl
