// --to onnx
#include "exchange/onnx.h"

#include "base/str.h"
#include "exchange/onnx_verify.h"
#include "job.h"
#include "train/device.h"

namespace dl::exporting {

int export_onnx(const Job& job) {
  const ExportConfig& config = job.config;
  if (config.weights != ExportWeights::f32)
    throw Error(Exit::config, "/export/weights", "an ONNX file has weights of f32",
                "int8 is for C, f16 and bf16 for safetensors");
  check_target(job, job.to,
               "\x12\x02"
               "dl",
               2);
  TensorMap values = job.network.model().parameters;
  OnnxOptions options{.batch = kAnyBatch, .producer_version = DL_VERSION};
  if (!config.strip) options.metadata = metadata_of(job.network);
  options.opset = config.opset;
  options.strip = config.strip;
  const OnnxFile file = to_onnx(job.network.network(kAnyBatch).graph, values, options);
  std::vector<Agreement> found;
  if (config.verify) {
    const Tolerance tolerance{config.rtol, config.atol};
    found = verify_onnx(
        file.bytes, [&](int64_t batch) { return job.network.network(batch).graph; }, values,
        samples_of(job).batches, job.network.pool(), tolerance, open_device(job.in.device));
    require_agreement(found, tolerance, "the ONNX file");
  }
  report(job, found);
  return publish(job, file.bytes,
                 {{"format", "onnx"},
                  {"opset", file.opset},
                  {"ir_version", file.ir_version},
                  {"bytes", file.bytes.size()},
                  {"verified", agreement_record(found)}},
                 str(job.in.on("--dry-run") ? "" : "ONNX, ", "opset ", file.opset));
}

}  // namespace dl::exporting
