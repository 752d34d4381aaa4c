#pragma once
// A network as a data set or a model file describes it, and its forward run at any batch size.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/threads.h"
#include "data/schema.h"
#include "exec/executor.h"
#include "io/model_file.h"
#include "nn/model.h"
#include "train/executor_cache.h"
#include "train/metrics.h"
#include "train/train_config.h"

namespace dl {

// Input types, number of classes and normalisation as the data set has them.
DL_API BuildOptions build_options(const Schema& schema, int64_t batch, bool training);

// An output together with the target that it is judged by.
struct Head {
  std::string output, target;
  OutputForm form = OutputForm::logits;
  int64_t columns = 1;               // elements of one sample's output
  std::vector<std::string> classes;  // names; empty for regression
  int64_t labels = 0;                // of the forms of labels: how many; each has columns / labels pixels
};
// Outputs and targets of one name belong together; a single output and a single target always do. The form
// follows from the target and the operator behind the output: softmax gives probabilities, log_softmax their
// logarithms, one column for two classes is a binary logit; numbers that a loss of yes and no judges (bce, dice, focal ...)
// are labels, the first extent of a mask counts them. Error (config) when an output's extents do not
// fit its target's classes, or when no output has a target. `graph` is the network at the batch size `batch`.
DL_API std::vector<Head> find_heads(const Graph& graph, int64_t batch, const Schema& schema,
                                    const Losses& losses);

// Samples of each class by target, for losses with balanced classes; may be empty.
using ClassCounts = std::map<std::string, std::vector<int64_t>>;

// The inference form of a trained network. Plans are made once for each batch size.
class DL_API Inference {
 public:
  // The model section and the schema are those of the file. Error (data) when the file lacks a parameter. `device` null:
  // the CPU.
  Inference(ModelFile model, Pool* pool, std::shared_ptr<Device> device = nullptr);
  const ModelFile& model() const { return model_; }
  const Schema& schema() const { return schema_; }
  const TrainConfig& train() const { return train_; }  // its loss alone
  Pool* pool() const { return pool_; }
  // What layers compute with from now on; f32 if it is not called.
  void set_precision(Precision precision) {
    precision_ = precision;
    executors_.reset();
  }
  // Lets run() compute the output "loss" too, as the model was trained; it then wants the targets among its inputs.
  // False when the losses need class counts and `counts` is empty.
  bool add_loss(const ClassCounts& counts = {});
  Model network(int64_t batch) const;
  // Runs a batch; inputs by name with the batch extent, which all of them share. The executor holds the
  // outputs until the next run.
  Executor& run(const std::map<std::string, Tensor>& inputs);
  // The executor for a batch size; made when it is first asked for.
  Executor& executor(int64_t batch);

 private:
  ModelFile model_;
  Schema schema_;
  Pool* pool_;
  std::shared_ptr<Device> device_;
  Precision precision_ = Precision::f32;
  bool with_loss_ = false;
  TrainConfig train_;
  ClassCounts counts_;
  std::unique_ptr<ExecutorCache> executors_;
};

// A copy of an executor's output.
DL_API Tensor output_tensor(Executor& executor, const std::string& name);

}  // namespace dl
