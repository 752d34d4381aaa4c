// Each operator of an inference graph as calls of the functions in c_runtime.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/str.h"
#include "exchange/c_emit.h"
#include "exchange/c_runtime.h"

namespace dl {
namespace {

using Sizes = std::vector<int64_t>;

ValueId operand(const Node& n, size_t i) { return i < n.in.size() ? n.in[i] : kNone; }
std::string count(int64_t n) { return std::to_string(n); }

// A float that reads back as the same number.
std::string literal(double v) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(static_cast<float>(v)));
  const std::string s = text;
  return str(s, s.find_first_of(".en") == std::string::npos ? ".0f" : "f");
}

// The address so many floats on.
std::string offset(const std::string& at, int64_t floats) { return floats ? str(at, " + ", floats) : at; }

Sizes extents_of(const Shape& s) { return {s.begin(), s.end()}; }
Sizes steps_of(const Shape& s) {
  Sizes steps(static_cast<size_t>(s.rank()), 1);
  for (size_t i = steps.size(); i-- > 1;) steps[i - 1] = steps[i] * s[static_cast<int>(i)];
  return steps;
}

// ---- Elementwise

bool unary(CEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  std::string function(n.op->name);
  if (function == "gelu" && a.value("approximate", "none") == "tanh") function = "gelu_tanh";
  std::vector<std::string> arguments{e.at(n.in[0]), count(e.shape(n.in[0]).elements())};
  for (const char* key : {"slope", "alpha", "min", "max", "scale", "shift"})
    if (a.contains(key)) arguments.push_back(literal(a.at(key).get<double>()));
  arguments.push_back(e.at(n.out[0]));
  e.call(function, arguments);
  return true;
}

// Axes of a result, from the right, with the steps of operands that stretch over it; those that go on in one run are one axis.
struct Axes {
  Sizes extents;
  std::vector<Sizes> steps;  // per operand
};
Axes axes_of(const Shape& y, const std::vector<Shape>& operands) {
  Axes axes{{}, std::vector<Sizes>(operands.size())};
  std::vector<Sizes> own;
  for (const Shape& s : operands) own.push_back(steps_of(s));
  for (int i = 0; i < y.rank(); ++i) {
    const auto step = [&](size_t k) {
      const int j = i - (y.rank() - operands[k].rank());
      return j < 0 || operands[k][j] == 1 ? 0 : own[k][static_cast<size_t>(j)];
    };
    bool joins = !axes.extents.empty();
    for (size_t k = 0; joins && k < operands.size(); ++k) joins = axes.steps[k].back() == step(k) * y[i];
    if (y[i] == 1 && y.rank() > 1) continue;
    if (joins) {
      axes.extents.back() *= y[i];
      for (size_t k = 0; k < operands.size(); ++k) axes.steps[k].back() = step(k);
    } else {
      axes.extents.push_back(y[i]);
      for (size_t k = 0; k < operands.size(); ++k) axes.steps[k].push_back(step(k));
    }
  }
  return axes;
}

Sizes padded(Sizes v, size_t rank, int64_t with) {
  v.insert(v.begin(), rank - v.size(), with);
  return v;
}

bool binary(CEmitter& e, const Node& n) {
  Axes axes = axes_of(e.shape(n.out[0]), {e.shape(n.in[0]), e.shape(n.in[1])});
  if (axes.extents.size() > 4) return false;
  e.call(std::string(n.op->name), {e.sizes(n.name + "_extents", padded(axes.extents, 4, 1)),
                                   e.sizes(n.name + "_steps", padded(axes.steps[0], 4, 0)),
                                   e.sizes(n.name + "_steps", padded(axes.steps[1], 4, 0)), e.at(n.in[0]),
                                   e.at(n.in[1]), e.at(n.out[0])});
  return true;
}

// Numbers in C have one type, so a cast that comes this far changes nothing but their name.
bool cast(CEmitter& e, const Node& n) {
  e.line(str("memmove(", e.at(n.out[0]), ", ", e.at(n.in[0]), ", ", e.shape(n.out[0]).elements(),
             " * sizeof(float));"));
  return true;
}

bool normalize(CEmitter& e, const Node& n) {
  const Shape& x = e.shape(n.in[0]);
  const int64_t groups = e.shape(n.in[1]).elements();
  const int64_t sample = x.elements(1, x.rank());
  for (int64_t i = 0; i < x[0]; ++i)
    e.call("normalize", {offset(e.at(n.in[0]), i * sample), count(groups), count(sample / groups),
                         e.at(n.in[1]), e.at(n.in[2]), offset(e.at(n.out[0]), i * sample)});
  return true;
}

bool batch_norm_inference(CEmitter& e, const Node& n) {
  const Tensor* parts[4];
  for (size_t i = 0; i < 4; ++i)
    if (parts[i] = e.constant(n.in[i + 1]); !parts[i]) return false;
  const json a = e.attributes(n);
  if (n.in.size() > 5 || a.value("activation", "none") != "none" || a.value("blocked", false)) return false;
  const Shape& x = e.shape(n.in[0]);
  std::vector<float> scale, shift;
  for (size_t c = 0; c < static_cast<size_t>(x[1]); ++c) {
    const auto part = [&](int i) { return static_cast<double>(parts[i]->data<float>()[c]); };
    const double s = part(0) / std::sqrt(part(3) + a.at("epsilon").get<double>());
    scale.push_back(static_cast<float>(s));
    shift.push_back(static_cast<float>(part(1) - part(2) * s));
  }
  const std::string factors = e.floats(n.name + "_scale", scale), terms = e.floats(n.name + "_shift", shift);
  const int64_t sample = x.elements(1, x.rank());
  for (int64_t i = 0; i < x[0]; ++i)
    e.call("scale_channels", {offset(e.at(n.in[0]), i * sample), count(x[1]), count(x.elements(2, x.rank())),
                              factors, terms, offset(e.at(n.out[0]), i * sample)});
  return true;
}

bool softmax(CEmitter& e, const Node& n) {
  const Shape& x = e.shape(n.in[0]);
  const int64_t given = e.attributes(n).at("axis").get<int64_t>();
  const int axis = static_cast<int>(given < 0 ? given + x.rank() : given);
  e.call("softmax",
         {e.at(n.in[0]), count(x.elements(0, axis)), count(x[axis]), count(x.elements(axis + 1, x.rank())),
          n.op->name == "log_softmax" ? "1" : "0", e.at(n.out[0])});
  return true;
}

bool reduced(CEmitter& e, const Node& n) {
  const Shape& x = e.shape(n.in[0]);
  const Sizes steps = steps_of(x);
  const auto axes = e.attributes(n).at("axes").get<Sizes>();
  std::vector<bool> goes(steps.size(), axes.empty());
  for (int64_t axis : axes) goes[static_cast<size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
  Sizes extents[2], through[2];
  for (size_t i = 0; i < steps.size(); ++i) {
    extents[goes[i]].push_back(x[static_cast<int>(i)]);
    through[goes[i]].push_back(steps[i]);
  }
  const int64_t left = e.shape(n.out[0]).elements();
  const char* what = n.op->name == "reduce_sum" ? "'s'" : n.op->name == "reduce_mean" ? "'m'" : "'x'";
  std::vector<std::string> arguments{what};
  for (int i = 0; i < 2; ++i) {
    arguments.push_back(count(i ? x.elements() / std::max<int64_t>(1, left) : left));
    arguments.push_back(e.sizes(n.name + "_extents", padded(extents[i], 6, 1)));
    arguments.push_back(e.sizes(n.name + "_steps", padded(through[i], 6, 0)));
  }
  arguments.insert(arguments.end(), {e.at(n.in[0]), e.at(n.out[0])});
  e.call("reduce", arguments);
  return true;
}

// ---- Moving elements

bool gather(CEmitter& e, const Node& n, const Sizes& steps) {
  const Shape& y = e.shape(n.out[0]);
  e.call("gather", {e.sizes(n.name + "_extents", padded(extents_of(y), 6, 1)),
                    e.sizes(n.name + "_steps", padded(steps, 6, 0)), count(y.elements()), e.at(n.in[0]),
                    e.at(n.out[0])});
  return true;
}

bool transpose(CEmitter& e, const Node& n) {
  const Sizes from = steps_of(e.shape(n.in[0]));
  Sizes steps;
  for (int64_t axis : e.attributes(n).at("perm").get<Sizes>())
    steps.push_back(from[static_cast<size_t>(axis)]);
  return gather(e, n, steps);
}

bool broadcast_to(CEmitter& e, const Node& n) {
  const Shape &x = e.shape(n.in[0]), &y = e.shape(n.out[0]);
  const auto fresh = e.attributes(n).at("axes").get<Sizes>();
  const Sizes from = steps_of(x);
  Sizes steps;
  const int gap = fresh.empty() ? y.rank() - x.rank() : 0;
  for (int i = 0, j = 0; i < y.rank(); ++i) {
    const bool added = i < gap || std::find(fresh.begin(), fresh.end(), i) != fresh.end();
    steps.push_back(added || x[j] == 1 ? 0 : from[static_cast<size_t>(j)]);
    if (!added) ++j;
  }
  return gather(e, n, steps);
}

int axis_of(const json& attributes, const Shape& s) {
  const int64_t axis = attributes.at("axis").get<int64_t>();
  return static_cast<int>(axis < 0 ? axis + s.rank() : axis);
}

bool concat(CEmitter& e, const Node& n) {
  const Shape& y = e.shape(n.out[0]);
  const int axis = axis_of(e.attributes(n), y);
  const int64_t step = y.elements(axis, y.rank());
  int64_t first = 0;
  for (ValueId v : n.in) {
    const int64_t run = e.shape(v).elements(axis, y.rank());
    e.call("copy_runs", {e.at(v), count(y.elements(0, axis)), count(run), count(run), count(step),
                         str(e.at(n.out[0]), " + ", first)});
    first += run;
  }
  return true;
}

bool slice(CEmitter& e, const Node& n) {
  const json a = e.attributes(n);
  const Shape &x = e.shape(n.in[0]), &y = e.shape(n.out[0]);
  const int axis = axis_of(a, x);
  const int64_t begin = a.at("begin").get<int64_t>(), inner = x.elements(axis + 1, x.rank());
  const int64_t first = std::clamp<int64_t>(begin < 0 ? begin + x[axis] : begin, 0, x[axis]);
  e.call("copy_runs",
         {str(e.at(n.in[0]), " + ", first * inner), count(x.elements(0, axis)), count(y[axis] * inner),
          count(x[axis] * inner), count(y[axis] * inner), e.at(n.out[0])});
  return true;
}

// ---- Products

// (rows, columns) in blocks of 8 rows, column by column; the last block is filled with zeros.
void pack_rows(CEmitter::Packed& to, const float* w, int64_t rows, int64_t columns, int64_t first_row) {
  constexpr int64_t kLanes = 8;
  for (int64_t r = 0; r < rows; r += kLanes)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t l = 0; l < kLanes; ++l)
        to.add(r + l < rows ? w[(r + l) * columns + c] : 0.0f, first_row + std::min(r + l, rows - 1));
}

bool no_activation(const json& attributes) { return attributes.value("activation", "none") == "none"; }

bool affine(CEmitter& e, const Node& n) {
  const Tensor* w = e.constant(n.in[1]);
  if (!w || !no_activation(e.attributes(n))) return false;
  const Shape &x = e.shape(n.in[0]), &s = w->shape();
  CEmitter::Packed packed(s[0]);
  pack_rows(packed, w->data<float>().data(), s[0], s[1], 0);
  e.call("dense", {count(x.elements() / s[1]), count(s[1]), count(s[0]), e.at(n.in[0]),
                   e.weights(n.name + "_weight", packed), e.at(operand(n, 2)), e.at(n.out[0])});
  return true;
}

bool matmul(CEmitter& e, const Node& n) {
  const json t = e.attributes(n);
  if (t.at("epilogue") != "none") return false;
  const Shape &a = e.shape(n.in[0]), &b = e.shape(n.in[1]), &y = e.shape(n.out[0]);
  const bool flat = b.rank() < a.rank(), ta = t.at("trans_a").get<bool>(), tb = t.at("trans_b").get<bool>();
  const int64_t columns = y[y.rank() - 1], rows = flat ? y.elements() / columns : y[y.rank() - 2];
  const int64_t k = b[b.rank() - (tb ? 1 : 2)], times = y.elements() / (rows * columns);
  for (int64_t i = 0; i < times; ++i)
    e.call("matmul",
           {count(rows), count(k), count(columns), str(e.at(n.in[0]), " + ", i * rows * k), count(ta ? 1 : k),
            count(ta ? rows : 1), str(e.at(n.in[1]), " + ", b.rank() == 2 ? 0 : i * k * columns),
            count(tb ? 1 : columns), count(tb ? k : 1), str(e.at(n.out[0]), " + ", i * rows * columns)});
  return true;
}

// ---- Windows over images

struct Window {
  Sizes stride, pads, dilation, kernel;
  int64_t groups;
  explicit Window(const json& a, const Shape* weight = nullptr)
      : stride(a.at("stride").get<Sizes>()),
        pads(a.at("pads").get<Sizes>()),
        dilation(a.value("dilation", Sizes{1, 1})),
        groups(a.value("groups", int64_t{1})) {
    kernel = weight ? Sizes{(*weight)[2], (*weight)[3]} : a.at("kernel").get<Sizes>();
  }
  bool padded() const { return pads != Sizes{0, 0, 0, 0}; }
};

std::string window_table(CEmitter& e, const Node& n, const Window& w, const Shape& x, const Shape& y) {
  e.use("window");
  const std::string name = e.unique(n.name + "_window");
  e.define(str(
      "static const struct @window @", name, " = {\n  .channels = ", x[1], ", .height = ", x[2],
      ", .width = ", x[3], ",\n  .filters = ", y[1], ", .out_height = ", y[2], ", .out_width = ", y[3],
      ",\n  .kernel_height = ", w.kernel[0], ", .kernel_width = ", w.kernel[1], ", .stride_y = ", w.stride[0],
      ", .stride_x = ", w.stride[1], ", .dilation_y = ", w.dilation[0], ", .dilation_x = ", w.dilation[1],
      ",\n  .top = ", w.pads[0], ", .left = ", w.pads[1], ", .groups = ", w.groups, "};\n"));
  return str("&@", name);
}

// The image with its border.
Shape with_border(const Shape& x, const Window& w) {
  return {x[0], x[1], x[2] + w.pads[0] + w.pads[2], x[3] + w.pads[1] + w.pads[3]};
}

bool conv2d(CEmitter& e, const Node& n) {
  const Tensor* weight = e.constant(n.in[1]);
  const json a = e.attributes(n);
  if (!weight || n.in.size() > 3 || !no_activation(a) || a.value("algorithm", "im2col") != "im2col")
    return false;
  const Shape &x = e.shape(n.in[0]), &y = e.shape(n.out[0]), &s = weight->shape();
  const Window w(a, &s);
  const Shape wide = with_border(x, w);
  const float* values = weight->data<float>().data();
  const int64_t filters = s[0] / w.groups, taps = s.elements(1, 4);
  CEmitter::Packed packed(s[0]);
  const bool depthwise = w.groups > 1 && s[1] == 1;
  if (depthwise)
    for (int64_t i = 0; i < s.elements(); ++i) packed.add(values[i], i / taps);
  else
    for (int64_t g = 0; g < w.groups; ++g)
      pack_rows(packed, values + g * filters * taps, filters, taps, g * filters);
  const std::string window = window_table(e, n, w, wide, y), table = e.weights(n.name + "_weight", packed);
  for (int64_t i = 0; i < x[0]; ++i) {
    std::string from = offset(e.at(n.in[0]), i * x.elements(1, 4));
    if (w.padded()) {
      e.call("border", {count(x[1]), count(x[2]), count(x[3]), count(w.pads[0]), count(w.pads[1]),
                        count(wide[2]), count(wide[3]), from, e.scratch(n)});
      from = e.scratch(n);
    }
    e.call(depthwise ? "depthwise" : "conv2d",
           {window, from, table, e.at(operand(n, 2)), offset(e.at(n.out[0]), i * y.elements(1, 4))});
  }
  return true;
}

bool conv_transpose2d(CEmitter& e, const Node& n) {
  const Tensor* weight = e.constant(n.in[1]);
  const json a = e.attributes(n);
  if (!weight || !no_activation(a) || a.value("algorithm", "im2col") != "im2col") return false;
  const Shape &x = e.shape(n.in[0]), &y = e.shape(n.out[0]), &s = weight->shape();
  const Window w(a, &s);
  CEmitter::Packed packed(y[1]);
  const int64_t taps = s.elements(2, 4), channels = s[0] / w.groups;
  for (int64_t i = 0; i < s.elements(); ++i)
    packed.add(weight->data<float>()[static_cast<size_t>(i)],
               i / (s[1] * taps) / channels * s[1] + i / taps % s[1]);
  const std::string window = window_table(e, n, w, x, y), table = e.weights(n.name + "_weight", packed);
  for (int64_t i = 0; i < x[0]; ++i)
    e.call("conv_transpose2d", {window, offset(e.at(n.in[0]), i * x.elements(1, 4)), table,
                                e.at(operand(n, 2)), offset(e.at(n.out[0]), i * y.elements(1, 4))});
  return true;
}

bool pool(CEmitter& e, const Node& n) {
  const Shape &x = e.shape(n.in[0]), &y = e.shape(n.out[0]);
  if (x.rank() != 4) return false;
  const json a = e.attributes(n);
  const Window w(a);
  const std::string window = window_table(e, n, w, x, y);
  for (int64_t i = 0; i < x[0]; ++i) {
    std::vector<std::string> arguments{window};
    if (n.op->name == "avg_pool2d")
      arguments.insert(arguments.end(), {count(w.pads[2]), count(w.pads[3]),
                                         a.at("count_include_pad").get<bool>() ? "1" : "0"});
    arguments.insert(arguments.end(), {offset(e.at(n.in[0]), i * x.elements(1, 4)),
                                       offset(e.at(n.out[0]), i * y.elements(1, 4))});
    e.call(std::string(n.op->name), arguments);
  }
  return true;
}

bool upsample2d(CEmitter& e, const Node& n) {
  const Shape& x = e.shape(n.in[0]);
  if (x.rank() != 4) return false;
  const json a = e.attributes(n);
  e.call(a.at("mode").get<std::string>(),
         {count(x[0] * x[1]), count(x[2]), count(x[3]), count(a.at("scale")[0].get<int64_t>()),
          count(a.at("scale")[1].get<int64_t>()), e.at(n.in[0]), e.at(n.out[0])});
  return true;
}

struct Entry {
  std::string_view op;
  bool (*emit)(CEmitter&, const Node&);
};
constexpr Entry kEntries[] = {{"affine", affine},
                              {"avg_pool2d", pool},
                              {"batch_norm_inference", batch_norm_inference},
                              {"broadcast_to", broadcast_to},
                              {"cast", cast},
                              {"concat", concat},
                              {"conv2d", conv2d},
                              {"conv_transpose2d", conv_transpose2d},
                              {"log_softmax", softmax},
                              {"matmul", matmul},
                              {"max_pool2d", pool},
                              {"normalize", normalize},
                              {"reduce_max", reduced},
                              {"reduce_mean", reduced},
                              {"reduce_sum", reduced},
                              {"slice", slice},
                              {"softmax", softmax},
                              {"transpose", transpose},
                              {"upsample2d", upsample2d}};

}  // namespace

bool emit_c(CEmitter& e, const Node& n) {
  for (const Entry& entry : kEntries)
    if (entry.op == n.op->name) return entry.emit(e, n);
  if (c_unary(n.op->name)) return unary(e, n);
  return c_binary(n.op->name) ? binary(e, n) : false;
}

int64_t c_scratch_floats(const Graph& g, const Node& n) {
  if (n.op->name != "conv2d" || g.type(n.in[0]).shape.rank() != 4) return 0;
  const Window w(n.op->attrs->dump(n.attrs.get()), &g.type(n.in[1]).shape);
  return w.padded() ? with_border(g.type(n.in[0]).shape, w).elements() : 0;
}

void round_to_int8(Graph& g) {
  for (const Node& n : g.nodes) {
    const bool transposed = n.op->name == "conv_transpose2d";
    if (n.op->name != "affine" && n.op->name != "conv2d" && !transposed) continue;
    const auto found = g.constants.find(n.in[1]);
    if (found == g.constants.end()) continue;
    found->second = found->second.clone();
    const Shape& s = found->second.shape();
    const auto values = found->second.data<float>();
    const int64_t taps = s.elements(transposed ? 2 : 1, s.rank());
    const int64_t groups = transposed ? n.op->attrs->dump(n.attrs.get()).at("groups").get<int64_t>() : 1;
    const auto row = [&](int64_t i) {
      return transposed ? i / (s[1] * taps) / (s[0] / groups) * s[1] + i / taps % s[1] : i / taps;
    };
    std::vector<float> scale(static_cast<size_t>(transposed ? s[1] * groups : s[0]));
    for (int64_t i = 0; i < s.elements(); ++i)
      scale[static_cast<size_t>(row(i))] =
          std::max(scale[static_cast<size_t>(row(i))], std::fabs(values[static_cast<size_t>(i)]));
    for (int64_t i = 0; i < s.elements(); ++i) {
      const float one = scale[static_cast<size_t>(row(i))] / 127;
      float& v = values[static_cast<size_t>(i)];
      if (one > 0) v = static_cast<float>(std::lround(v / one)) * one;
    }
  }
}

}  // namespace dl
