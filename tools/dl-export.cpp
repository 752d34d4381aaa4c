// dl-export: writes a trained network in a form that other programs read.
#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "base/str.h"
#include "cli/tool.h"
#include "data/loader.h"
#include "exchange/export_config.h"
#include "exchange/onnx.h"
#include "exchange/onnx_verify.h"
#include "io/input_file.h"
#include "io/output_file.h"
#include "train/device.h"
#include "train/evaluate.h"

using namespace dl;

namespace {

// The batch that stands for "any": a prime that no layer has as an extent is still recognised when one does,
// as only the first extent of inputs and outputs is looked at.
constexpr int64_t kAnyBatch = 97;

json formats() {
  return json::array(
      {{{"format", "onnx"}, {"description", "ONNX, the lowest opset from 13 up that serves all layers"}}});
}

// Classes and normalisation travel with the network.
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

int list_mapping(cli::Invocation& in, const Graph& graph) {
  json record = json::array();
  std::string human;
  bool complete = true;
  for (const OnnxRow& row : onnx_mapping(graph)) {
    complete = complete && !row.onnx.empty();
    record.push_back({{"layer", row.layer},
                      {"op", row.op},
                      {"onnx", row.onnx},
                      {"opset", row.opset},
                      {"origin", row.origin}});
    const std::string onnx = row.onnx.empty() ? "NOT SUPPORTED" : str(row.onnx, " (opset ", row.opset, ')');
    human += str(row.layer.empty() ? "-" : row.layer, "  ", row.op, "  ->  ", onnx, '\n');
  }
  in.emit(record, human);
  return complete ? 0 : static_cast<int>(Exit::config);
}

// Random batches of two sizes, and samples of the data set when there is one.
std::vector<NetworkInputs> batches_of(cli::Invocation& in, const Inference& network,
                                      const ExportConfig& config) {
  std::vector<NetworkInputs> out;
  const auto known = build_options(network.schema(), 1, false).normalization;
  out.push_back(random_inputs(network.network(1).graph, known, in.seed));
  if (config.samples > 1)
    out.push_back(random_inputs(network.network(config.samples - 1).graph, known, in.seed + 1));
  if (!in.has("--data")) return out;
  const Dataset data(in.text("--data"), {.tmp = in.tmp});
  check_compatible(network.schema(), data.schema(), data.name());
  const std::string split = choose_split(data, in.text("--split"));
  Loader loader(data, {.split = split,
                       .batch_size = std::min(config.samples, data.rows(split)),
                       .shuffle = false,
                       .augment = {}});
  const Batch& batch = loader.next();
  NetworkInputs& real = out.emplace_back();
  for (size_t i = 0; i < data.schema().inputs.size(); ++i)
    real[data.schema().inputs[i].name] = batch.columns[i].clone();
  return out;
}

// Another program's file is not replaced unless asked to. Ours begin with IR version and producer name.
void check_target(const std::string& path, bool force) {
  if (force || path == "-" || !std::filesystem::is_regular_file(path) ||
      std::filesystem::file_size(path) == 0)
    return;
  if (InputFile(path).peek(2, 4) != std::string("\x12\x02"
                                                "dl"))
    throw Error(Exit::io, {}, str(path, ": exists and was not written by dl-export"), "--force replaces it");
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

int run(cli::Invocation& in) {
  const auto config = in.get<ExportConfig>("export");
  if (in.on("--list-formats")) {
    in.emit(formats(), "onnx  ONNX, the lowest opset from 13 up that serves all layers\n");
    return 0;
  }
  const PoolOwner pool(pool_create(in.threads));
  Inference network(ModelFile::load(in.inputs().front(), in.tmp), pool.get(), open_device(in.device));
  const Graph graph = network.network(kAnyBatch).graph;
  if (in.on("--check")) return list_mapping(in, graph);
  const std::string to = in.output();
  check_target(to, in.on("--force"));

  TensorMap values = network.model().parameters;
  const OnnxFile file = to_onnx(
      graph, values, {.batch = kAnyBatch, .producer_version = DL_VERSION, .metadata = metadata_of(network)});
  std::vector<Agreement> found;
  if (config.verify) {
    const Tolerance tolerance{config.rtol, config.atol};
    found = verify_onnx(
        file.bytes, [&](int64_t batch) { return network.network(batch).graph; }, values,
        batches_of(in, network, config), pool.get(), tolerance, open_device(in.device));
    require_agreement(found, tolerance, "the ONNX file");
  } else {
    in.log.warning("the file is not verified (--no-verify)");
  }
  for (const Agreement& a : found)
    in.log.info(str("output '", a.output, "': ", a.samples, " samples agree, worst difference ", a.worst,
                    " (largest value ", a.scale, ')'));
  const json record{{"format", "onnx"},
                    {"opset", file.opset},
                    {"ir_version", file.ir_version},
                    {"bytes", file.bytes.size()},
                    {"verified", agreement_record(found)}};
  if (in.on("--dry-run")) {
    in.log.info(str("would write ", file.bytes.size(), " bytes, opset ", file.opset));
    return 0;
  }
  OutputFile out(to, in.tmp);
  out.write(file.bytes);
  out.publish();
  in.write_run_record(to, record);
  in.emit(record,
          str(to, ": ONNX, opset ", file.opset, ", ", human_bytes(static_cast<double>(file.bytes.size()))));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-export",
       .summary = "writes a trained network in a form that other programs read",
       .synopsis = {"[-c CFG] MODEL.h5|- --to FORMAT -o OUT", "MODEL.h5|- --check", "--list-formats"},
       .description = "Writes the inference form of a network. Before anything is written, the bytes are "
                      "read back and evaluated "
                      "by an interpreter of their own on random inputs, and on samples of --data; when they "
                      "differ from the network, "
                      "the exit code is 8 and there is no file.",
       .sections = {cli::section<ExportConfig>("export", "What is written, and how closely it must agree.")},
       .options = {{.name = "--to",
                    .arg = "FORMAT",
                    .doc = "The form to write.",
                    .fallback = "onnx",
                    .choices = "onnx",
                    .config = "/export/format"},
                   {.name = "--check",
                    .doc = "Lists what each layer becomes, and writes nothing.",
                    .take = cli::Take::nothing},
                   {.name = "--list-formats", .doc = "Lists the formats.", .take = cli::Take::nothing},
                   {.name = "--data",
                    .arg = "DATA.h5",
                    .doc = "A data set whose samples are compared too.",
                    .type = cli::Type::input},
                   {.name = "--split",
                    .arg = "NAME",
                    .doc = "The part of --data to take samples from; test, else valid."},
                   {.name = "--samples",
                    .arg = "N",
                    .doc = "How many samples of each kind are compared.",
                    .type = cli::Type::integer,
                    .config = "/export/samples"},
                   {.name = "--rtol",
                    .arg = "X",
                    .doc = "Difference allowed, as a part of an output's largest magnitude.",
                    .type = cli::Type::number,
                    .config = "/export/rtol"},
                   {.name = "--atol",
                    .arg = "X",
                    .doc = "Difference allowed in addition.",
                    .type = cli::Type::number,
                    .config = "/export/atol"},
                   {.name = "--verify",
                    .doc = "Compare before writing (the default).",
                    .take = cli::Take::boolean,
                    .config = "/export/verify"}},
       .positional = {.arg = "MODEL.h5|-", .doc = "The trained network.", .type = cli::Type::input, .max = 1},
       .output = cli::Output::artifact,
       .output_doc = "The exported network.",
       .examples = {{"dl-export lenet.h5 --to onnx -o lenet.onnx", "Writes and verifies an ONNX file."},
                    {"dl-export lenet.h5 --check", "What each layer becomes."}},
       .run = run},
      argc, argv);
}
