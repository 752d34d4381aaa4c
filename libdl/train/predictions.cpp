#include "train/predictions.h"

#include "base/str.h"

namespace dl {
namespace {

TensorType row_type(const TensorType& batch) {
  Shape shape;
  for (int i = 1; i < batch.shape.rank(); ++i) shape.push_back(batch.shape[i]);
  return {batch.dtype, shape};
}

}  // namespace

PredictionsWriter::PredictionsWriter(const std::string& path, const Dataset& data, const std::string& split,
                                     std::vector<std::string> outputs, const OutputOptions& options)
    : data_(data), split_(split), outputs_(std::move(outputs)), writer_(path, "predictions", options) {
  writer_.attribute("split", std::string_view(split));
  writer_.attribute("schema", data.schema_json());
}

PredictionsWriter::~PredictionsWriter() = default;

void PredictionsWriter::create(std::span<const Tensor> outputs) {
  for (size_t i = 0; i < outputs_.size(); ++i)
    writer_.create(str("/outputs/", outputs_[i]), row_type(outputs[i].type()));
  for (const Target& t : data_.schema().targets) writer_.create(str("/targets/", t.name), t.type);
  writer_.create("/id", {DType::u8, {}});
  writer_.create("/id_end", {DType::i64, {}});
  created_ = true;
}

void PredictionsWriter::append(std::span<const Tensor> outputs, const Batch& batch) {
  if (!created_) create(outputs);
  for (size_t i = 0; i < outputs_.size(); ++i)
    writer_.append(str("/outputs/", outputs_[i]), outputs[i].raw(), batch.rows);
  const size_t inputs = data_.schema().inputs.size();
  for (size_t i = 0; i < data_.schema().targets.size(); ++i)
    writer_.append(str("/targets/", data_.schema().targets[i].name), batch.columns[inputs + i].raw(),
                   batch.rows);
  for (const std::string& id : data_.ids(split_, batch.samples.front(), batch.rows)) {
    const std::string line = id + '\n';
    id_bytes_ += static_cast<int64_t>(line.size());
    writer_.append("/id", line.data(), static_cast<int64_t>(line.size()));
    writer_.append("/id_end", &id_bytes_, 1);
  }
}

std::string PredictionsWriter::finish() { return writer_.finish(); }

}  // namespace dl
