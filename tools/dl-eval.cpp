// dl-eval: judges a trained network on a split of a data set.
#include "base/json.h"
#include "base/str.h"
#include "cli/machine.h"
#include "cli/profile.h"
#include "cli/tool.h"
#include "dl-eval/judge.h"
#include "io/input_file.h"
#include "io/output_file.h"
#include "report/report.h"
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

std::vector<int64_t> bench_batches(const cli::Invocation& in, const EvalConfig& config) {
  if (!in.has("--batch-sizes")) return {config.batch_size};
  std::vector<int64_t> out;
  for (const std::string& part : split(in.text("--batch-sizes"), ',')) {
    int64_t n = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), n);
    if (error != std::errc() || end != part.data() + part.size() || n < 1)
      cli::usage_error(str("--batch-sizes: '", part, "' is no number of samples"), "for example: 1,8,64");
    out.push_back(n);
  }
  return out;
}

// --bench: speed alone, on random inputs.
int run_bench(cli::Invocation& in, Inference& network, const EvalConfig& config) {
  Profile profile;
  json records = json::array();
  std::string human;
  for (int64_t batch : bench_batches(in, config)) {
    const BenchResult result =
        bench(network, batch, config.bench_seconds, in.has("--profile") ? &profile : nullptr);
    records.push_back(to_json(result));
    human += str(human.empty() ? "" : "\n", text(result));
  }
  cli::write_profile(in, profile);
  const json record = in.has("--batch-sizes") ? records : records.front();
  const std::string report = in.output();
  if (!report.empty()) write_text(report, record.dump(2) + "\n");
  in.emit(record, human);
  return 0;
}

// What is given by --model or --data; "-" when nothing is and stdin is not a terminal.
std::vector<std::string> all_or_stdin(const cli::Invocation& in, const std::string& option) {
  return in.has(option) ? in.all(option) : std::vector<std::string>{in.input(option)};
}

// Options that go together, or do not.
void check_request(const cli::Invocation& in, const eval::Request& r) {
  const bool ensemble = r.config.ensemble != Ensemble::none;
  const size_t results = r.data.size() * (ensemble ? 1 : r.models.size());
  if (ensemble && r.models.size() < 2)
    cli::usage_error("--ensemble needs at least two models", "give --model several times");
  if (r.compare && (ensemble || r.models.size() < 2))
    cli::usage_error("--compare needs at least two models, each judged alone");
  if (!r.predictions.empty() && results > 1)
    cli::usage_error(str("--pred holds the answers to one data set, but there are ", results, " results"));
  if (!r.report.empty() && results > 1)
    cli::usage_error(str("--report is about one result, but there are ", results));
  if (r.report.empty() && (in.has("--history") || in.has("--human-error")))
    cli::usage_error("--history and --human-error are for the page of --report");
  if (r.predictions == "-" && (in.text("--output") == "-" || cli::is_terminal(1)))
    cli::usage_error("--pred -: standard output is a terminal or taken by -o", "name a file, or redirect");
}

int run(cli::Invocation& in) {
  eval::Request request;
  request.config = in.get<EvalConfig>("eval");
  request.predictions = in.text("--pred");
  request.models = all_or_stdin(in, "--model");
  request.compare = in.on("--compare");
  request.calibrate = in.on("--calibrate");
  request.keep_going = in.on("--keep-going");
  const bool bench_only = in.on("--bench");
  if (!bench_only) request.data = all_or_stdin(in, "--data");
  request.report = in.text("--report");
  if (in.has("--human-error")) request.human_error = in.number("--human-error");
  check_request(in, request);
  if (in.has("--history")) {
    in.reads(in.text("--history"));
    request.history = history_from_events(read_text(in.text("--history")), in.text("--history"));
  }
  request.gates = gates_of(in, request.config);
  const PoolOwner pool(pool_create(in.threads));
  const std::shared_ptr<Device> device = open_device(in.device);
  std::vector<std::unique_ptr<Inference>> networks;
  for (const std::string& path : request.models) {
    networks.push_back(std::make_unique<Inference>(ModelFile::load(path, in.tmp), pool.get(), device));
    networks.back()->set_precision(request.config.precision);
  }
  if (bench_only) return run_bench(in, *networks.front(), request.config);
  if (!request.predictions.empty()) check_output(request.predictions, {in.tmp, in.on("--force")});
  return eval::judge(in, request, networks, pool.get());
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
           "Runs networks over a split of data sets and reports loss, accuracy, precision, recall, F1 and "
           "other "
           "rates per class and averaged, areas under the ROC and precision-recall curves, calibration, "
           "agreement, "
           "costs and the confusion matrix; for yes-or-no labels and masks the same by label, with overlap; "
           "for "
           "numbers MSE, RMSE, MAE, R2 and others. The same names serve in gates, in train.metrics and for "
           "early "
           "stopping: accuracy, balanced_accuracy, top_5_accuracy, log_loss, brier, ece, mcc, cohen_kappa, "
           "quadratic_kappa, cost, roc_auc, average_precision, macro.f1, weighted.recall, f2, "
           "per_class.NAME.precision, best_f1_threshold, iou, dice, rmse, mape, poisson_deviance, ... A "
           "wrong name is "
           "answered with the closest.\n\n"
           "--bootstrap adds intervals (accuracy.low, accuracy.high), --by the metrics of each group "
           "(by.sex.Female.recall) and the gaps between them (gap.sex.recall); all of them can stand in "
           "gates. "
           "Several models are put side by side, tested against the first (--compare), or answer together "
           "(--ensemble). --report writes a page about a model: how it learnt, what it takes for what, its "
           "surest mistakes as "
           "pictures, what it looks at.\n\n"
           "Gates turn the result into an exit code: 10 when a condition is false, after all "
           "output is written.\n\n"
           "The log and the events run_start and run_end tell the peak of the resident memory of the "
           "process, program and libraries included, as predicted and as measured: within 5 % or "
           "4 MiB of each other, whichever is larger, without --report, which looks into the network and "
           "is not counted.",
       .sections = {cli::section<EvalConfig>("eval", "What is judged, and by which conditions.")},
       .options =
           {{.name = "--model",
             .arg = "MODEL.h5|-",
             .doc = "The trained network. Repeatable: each is judged on each data set.",
             .take = cli::Take::many,
             .type = cli::Type::input},
            {.name = "--data",
             .arg = "DATA.h5|-",
             .doc = "The data set. Repeatable.",
             .take = cli::Take::many,
             .type = cli::Type::input},
            {.name = "--split",
             .arg = "NAME",
             .doc = "The split to judge; test, else valid, unless given.",
             .config = "/eval/split"},
            {.name = "--batch-size",
             .arg = "N",
             .doc = "Samples at a time.",
             .type = cli::Type::integer,
             .config = "/eval/batch_size"},
            {.name = "--threshold",
             .arg = "P",
             .doc = "Probability from which on the positive one of two classes, or a label, is said.",
             .type = cli::Type::number,
             .config = "/eval/threshold"},
            {.name = "--by",
             .arg = "GROUP",
             .doc =
                 "Metrics for each value of a group column, of a target's class, or of the predicted class. "
                 "Repeatable.",
             .take = cli::Take::many,
             .config = "/eval/by"},
            {.name = "--bootstrap",
             .arg = "N",
             .doc = "Intervals of the metrics from N resamples.",
             .type = cli::Type::integer,
             .config = "/eval/bootstrap"},
            {.name = "--confidence",
             .arg = "P",
             .doc = "How often an interval is to hold the true value; 0.95 unless given.",
             .type = cli::Type::number,
             .config = "/eval/confidence"},
            {.name = "--compare",
             .doc = "Tests every model against the first on the same samples.",
             .take = cli::Take::nothing},
            {.name = "--calibrate",
             .doc = "Finds the temperature that gives the best log loss, for eval.temperature; use a split "
                    "that is "
                    "not the one to be judged in the end.",
             .take = cli::Take::nothing},
            {.name = "--ensemble",
             .arg = "HOW",
             .doc = "All models answer together.",
             .choices = "none average geometric vote",
             .config = "/eval/ensemble"},
            {.name = "--tta",
             .arg = "N",
             .doc = "Averages the answer to a sample with those to N augmented copies (eval.augment).",
             .type = cli::Type::integer,
             .config = "/eval/tta"},
            {.name = "--report",
             .arg = "FILE.html",
             .doc = "Writes a page with curves, confusions, mistakes, filters, embeddings and more; it needs "
                    "nothing "
                    "else to be shown.",
             .type = cli::Type::path},
            {.name = "--history",
             .arg = "EVENTS",
             .doc = "Events of the training run (dl-train --events) for the page, instead of what the model "
                    "holds.",
             .type = cli::Type::path},
            {.name = "--human-error",
             .arg = "X",
             .doc = "Error rate of people at the task, for the page's reading of bias and variance.",
             .type = cli::Type::number},
            {.name = "--keep-going",
             .doc = "Goes past models and data sets that fail; exit code 9 at the end.",
             .take = cli::Take::nothing},
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
            {.name = "--batch-sizes",
             .arg = "N,N,...",
             .doc = "With --bench: several batch sizes, one after the other."},
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
                    {"dl-eval --model lenet.h5 --data mnist.h5 --report report.html --bootstrap 1000",
                     "A page about the model, with intervals."},
                    {"dl-eval --model a.h5 --model b.h5 --data test.h5 --compare",
                     "Two models side by side, and whether their difference could be chance."},
                    {"dl-eval --model m.h5 --data people.h5 --by sex --gate 'gap.sex.recall<=0.05'",
                     "Fails when recall differs by more between the groups."},
                    {"dl-eval --model lenet.h5 --bench --batch-size 1 --profile -",
                     "Latency of single pictures, and where the time goes."}},
       .templates = {{"default", "A split and a gate.", kTemplate}},
       .run = run},
      argc, argv);
}
