// Elementwise operators, arithmetic with constants, and what moves elements, from ONNX.
#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "exchange/onnx_importer.h"
#include "ops/registry.h"

namespace dl {
namespace {

using Node = OnnxImporter::Node;
using Form = Imported::Form;

bool close(double a, double b) { return std::fabs(a - b) <= 1e-5 * std::fabs(b); }

void unary(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const std::string& type = n.proto.op_type();
  json a = json::object();
  std::string layer;
  if (type == "LeakyRelu") {
    layer = "leaky_relu";
    a["slope"] = n.call.real("alpha", 0.01f);
  } else if (type == "Elu") {
    layer = "elu";
    a["alpha"] = n.call.real("alpha", 1);
  } else if (type == "Gelu") {
    layer = "gelu";
    a["approximate"] = n.call.text("approximate", "none");
  } else {
    layer = std::string(op_of_onnx(type)->name);
  }
  im.add(n, layer, {x.layer}, a, x.shape);
}

void clip(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  constexpr double kMost = 3.4028234663852886e38;
  const auto bound = [&](int i, const char* name, double otherwise) {
    if (im.has(n, i)) return im.constant(n, i).size() == 1 ? im.constant(n, i).v[0] : otherwise;
    return n.call.real(name, otherwise);
  };
  const double low = std::clamp(bound(1, "min", -kMost), -kMost, kMost);
  const double high = std::clamp(bound(2, "max", kMost), -kMost, kMost);
  if (low == 0 && high == 6)
    im.add(n, "relu6", {x.layer}, json::object(), x.shape);
  else
    im.add(n, "clip", {x.layer}, {{"min", static_cast<float>(low)}, {"max", static_cast<float>(high)}},
           x.shape);
}

void erf(OnnxImporter& im, Node& n) {
  Imported x = im.value(n, 0);
  if (x.form != Form::scaled || !close(x.factor, std::sqrt(0.5)))
    im.fail(n, "is supported as a part of GELU only");
  x.form = Form::erf;
  im.set(n, std::move(x));
}

// ---- With a constant operand

// A constant that has one number, or one for each channel of images or feature of (N, ...).
std::vector<float> per_channel(OnnxImporter& im, const Node& n, const OnnxValue& c, const Extents& x) {
  size_t wide = 0, at = 0;
  for (size_t i = 0; i < c.shape.size(); ++i)
    if (c.shape[i] != 1) ++wide, at = i + x.size() - c.shape.size();
  if (c.shape.size() > x.size() || wide > 1 || (wide == 1 && (at != 1 || c.size() != x[1])))
    im.fail(n,
            "arithmetic with a constant tensor is supported where it normalises an input or is one number");
  std::vector<float> out;
  for (int64_t i = 0; i < x[1]; ++i)
    out.push_back(static_cast<float>(c.v[static_cast<size_t>(wide ? i : 0)]));
  return out;
}

bool is_input(OnnxImporter& im, const Imported& v) { return !im.layer(v.layer); }

// Differences and factors right behind an input are its normalisation.
bool standardize(OnnxImporter& im, Node& n, const Imported& x, const OnnxValue& c, bool constant_first) {
  const std::string& type = n.proto.op_type();
  if (!is_input(im, x) || (x.form != Form::plain && x.form != Form::standardized) || !x.scale.empty())
    return false;
  if ((constant_first && (type == "Sub" || type == "Div")) || type == "Add") return false;
  if (type == "Sub" && !x.shift.empty()) return false;
  Imported v = x;
  v.form = Form::standardized;
  std::vector<float> numbers = per_channel(im, n, c, x.shape);
  if (type == "Div")
    for (float& f : numbers) f = 1 / f;
  if (type != "Sub" &&
      std::any_of(numbers.begin(), numbers.end(), [](float f) { return !(f > 0) || !std::isfinite(f); }))
    return false;
  (type == "Sub" ? v.shift : v.scale) = std::move(numbers);
  im.set(n, std::move(v));
  return true;
}

// The bias of a dense layer as a node of its own.
bool dense_bias(OnnxImporter& im, Node& n, const Imported& x, const OnnxValue& c, int operand) {
  json* layer = im.layer(x.layer);
  if (!layer || x.form != Form::plain || (*layer)["type"] != "dense" || (*layer)["bias"] != false ||
      im.uses(n, operand) != 1 || c.size() != x.shape.back() || c.shape.empty() || c.shape.back() != c.size())
    return false;
  (*layer)["bias"] = true;
  im.parameter(x.layer, "bias", c, {c.size()});
  im.set(n, x);
  return true;
}

bool part_of_gelu(OnnxImporter& im, Node& n, const Imported& x, double c) {
  const std::string& type = n.proto.op_type();
  Imported v = x;
  if (x.form == Form::erf && type == "Add" && c == 1) {
    v.form = Form::erf_plus_1;
    im.set(n, std::move(v));
    return true;
  }
  if (x.form == Form::x_erf && type == "Mul" && close(x.factor * c, 0.5)) {
    im.add(n, "gelu", {x.layer}, json::object(), x.shape);
    return true;
  }
  const double factor = type == "Mul" ? c : type == "Div" ? 1 / c : 0;
  if (x.form == Form::plain && !is_input(im, x) && (close(factor, std::sqrt(0.5)) || factor == 0.5)) {
    v.form = Form::scaled;
    v.factor = static_cast<double>(static_cast<float>(factor));
    im.set(n, std::move(v));
    return true;
  }
  return false;
}

void with_constant(OnnxImporter& im, Node& n, int operand, const OnnxValue& c) {
  const std::string& type = n.proto.op_type();
  const bool first = operand == 1;  // the constant
  Imported x = im.value(n, operand);
  if (standardize(im, n, x, c, first)) return;
  if (type == "Add" && dense_bias(im, n, x, c, operand)) return;
  if (c.size() == 1 && !(first && type == "Div") && part_of_gelu(im, n, x, c.v[0])) return;
  x = im.computed(n, operand);
  if (c.size() != 1 || (type == "Div" && (first || c.v[0] == 0)) || type == "Min" || type == "Max")
    im.fail(
        n,
        "arithmetic with a constant tensor is supported where it normalises an input, is the bias of a dense "
        "layer or is one number");
  const double scale = type == "Mul" ? c.v[0] : type == "Div" ? 1 / c.v[0] : type == "Sub" && first ? -1 : 1;
  const double shift = type == "Add" ? c.v[0] : type == "Sub" ? (first ? c.v[0] : -c.v[0]) : 0;
  if (!std::isfinite(scale) || !std::isfinite(shift)) im.fail(n, "its constant is not finite");
  im.add(n, "scale_shift", {x.layer},
         {{"scale", static_cast<float>(scale)}, {"shift", static_cast<float>(shift)}}, x.shape);
}

// ---- With computed operands

Extents broadcast(OnnxImporter& im, const Node& n, const Extents& a, const Extents& b) {
  Extents out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1, db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) im.fail(n, str("extents ", da, " and ", db, " do not broadcast"));
    out[out.size() - 1 - i] = std::max(da, db);
  }
  return out;
}

// x sigmoid(x) and x (1 + erf(x / sqrt 2)).
bool product_of_one(OnnxImporter& im, Node& n) {
  const Imported &a = im.value(n, 0), &b = im.value(n, 1);
  for (int i = 0; i < 2; ++i) {
    const Imported &x = i ? b : a, &f = i ? a : b;
    if (f.form == Form::erf_plus_1 && f.layer == x.layer &&
        (x.form == Form::plain || x.form == Form::scaled)) {
      Imported v = f;
      v.form = Form::x_erf;
      v.factor = x.form == Form::scaled ? x.factor : 1;
      if (close(v.factor, 0.5))
        im.add(n, "gelu", {v.layer}, json::object(), v.shape);
      else
        im.set(n, std::move(v));
      return true;
    }
    const json* gate = f.form == Form::plain && x.form == Form::plain ? im.layer(f.layer) : nullptr;
    if (!gate || (*gate)["type"] != "sigmoid" || (*gate)["inputs"][0] != x.layer ||
        im.uses(n, i ? 0 : 1) != 1)
      continue;
    if (!im.drop_last(f.layer)) continue;
    im.add(n, "swish", {x.layer}, json::object(), x.shape);
    return true;
  }
  return false;
}

void binary(OnnxImporter& im, Node& n) {
  const std::string& type = n.proto.op_type();
  const int operands = n.proto.input_size();
  if (operands == 1) return im.set(n, im.computed(n, 0));
  if (operands < 1) im.fail(n, "has no operands");
  if (operands == 2)
    for (int i = 0; i < 2; ++i)
      if (const OnnxValue* c = im.constant_if(n, i)) return with_constant(im, n, 1 - i, *c);
  if (type == "Mul" && product_of_one(im, n)) return;
  std::vector<std::string> layers;
  Extents shape;
  for (int i = 0; i < operands; ++i) {
    const Imported x = im.computed(n, i);
    layers.push_back(x.layer);
    shape = i ? broadcast(im, n, shape, x.shape) : x.shape;
  }
  const char* layer = type == "Add" || type == "Sum" ? "add"
                      : type == "Sub"                ? "sub"
                      : type == "Mul"                ? "mul"
                      : type == "Div"                ? "div"
                      : type == "Max"                ? "maximum"
                                                     : "minimum";
  im.add(n, layer, layers, json::object(), shape);
}

// ---- Moving elements

int64_t samples(const Extents& shape) {
  int64_t n = 1;
  for (size_t i = 1; i < shape.size(); ++i) n *= shape[i];
  return n;
}

void to_shape(OnnxImporter& im, Node& n, const Imported& x, const Extents& shape) {
  if (shape.size() < 2 || shape[0] != im.batch() || samples(shape) != samples(x.shape))
    im.fail(n, "moves elements between samples, or does not keep their number");
  if (shape == x.shape) return im.set(n, x);
  if (shape.size() == 2)
    im.add(n, "flatten", {x.layer}, json::object(), shape);
  else
    im.add(n, "reshape", {x.layer}, {{"shape", Extents(shape.begin() + 1, shape.end())}}, shape);
}

void flatten(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  if (n.call.integer("axis", 1) != 1) im.fail(n, "is supported for axis 1");
  to_shape(im, n, x, {im.batch(), samples(x.shape)});
}

void reshape(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const OnnxValue& given = im.constant(n, 1);
  if (given.shape.size() != 1 || given.size() > kMaxRank) im.fail(n, "its shape is no short list");
  Extents shape;
  int64_t known = 1;
  size_t open = given.v.size();
  for (size_t i = 0; i < given.v.size(); ++i) {
    int64_t extent = static_cast<int64_t>(given.v[i]);
    if (extent == 0 && n.call.integer("allowzero", 0) == 0) extent = i < x.shape.size() ? x.shape[i] : 0;
    if (extent == -1 && open == given.v.size())
      open = i;
    else if (extent < 1 || extent > (int64_t{1} << 40) / known)
      im.fail(n, str("extent ", extent, " is out of range"));
    else
      known *= extent;
    shape.push_back(extent);
  }
  const int64_t all = samples(x.shape) * im.batch();
  if (open < shape.size()) shape[open] = all % known == 0 ? all / known : 0;
  to_shape(im, n, x, shape);
}

Extents axes_of(OnnxImporter& im, Node& n, size_t rank) {
  Extents axes = im.has(n, 1) ? Extents{} : n.call.integers("axes", {});
  if (im.has(n, 1))
    for (double v : im.constant(n, 1).v) axes.push_back(static_cast<int64_t>(v));
  for (int64_t& axis : axes) {
    if (axis < 0) axis += static_cast<int64_t>(rank);
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) im.fail(n, "an axis is out of range");
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

void squeeze(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const Extents axes = axes_of(im, n, x.shape.size());
  Extents shape;
  for (size_t i = 0; i < x.shape.size(); ++i) {
    const bool named = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
    if (named && x.shape[i] != 1) im.fail(n, str("axis ", i, " has extent ", x.shape[i]));
    if (i == 0 || !(named || (axes.empty() && x.shape[i] == 1))) shape.push_back(x.shape[i]);
  }
  to_shape(im, n, x, shape);
}

void unsqueeze(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const size_t added = im.has(n, 1) ? im.constant(n, 1).v.size() : n.call.integers("axes", {}).size();
  if (added + x.shape.size() > kMaxRank) im.fail(n, "gives too many axes");
  const Extents axes = axes_of(im, n, x.shape.size() + added);
  Extents shape;
  for (size_t i = 0, from = 0; i < x.shape.size() + added; ++i) {
    const bool fresh = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
    if (!fresh && from >= x.shape.size()) im.fail(n, "an axis is named twice");
    shape.push_back(fresh ? 1 : x.shape[from++]);
  }
  to_shape(im, n, x, shape);
}

void transpose(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  Extents perm, shape;
  for (size_t i = x.shape.size(); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  perm = n.call.integers("perm", perm);
  Extents sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i) || sorted.size() != x.shape.size())
      im.fail(n, "perm does not name every axis");
  if (perm[0] != 0) im.fail(n, "moves the batch");
  for (int64_t p : perm) shape.push_back(x.shape[static_cast<size_t>(p)]);
  im.add(n, "transpose", {x.layer}, {{"perm", perm}}, shape);
}

void concat(OnnxImporter& im, Node& n) {
  std::vector<std::string> layers;
  Extents shape;
  size_t axis = 0;
  for (int i = 0; i < n.proto.input_size(); ++i) {
    const Imported x = im.computed(n, i);
    const int64_t given = n.call.integer("axis", 1);
    if (i == 0) {
      shape = x.shape;
      axis = static_cast<size_t>(given < 0 ? given + static_cast<int64_t>(shape.size()) : given);
      if (axis < 1 || axis >= shape.size()) im.fail(n, "its axis is not supported");
    } else if (x.shape.size() != shape.size()) {
      im.fail(n, "operands have different numbers of axes");
    } else {
      shape[axis] += x.shape[axis];
    }
    layers.push_back(x.layer);
  }
  im.add(n, "concat", layers, {{"axis", axis}}, shape);
}

void slice(OnnxImporter& im, Node& n) {
  Imported x = im.computed(n, 0);
  const auto list = [&](int i, const char* name, Extents otherwise) {
    if (!im.has(n, i)) return n.call.integers(name, otherwise);
    Extents out;
    for (double v : im.constant(n, i).v) out.push_back(static_cast<int64_t>(std::clamp(v, -4e18, 4e18)));
    return out;
  };
  const Extents starts = list(1, "starts", {}), ends = list(2, "ends", {});
  Extents all, ones(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) all.push_back(static_cast<int64_t>(i));
  const Extents axes = list(3, "axes", all), steps = list(4, "steps", ones);
  if (starts.empty() || ends.size() != starts.size() || axes.size() != starts.size() || steps != ones)
    im.fail(n, "is supported with starts, ends and axes of one length and steps of 1");
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t rank = static_cast<int64_t>(x.shape.size()), axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) im.fail(n, "an axis is out of range");
    int64_t& extent = x.shape[static_cast<size_t>(axis)];
    const auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + extent : v, 0, extent); };
    const int64_t begin = bound(starts[i]), end = bound(ends[i]);
    if (begin == 0 && end == extent && (i + 1 < starts.size() || starts.size() > 1)) continue;
    if (axis == 0) im.fail(n, "cuts the batch");
    extent = end - begin;
    x.layer = im.add(n, "slice", {x.layer}, {{"axis", axis}, {"begin", begin}, {"end", end}}, x.shape);
  }
  im.set(n, x);
}

void reduce(OnnxImporter& im, Node& n) {
  const Imported x = im.computed(n, 0);
  const Extents axes = axes_of(im, n, x.shape.size());
  if (axes.empty() || axes[0] == 0) im.fail(n, "reduces the batch");
  const bool keep = n.call.integer("keepdims", 1) != 0;
  const std::string& type = n.proto.op_type();
  Extents shape;
  for (size_t i = 0; i < x.shape.size(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i)))
      shape.push_back(x.shape[i]);
    else if (keep)
      shape.push_back(1);
  if (x.shape.size() == 4 && axes == Extents{2, 3} && type != "ReduceSum")
    im.add(n, type == "ReduceMax" ? "global_max_pool2d" : "global_avg_pool2d", {x.layer},
           {{"keepdims", keep}}, shape);
  else
    im.add(n,
           type == "ReduceMax"   ? "reduce_max"
           : type == "ReduceSum" ? "reduce_sum"
                                 : "reduce_mean",
           {x.layer}, {{"axes", axes}, {"keepdims", keep}}, shape);
}

void cast(OnnxImporter& im, Node& n) {
  if (n.call.integer("to", 0) != onnx::TensorProto::FLOAT) im.fail(n, "is supported to float");
  Imported x = im.value(n, 0);
  if (x.form == Form::plain && is_input(im, x) && x.type != onnx::TensorProto::FLOAT) {
    x.form = Form::standardized;
    x.type = onnx::TensorProto::FLOAT;
  }
  im.set(n, x);
}

void identity(OnnxImporter& im, Node& n) { im.set(n, im.value(n, 0)); }

}  // namespace

const OpDef* op_of_onnx(std::string_view type) {
  for (const OpDef* op : all_ops())
    if (op->onnx.op_type == type && op->args == "x" && op->attrs == op::relu.attrs && op->grad) return op;
  return nullptr;
}

std::vector<std::pair<std::string_view, OnnxHandler>> onnx_arithmetic_handlers() {
  std::vector<std::pair<std::string_view, OnnxHandler>> out{
      {"Add", binary},       {"Sub", binary},       {"Mul", binary},          {"Div", binary},
      {"Max", binary},       {"Min", binary},       {"Sum", binary},          {"Clip", clip},
      {"LeakyRelu", unary},  {"Elu", unary},        {"Gelu", unary},          {"Erf", erf},
      {"Flatten", flatten},  {"Reshape", reshape},  {"Squeeze", squeeze},     {"Unsqueeze", unsqueeze},
      {"Concat", concat},    {"Slice", slice},      {"Transpose", transpose}, {"ReduceMean", reduce},
      {"ReduceSum", reduce}, {"ReduceMax", reduce}, {"Cast", cast},           {"Identity", identity}};
  for (const OpDef* op : all_ops())
    if (!op->onnx.op_type.empty() && op_of_onnx(op->onnx.op_type) == op)
      out.emplace_back(op->onnx.op_type, unary);
  return out;
}

}  // namespace dl
