// --to safetensors
#include "exchange/safetensors.h"

#include "base/str.h"
#include "job.h"

namespace dl::exporting {

int export_safetensors(const Job& job) {
  const ExportConfig& config = job.config;
  if (config.weights == ExportWeights::int8)
    throw Error(Exit::config, "/export/weights", "a safetensors file has weights of f32, f16 or bf16",
                "int8 is for C");
  const DType half = config.weights == ExportWeights::f16    ? DType::f16
                     : config.weights == ExportWeights::bf16 ? DType::bf16
                                                             : DType::f32;
  const ModelFile& model = job.network.model();
  job.network.network(1);  // the file has every parameter of its network
  Safetensors content{model.parameters, {}};
  if (!config.strip) {
    content.metadata = metadata_of(job.network);
    content.metadata["format"] = "dl";
    content.metadata["model"] = model.config.at("model").dump();
    content.metadata["schema"] = job.network.schema().dump().dump();
  }
  const std::string bytes = to_safetensors(content, half);
  if (config.verify && to_safetensors(from_safetensors(bytes), half) != bytes)
    throw Error(Exit::numeric, "the safetensors file does not read back as it was written");
  return publish(job, bytes,
                 {{"format", "safetensors"}, {"tensors", content.tensors.size()}, {"bytes", bytes.size()}},
                 str("safetensors, ", content.tensors.size(), " tensors"));
}

}  // namespace dl::exporting
