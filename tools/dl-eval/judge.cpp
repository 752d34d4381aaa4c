#include "dl-eval/judge.h"

#include <algorithm>
#include <cmath>

#include "base/memory.h"
#include "base/str.h"
#include "cli/machine.h"
#include "io/output_file.h"
#include "report/report.h"

namespace dl::eval {
namespace {

// Runs evaluations one after the other and keeps what the report at the end needs.
class Judge {
 public:
  Judge(cli::Invocation& in, const Request& request, std::vector<std::unique_ptr<Inference>>& networks,
        Pool* pool)
      : in_(in), request_(request), networks_(networks), pool_(pool) {}

  int run() {
    for (const std::string& path : request_.data) attempt(path, [&] { judge_data(path); });
    if (dry_) return 0;
    if (results_.empty()) return static_cast<int>(Exit::partial);
    report();
    in_.events.emit("run_end",
                    {{"gates_failed", failed_gates_},
                     {"memory", {{"predicted", footprint_.total()}, {"peak", peak_resident_bytes()}}}});
    in_.log.info(dl::text(footprint_, peak_resident_bytes()));
    return static_cast<int>(failed_gates_ ? Exit::gate : failures_ > 0 ? Exit::partial : Exit::ok);
  }

 private:
  template <class F>
  void attempt(const std::string& what, F f) {
    try {
      f();
    } catch (const Error& e) {
      if (!request_.keep_going) throw;
      ++failures_;
      in_.log.error(str(what, ": ", e.what()));
      in_.events.emit("warning", {{"message", str(what, ": ", e.what())}});
    }
  }

  void judge_data(const std::string& path) {
    const Dataset data(path, {.tmp = in_.tmp});
    std::vector<Inference*> all;
    for (const auto& n : networks_) all.push_back(n.get());
    const size_t first = results_.size();
    if (request_.config.ensemble != Ensemble::none) {
      judge_one(str("ensemble of ", all.size()), all, path, data);
    } else {
      for (size_t m = 0; m < all.size(); ++m)
        attempt(str(request_.models[m], " on ", path),
                [&] { judge_one(request_.models[m], std::span(all).subspan(m, 1), path, data); });
    }
    if (!request_.compare || request_.calibrate || dry_) return;
    const BootstrapOptions options = bootstrap_options();
    for (size_t r = first + 1; r < results_.size(); ++r) {
      const Evaluation &a = results_[first].evaluation, &b = results_[r].evaluation;
      for (size_t h = 0; h < a.heads.size(); ++h)
        versus_.push_back(
            {results_[first].model, results_[r].model, path,
             compare(a.metrics[h].setup(), a.kept[h], b.metrics[h].setup(), b.kept[h], options)});
    }
  }

  BootstrapOptions bootstrap_options() const {
    const EvalConfig& c = request_.config;
    return {.resamples = c.bootstrap > 0 ? c.bootstrap : 1000,
            .confidence = c.confidence,
            .seed = in_.seed,
            .pool = pool_};
  }

  void judge_one(const std::string& model, std::span<Inference* const> networks, const std::string& path,
                 const Dataset& data) {
    const EvalConfig& config = request_.config;
    MetricList planned = planned_metrics(*networks.front(), config, data.schema());
    if (request_.calibrate)
      for (const char* name : {"temperature", "calibrated.log_loss", "calibrated.ece"})
        planned.push_back({name, 0});
    check_gates(request_.gates, planned);
    if (in_.on("--dry-run")) {
      for (const Inference* n : networks) check_compatible(n->schema(), data.schema(), data.name());
      const std::string split = choose_split(data, config.split);
      in_.log.info(str("would evaluate ", data.rows(split), " samples of split '", split, "'"));
      dry_ = true;
      return;
    }
    Result r{model, path, {}, {}, {}, {}};
    r.evaluation = run(networks, data);
    Evaluation& e = r.evaluation;
    for (size_t h = 0; h < e.heads.size(); ++h) {
      const std::string prefix = e.heads.size() > 1 ? e.heads[h].output + '.' : "";
      if (config.bootstrap > 0) {
        r.intervals.push_back(bootstrap(e.metrics[h].setup(), e.kept[h], bootstrap_options()));
        for (const ConfidenceInterval& i : r.intervals.back()) {
          e.more.push_back({str(prefix, i.name, ".low"), i.low});
          e.more.push_back({str(prefix, i.name, ".high"), i.high});
        }
      }
      if (request_.calibrate && !is_regression(e.heads[h].form)) {
        const Calibration c = calibrate(e.metrics[h].setup(), e.kept[h]);
        e.more.push_back({prefix + "temperature", c.temperature});
        e.more.push_back({prefix + "calibrated.log_loss", c.calibrated_log_loss});
        if (!std::isnan(c.calibrated_ece)) e.more.push_back({prefix + "calibrated.ece", c.calibrated_ece});
      }
      if (config.by.empty()) continue;
      r.breakdowns.push_back(break_down(config, data, e, h));
      for (const Breakdown& b : r.breakdowns.back())
        for (Metric& m : to_metrics(b)) e.more.push_back({prefix + m.name, m.value});
    }
    if (!request_.report.empty()) write_report(r, *networks.front(), data);
    r.gates = run_gates(request_.gates, e.values());
    for (const GateResult& g : r.gates)
      if (!g.passed) {
        failed_gates_ = true;
        in_.log.error(
            str("gate failed: ", several() ? str(model, " on ", path, ": ") : "", g.name, ": ", g.message));
      }
    json event = to_json(r);
    in_.events.emit("eval", event);
    results_.push_back(std::move(r));
  }

  void write_report(const Result& r, Inference& network, const Dataset& data) {
    ReportInputs report;
    report.network = &network;
    report.data = &data;
    report.evaluation = &r.evaluation;
    report.model_name = r.model;
    report.data_name = r.data;
    report.history = request_.history.is_null() ? network.model().history : request_.history;
    report.intervals = r.intervals;
    report.breakdowns = r.breakdowns;
    report.human_error = request_.human_error;
    write_text(request_.report, report_html(report));
  }

  Evaluation run(std::span<Inference* const> networks, const Dataset& data) {
    EvaluateOptions options;
    options.config = request_.config;
    options.predictions = request_.predictions;
    options.output = {in_.tmp, in_.on("--force")};
    options.recipe = in_.config.root();
    json models = json::array();
    for (const Inference* n : networks) models.push_back(n->model().content_hash);
    options.recipe_hash = in_.recipe_hash({{"config", in_.config.root()},
                                           {"model", models.size() == 1 ? models.front() : models},
                                           {"data", data.artifact().content_hash()}});
    options.seed = in_.seed;
    options.keep = request_.config.bootstrap > 0 || !request_.config.by.empty() || request_.compare ||
                   request_.calibrate || !request_.report.empty();
    std::unique_ptr<cli::Progress> progress;
    options.begin = [&](const Footprint& f) {
      footprint_ = f;
      in_.events.emit("run_start",
                      {{"split", choose_split(data, request_.config.split)}, {"memory", dl::to_json(f)}});
      in_.log.info("peak memory expected " + dl::text(f));
    };
    options.progress = [&](int64_t done, int64_t total) {
      if (!progress) progress = std::make_unique<cli::Progress>(in_.log, in_.progress, total, "samples");
      progress->update(done);
    };
    Evaluation e = evaluate(networks, data, options);
    if (progress) progress->finish();
    return e;
  }

  bool several() const {
    const bool together = request_.config.ensemble != Ensemble::none;
    return (together ? 1 : request_.models.size()) * request_.data.size() > 1;
  }

  // `file`: for -o, else for stdout.
  json record(bool file, const std::string& format) const {
    json list = json::array();
    if (format == "csv") {
      for (const Result& r : results_)
        for (const Metric& m : r.evaluation.values()) {
          json line = json::object();
          if (several()) line = {{"model", r.model}, {"data", r.data}};
          line["metric"] = m.name;
          line["value"] = m.value;
          list.push_back(line);
        }
      return list;
    }
    const auto one = [&](const Result& r) { return file ? to_json(r) : to_record(r); };
    if (!several()) return one(results_.front());
    for (const Result& r : results_) {
      list.push_back(one(r));
      list.back().update({{"model", r.model}, {"data", r.data}, {"split", r.evaluation.split}});
    }
    json out{{"results", list}};
    for (const Versus& v : versus_) out["comparisons"].push_back(to_json(v));
    return out;
  }

  void report() {
    std::vector<GateResult> gates;
    for (const Result& r : results_) gates.insert(gates.end(), r.gates.begin(), r.gates.end());
    const std::string path = in_.output();
    if (!path.empty()) write_text(path, record(true, "json").dump(2) + '\n');
    if (in_.has("--junit")) write_text(in_.text("--junit"), junit_xml("dl-eval", gates));
    std::string human;
    if (several()) {
      human = text(results_, headline_metrics(results_.front().evaluation.metrics.front().setup()));
      for (const Versus& v : versus_) human += '\n' + text(v);
    } else {
      human = text(results_.front());
    }
    for (const GateResult& r : gates)
      human += str(r.passed ? "gate passed: " : "gate FAILED: ", r.name, " (", r.message, ")\n");
    if (request_.predictions != "-") in_.emit(record(false, in_.text("--format")), human);
  }

  cli::Invocation& in_;
  const Request& request_;
  std::vector<std::unique_ptr<Inference>>& networks_;
  Pool* pool_;
  std::vector<Result> results_;
  std::vector<Versus> versus_;
  Footprint footprint_;
  int64_t failures_ = 0;
  bool failed_gates_ = false, dry_ = false;
};

}  // namespace

int judge(cli::Invocation& in, const Request& request, std::vector<std::unique_ptr<Inference>>& networks,
          Pool* pool) {
  return Judge(in, request, networks, pool).run();
}

}  // namespace dl::eval
