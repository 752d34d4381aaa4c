#pragma once
// What a network said about a split, as an artifact of kind "predictions":
//   /outputs/<name>  (N, ...) as the network gives them
//   /targets/<name>  (N, ...) from the data set
//   /id              the ids of the rows: UTF-8, one after the other, each ended by a newline; /id_end (N)
//   where each ends attributes split, schema (of the data), config, recipe_hash, parents (model, data set)
#include <memory>
#include <string>

#include "data/dataset.h"
#include "data/loader.h"
#include "io/artifact.h"
#include "train/network.h"

namespace dl {

class DL_API PredictionsWriter {
 public:
  PredictionsWriter(const std::string& path, const Dataset& data, const std::string& split,
                    std::vector<std::string> outputs, const OutputOptions& options);
  ~PredictionsWriter();
  ArtifactWriter& artifact() { return writer_; }
  // The rows of a batch: the outputs in the order of their names, and the batch's targets.
  void append(std::span<const Tensor> outputs, const Batch& batch);
  std::string finish();  // the content hash

 private:
  void create(std::span<const Tensor> outputs);
  const Dataset& data_;
  std::string split_;
  std::vector<std::string> outputs_;
  ArtifactWriter writer_;
  bool created_ = false;
  int64_t id_bytes_ = 0;
};

}  // namespace dl
