#pragma once
// What the formats of dl-export share: the network, the samples that it is tried with, and the report.
#include <optional>

#include "cli/tool.h"
#include "exchange/agreement.h"
#include "exchange/export_config.h"
#include "train/network.h"

namespace dl::exporting {

// The batch that stands for "any": a prime that no layer has as an extent is still recognised when one does,
// as only the first extent of inputs and outputs is looked at.
inline constexpr int64_t kAnyBatch = 97;

struct Job {
  cli::Invocation& in;
  ExportConfig config;
  Inference& network;
  std::string to;
};

// Random batches of two sizes, and samples of the data set when there is one.
struct Samples {
  std::vector<NetworkInputs> batches;
  std::map<std::string, Tensor> targets;  // of the last batch, when it is of a data set
};
Samples samples_of(const Job& job);

// Classes and normalisation travel with the network.
std::map<std::string, std::string> metadata_of(const Inference& network);

// Another program's file is not replaced unless asked to: ours have `mark` at `offset`.
void check_target(const Job& job, const std::string& path, const std::string& mark, size_t offset);

void report(const Job& job, const std::vector<Agreement>& found);
json agreement_record(const std::vector<Agreement>& found);
// Writes `bytes` to job.to with the run record, or says what would be written.
int publish(const Job& job, const std::string& bytes, const json& record, const std::string& human);

int export_onnx(const Job& job);
int export_c(const Job& job);
int export_safetensors(const Job& job);

}  // namespace dl::exporting
