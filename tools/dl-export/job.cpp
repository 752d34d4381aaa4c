#include "job.h"

#include <algorithm>
#include <filesystem>

#include "base/str.h"
#include "data/loader.h"
#include "io/input_file.h"
#include "io/output_file.h"
#include "train/evaluate.h"

namespace dl::exporting {

std::map<std::string, std::string> metadata_of(const Inference& network) {
  const json schema = network.schema().dump();
  std::map<std::string, std::string> out;
  json classes = json::object();
  for (const Target& t : network.schema().targets)
    if (!t.classes.empty()) classes[t.name] = t.classes;
  if (!classes.empty()) out["classes"] = classes.dump();
  if (!network.schema().normalization.empty()) out["normalization"] = schema.at("normalization").dump();
  if (!network.model().content_hash.empty()) out["model_hash"] = network.model().content_hash;
  return out;
}

Samples samples_of(const Job& job) {
  cli::Invocation& in = job.in;
  const Inference& network = job.network;
  Samples out;
  const auto known = build_options(network.schema(), 1, false).normalization;
  out.batches.push_back(random_inputs(network.network(1).graph, known, in.seed));
  if (job.config.samples > 1)
    out.batches.push_back(random_inputs(network.network(job.config.samples - 1).graph, known, in.seed + 1));
  if (!in.has("--data")) return out;
  const Dataset data(in.text("--data"), {.tmp = in.tmp});
  check_compatible(network.schema(), data.schema(), data.name());
  const std::string split = choose_split(data, in.text("--split"));
  Loader loader(data, {.split = split,
                       .batch_size = std::min(job.config.samples, data.rows(split)),
                       .shuffle = false,
                       .augment = {}});
  const Batch& batch = loader.next();
  NetworkInputs& real = out.batches.emplace_back();
  const Schema& schema = data.schema();
  for (size_t i = 0; i < schema.inputs.size(); ++i) real[schema.inputs[i].name] = batch.columns[i].clone();
  for (size_t i = 0; i < schema.targets.size(); ++i)
    out.targets[schema.targets[i].name] = batch.columns[schema.inputs.size() + i].clone();
  return out;
}

void check_target(const Job& job, const std::string& path, const std::string& mark, size_t offset) {
  if (job.in.on("--force") || path == "-" || !std::filesystem::is_regular_file(path) ||
      std::filesystem::file_size(path) == 0)
    return;
  if (InputFile(path).peek(static_cast<int64_t>(offset), static_cast<int64_t>(mark.size())) != mark)
    throw Error(Exit::io, {}, str(path, ": exists and was not written by dl-export"), "--force replaces it");
}

void report(const Job& job, const std::vector<Agreement>& found) {
  for (const Agreement& a : found)
    job.in.log.info(str("output '", a.output, "': ", a.samples, " samples agree, worst difference ", a.worst,
                        " (largest value ", a.scale, ')'));
}

json agreement_record(const std::vector<Agreement>& found) {
  json out = json::array();
  for (const Agreement& a : found)
    out.push_back({{"output", a.output},
                   {"samples", a.samples},
                   {"largest", a.scale},
                   {"worst_difference", a.worst},
                   {"labels", a.labels}});
  return out;
}

int publish(const Job& job, const std::string& bytes, const json& record, const std::string& human) {
  if (job.in.on("--dry-run")) {
    job.in.log.info(str("would write ", bytes.size(), " bytes", human.empty() ? "" : ", ", human));
    return 0;
  }
  OutputFile out(job.to, job.in.tmp);
  out.write(bytes);
  out.publish();
  job.in.write_run_record(job.to, record);
  job.in.emit(record, str(job.to, ": ", human, ", ", human_bytes(static_cast<double>(bytes.size()))));
  return 0;
}

}  // namespace dl::exporting
