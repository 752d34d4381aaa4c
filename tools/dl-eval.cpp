// dl-eval: judges a trained network on a split of a data set.
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "cli/machine.h"
#include "cli/profile.h"
#include "cli/tool.h"
#include "io/input_file.h"
#include "io/output_file.h"
#include "train/device.h"
#include "train/evaluate.h"
#include "train/gate.h"

using namespace dl;

namespace {

std::string read_text(const std::string& path) {
  const InputFile file(path);
  return file.peek(0, file.bytes());
}

std::vector<Gate> gates_of(cli::Invocation& in, const EvalConfig& config) {
  std::vector<Gate> gates;
  for (size_t i = 0; i < config.gates.size(); ++i)
    gates.push_back(parse_gate(config.gates[i], str("/eval/gates/", i)));
  for (const std::string& text : in.all("--gate")) gates.push_back(parse_gate(text));
  if (in.has("--baseline") != in.has("--max-drop"))
    cli::usage_error("--baseline and --max-drop belong together");
  if (!in.has("--baseline")) return gates;
  const std::string path = in.text("--baseline");
  in.reads(path);
  const MetricList before = parse_metrics(read_text(path), path);
  for (const std::string& text : in.all("--max-drop")) gates.push_back(parse_drop(text, before));
  return gates;
}

json record_of(const Evaluation& e, const std::vector<GateResult>& results, const std::string& format) {
  json record = format == "csv" ? json::array() : json::object();
  for (const Metric& m : e.values()) {
    if (format == "csv")
      record.push_back({{"metric", m.name}, {"value", m.value}});
    else
      record[m.name] = m.value;
  }
  if (format == "csv" || results.empty()) return record;
  for (const GateResult& r : results)
    record["gates"].push_back({{"gate", r.name}, {"passed", r.passed}, {"message", r.message}});
  return record;
}

// --bench: speed alone, on random inputs.
int run_bench(cli::Invocation& in, Inference& network, const EvalConfig& config) {
  Profile profile;
  const BenchResult result =
      bench(network, config.batch_size, config.bench_seconds, in.has("--profile") ? &profile : nullptr);
  cli::write_profile(in, profile);
  const json record = to_json(result);
  const std::string report = in.output();
  if (!report.empty()) write_text(report, record.dump(2) + "\n");
  in.emit(record, text(result));
  return 0;
}

int run(cli::Invocation& in) {
  const auto config = in.get<EvalConfig>("eval");
  const std::string predictions = in.text("--pred"), report = in.output();
  if (predictions == "-" && (report == "-" || cli::is_terminal(1)))
    cli::usage_error("--pred -: standard output is a terminal or taken by -o", "name a file, or redirect");
  const std::vector<Gate> gates = gates_of(in, config);
  const PoolOwner pool(pool_create(in.threads));
  Inference network(ModelFile::load(in.input("--model"), in.tmp), pool.get(), open_device(in.device));
  network.set_precision(config.precision);
  check_gates(gates, planned_metrics(network, config));
  if (in.on("--bench")) return run_bench(in, network, config);
  const Dataset data(in.input("--data"), {.tmp = in.tmp});
  if (!predictions.empty()) check_output(predictions, {in.tmp, in.on("--force")});
  if (in.on("--dry-run")) {
    check_compatible(network.schema(), data.schema(), data.name());
    const std::string split = choose_split(data, config.split);
    in.log.info(str("would evaluate ", data.rows(split), " samples of split '", split, "'"));
    return 0;
  }
  EvaluateOptions options;
  options.config = config;
  options.predictions = predictions;
  options.output = {in.tmp, in.on("--force")};
  options.recipe = in.config.root();
  options.recipe_hash = in.recipe_hash({{"config", in.config.root()},
                                        {"model", network.model().content_hash},
                                        {"data", data.artifact().content_hash()}});
  std::unique_ptr<cli::Progress> progress;
  Footprint footprint;
  options.begin = [&](const Footprint& f) {
    footprint = f;
    in.events.emit("run_start", {{"split", choose_split(data, config.split)}, {"memory", to_json(f)}});
    in.log.info("peak memory expected " + text(f));
  };
  options.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress = std::make_unique<cli::Progress>(in.log, in.progress, total, "samples");
    progress->update(done);
  };
  const Evaluation e = evaluate(network, data, options);
  if (progress) progress->finish();

  const MetricList values = e.values();
  const std::vector<GateResult> results = run_gates(gates, values);
  const std::string metrics = metrics_json(values, e.metrics.size() == 1 ? &e.metrics.front() : nullptr);
  if (!report.empty()) write_text(report, metrics);
  if (in.has("--junit")) write_text(in.text("--junit"), junit_xml("dl-eval", results));
  in.events.emit("eval", json::parse(metrics));
  std::string human = evaluation_text(e);
  bool failed = false;
  for (const GateResult& r : results) {
    human += str(r.passed ? "gate passed: " : "gate FAILED: ", r.name, " (", r.message, ")\n");
    if (!r.passed) in.log.error(str("gate failed: ", r.name, ": ", r.message));
    failed = failed || !r.passed;
  }
  if (predictions != "-") in.emit(record_of(e, results, in.text("--format")), human);
  const int64_t peak = peak_resident_bytes();
  in.events.emit("run_end",
                 {{"gates_failed", failed}, {"memory", {{"predicted", footprint.total()}, {"peak", peak}}}});
  in.log.info(text(footprint, peak));
  return failed ? static_cast<int>(Exit::gate) : 0;
}

constexpr const char* kTemplate = R"({
  "eval": {
    "split": "test",
    // "metrics": ["accuracy", "top_5_accuracy", "macro.f1"],
    "gates": ["accuracy>=0.9"]
  }
}
)";

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-eval",
       .summary = "judges a trained network",
       .synopsis = {"[-c CFG] [-s K=V]... --model MODEL.h5|- --data D.h5|- [-o metrics.json] [--pred P.h5|-]",
                    "--bench --model MODEL.h5|- [--batch-size N] [--profile FILE]..."},
       .description =
           "Runs a network over a split of a data set and reports loss, accuracy, top-k accuracy, "
           "confusion matrix, "
           "precision, recall and F1 per class and averaged, log-loss; for regression MSE, RMSE, "
           "MAE and R2.\n\n"
           "Gates turn the result into an exit code: 10 when a condition is false, after all "
           "output is written.\n\n"
           "The log and the events run_start and run_end tell the peak of the resident memory of the "
           "process, program and libraries included, as predicted and as measured: within 5 % or "
           "4 MiB of each other, whichever is larger.",
       .sections = {cli::section<EvalConfig>("eval", "What is judged, and by which conditions.")},
       .options =
           {{.name = "--model", .arg = "MODEL.h5|-", .doc = "The trained network.", .type = cli::Type::input},
            {.name = "--data", .arg = "DATA.h5|-", .doc = "The data set.", .type = cli::Type::input},
            {.name = "--split",
             .arg = "NAME",
             .doc = "The split to judge; test, else valid, unless given.",
             .config = "/eval/split"},
            {.name = "--batch-size",
             .arg = "N",
             .doc = "Samples at a time.",
             .type = cli::Type::integer,
             .config = "/eval/batch_size"},
            {.name = "--pred",
             .arg = "PRED.h5|-",
             .doc = "Writes outputs, targets and ids of all samples.",
             .type = cli::Type::output},
            {.name = "--gate",
             .arg = "COND",
             .doc = "A condition such as 'accuracy>=0.98'. Repeatable.",
             .take = cli::Take::many},
            {.name = "--baseline",
             .arg = "FILE",
             .doc = "An earlier metrics.json to compare with.",
             .type = cli::Type::path},
            {.name = "--max-drop",
             .arg = "NAME=X",
             .doc = "How much worse than the baseline a metric may be. Repeatable.",
             .take = cli::Take::many},
            {.name = "--bench",
             .doc = "Measures latency and throughput on random inputs instead; needs no data.",
             .take = cli::Take::nothing},
            cli::profile_option(),
            {.name = "--junit",
             .arg = "FILE",
             .doc = "Writes the outcome of the gates as JUnit XML.",
             .type = cli::Type::path}},
       .output = cli::Output::text,
       .output_doc = "The metrics as JSON.",
       .examples = {{"dl-eval --model lenet.h5 --data mnist.h5 -o metrics.json",
                     "Metrics of the test split."},
                    {"dl-eval --model lenet.h5 --data mnist.h5 --gate 'accuracy>=0.99' --junit gates.xml",
                     "Exit code 10 when the network is not good enough."},
                    {"dl-eval --model lenet.h5 --bench --batch-size 1 --profile -",
                     "Latency of single pictures, and where the time goes."}},
       .templates = {{"default", "A split and a gate.", kTemplate}},
       .run = run},
      argc, argv);
}
