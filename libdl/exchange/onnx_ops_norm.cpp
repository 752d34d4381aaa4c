// Norms of the ONNX reference.
#include <cmath>

#include "exchange/onnx_ops.h"

namespace dl {
namespace {

void batch_normalization(OnnxCall& c) {
  c.require(c.node.output_size() == 1 && c.integer("training_mode", 0) == 0,
            "only the inference form is known here");
  const OnnxValue& x = c.x();
  const double epsilon = c.real("epsilon", 1e-5);
  c.require(x.shape.size() >= 2, "expected (N, C, ...)");
  const int64_t channels = x.shape[1], run = onnx_count(x.shape, 2, x.shape.size());
  for (size_t i = 1; i < 5; ++i)
    c.require(c.x(i).size() == channels, str("operand ", i, " does not have one number for each channel"));
  c.y() = x;
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto ch = static_cast<size_t>(i / run % channels);
    const double unit = (x.v[static_cast<size_t>(i)] - c.x(3).v[ch]) / std::sqrt(c.x(4).v[ch] + epsilon);
    c.y().v[static_cast<size_t>(i)] = unit * c.x(1).v[ch] + c.x(2).v[ch];
  }
}

// Stretches of `n` neighbouring elements to mean 0 and variance 1.
void normalize_rows(OnnxValue& y, int64_t n, double epsilon) {
  for (int64_t from = 0; from + n <= y.size() && n > 0; from += n) {
    double* row = y.v.data() + from;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) mean += row[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) squares += (row[i] - mean) * (row[i] - mean);
    const double rstd = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
    for (int64_t i = 0; i < n; ++i) row[i] = (row[i] - mean) * rstd;
  }
}

void layer_normalization(OnnxCall& c) {
  c.require(c.node.output_size() == 1, "the statistics are not given here");
  const OnnxValue& x = c.x();
  const auto rank = static_cast<int64_t>(x.shape.size());
  int64_t axis = c.integer("axis", -1);
  if (axis < 0) axis += rank;
  c.require(axis >= 0 && axis < rank, "the axis is out of range");
  const int64_t n = onnx_count(x.shape, static_cast<size_t>(axis), x.shape.size());
  c.require(c.x(1).size() == n && (!c.has(2) || c.x(2).size() == n),
            "scale and bias do not have the extents of a row");
  c.y() = x;
  normalize_rows(c.y(), n, c.real("epsilon", 1e-5));
  for (int64_t i = 0; i < x.size(); ++i) {
    double& y = c.y().v[static_cast<size_t>(i)];
    y = y * c.x(1).v[static_cast<size_t>(i % n)] + (c.has(2) ? c.x(2).v[static_cast<size_t>(i % n)] : 0);
  }
}

void instance_normalization(OnnxCall& c) {
  const OnnxValue& x = c.x();
  c.require(x.shape.size() >= 3, "expected (N, C, ...)");
  const int64_t channels = x.shape[1], run = onnx_count(x.shape, 2, x.shape.size());
  c.require(c.x(1).size() == channels && c.x(2).size() == channels,
            "not one scale and bias for each channel");
  c.y() = x;
  normalize_rows(c.y(), run, c.real("epsilon", 1e-5));
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto ch = static_cast<size_t>(i / run % channels);
    double& y = c.y().v[static_cast<size_t>(i)];
    y = y * c.x(1).v[ch] + c.x(2).v[ch];
  }
}

void lrn(OnnxCall& c) {
  const OnnxValue& x = c.x();
  const int64_t size = c.integer("size", 0), channels = x.shape.size() < 2 ? 0 : x.shape[1];
  c.require(size > 0 && channels > 0, "expected a size and (N, C, ...)");
  const int64_t run = onnx_count(x.shape, 2, x.shape.size());
  const double alpha = c.real("alpha", 1e-4), beta = c.real("beta", 0.75), bias = c.real("bias", 1);
  c.y() = x;
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t ch = i / run % channels;
    double sum = 0;
    for (int64_t k = std::max<int64_t>(0, ch - (size - 1) / 2); k <= std::min(channels - 1, ch + size / 2);
         ++k) {
      const double v = x.v[static_cast<size_t>(i + (k - ch) * run)];
      sum += v * v;
    }
    c.y().v[static_cast<size_t>(i)] /= std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
  }
}

}  // namespace

std::vector<OnnxEntry> onnx_norm_ops() {
  return {{"BatchNormalization", batch_normalization},
          {"LayerNormalization", layer_normalization},
          {"InstanceNormalization", instance_normalization},
          {"LRN", lrn}};
}

}  // namespace dl
