// --to c
#include <algorithm>

#include "base/str.h"
#include "c_program.h"
#include "exchange/c_source.h"
#include "exchange/lower.h"
#include "io/output_file.h"
#include "job.h"

namespace dl::exporting {
namespace {

constexpr std::string_view kMark = "/* Written by dl-export";

struct Outputs {
  std::vector<int64_t> shape;
  std::vector<double> v;
};

Outputs numbers_of(const Tensor& t) {
  const auto v = t.data<float>();
  return {{t.shape().begin(), t.shape().end()}, {v.begin(), v.end()}};
}

// Outputs of the network for one batch. With weights of 8 bits the C source computes with others than the network: `rounded` is
// then the graph of one sample that it stands for, and gives the outputs instead.
std::map<std::string, Outputs> expected(const Job& job, const Graph* rounded, const NetworkInputs& batch) {
  std::map<std::string, Outputs> out;
  if (!rounded) {
    Executor& run = job.network.run(batch);
    for (const GraphOutput& o : run.graph().outputs) out[o.name] = numbers_of(output_tensor(run, o.name));
    return out;
  }
  TensorMap none;
  Executor run(make_plan(*rounded, {}), job.network.pool(), none);
  const int64_t samples = batch.begin()->second.shape()[0];
  for (int64_t i = 0; i < samples; ++i) {
    std::vector<Tensor> fed;
    for (const auto& [name, tensor] : batch) {
      if (!run.has_input(name)) continue;
      Shape one = tensor.shape();
      one[0] = 1;
      Tensor& t = fed.emplace_back(tensor.dtype(), one);
      std::copy_n(static_cast<const char*>(tensor.raw()) + i * t.bytes(), t.bytes(),
                  static_cast<char*>(t.raw()));
      run.feed(name, t);
    }
    run.run();
    for (const GraphOutput& o : run.graph().outputs) {
      const Outputs row = numbers_of(output_tensor(run, o.name));
      Outputs& all = out[o.name];
      all.v.insert(all.v.end(), row.v.begin(), row.v.end());
      all.shape = row.shape;
      all.shape[0] = i + 1;
    }
  }
  return out;
}

// Share of rows whose label comes first; negative where the target has no classes.
double accuracy(const Head& head, const std::vector<double>& v, const Tensor& labels) {
  if (labels.dtype() != DType::i32 || head.columns < 2 || head.form == OutputForm::values) return -1;
  const auto want = labels.data<int32_t>();
  const auto n = static_cast<std::ptrdiff_t>(head.columns);
  double right = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const auto row = v.begin() + static_cast<std::ptrdiff_t>(i) * n;
    right += std::max_element(row, row + n) - row == want[i];
  }
  return right / static_cast<double>(want.size());
}

struct Check {
  std::vector<Agreement> found;
  json accuracies = json::object();
};

// Accuracy on the samples of --data, of the network and of the C source.
void judge(const Job& job, const NetworkInputs& batch, const std::map<std::string, Tensor>& targets,
           const std::map<std::string, std::vector<double>>& got, Check& check) {
  const std::map<std::string, Outputs> plain = expected(job, nullptr, batch);
  for (const Head& head :
       find_heads(job.network.network(1).graph, 1, job.network.schema(), job.network.train().loss)) {
    const auto labels = targets.find(head.target);
    if (labels == targets.end()) continue;
    const double before = accuracy(head, plain.at(head.output).v, labels->second);
    const double after = accuracy(head, got.at(head.output), labels->second);
    if (before < 0) continue;
    check.accuracies[head.output] = {
        {"network", before}, {"c", after}, {"samples", labels->second.elements()}};
    job.in.log.info(str("output '", head.output, "': accuracy of the network ", before, ", of the C source ",
                        after, ", on ", labels->second.elements(), " samples"));
  }
}

Check verify(const Job& job, const CSource& source, const std::string& name) {
  Check check;
  if (!have_c_compiler()) {
    job.in.log.warning("the source is not verified: there is no C compiler ($CC or cc)");
    return check;
  }
  const CProgram program(source, name, job.in.tmp);
  const Tolerance tolerance{job.config.rtol, job.config.atol};
  const Samples samples = samples_of(job);
  for (const CSource::Port& p : source.outputs) check.found.push_back({.output = p.name});
  const Graph* rounded = job.config.weights == ExportWeights::int8 ? &source.graph : nullptr;
  for (const NetworkInputs& batch : samples.batches) {
    const std::map<std::string, Outputs> want = expected(job, rounded, batch);
    const std::map<std::string, std::vector<double>> got = program.run(batch);
    for (Agreement& a : check.found) {
      const Outputs& w = want.at(a.output);
      compare({w.shape, got.at(a.output)}, {w.shape, w.v}, tolerance, a);
    }
    if (&batch == &samples.batches.back() && !samples.targets.empty())
      judge(job, batch, samples.targets, got, check);
  }
  require_agreement(check.found, tolerance, "the C source");
  return check;
}

// Class names by output.
std::map<std::string, std::vector<std::string>> classes_of(const Inference& network) {
  std::map<std::string, std::vector<std::string>> out;
  if (network.schema().targets.empty()) return out;
  for (const Head& head : find_heads(network.network(1).graph, 1, network.schema(), network.train().loss))
    if (!head.classes.empty()) out[head.output] = head.classes;
  return out;
}

// Where the header goes: --header, else beside "NAME.c", else nowhere.
std::string header_path(const Job& job) {
  if (job.in.has("--header")) return job.in.text("--header");
  return job.to.ends_with(".c") ? job.to.substr(0, job.to.size() - 1) + "h" : "";
}

}  // namespace

int export_c(const Job& job) {
  const ExportConfig& config = job.config;
  if (config.weights == ExportWeights::f16 || config.weights == ExportWeights::bf16)
    throw Error(Exit::config, "/export/weights", "a C source has weights of f32 or int8");
  const std::string header = header_path(job);
  check_target(job, job.to, std::string(kMark), 0);
  if (!header.empty()) check_target(job, header, std::string(kMark), 0);
  TensorMap values = job.network.model().parameters;
  const Graph graph = job.network.network(1).graph;
  const std::string given = config.name.empty() ? graph.name : config.name;
  COptions options{.name = c_name(given.empty() ? "network" : given), .producer_version = DL_VERSION};
  if (!config.name.empty() && options.name != config.name)
    throw Error(Exit::config, "/export/name", str("'", config.name, "' is no name in C"));
  if (config.weights == ExportWeights::int8) options.weights = CWeights::int8;
  if (!config.strip) options.classes = classes_of(job.network);
  const CSource source = to_c(lower(graph, values, job.network.pool()), options);
  Check check;
  if (config.verify) check = verify(job, source, options.name);
  report(job, check.found);
  const json record{{"format", "c"},
                    {"name", options.name},
                    {"weight_bytes", source.weight_bytes},
                    {"memory_bytes", source.memory_floats * 4},
                    {"verified", agreement_record(check.found)},
                    {"accuracy", check.accuracies}};
  if (!header.empty() && !job.in.on("--dry-run")) write_text(header, source.header);
  return publish(job, source.source, record,
                 str("C99, ", options.name, "_run(), ", grouped(source.weight_bytes), " bytes of weights, ",
                     grouped(source.memory_floats * 4), " bytes of memory"));
}

}  // namespace dl::exporting
