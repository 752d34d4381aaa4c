// Operators of the ONNX reference that move elements.
#include <algorithm>
#include <numeric>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

size_t axis_of(const OnnxCall& c, int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  c.require(axis >= -r && axis < r, str("axis ", axis, " is out of range for ", rank, " axes"));
  return static_cast<size_t>(axis < 0 ? axis + r : axis);
}

void with_shape(OnnxCall& c, Extents shape) {
  c.y() = c.x();
  c.require(onnx_count(shape) == c.x().size(), "the new extents do not hold the elements");
  c.y().shape = std::move(shape);
}

void reshape(OnnxCall& c) {
  Extents shape = c.extents(1);
  int64_t known = 1, open = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && c.integer("allowzero", 0) == 0) {
      c.require(i < c.x().shape.size(), "0 stands where the input has no axis");
      shape[i] = c.x().shape[i];
    }
    if (shape[i] == -1)
      open = static_cast<int64_t>(i);
    else
      known *= shape[i];
  }
  if (open >= 0) {
    c.require(known > 0, "-1 stands for nothing that can be found");
    shape[static_cast<size_t>(open)] = c.x().size() / known;
  }
  with_shape(c, std::move(shape));
}

void flatten(OnnxCall& c) {
  const Extents& s = c.x().shape;
  const int64_t axis = c.integer("axis", 1);
  const size_t at = axis == static_cast<int64_t>(s.size()) ? s.size() : axis_of(c, axis, s.size());
  with_shape(c, {onnx_count(s, 0, at), onnx_count(s, at, s.size())});
}

void squeeze(OnnxCall& c) {
  const Extents& s = c.x().shape;
  std::vector<bool> drop(s.size());
  for (size_t i = 0; i < s.size(); ++i) drop[i] = !c.has(1) && s[i] == 1;
  if (c.has(1))
    for (int64_t axis : c.extents(1)) drop[axis_of(c, axis, s.size())] = true;
  Extents shape;
  for (size_t i = 0; i < s.size(); ++i)
    if (!drop[i]) shape.push_back(s[i]);
  with_shape(c, std::move(shape));
}

void unsqueeze(OnnxCall& c) {
  const Extents axes = c.extents(1);
  const size_t rank = c.x().shape.size() + axes.size();
  std::vector<bool> fresh(rank);
  for (int64_t axis : axes) fresh[axis_of(c, axis, rank)] = true;
  Extents shape;
  for (size_t i = 0, from = 0; i < rank; ++i) shape.push_back(fresh[i] ? 1 : c.x().shape[from++]);
  with_shape(c, std::move(shape));
}

void transpose(OnnxCall& c) {
  const Extents& s = c.x().shape;
  Extents perm(s.size());
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = c.integers("perm", perm);
  c.require(perm.size() == s.size(), "perm does not name every axis");
  Extents shape, strides(s.size(), 1);
  for (size_t i = s.size(); i-- > 1;) strides[i - 1] = strides[i] * s[i];
  for (int64_t p : perm) shape.push_back(s[axis_of(c, p, s.size())]);
  c.y() = onnx_zeros(c.x().type, shape);
  for (int64_t i = 0; i < c.y().size(); ++i) {
    int64_t rest = i, from = 0;
    for (size_t k = shape.size(); k-- > 0;) {
      from += rest % shape[k] * strides[static_cast<size_t>(perm[k])];
      rest /= shape[k];
    }
    c.y().v[static_cast<size_t>(i)] = c.x().v[static_cast<size_t>(from)];
  }
}

void concat(OnnxCall& c) {
  const size_t axis = axis_of(c, c.integer("axis", 0), c.x().shape.size());
  Extents shape = c.x().shape;
  shape[axis] = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    c.require(c.x(i).shape.size() == shape.size(), "operands have different numbers of axes");
    shape[axis] += c.x(i).shape[axis];
  }
  c.y() = onnx_zeros(c.x().type, shape);
  const int64_t outer = onnx_count(shape, 0, axis);
  auto to = c.y().v.begin();
  for (int64_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < c.in.size(); ++i) {
      const int64_t run = onnx_count(c.x(i).shape, axis, shape.size());
      c.require(onnx_count(c.x(i).shape, 0, axis) == outer && c.y().v.end() - to >= run,
                "extents do not fit");
      to = std::copy_n(c.x(i).v.begin() + o * run, run, to);
    }
}

void slice(OnnxCall& c) {
  const Extents starts = c.extents(1), ends = c.extents(2);
  Extents axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (c.has(3)) axes = c.extents(3);
  if (c.has(4)) steps = c.extents(4);
  c.require(ends.size() == starts.size() && axes.size() == starts.size() && steps.size() == starts.size(),
            "starts, ends, axes and steps are not equally long");
  const Extents& s = c.x().shape;
  Extents first(s.size(), 0), step(s.size(), 1), shape = s;
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t a = axis_of(c, axes[i], s.size());
    c.require(steps[i] != 0, "a step is 0");
    const bool down = steps[i] < 0;
    const auto bound = [&](int64_t v) {
      return std::clamp<int64_t>(v < 0 ? v + s[a] : v, down ? -1 : 0, down ? s[a] - 1 : s[a]);
    };
    first[a] = bound(starts[i]);
    step[a] = steps[i];
    const int64_t span = down ? first[a] - bound(ends[i]) : bound(ends[i]) - first[a];
    shape[a] = span <= 0 ? 0 : (span + std::abs(steps[i]) - 1) / std::abs(steps[i]);
  }
  c.y() = onnx_zeros(c.x().type, shape);
  for (int64_t i = 0; i < c.y().size(); ++i) {
    int64_t rest = i, from = 0, stride = 1;
    for (size_t k = shape.size(); k-- > 0;) {
      from += (first[k] + rest % shape[k] * step[k]) * stride;
      rest /= shape[k];
      stride *= s[k];
    }
    c.y().v[static_cast<size_t>(i)] = c.x().v[static_cast<size_t>(from)];
  }
}

void expand(OnnxCall& c) {
  c.y() = onnx_zeros(c.x().type, onnx_broadcast(c, c.x().shape, c.extents(1)));
  for (int64_t i = 0; i < c.y().size(); ++i)
    c.y().v[static_cast<size_t>(i)] = c.x().v[static_cast<size_t>(onnx_source(c.x().shape, c.y().shape, i))];
}

void constant(OnnxCall& c) {
  const auto* value = c.attribute("value");
  const auto one = [&](int32_t type, double v) {
    c.y() = onnx_zeros(type, {});
    c.y().v[0] = v;
  };
  if (value && value->type() == onnx::AttributeProto::TENSOR)
    c.y() = onnx_tensor(value->t());
  else if (c.attribute("value_float"))
    one(onnx::TensorProto::FLOAT, c.real("value_float", 0));
  else if (c.attribute("value_int"))
    one(onnx::TensorProto::INT64, static_cast<double>(c.integer("value_int", 0)));
  else if (c.attribute("value_ints")) {
    const Extents list = c.integers("value_ints", {});
    c.y() = {onnx::TensorProto::INT64, {static_cast<int64_t>(list.size())}, {list.begin(), list.end()}};
  } else
    c.fail("is supported with a tensor or numbers");
}

void shape(OnnxCall& c) {
  const Extents& s = c.x().shape;
  c.require(c.node.attribute_size() == 0, "a part of a shape is not known here");
  c.y() = {onnx::TensorProto::INT64, {static_cast<int64_t>(s.size())}, {s.begin(), s.end()}};
}

void gather(OnnxCall& c) {
  const Extents &s = c.x().shape, &at = c.x(1).shape;
  const size_t axis = axis_of(c, c.integer("axis", 0), s.size());
  Extents to(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(axis));
  to.insert(to.end(), at.begin(), at.end());
  to.insert(to.end(), s.begin() + static_cast<std::ptrdiff_t>(axis) + 1, s.end());
  c.y() = onnx_zeros(c.x().type, to);
  const int64_t outer = onnx_count(s, 0, axis), inner = onnx_count(s, axis + 1, s.size());
  auto out = c.y().v.begin();
  for (int64_t o = 0; o < outer; ++o)
    for (double v : c.x(1).v) {
      c.require(v >= static_cast<double>(-s[axis]) && v < static_cast<double>(s[axis]),
                "an index is out of range");
      const int64_t i = static_cast<int64_t>(v) + (v < 0 ? s[axis] : 0);
      out = std::copy_n(c.x().v.begin() + (o * s[axis] + i) * inner, inner, out);
    }
}

void dropout(OnnxCall& c) { c.y() = c.x(); }

}  // namespace

std::vector<OnnxEntry> onnx_shape_ops() {
  return {{"Constant", constant},   {"Shape", shape},     {"Gather", gather},   {"Dropout", dropout},
          {"Reshape", reshape},     {"Flatten", flatten}, {"Squeeze", squeeze}, {"Unsqueeze", unsqueeze},
          {"Transpose", transpose}, {"Concat", concat},   {"Slice", slice},     {"Expand", expand}};
}

}  // namespace dl
