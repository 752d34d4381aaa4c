#include "import.h"

#include <algorithm>

#include "base/json_text.h"
#include "base/str.h"
#include "data/dataset.h"
#include "exchange/onnx_import.h"
#include "exchange/onnx_verify.h"
#include "exchange/safetensors.h"
#include "io/hash.h"
#include "io/input_file.h"
#include "train/network.h"
#include "train/resume.h"
#include "train/step_graph.h"

namespace dl::exporting {
namespace {

struct Import {
  cli::Invocation& in;
  const ExportConfig& config;
  std::string bytes;
  ModelFile model = {};
  Schema schema = {};
  json record = json::object();
};

json parsed_text(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? json() : parse_json(found->second, str("metadata '", key, "'")).value;
}

// ---- ONNX

Target target_of(const ImportedNetwork::Port& output, const std::string& name,
                 const std::vector<std::string>& classes) {
  Target t{name, TargetKind::regression, output.type, {}};
  t.type.dtype = DType::f32;
  if (output.type.shape.rank() != 1 || output.type.shape[0] < 2) return t;
  t = {name, TargetKind::class_index, {DType::i32, {}}, classes};
  if (static_cast<int64_t>(classes.size()) == output.type.shape[0]) return t;
  t.classes.clear();
  for (int64_t i = 0; i < output.type.shape[0]; ++i) t.classes.push_back(std::to_string(i));
  return t;
}

// What the file itself says about data: types of inputs, its normalisation, classes from metadata.
Schema schema_of(const ImportedNetwork& net) {
  Schema s;
  for (const ImportedNetwork::Port& p : net.inputs)
    s.inputs.push_back({p.name, p.type.shape.rank() == 3 ? Role::image : Role::features, p.type, {}});
  for (const auto& [name, n] : net.normalization) s.normalization[name] = {n.mean, n.std};
  const json classes = parsed_text(net.metadata, "classes");
  for (const ImportedNetwork::Port& p : net.outputs) {
    std::string name = net.outputs.size() == 1 ? "label" : p.name;
    if (net.outputs.size() == 1 && classes.is_object() && classes.size() == 1) name = classes.begin().key();
    std::vector<std::string> names;
    if (classes.is_object() && classes.contains(name) && classes[name].is_array())
      for (const json& c : classes[name]) names.push_back(c.is_string() ? c.get<std::string>() : c.dump());
    if (s.input(name)) name += "_target";
    s.targets.push_back(target_of(p, name, names));
  }
  return Schema::parse(s.dump(), "import");
}

std::vector<NetworkInputs> random_batches(const Import& job, const ImportedNetwork& net,
                                          const Schema& schema) {
  const auto known = build_options(schema, 1, false).normalization;
  std::vector<int64_t> sizes{1};
  if (job.config.samples > 1) sizes.push_back(job.config.samples - 1);
  if (net.batch > 0) sizes = {net.batch};
  std::vector<NetworkInputs> out;
  for (int64_t n : sizes)
    out.push_back(random_inputs(build_model(net.model, build_options(schema, n, false)).graph, known,
                                job.in.seed + out.size()));
  return out;
}

void verify_import(Import& job, const ImportedNetwork& net) {
  const PoolOwner pool(pool_create(job.in.threads));
  const Tolerance tolerance{job.config.rtol, job.config.atol};
  const auto build = [&](int64_t batch) {
    return build_model(net.model, build_options(job.schema, batch, false)).graph;
  };
  std::vector<Agreement> found;
  try {
    found = verify_onnx(net.bytes, build, job.model.parameters, random_batches(job, net, job.schema),
                        pool.get(), tolerance);
  } catch (const Error& e) {
    if (e.code != Exit::config) throw;
    job.in.log.warning(str("the network is not verified: ", e.what()));
    return;
  }
  require_agreement(found, tolerance, "the imported network");
  for (const Agreement& a : found)
    job.in.log.info(str("output '", a.output, "': ", a.samples,
                        " samples agree with the file, worst difference ", a.worst, " (largest value ",
                        a.scale, ')'));
}

void import_onnx(Import& job) {
  ImportedNetwork net = from_onnx(job.bytes);
  job.model.parameters = net.parameters;
  job.model.config = {{"model", net.model}};
  job.schema = schema_of(net);
  build_model(net.model, build_options(job.schema, 1, false));
  if (job.config.verify) verify_import(job, net);
  job.record = {{"format", "onnx"}, {"producer", net.producer}, {"layers", net.model.at("layers").size()}};
}

// ---- safetensors

// Names of tensors in the file as the model has them: --map, and what PyTorch calls the scale of a norm.
TensorMap renamed(Import& job, TensorMap from, const std::vector<std::string>& names) {
  TensorMap out;
  json map = json::object();
  if (job.in.has("--map")) {
    const InputFile file(job.in.text("--map"));
    map = parse_json(file.peek(0, file.bytes()), file.name()).value;
    if (!map.is_object())
      throw Error(Exit::config,
                  str(file.name(), ": expected an object {\"name in the file\": \"name in the model\"}"));
  }
  const auto wanted = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (auto& [name, tensor] : from) {
    std::string to = name;
    if (const auto found = map.find(name); found != map.end()) {
      if (!found->is_string()) throw Error(Exit::config, str("--map: '", name, "' is no text"));
      to = found->get<std::string>();
      map.erase(found);
    } else if (name.ends_with(".num_batches_tracked")) {
      continue;
    } else if (!wanted(name) && name.ends_with(".weight") &&
               wanted(name.substr(0, name.size() - 6) + "scale")) {
      to = name.substr(0, name.size() - 6) + "scale";
    }
    if (!out.emplace(to, std::move(tensor)).second)
      throw Error(Exit::data, str("two tensors are to be '", to, "'"));
  }
  if (!map.empty()) throw Error(Exit::config, str("--map: the file has no tensor '", map.begin().key(), "'"));
  return out;
}

void import_safetensors(Import& job) {
  Safetensors file = from_safetensors(job.bytes);
  json section = job.in.config.root().contains("model") ? job.in.config.section("model")
                                                        : parsed_text(file.metadata, "model");
  if (!section.is_object())
    throw Error(Exit::config, {}, "the file does not say what network its weights are of",
                "give the model with -c CONFIG");
  const json schema = parsed_text(file.metadata, "schema");
  if (job.in.has("--data"))
    job.schema = Dataset(job.in.text("--data"), {.tmp = job.in.tmp}).schema();
  else
    job.schema = schema.is_object() ? Schema::parse(schema, "metadata") : schema_from_model(section);
  const Model model = build_model(section, build_options(job.schema, 1, false));
  TensorMap store = initial_values(model, job.in.seed);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : store) names.push_back(name);
  const Taken taken = take_tensors(renamed(job, std::move(file.tensors), names), names, store);
  if (!taken.misfits.empty() && !job.in.on("--partial"))
    throw Error(Exit::config, "", str("the tensors do not fit the network. ", taken.misfits),
                "--map names them, --partial takes what fits");
  if (!taken.misfits.empty())
    job.in.log.warning(str("took ", taken.count, " of ", names.size(), " tensors. ", taken.misfits));
  job.model.parameters = std::move(store);
  job.model.config = {{"model", section}};
  job.record = {{"format", "safetensors"}, {"tensors", taken.count}};
}

// The data that the network is for: its targets and classes, and its normalisation unless the network has one.
void adopt_data(Import& job) {
  const Dataset data(job.in.text("--data"), {.tmp = job.in.tmp});
  Schema schema = data.schema();
  const bool single = schema.inputs.size() == 1 && job.schema.inputs.size() == 1;
  for (const Input& mine : job.schema.inputs) {
    const Input* theirs = single ? &schema.inputs[0] : schema.input(mine.name);
    if (!theirs || !(theirs->type.shape == mine.type.shape))
      throw Error(Exit::data, str(data.name(), ": does not have the network's input '", mine.name,
                                  "' of shape [", mine.type.shape.text(), "]"));
    if (const auto own = job.schema.normalization.find(mine.name); own != job.schema.normalization.end())
      schema.normalization[theirs->name] = own->second;
  }
  job.schema = schema;
}

}  // namespace

int import_network(cli::Invocation& in, const ExportConfig& config) {
  const std::string from = in.inputs().front(), to = in.output();
  const bool onnx = in.text("--from") == "onnx";
  const InputFile file(from, {}, in.tmp);
  Import job{in, config, file.peek(0, file.bytes())};
  try {
    onnx ? import_onnx(job) : import_safetensors(job);
  } catch (const Error& e) {
    throw Error(e.code, e.pointer.starts_with("/model") && onnx ? "" : e.pointer,
                str(file.name(), ": ", e.what()), e.hint);
  }
  if (onnx && in.has("--data")) adopt_data(job);
  job.model.data_schema = job.schema.dump();
  const PoolOwner pool(pool_create(in.threads));
  job.model.recipe_hash = in.recipe_hash({{"from", in.text("--from")}, {"file", sha256_hex(job.bytes)}});
  const Inference network(job.model, pool.get());
  const Model check = network.network(1);
  find_heads(check.graph, 1, job.schema, network.train().loss);
  if (in.on("--dry-run")) {
    in.log.info(str("would write a model of ", check.layers.size(), " layers"));
    return 0;
  }
  job.model.save(to, {.tmp = in.tmp, .force = in.on("--force")});
  in.write_run_record(to, job.record);
  int64_t parameters = 0;
  for (const Parameter& p : check.parameters) parameters += check.graph.type(p.value).elements();
  in.emit(job.record,
          str(to, ": a model of ", check.layers.size(), " layers and ", grouped(parameters), " parameters"));
  return 0;
}

}  // namespace dl::exporting
