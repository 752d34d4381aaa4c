#include "report/look_inside.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "exec/cpu.h"
#include "train/combine.h"
#include "train/evaluate.h"

namespace dl {
namespace {

constexpr const char* kFeatures = "report_features";
constexpr const char* kMaps = "report_maps";

// The weight of a node: a parameter of two or more extents.
const Value* weight_of(const Graph& g, const Node& n) {
  for (ValueId v : n.in)
    if (g.value(v).kind == ValueKind::parameter && g.type(v).shape.rank() >= 2) return &g.value(v);
  return nullptr;
}

Tensor to_f64(const Tensor& t, int64_t rows) {
  Tensor out(DType::f64, {rows, t.elements() / std::max<int64_t>(1, rows)});
  const auto from = t.data<float>();
  std::copy(from.begin(), from.end(), out.data<double>().begin());
  return out;
}

}  // namespace

std::vector<int64_t> spread_rows(int64_t rows, int64_t count) {
  std::vector<int64_t> out;
  for (int64_t i = 0, n = std::min(rows, count); i < n; ++i) out.push_back(i * rows / n);
  return out;
}

std::map<std::string, Tensor> inputs_of(const Dataset& data, const Schema& model, const std::string& split,
                                        const std::vector<int64_t>& rows) {
  std::map<std::string, Tensor> out;
  std::vector<void*> columns(data.schema().columns(), nullptr);
  for (const Input& input : model.inputs) {
    TensorType type{input.type.dtype, {static_cast<int64_t>(rows.size())}};
    for (int64_t d : input.type.shape) type.shape.push_back(d);
    Tensor t(type);
    columns[column_of(data.schema(), input.name)] = t.raw();
    out[input.name] = t;
  }
  data.gather(split, rows, columns);
  return out;
}

Inside::Inside(Inference& network, const std::string& output)
    : network_(network), parameters_(network.model().parameters) {
  const Model m = network.network(1);
  const Graph& g = m.graph;
  for (const Head& h : find_heads(g, 1, network.schema(), network.train().loss))
    if (h.output == output) head_ = h;
  for (const Node& n : g.nodes) {
    const Value* weight = n.op->name.starts_with("conv2d") ? weight_of(g, n) : nullptr;
    if (!weight || g.type(n.out[0]).dtype != DType::f32) continue;
    maps_ = kMaps;
    maps_value_ = n.out[0];
    weights_ = weight->name;
    map_layer_ = n.name;
    break;
  }
  for (const Node* n = g.producer(g.output(output)); n && !n->in.empty(); n = g.producer(n->in[0])) {
    if (!weight_of(g, *n)) continue;
    if (g.value(n->in[0]).kind != ValueKind::computed || g.type(n->in[0]).dtype != DType::f32) break;
    features_ = kFeatures;
    features_value_ = n->in[0];
    break;
  }
}

Executor& Inside::executor(int64_t batch) {
  if (!executors_) {
    PlanOptions options;
    options.threads = pool_threads(network_.pool());
    executors_ = std::make_unique<ExecutorCache>(
        [this](int64_t samples) {
          Model m = network_.network(samples);
          if (!features_.empty()) m.graph.outputs.push_back({features_, features_value_});
          if (!maps_.empty()) m.graph.outputs.push_back({maps_, maps_value_});
          return m;
        },
        options, network_.pool(), parameters_, 0, std::make_shared<Arena>());
  }
  return executors_->at(batch);
}

Tensor Inside::value(const std::string& name, const std::map<std::string, Tensor>& inputs) {
  Executor& run = executor(inputs.begin()->second.shape()[0]);
  for (const auto& [input, tensor] : inputs)
    if (run.has_input(input)) run.feed(input, tensor);
  run.run();
  return output_tensor(run, name);
}

Tensor Inside::probabilities(const std::map<std::string, Tensor>& inputs, double temperature) {
  return probabilities_of(head_, value(head_.output, inputs), temperature);
}

Tensor Inside::features(const std::map<std::string, Tensor>& inputs) {
  return to_f64(value(features_, inputs), inputs.begin()->second.shape()[0]);
}

Tensor Inside::maps(const std::map<std::string, Tensor>& inputs) { return value(maps_, inputs); }

Tensor Inside::filters() const {
  const auto found = parameters_.find(weights_);
  return found == parameters_.end() ? Tensor() : found->second;
}

Occlusion Inside::occlude(const std::map<std::string, Tensor>& inputs, const std::string& picture,
                          int64_t target) {
  const Tensor& image = inputs.at(picture);
  const int64_t channels = image.shape()[1], height = image.shape()[2], width = image.shape()[3];
  Occlusion o;
  o.size = std::max<int64_t>(1, std::min(height, width) / 5);
  o.step = std::max<int64_t>(1, o.size / 2);
  o.rows = (height - o.size) / o.step + 1;
  o.columns = (width - o.size) / o.step + 1;
  const int64_t n = o.rows * o.columns + 1, bytes = image.bytes();  // the last one is the picture as it is
  std::map<std::string, Tensor> batch;
  for (const auto& [name, tensor] : inputs) {
    TensorType type = tensor.type();
    type.shape[0] = n;
    batch[name] = Tensor(type);
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(static_cast<char*>(batch[name].raw()) + i * tensor.bytes(), tensor.raw(),
                  static_cast<size_t>(tensor.bytes()));
  }
  const bool floats = image.dtype() == DType::f32;
  for (int64_t c = 0; c < channels; ++c) {
    double mean = 0;
    for (int64_t p = c * height * width; p < (c + 1) * height * width; ++p)
      mean += floats ? static_cast<double>(image.data<float>()[static_cast<size_t>(p)])
                     : image.data<uint8_t>()[static_cast<size_t>(p)];
    mean /= static_cast<double>(height * width);
    for (int64_t i = 0; i + 1 < n; ++i)
      for (int64_t y = 0; y < o.size; ++y)
        for (int64_t x = 0; x < o.size; ++x) {
          const int64_t at = (c * height + i / o.columns * o.step + y) * width + i % o.columns * o.step + x;
          char* const to = static_cast<char*>(batch[picture].raw()) + i * bytes;
          if (floats)
            reinterpret_cast<float*>(to)[at] = static_cast<float>(mean);
          else
            reinterpret_cast<uint8_t*>(to)[at] = static_cast<uint8_t>(std::lround(mean));
        }
  }
  const Tensor p = probabilities(batch);
  const auto score = [&](int64_t i) {
    return p.data<double>()[static_cast<size_t>(i * p.shape()[1] + target)];
  };
  for (int64_t i = 0; i + 1 < n; ++i) o.lost.push_back(score(n - 1) - score(i));
  return o;
}

}  // namespace dl
