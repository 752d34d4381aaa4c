// dl-export: writes a trained network in a form that other programs read, and takes in what others wrote.
#include "base/json.h"
#include "base/str.h"
#include "cli/tool.h"
#include "dl-export/import.h"
#include "dl-export/job.h"
#include "exchange/c_source.h"
#include "exchange/lower.h"
#include "exchange/onnx.h"
#include "train/device.h"

using namespace dl;
using namespace dl::exporting;

namespace {

struct Format {
  std::string_view name, direction, description;
};
constexpr Format kFormats[] = {
    {"onnx", "--to, --from", "ONNX, the lowest opset from 13 up that serves all layers"},
    {"c", "--to", "one C99 source without dependencies, and its header; weights f32 or int8"},
    {"safetensors", "--to, --from",
     "weights by name with classes, normalisation and the model's config; f32, f16 or bf16"},
};

int list_formats(cli::Invocation& in) {
  json record = json::array();
  std::string human;
  for (const Format& f : kFormats) {
    record.push_back({{"format", f.name}, {"direction", f.direction}, {"description", f.description}});
    human += str(f.name, std::string(13 - f.name.size(), ' '), f.direction,
                 std::string(14 - f.direction.size(), ' '), f.description, '\n');
  }
  in.emit(record, human);
  return 0;
}

int list_c(const Job& job) {
  json record = json::array();
  std::string human;
  bool complete = true;
  TensorMap values = job.network.model().parameters;
  for (const CRow& row : c_mapping(lower(job.network.network(1).graph, values, job.network.pool()))) {
    complete = complete && !row.functions.empty();
    record.push_back({{"layer", row.layer}, {"op", row.op}, {"c", row.functions}, {"origin", row.origin}});
    human += str(row.layer.empty() ? "-" : row.layer, "  ", row.op, "  ->  ",
                 row.functions.empty() ? "NOT SUPPORTED" : row.functions, '\n');
  }
  job.in.emit(record, human);
  return complete ? 0 : static_cast<int>(Exit::config);
}

int list_onnx(const Job& job) {
  json record = json::array();
  std::string human;
  bool complete = true;
  for (const OnnxRow& row : onnx_mapping(job.network.network(kAnyBatch).graph)) {
    complete = complete && !row.onnx.empty();
    record.push_back({{"layer", row.layer},
                      {"op", row.op},
                      {"onnx", row.onnx},
                      {"opset", row.opset},
                      {"origin", row.origin}});
    const std::string onnx = row.onnx.empty() ? "NOT SUPPORTED" : str(row.onnx, " (opset ", row.opset, ')');
    human += str(row.layer.empty() ? "-" : row.layer, "  ", row.op, "  ->  ", onnx, '\n');
  }
  job.in.emit(record, human);
  return complete ? 0 : static_cast<int>(Exit::config);
}

int run(cli::Invocation& in) {
  const auto config = in.get<ExportConfig>("export");
  if (in.on("--list-formats")) return list_formats(in);
  if (in.has("--from")) return import_network(in, config);
  const PoolOwner pool(pool_create(in.threads));
  Inference network(ModelFile::load(in.inputs().front(), in.tmp), pool.get(), open_device(in.device));
  Job job{in, config, network, {}};
  if (in.on("--check")) return config.format == ExportFormat::c ? list_c(job) : list_onnx(job);
  job.to = in.output();
  if (!config.verify) in.log.warning("what is written is not verified (--no-verify)");
  switch (config.format) {
    case ExportFormat::onnx:
      return export_onnx(job);
    case ExportFormat::c:
      return export_c(job);
    case ExportFormat::safetensors:
      return export_safetensors(job);
  }
  return 0;
}

std::vector<cli::Option> options() {
  return {
      {.name = "--to",
       .arg = "FORMAT",
       .doc = "The form to write.",
       .fallback = "onnx",
       .choices = "onnx c safetensors",
       .config = "/export/format"},
      {.name = "--from",
       .arg = "FORMAT",
       .doc = "Reads a file of that form and writes a model. Weights of a safetensors file without a model "
              "in its "
              "metadata go into the one of -c.",
       .choices = "onnx safetensors"},
      {.name = "--map",
       .arg = "FILE",
       .doc = "For --from safetensors: JSON {\"name in the file\": \"name in the model\"}.",
       .type = cli::Type::path},
      {.name = "--partial",
       .doc = "For --from safetensors: take what fits and say what does not; the rest gets initial values.",
       .take = cli::Take::nothing},
      {.name = "--check",
       .doc = "Lists what each layer becomes, and writes nothing.",
       .take = cli::Take::nothing},
      {.name = "--list-formats", .doc = "Lists the formats.", .take = cli::Take::nothing},
      {.name = "--weights",
       .arg = "TYPE",
       .doc = "Numbers of the weights: int8 for C, f16 and bf16 for safetensors.",
       .fallback = "f32",
       .choices = "f32 f16 bf16 int8",
       .config = "/export/weights"},
      {.name = "--name",
       .arg = "NAME",
       .doc = "Of the functions of a C source: NAME_run(). The model's name unless given.",
       .config = "/export/name"},
      {.name = "--header",
       .arg = "FILE",
       .doc = "Where the header of a C source goes; beside -o NAME.c it is NAME.h, with -o - there is none.",
       .type = cli::Type::path},
      {.name = "--opset",
       .arg = "N",
       .doc = "Opset of an ONNX file; the lowest that serves all layers unless given.",
       .type = cli::Type::integer,
       .config = "/export/opset"},
      {.name = "--strip",
       .doc = "Leave names of layers, class names and metadata out.",
       .take = cli::Take::boolean,
       .config = "/export/strip"},
      {.name = "--data",
       .arg = "DATA.h5",
       .doc = "A data set whose samples are compared too.",
       .type = cli::Type::input},
      {.name = "--split", .arg = "NAME", .doc = "The part of --data to take samples from; test, else valid."},
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
       .config = "/export/verify"}};
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-export",
       .summary = "writes networks in forms that other programs read, and reads theirs",
       .synopsis = {"[-c CFG] MODEL.h5|- --to FORMAT -o OUT", "[-c CFG] FILE|- --from FORMAT -o MODEL.h5",
                    "MODEL.h5|- --check", "--list-formats"},
       .description = "Writes the inference form of a network. Before anything is written, it is put to work "
                      "on random inputs, "
                      "and on samples of --data: the bytes of an ONNX file are read back and evaluated by an "
                      "interpreter of "
                      "their own, a C source is compiled with the system's compiler ($CC, else cc) and run. "
                      "When the outputs "
                      "differ from the network's, the exit code is 8 and there is no file.\n\n"
                      "A C source is one file of C99 that needs the standard headers alone, allocates "
                      "nothing and holds its "
                      "header's text too, so it compiles by itself. NAME_run() takes inputs as they stand in "
                      "a data set, "
                      "normalises them and gives the network's outputs; with -DNAME_MAIN the file is a "
                      "program that reads "
                      "floats from standard input.\n\n"
                      "--from takes a network in: an ONNX file becomes a model with layers, weights, classes "
                      "and normalisation, "
                      "compared with the file before it is written; dl-train --init-from goes on with it. "
                      "What the data is that "
                      "the network is for may be said with --data: its classes, and its normalisation unless "
                      "the file has one.",
       .sections = {cli::section<ExportConfig>("export", "What is written, and how closely it must agree."),
                    {"model", "The network that --from safetensors has weights for.", model_schema,
                     check_model, expanded_model}},
       .options = options(),
       .positional = {.arg = "MODEL.h5|-",
                      .doc = "The trained network; with --from the file to read.",
                      .type = cli::Type::input,
                      .max = 1},
       .output = cli::Output::artifact,
       .output_doc = "The exported network, or the model.",
       .examples = {{"dl-export lenet.h5 --to onnx -o lenet.onnx", "Writes and verifies an ONNX file."},
                    {"dl-export lenet.h5 --to c -o lenet.c",
                     "Writes lenet.c and lenet.h, compiled and compared."},
                    {"dl-export lenet.h5 --to c --weights int8 --data digits.h5 --samples 1000 -o lenet.c",
                     "Weights of 8 bits; says the accuracy before and after."},
                    {"dl-export net.onnx --from onnx --data digits.h5 -o net.h5",
                     "A network of another program."},
                    {"dl-export net.safetensors --from safetensors -c net.json -o net.h5",
                     "Weights for a model of ours."},
                    {"dl-export lenet.h5 --check", "What each layer becomes."}},
       .run = run},
      argc, argv);
}
