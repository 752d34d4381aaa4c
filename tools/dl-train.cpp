// dl-train: data set and config in, trained network out.
#include <cmath>
#include <memory>

#include "base/memory.h"
#include "base/str.h"
#include "cli/profile.h"
#include "cli/tool.h"
#include "dl-train/checks.h"
#include "io/output_file.h"
#include "nn/summary.h"
#include "train/device.h"
#include "train/rates.h"
#include "train/trainer.h"

using namespace dl;

namespace {

std::string state_folder(const cli::Invocation& in, const std::string& output) {
  if (in.has("--state-dir")) return in.text("--state-dir");
  return output == "-" || output.empty() ? "" : output + ".state";
}

// "800M", "12G" or a number of bytes.
int64_t bytes_of(const std::string& text) {
  double v = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, v);
  const size_t unit = next < end ? std::string_view("KMGT").find(*next) : std::string_view::npos;
  const bool known = next == end || (unit != std::string_view::npos && next + 1 == end);
  if (error != std::errc() || !known || !(v > 0) || v > 1e15)
    cli::usage_error(str("'", text, "' is no size, expected for example 800M or 12G"));
  return static_cast<int64_t>(next == end ? v : std::ldexp(v, 10 * (static_cast<int>(unit) + 1)));
}

// Sizes and hash of a recipe with everything chosen.
void settle(cli::Invocation& in, TrainRequest& r) {
  if (const std::string chosen = choose_batch_size(r); !chosen.empty()) in.log.info(chosen);
  r.recipe = [&in, config = r.config](const json& inputs) {
    return in.recipe_hash({{"config", config}, {"inputs", inputs}});
  };
}

TrainRequest make_request(cli::Invocation& in, const std::string& output) {
  TrainRequest r;
  for (const char* section : {"model", "train", "augment"})
    if (in.config.root().contains(section)) r.config[section] = in.config.section(section);
  r.data = in.input("--data");
  if (in.has("--valid")) r.valid = in.input("--valid");
  r.state_dir = state_folder(in, output);
  r.resume = in.text("--resume");
  if (in.has("--init-from")) r.init_from = in.input("--init-from");
  if (!r.config.contains("model") && !r.init_from.empty() && r.init_from != "-")  // its network goes on
    if (const json config = ModelFile::load(r.init_from, r.tmp).config; config.contains("model"))
      r.config["model"] = config["model"];
  r.partial = in.on("--partial");
  r.seed = in.seed;
  r.threads = in.threads;
  r.device = in.device;
  r.tmp = in.tmp;
  if (in.has("--max-memory")) r.max_memory = bytes_of(in.text("--max-memory"));
  if (in.has("--tensorboard")) r.tensorboard = in.text("--tensorboard");
  for (const std::string& name : in.all("--no-pass")) r.passes.off.insert(name);
  settle(in, r);
  return r;
}

// What the recipe depends on besides the config; empty for a stream, which can be read only once.
json input_hashes(const TrainRequest& r) {
  json hashes = json::object();
  const std::pair<const char*, const std::string*> inputs[] = {
      {"data", &r.data}, {"valid", &r.valid}, {"init_from", &r.init_from}};
  for (const auto& [name, path] : inputs)
    if (!path->empty() && *path != "-") hashes[name] = ArtifactReader(*path, "", r.tmp).content_hash();
  return hashes;
}

TrainHooks make_hooks(cli::Invocation& in, std::unique_ptr<cli::Progress>& progress) {
  TrainHooks h;
  if (in.events.enabled())
    h.event = [&in](const std::string& name, const json& fields) { in.events.emit(name, fields); };
  h.note = [&in](const std::string& line) {
    if (line.starts_with("warning: "))
      in.log.warning(line.substr(9));
    else
      in.log.info(line);
  };
  h.progress = [&in, &progress](int64_t step, int64_t total, const std::string& text) {
    if (!progress) progress = std::make_unique<cli::Progress>(in.log, in.progress, total, "steps");
    progress->update(step, text);
  };
  h.stop = [] { return cli::interrupted(); };
  h.checkpoint_now = [] { return cli::checkpoint_requested(); };
  h.out_of_time = [&in] { return in.out_of_time(); };
  return h;
}

// The table of --plan: layers, then what one training step costs.
void show_plan(const cli::Invocation& in, const Model& model, const Plan& plan,
               const Footprint* footprint = nullptr) {
  const Summary summary = summarize(model);
  const Plan::Bytes b = plan.bytes();
  json record = to_json(summary);
  record["batch_size"] = model.batch;
  record["step_flops"] = plan.flops();
  record["memory"] = {{"parameters", b.parameters}, {"state", b.state},
                      {"inputs", b.inputs},         {"constants", b.constants},
                      {"arena", b.arena},           {"arena_lower_bound", plan.memory.lower_bound}};
  const DeviceFootprint there(plan);
  if (plan.device) record["memory"]["device"] = to_json(there);
  Footprint here = footprint ? *footprint : Footprint();
  here.device = {};
  if (footprint) record["memory"]["peak"] = to_json(here);
  if (plan.kept)
    record["recompute"] = {{"arena_without", plan.kept->arena}, {"step_flops_without", plan.kept->flops}};
  const Node& fullest = plan.graph.nodes[plan.memory.fullest];
  std::string human = text(summary);
  human += str("\none step of ", model.batch, " samples: ", grouped(plan.flops()),
               " operations; memory: parameters ", human_bytes(double(b.parameters)),
               ", optimiser and statistics ", human_bytes(double(b.state)), ", batch ",
               human_bytes(double(b.inputs)), ", activations and gradients ", human_bytes(double(b.arena)),
               "\nactivations and gradients need at least ", human_bytes(double(plan.memory.lower_bound)),
               ": at ", name_of(fullest.phase), ' ', fullest.name, ' ', fullest.op->name,
               describe_recompute(plan), '\n', footprint ? str("peak memory ", text(here), '\n') : "",
               plan.device ? str("memory of ", there.name, ": planned peak ", text(there), '\n') : "",
               "kernels (", place_of(plan), "):\n");
  json kernels = json::array();
  for (size_t k = 0; k < plan.graph.nodes.size(); ++k) {
    const Node& n = plan.graph.nodes[k];
    const std::string_view phase = name_of(n.phase);
    const json attrs = n.op->attrs->changed(n.attrs.get());
    const std::string reason = algorithm_reason(plan.graph, n);
    kernels.push_back({{"layer", n.name},
                       {"phase", phase},
                       {"kernel", n.op->name},
                       {"attributes", attrs},
                       {"work", plan.kernels[k] != nullptr},
                       {"output", plan.graph.type(n.out[0]).text()},
                       {"flops", node_flops(plan.graph, n)}});
    if (!reason.empty()) kernels.back()["reason"] = reason;
    human += str("  ", phase, "  ", n.name, n.name.empty() ? "" : "  ", n.op->name,
                 attrs.empty() ? "" : " " + attrs.dump(), "  ", plan.graph.type(n.out[0]).text(),
                 plan.kernels[k] ? "" : "  (no work: a view)", reason.empty() ? "" : str("  (", reason, ')'),
                 '\n');
  }
  record["kernels"] = kernels;
  if (human.ends_with('\n')) human.pop_back();
  in.emit(record, human);
}

// --plan without data: the model's own declared inputs say what data would have to be.
void show_plan_without_data(const cli::Invocation& in) {
  const json& model = in.config.section("model");
  const auto train = in.get<TrainConfig>("train");
  const StepGraph n = build_training_step(model, train, schema_from_model(model), {}, train.batch_size);
  PlanOptions options;
  options.device = open_device(in.device);
  options.threads = in.threads;
  options.passes.recompute = train.recompute;
  options.passes.precision = train.precision;
  for (const std::string& name : in.all("--no-pass")) options.passes.off.insert(name);
  show_plan(in, n.model, make_plan(n.model.graph, options));
}

// Before hours of work: the output can be written and there is room for it and for two checkpoints.
void check_space(const cli::Invocation& in, const Trainer& trainer, const std::string& output) {
  const int64_t space = check_output(output, {.tmp = in.tmp, .force = in.on("--force")});
  const int64_t need = 4 * trainer.checkpoint_bytes() + (1 << 20);
  if (output != "-" && space < need)
    throw Error(Exit::io, str(output, ": the file system has ", human_bytes(double(space)),
                              " left, the run needs about ", human_bytes(double(need))));
}

int run(cli::Invocation& in) {
  if (in.on("--plan") && !in.has("--data")) {
    show_plan_without_data(in);
    return 0;
  }
  std::unique_ptr<cli::Progress> progress;
  if (cli::asks_for_check(in)) {
    const int code = cli::run_check(in, make_request(in, ""), make_hooks(in, progress));
    if (progress) progress->finish();
    return code;
  }
  const bool look_only = in.on("--plan") || in.on("--dry-run") || in.has("--lr-curve");
  const std::string output = look_only && !in.has("--output") ? "" : in.output();
  TrainRequest request = make_request(in, output);
  Profile profile;
  if (in.has("--profile")) request.profile = &profile;
  if (!look_only && output != "-" && in.on("--if-changed") &&
      in.up_to_date(output, request.recipe(input_hashes(request))))
    return 0;
  Trainer trainer(std::move(request), make_hooks(in, progress));
  if (!output.empty()) check_space(in, trainer, output);
  if (in.on("--plan")) {
    show_plan(in, trainer.model(), trainer.plan(), &trainer.footprint());
    return 0;
  }
  if (in.has("--lr-curve")) {
    write_text(in.text("--lr-curve"), lr_curve(in.get<TrainConfig>("train"), trainer.steps_per_epoch()));
    return 0;
  }
  if (in.on("--dry-run")) {
    in.log.info(str("all is well: ", trainer.steps_per_epoch(), " steps in an epoch, ",
                    grouped(summarize(trainer.model()).parameters), " parameters"));
    return 0;
  }
  TrainResult result = trainer.run();
  cli::write_profile(in, profile);
  if (progress) progress->finish();
  if (!result.finished) {
    in.log.info(str("interrupted after step ", result.steps, "; --resume auto goes on from here"));
    return result.code;
  }
  if (result.already_complete) in.log.info("already complete");
  result.model.save(output, {.tmp = in.tmp, .force = in.on("--force")});
  const int64_t peak = peak_resident_bytes();
  json record{{"steps", result.steps},
              {"epochs", result.epochs},
              {"metrics", result.metrics},
              {"seconds", result.seconds},
              {"samples_per_second", result.samples_per_second},
              {"wait_seconds", result.wait_seconds},
              {"memory", {{"predicted", trainer.footprint().total()}, {"peak", peak}}},
              {"output", output}};
  in.write_run_record(output, record);
  in.emit(record, str("wrote ", output, " after ", result.epochs, " epochs, ", result.steps, " steps, ",
                      human_seconds(result.seconds), "; ", text(trainer.footprint(), peak)));
  return 0;
}

constexpr const char* kMlp = R"({
  // A first network. dl-train -c mlp.json --data digits.h5 -o model.h5
  "model": {
    "name": "mlp",
    "layers": ["flatten", {"type": "dense", "units": 128}, "relu", {"type": "dense", "units": "$classes"}]
  },
  "train": {
    "epochs": 5,
    "batch_size": 128,
    "loss": "cross_entropy",
    "optimizer": {"type": "adam", "lr": 0.001},
    "metrics": ["accuracy"]
  }
}
)";

constexpr const char* kLenet = R"({
  // LeNet-5 for pictures of 28 by 28 points.
  "model": {
    "name": "lenet5",
    "layers": [
      {"type": "conv2d", "filters": 6, "kernel": 5, "padding": 2}, "relu", {"type": "max_pool2d", "kernel": 2},
      {"type": "conv2d", "filters": 16, "kernel": 5},              "relu", {"type": "max_pool2d", "kernel": 2},
      "flatten",
      {"type": "dense", "units": 120}, "relu",
      {"type": "dense", "units": 84},  "relu",
      {"type": "dense", "units": "$classes"}
    ]
  },
  "train": {
    "epochs": 10,
    "batch_size": 128,
    "loss": "cross_entropy",
    "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"type": "cosine", "warmup_epochs": 1},
    "metrics": ["accuracy"],
    "save": {"every": "1 epoch", "best": "valid.accuracy"}
  }
}
)";

std::vector<cli::Option> options() {
  using cli::Take;
  using cli::Type;
  std::vector<cli::Option> all{
      {.name = "--data", .arg = "FILE|-", .doc = "The data set to learn from.", .type = Type::input},
      {.name = "--valid",
       .arg = "FILE",
       .doc = "A second data set to validate on; else a split of the first.",
       .type = Type::input},
      {.name = "--epochs",
       .arg = "N",
       .doc = "Epochs in total.",
       .type = Type::integer,
       .config = "/train/epochs"},
      {.name = "--batch-size",
       .arg = "N",
       .doc = "Samples in one step.",
       .type = Type::integer,
       .config = "/train/batch_size"},
      {.name = "--lr",
       .arg = "RATE",
       .doc = "Base learning rate.",
       .type = Type::number,
       .config = "/train/optimizer/lr"},
      {.name = "--resume", .arg = "auto|none|FOLDER", .doc = "Go on from a checkpoint.", .fallback = "none"},
      {.name = "--state-dir",
       .arg = "FOLDER",
       .doc = "Where checkpoints go; else OUT.state, and none for a stream.",
       .type = Type::path},
      {.name = "--init-from",
       .arg = "MODEL",
       .doc = "Start a new run from the parameters of a model.",
       .type = Type::input},
      {.name = "--partial",
       .doc = "Let --init-from take what fits and say what does not.",
       .take = Take::nothing},
      {.name = "--lr-curve",
       .arg = "FILE",
       .doc = "Write the learning rate of every step as CSV, and do not train.",
       .type = Type::path},
      {.name = "--max-memory",
       .arg = "SIZE",
       .doc = "Most that the run may take, such as 800M or 12G, of the device where there is one: exit 7 "
              "before the first "
              "step where it needs more."},
      {.name = "--tensorboard",
       .arg = "FOLDER",
       .doc = "Write event files that TensorBoard shows: losses, rates and metrics, histograms of "
              "parameters and "
              "gradients after each epoch, the network, the config.",
       .type = Type::path},
      {.name = "--no-pass",
       .arg = "NAME",
       .doc = str("Leave out a pass of the graph compiler: ", join(pass_names(), ", "), '.'),
       .take = Take::many}};
  const std::vector<cli::Option> checks = cli::check_options();
  all.insert(all.end(), checks.begin(), checks.end());
  all.push_back(cli::profile_option());
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const cli::Section model{.name = "model",
                           .doc = "The network.",
                           .schema = model_schema,
                           .check = check_model,
                           .expand = expanded_model};
  return cli::main(
      {.name = "dl-train",
       .summary = "trains a network",
       .synopsis = {"[-c CFG] [-s K=V]... --data DATA.h5|- [--valid V.h5] -o MODEL.h5|-"},
       .description =
           "Trains the network of the config section \"model\" on a data set as section \"train\" "
           "says, and writes it as a "
           "model artifact.\n\nThe result depends on config, data and seed alone: not on threads, "
           "not on kills and resumes, "
           "not on the day. Checkpoints go to OUT.state, never to OUT; --resume auto goes on from "
           "the newest one, from the "
           "start where there is none, and does nothing where the run is complete.\n\nBefore the "
           "first step the log and the event run_start say how much memory the run is going to take, "
           "at its end the log and run_end how much it took: the peak of the resident memory of the "
           "process, program and libraries included (VmHWM in /proc/self/status). The two agree within "
           "5 % or 4 MiB, whichever is larger, without --profile, which keeps records of its own. "
           "train.recompute takes less memory for more operations without changing a bit of the "
           "result; --plan shows what it saves and costs.",
       .sections = {model,
                    cli::section<TrainConfig>("train", "How it is trained."),
                    {.name = "augment",
                     .doc = "Transforms applied to samples on the fly.",
                     .schema = augment_schema,
                     .check = [](const json& value, const std::string& at) { parse_augment(value, at); }}},
       .options = options(),
       .output = cli::Output::artifact,
       .output_doc = "The trained model.",
       .examples =
           {{"dl-train -c lenet5.json --data mnist.h5 -o lenet5.h5", "Train with the settings of a file."},
            {"dl-train -c lenet5.json -s train.optimizer.lr=0.01 --data mnist.h5 -o lenet5.h5 --resume auto",
             "Override one key; go on where an earlier run was killed."},
            {"dl-train -c lenet5.json --data mnist.h5 --plan",
             "Show layers, shapes, costs and kernels without training."}},
       .templates = {{"mlp", "A small network of dense layers.", kMlp},
                     {"lenet5", "A convolutional network for small pictures.", kLenet}},
       .files = {{"OUT.state", "Checkpoints of the run."},
                 {"OUT.run.json", "Command line, times, host: what varies from run to run."}},
       .graceful = true,
       .run = run},
      argc, argv);
}
