// dl-hpo: searches hyper-parameters by running trials of dl-train.
#include <filesystem>
#include <fstream>

#include "base/html.h"
#include "base/json_text.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/tool.h"
#include "dl-hpo/launcher.h"
#include "dl-hpo/trial_run.h"
#include "dl-hpo/trials.h"
#include "search/importance.h"
#include "search/report.h"
#include "search/study.h"

using namespace dl;

namespace {

json search_schema() { return fields_schema<SearchConfig>(); }
void check_search(const json& section, const std::string& pointer) { parse_search(section, pointer); }

std::string study_path(cli::Invocation& in) {
  const std::string path = in.output();
  if (path.empty() || path == "-") cli::usage_error("no study is given: -o STUDY");
  return path;
}

std::string trainer(const cli::Invocation& in) {
  return in.has("--trainer") ? in.text("--trainer") : cli::sibling("dl-train");
}

// Every key to vary is known to the trainer, in each of the trials, before anything is written.
void check_space(cli::Invocation& in, const json& config) {
  const SearchConfig search = parse_search(in.config.section("search"), "/search");
  const auto space = parse_space(search.space, "/search/space");
  const json schema = parse_json(cli::output_of({trainer(in), "--schema"}), "schema of the trainer").value;
  constexpr int64_t kLookAhead = 1000;
  for (int64_t n = 0; n < std::min(search.trials, kLookAhead); ++n)
    check_parameters(config, sample_random(space, config, in.seed, n), schema, "/search/space");
  in.log.verbose(str(search.trials, " trials over ", space.size(), " keys"));
}

Study study_of_config(cli::Invocation& in, const std::string& path) {
  if (!in.has("--config")) return Study::open(path);
  json config = in.config.root();
  if (!config.contains("search"))
    throw Error(Exit::config, "/search", "the config has no section 'search', expected one with a \"space\"");
  config.erase("search");
  check_space(in, config);
  return Study::open_or_create(path, config, in.config.section("search"), in.seed);
}

json record_of(const Trial& t) {
  json r{{"trial", t.number}, {"state", name_of(t.state)}, {"value", t.value ? json(*t.value) : json()}};
  if (!t.why.empty()) r["why"] = t.why;
  if (!t.feasible) r["feasible"] = false;
  if (t.parent) r["parent"] = *t.parent;
  if (t.epochs) r["epochs"] = t.epochs;
  if (t.seconds > 0) r["seconds"] = t.seconds;
  r["parameters"] = t.parameters;
  return r;
}

std::string line_of(const Trial& t) {
  std::string out = str(t.number, "  ", name_of(t.state));
  if (t.value) out += str("  ", *t.value);
  for (const auto& p : t.parameters.items()) out += str("  ", p.key(), '=', p.value().dump());
  return t.why.empty() ? out : out + "  (" + t.why + ")";
}

void report_best(cli::Invocation& in, const Study& study) {
  const Trial* best = study.best();
  if (!best) throw Error(Exit::data, "no trial of this study is complete");
  const std::string config = study.config_of(*best).dump(2) + '\n';
  if (in.has("--best-config")) {
    const std::string to = in.text("--best-config");
    if (to == "-") return cli::write_stdout(config);
    std::ofstream out(to);
    if (!(out << config).flush()) throw Error(Exit::io, str("cannot write '", to, "'"));
  }
  json r = record_of(*best);
  r["objective"] = study.search().objective.name();
  r["metrics"] = best->metrics;
  in.emit(r, str("best of ", study.trials().size(), " trials by ", study.search().objective.name(), ":\n",
                 line_of(*best)));
}

void report_importance(cli::Invocation& in, const Study& study) {
  json all = json::array();
  std::string text;
  double rest = 1;
  for (const Importance& i : importance(study)) {
    all.push_back({{"key", i.key}, {"share", i.share}, {"standard_deviation", i.spread}});
    text += str(short_number(i.share), "  +- ", short_number(i.spread), "  ", i.key, '\n');
    rest -= i.share;
  }
  in.emit(all, str(text, short_number(std::max(rest, 0.0)), "  keys acting together"));
}

void write_report(cli::Invocation& in, const Study& study, const std::string& path) {
  const std::string to = in.text("--report");
  std::ofstream out(to);
  if (!(out << study_report(study, std::filesystem::path(path).filename().string())).flush())
    throw Error(Exit::io, str("cannot write '", to, "'"));
}

int tell(cli::Invocation& in, Study& study) {
  if (!in.has("--trial")) cli::usage_error("tell: which one? --trial N");
  if (in.has("--value") == in.has("--state"))
    cli::usage_error("tell: expected either --value X or --state failed|pruned|lost");
  if (in.has("--step")) {
    if (!in.has("--value")) cli::usage_error("tell: --step is the place of a --value on the way");
    const auto why = study.report(in.integer("--trial"), in.integer("--step"), in.number("--value"));
    in.emit({{"prune", why.has_value()}, {"why", why.value_or("")}}, why ? "prune: " + *why : "go on");
    return 0;
  }
  const std::string state = in.text("--state");
  Outcome o{.why = in.text("--why")};
  o.state = in.has("--value")   ? TrialState::complete
            : state == "failed" ? TrialState::failed
            : state == "pruned" ? TrialState::pruned
                                : TrialState::lost;
  if (in.has("--value")) o.value = in.number("--value");
  if (in.has("--metrics")) o.metrics = parse_json(in.text("--metrics"), "--metrics").value;
  if (!o.metrics.is_object()) cli::usage_error("--metrics: expected an object as '{\"parameters\": 12345}'");
  study.tell(in.integer("--trial"), o);
  return 0;
}

int ask(cli::Invocation& in, Study& study, const std::string& path) {
  json all = json::array();
  std::string text;
  const int64_t count = in.integer("--count");
  if (count < 1) cli::usage_error("--count: expected at least 1");
  for (int64_t i = 0; i < count; ++i) {
    std::optional<int64_t> waits;
    const auto trial = study.ask(true, &waits);
    if (!trial && i > 0) break;
    if (waits)
      throw Error(Exit::data, {},
                  str("the next trial depends on the result of trial ", *waits, ", which is not there yet"),
                  "tell it first, or raise search.batch");
    if (!trial)
      throw Error(Exit::data, {}, str("all ", study.trials().size(), " trials of this study were given out"),
                  "raise search.trials");
    const auto files = hpo::files_of(path, trial->number);
    hpo::write_config(study, *trial, files);
    all.push_back({{"trial", trial->number},
                   {"seed", study.seed_of(trial->number)},
                   {"config", files.config},
                   {"parameters", trial->parameters}});
    if (trial->parent) all.back()["parent"] = *trial->parent;
    text += str(trial->number, ' ', files.config, " --seed ", study.seed_of(trial->number), '\n');
  }
  in.emit(in.has("--count") ? all : all[0], text);
  return 0;
}

// Before the first trial: what the options and the config say fits together.
void check_run(cli::Invocation& in, const Study& study) {
  if (!in.has("--data")) cli::usage_error("run: no data is given: --data DATA.h5");
  if (in.integer("--jobs") < 1) cli::usage_error("--jobs: expected at least 1");
  if (in.has("--launcher"))
    hpo::launched(in.text("--launcher"), {"dl-train"}, {{"trial", "0"}, {"job", "0"}});
  const SearchConfig& search = study.search();
  const bool lineage = search.sampler.type == "pbt" || search.pruner.type == "hyperband" ||
                       search.pruner.type == "successive_halving";
  if (lineage && in.text("--keep") == "best")
    cli::usage_error("--keep best: trials of this search go on from the checkpoints of others");
  const int64_t last = std::max<int64_t>(study.limit() - 1, 0);
  if (results_needed(study.context(), last) > last - in.integer("--jobs") + 1 &&
      in.integer("--jobs") > search.batch)
    in.log.info(str("--jobs ", in.integer("--jobs"), ": trials wait for results, about ", search.batch,
                    " run side by side (search.batch)"));
  if (study.limit() < search.trials)
    in.log.info(str("the grid has ", study.limit(), " points, fewer than search.trials"));
  if (search.sampler.type == "grid" && trials_available(study.context()).value_or(0) > search.trials)
    in.log.warning(
        str("the grid has more points than search.trials, ", search.trials, ": its end is left out"));
}

int run(cli::Invocation& in) {
  if (in.positionals().empty())
    cli::usage_error("what to do? one of run, ask, tell, trials, best, importance");
  const std::string verb = in.positionals()[0];
  if (in.on("--dry-run")) {
    json config = in.config.root();
    config.erase("search");
    check_space(in, config);
    return 0;
  }
  const std::string path = study_path(in);
  Study study = verb == "run" || verb == "ask" ? study_of_config(in, path) : Study::open(path);
  if (study.repaired()) in.log.warning(str(path, ": a torn last record was cut off"));
  if (verb == "tell") return tell(in, study);
  if (in.has("--report") && verb != "run") write_report(in, study, path);
  if (verb == "best") return report_best(in, study), 0;
  if (verb == "importance") return report_importance(in, study), 0;
  if (verb == "trials") {
    json all = json::array();
    std::string text;
    for (const Trial& t : study.trials()) {
      all.push_back(record_of(t));
      text += line_of(t) + '\n';
    }
    in.emit(all, text);
    return 0;
  }
  if (verb == "ask") return ask(in, study, path);
  check_run(in, study);
  const int code = hpo::run_trials(in, study, path, trainer(in));
  if (in.has("--report")) write_report(in, study, path);
  if (code == 0 || code == static_cast<int>(Exit::partial)) report_best(in, study);
  return code;
}

constexpr const char* kTpe = R"({
  "search": {
    // any key of the config, dotted
    "space": {
      "train.optimizer.lr": {"log_uniform": [1e-4, 1.0]},
      "train.batch_size": {"choice": [32, 64, 128]}
    },
    "sampler": "tpe",
    "objective": {"maximize": "valid.accuracy"},
    "trials": 30
  }
}
)";

constexpr const char* kSuggested = R"({
  "search": {
    "space": {
      // first of all; for fine-tuning one or two orders of magnitude less
      "train.optimizer.lr": {"log_uniform": [1e-3, 1e-1]},
      // next
      "train.batch_size": {"log_int": [16, 1024]},
      "train.optimizer.momentum": {"uniform": [0.8, 0.99], "when": {"train.optimizer.type": "sgd"}},
      // last; a dropout rate of the model, in [0, 0.5], stands here too
      "train.optimizer.weight_decay": {"uniform": [0, 5e-4]}
    },
    "sampler": "gp",
    "objective": {"maximize": "valid.accuracy"},
    "trials": 40
  }
}
)";

constexpr const char* kRandom = R"({
  "search": {
    "space": {"train.optimizer.lr": {"log_uniform": [1e-4, 1.0]}, "train.batch_size": {"choice": [32, 64, 128]}},
    "objective": {"maximize": "valid.accuracy"},
    "trials": 20
  }
}
)";

}  // namespace

int main(int argc, char** argv) {
  using cli::Take, cli::Type;
  return cli::main(
      {.name = "dl-hpo",
       .summary = "searches hyper-parameters by running trials of dl-train",
       .synopsis = {"run -c CFG --data DATA.h5 [--valid V.h5] -o STUDY", "ask -c CFG -o STUDY",
                    "tell -o STUDY --trial N --value X|--state S", "trials -o STUDY",
                    "best -o STUDY [--best-config FILE|-]", "importance -o STUDY"},
       .description =
           "run works through the trials of a study: each is one run of dl-train in "
           "STUDY.trials/NNNN, with its config, log, events and "
           "model. Stopped at any point, the same command goes on; trials that were lost run "
           "again with the same parameters. ask and tell "
           "do the same by hand: ask gives the next trial out, tell records its result. trials "
           "lists them, best shows the best one; importance says how much of the variance each key explains "
           "by itself "
           "(functional analysis of variance over a random forest, Hutter et al. 2014).\n\n"
           "The parameters of a trial are a function of the config, the seed, the number n of the trial "
           "and, for samplers that learn, of the results of trials 0 to n - search.batch and the "
           "parameters of those after them. A trial waits until these results are there, so any --jobs up "
           "to search.batch, kills and restarts give the same trials. Pruners compare with the same "
           "earlier trials only, never with those that happen to run at the same time. Exceptions are "
           "trials that fail for outer reasons (a signal, memory).\n\n"
           "Several dl-hpo run may share one study, also on several machines with one file system (with "
           "working flock): each takes the next trial that is free, and takes over the trials of one that "
           "died.",
       .sections = {{"search", "What to vary, and what to make best.", search_schema, check_search}},
       .options =
           {{.name = "--data", .arg = "FILE", .doc = "Data set of every trial.", .type = Type::path},
            {.name = "--valid", .arg = "FILE", .doc = "Validation data of every trial.", .type = Type::path},
            {.name = "--jobs",
             .arg = "N",
             .doc = "Trials at the same time; they share the threads. On devices, one trial at a time runs "
                    "on each "
                    "and N is cut to their number.",
             .fallback = "1",
             .type = Type::integer},
            {.name = "--keep-going",
             .doc = "Goes on past trials that fail for reasons that are no part of a search; the exit code "
                    "is then 9.",
             .take = Take::nothing},
            {.name = "--best-config",
             .arg = "FILE|-",
             .doc = "Writes the config of the best trial.",
             .type = Type::output},
            {.name = "--report",
             .arg = "FILE",
             .doc = "Writes the study as one HTML page: history, importance, parallel coordinates, slices, "
                    "curves.",
             .type = Type::output},
            {.name = "--trainer",
             .arg = "PROGRAM",
             .doc = "Runs this instead of dl-train; it takes the same options.",
             .type = Type::path},
            {.name = "--launcher",
             .arg = "COMMAND",
             .doc = "Starts trainers through another program: {} stands for the command's words, {sh} for "
                    "the command as "
                    "one word for a shell, {trial} for the number of the trial, {job} for 0 to jobs - 1. "
                    "Data, study and "
                    "programs have the same paths there. A trial whose trainer was never heard of is started "
                    "again, "
                    "search.retries times."},
            {.name = "--keep",
             .arg = "WHAT",
             .doc = "Models and checkpoints that stay: of all trials, or of the best; logs and events always "
                    "stay.",
             .fallback = "all",
             .choices = "all best"},
            {.name = "--count",
             .arg = "N",
             .doc = "ask: several trials at once.",
             .fallback = "1",
             .type = Type::integer},
            {.name = "--trial", .arg = "N", .doc = "tell: which trial.", .type = Type::integer},
            {.name = "--value", .arg = "X", .doc = "tell: the objective's value.", .type = Type::number},
            {.name = "--state",
             .arg = "S",
             .doc = "tell: how it ended otherwise.",
             .choices = "failed pruned lost"},
            {.name = "--step",
             .arg = "E",
             .doc =
                 "tell: --value is that of epoch E on the way; says whether the pruner would stop the trial.",
             .type = Type::integer},
            {.name = "--metrics",
             .arg = "JSON",
             .doc = "tell: other metrics, an object; constraints may name them."},
            {.name = "--why", .arg = "TEXT", .doc = "tell: the reason, for people."}},
       .positional = {.arg = "run|ask|tell|trials|best|importance",
                      .doc = "What to do.",
                      .max = 1,
                      .choices = "run ask tell trials best importance"},
       .output = cli::Output::text,
       .output_doc = "The study: a journal of trials, one JSON record in each line. STUDY.trials holds the "
                     "files of the trials.",
       .examples = {{"dl-hpo run -c net.json --data train.h5 -o lr.study",
                     "Runs the trials of the section \"search\"."},
                    {"dl-hpo best -o lr.study --best-config - > best.json", "The config of the best trial."},
                    {"dl-hpo trials -o lr.study --format csv", "A table of all trials."},
                    {"dl-hpo best -o lr.study --report lr.html", "A page of figures for a browser."},
                    {"dl-hpo run -c net.json --data train.h5 -o lr.study --jobs 2 --launcher 'nice -n 10 {}'",
                     "Trials started through another program; 'srun -n1 {}' and 'ssh node{job} {sh}' run "
                     "them elsewhere."}},
       .templates = {{"tpe", "Learning rate and batch size, by an estimator that learns.", kTpe},
                     {"suggested",
                      "Usual ranges of what matters in training, in the order of how much it matters.",
                      kSuggested},
                     {"random", "Random search.", kRandom}},
       .files = {{"STUDY.trials/NNNN/config.json", "The trial's config, ready for dl-train -c."},
                 {"STUDY.trials/NNNN/events.jsonl", "The trial's events; the objective is read from them."}},
       .graceful = true,
       .run = run},
      argc, argv);
}
