#pragma once
// What a network computes on the way to its answer, for chosen samples.
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/network.h"

namespace dl {

// `count` rows of a split (or all, if there are fewer) at equal distances.
DL_API std::vector<int64_t> spread_rows(int64_t rows, int64_t count);

// The inputs of rows of a split, by name.
DL_API std::map<std::string, Tensor> inputs_of(const Dataset& data, const Schema& model,
                                               const std::string& split, const std::vector<int64_t>& rows);

// How much the probability of a class falls when a square of the picture is covered with its mean (Zeiler and Fergus,
// "Visualizing and understanding convolutional networks", 2014): for squares laid `step` apart, row by row.
struct Occlusion {
  int64_t rows = 0, columns = 0, size = 0, step = 0;
  std::vector<double> lost;
};

class DL_API Inside {
 public:
  // Looks at the values that lead to `output`.
  Inside(Inference& network, const std::string& output);

  // Probabilities of the classes or labels (n, columns) f64; numbers as they are.
  Tensor probabilities(const std::map<std::string, Tensor>& inputs, double temperature = 1);

  // The numbers that the last layer with weights takes: (n, d) f64. Empty where there is no such layer.
  bool has_features() const { return !features_.empty(); }
  Tensor features(const std::map<std::string, Tensor>& inputs);

  // The first convolution: its weights (filters, channels, height, width), and its output (n, filters, h, w). Undefined
  // where there is none.
  Tensor filters() const;
  bool has_maps() const { return !maps_.empty(); }
  Tensor maps(const std::map<std::string, Tensor>& inputs);
  const std::string& map_layer() const { return map_layer_; }

  // `inputs` holds one sample, `picture` names the image among them.
  Occlusion occlude(const std::map<std::string, Tensor>& inputs, const std::string& picture, int64_t target);

 private:
  Tensor value(const std::string& name, const std::map<std::string, Tensor>& inputs);
  Executor& executor(int64_t batch);

  Inference& network_;
  TensorMap parameters_;
  Head head_;  // as the network itself has it
  std::string features_, maps_, weights_, map_layer_;
  ValueId features_value_ = kNone, maps_value_ = kNone;
  std::unique_ptr<ExecutorCache> executors_;
};

}  // namespace dl
