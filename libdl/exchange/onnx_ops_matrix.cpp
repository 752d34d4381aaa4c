// Matrix products, normalisation, softmax and reductions of the ONNX reference.
#include <cmath>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

double at(const OnnxValue& m, bool transposed, int64_t row, int64_t column) {
  return m.v[static_cast<size_t>(transposed ? column * m.shape[1] + row : row * m.shape[1] + column)];
}

void gemm(OnnxCall& c) {
  const OnnxValue &a = c.x(0), &b = c.x(1);
  c.require(a.shape.size() == 2 && b.shape.size() == 2, "expected matrices");
  const bool ta = c.integer("transA", 0) != 0, tb = c.integer("transB", 0) != 0;
  const double alpha = c.real("alpha", 1), beta = c.real("beta", 1);
  const int64_t m = a.shape[ta ? 1 : 0], k = a.shape[ta ? 0 : 1], n = b.shape[tb ? 0 : 1];
  c.require(b.shape[tb ? 1 : 0] == k, "inner extents differ");
  c.y() = onnx_zeros(a.type, {m, n});
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += at(a, ta, i, p) * at(b, tb, p, j);
      const double bias =
          c.has(2) ? c.x(2).v.at(static_cast<size_t>(onnx_source(c.x(2).shape, {m, n}, i * n + j))) : 0;
      c.y().v[static_cast<size_t>(i * n + j)] = alpha * sum + beta * bias;
    }
}

void matmul(OnnxCall& c) {
  const OnnxValue &a = c.x(0), &b = c.x(1);
  const size_t ra = a.shape.size(), rb = b.shape.size();
  c.require(ra >= 2 && rb >= 2, "expected at least two axes");
  const Extents head_a(a.shape.begin(), a.shape.end() - 2), head_b(b.shape.begin(), b.shape.end() - 2);
  Extents shape = onnx_broadcast(c, head_a, head_b);
  const Extents head = shape;
  const int64_t m = a.shape[ra - 2], k = a.shape[ra - 1], n = b.shape[rb - 1];
  c.require(b.shape[rb - 2] == k, "inner extents differ");
  shape.push_back(m);
  shape.push_back(n);
  c.y() = onnx_zeros(a.type, shape);
  for (int64_t h = 0; h < onnx_count(head); ++h) {
    const double* pa = a.v.data() + onnx_source(head_a, head, h) * m * k;
    const double* pb = b.v.data() + onnx_source(head_b, head, h) * k * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p) sum += pa[i * k + p] * pb[p * n + j];
        c.y().v[static_cast<size_t>((h * m + i) * n + j)] = sum;
      }
  }
}

size_t axis_of(const OnnxCall& c, int64_t axis) {
  const auto rank = static_cast<int64_t>(c.x().shape.size());
  c.require(axis >= -rank && axis < rank, str("axis ", axis, " is out of range"));
  return static_cast<size_t>(axis < 0 ? axis + rank : axis);
}

void softmax_rows(OnnxCall& c, bool logarithm) {
  const size_t axis = axis_of(c, c.integer("axis", -1));
  const Extents& s = c.x().shape;
  c.y() = c.x();
  const int64_t outer = onnx_count(s, 0, axis), n = s[axis], inner = onnx_count(s, axis + 1, s.size());
  for (int64_t o = 0; o < outer * inner; ++o) {
    double* row = c.y().v.data() + o / inner * n * inner + o % inner;
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; ++i) top = std::fmax(top, row[i * inner]);
    for (int64_t i = 0; i < n; ++i) sum += std::exp(row[i * inner] - top);
    for (int64_t i = 0; i < n; ++i)
      row[i * inner] =
          logarithm ? row[i * inner] - top - std::log(sum) : std::exp(row[i * inner] - top) / sum;
  }
}
void softmax(OnnxCall& c) { softmax_rows(c, false); }
void log_softmax(OnnxCall& c) { softmax_rows(c, true); }

// Axes are an attribute before the opset that made them an operand (13 for ReduceSum, 18 for the others).
template <class Step, class Finish>
void reduce(OnnxCall& c, double start, Step step, Finish finish) {
  const Extents& s = c.x().shape;
  const Extents axes = c.has(1) ? c.extents(1) : c.integers("axes", {});
  const bool keep = c.integer("keepdims", 1) != 0;
  std::vector<bool> drop(s.size(), axes.empty() && c.integer("noop_with_empty_axes", 0) == 0);
  for (int64_t axis : axes) drop[axis_of(c, axis)] = true;
  Extents kept = s, shape;
  int64_t count = 1;
  for (size_t i = 0; i < s.size(); ++i) {
    if (drop[i]) {
      count *= s[i];
      kept[i] = 1;
    }
    if (!drop[i] || keep) shape.push_back(kept[i]);
  }
  c.y() = onnx_zeros(c.x().type, kept);
  for (double& v : c.y().v) v = start;
  for (int64_t i = 0; i < c.x().size(); ++i) {
    double& to = c.y().v[static_cast<size_t>(onnx_source(kept, s, i))];
    to = step(to, c.x().v[static_cast<size_t>(i)]);
  }
  for (double& v : c.y().v) v = finish(v, static_cast<double>(count));
  c.y().shape = shape;
}

double plain(double v, double) { return v; }
double add(double a, double x) { return a + x; }

void reduce_sum(OnnxCall& c) { reduce(c, 0, add, plain); }
void reduce_mean(OnnxCall& c) {
  reduce(c, 0, add, [](double v, double n) { return v / n; });
}
void reduce_max(OnnxCall& c) {
  reduce(
      c, -INFINITY, [](double a, double x) { return std::fmax(a, x); }, plain);
}
void reduce_min(OnnxCall& c) {
  reduce(
      c, INFINITY, [](double a, double x) { return std::fmin(a, x); }, plain);
}
void reduce_prod(OnnxCall& c) {
  reduce(
      c, 1, [](double a, double x) { return a * x; }, plain);
}
void reduce_l1(OnnxCall& c) {
  reduce(
      c, 0, [](double a, double x) { return a + std::fabs(x); }, plain);
}
void reduce_sum_square(OnnxCall& c) {
  reduce(
      c, 0, [](double a, double x) { return a + x * x; }, plain);
}
void reduce_l2(OnnxCall& c) {
  reduce(
      c, 0, [](double a, double x) { return a + x * x; }, [](double v, double) { return std::sqrt(v); });
}

void arg_max(OnnxCall& c) {
  const size_t axis = axis_of(c, c.integer("axis", 0));
  c.require(c.integer("select_last_index", 0) == 0, "select_last_index is not known here");
  const Extents& s = c.x().shape;
  Extents shape = s;
  shape[axis] = 1;
  c.y() = onnx_zeros(onnx::TensorProto::INT64, shape);
  const int64_t n = s[axis], inner = onnx_count(s, axis + 1, s.size());
  for (int64_t o = 0; o < c.y().size(); ++o) {
    const double* row = c.x().v.data() + o / inner * n * inner + o % inner;
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i)
      if (row[i * inner] > row[best * inner]) best = i;
    c.y().v[static_cast<size_t>(o)] = static_cast<double>(best);
  }
  if (c.integer("keepdims", 1) == 0) c.y().shape.erase(c.y().shape.begin() + static_cast<long>(axis));
}

}  // namespace

std::vector<OnnxEntry> onnx_matrix_ops() {
  return {{"Gemm", gemm},
          {"MatMul", matmul},
          {"Softmax", softmax},
          {"LogSoftmax", log_softmax},
          {"ReduceSum", reduce_sum},
          {"ReduceMean", reduce_mean},
          {"ReduceMax", reduce_max},
          {"ReduceMin", reduce_min},
          {"ReduceProd", reduce_prod},
          {"ReduceL1", reduce_l1},
          {"ReduceL2", reduce_l2},
          {"ReduceSumSquare", reduce_sum_square},
          {"ArgMax", arg_max}};
}

}  // namespace dl
