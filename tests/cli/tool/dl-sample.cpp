// A small tool over tools/cli: what the command-line tests run.
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "base/str.h"
#include "cli/tool.h"

using namespace dl;

namespace {

struct Sgd {
  double lr = 0.1;
  double momentum = 0;
};
constexpr auto fields(const Sgd*) {
  return std::tuple{field("lr", &Sgd::lr, "Learning rate.").at_least(0),
                    field("momentum", &Sgd::momentum, "Fraction of the last step that is kept.").range(0, 1)};
}
struct Adam {
  double lr = 0.001;
  double beta1 = 0.9;
};
constexpr auto fields(const Adam*) {
  return std::tuple{field("lr", &Adam::lr, "Learning rate.").at_least(0),
                    field("beta1", &Adam::beta1, "Decay of the first moment.").range(0, 1)};
}
struct OptimizerFamily {
  static constexpr std::string_view what = "optimizer";
  static std::span<const Variant> variants() {
    static const Variant all[] = {{"sgd", "Stochastic gradient descent.", &attr_ops<Sgd>},
                                  {"adam", "Adam.", &attr_ops<Adam>}};
    return all;
  }
};
struct Save {
  std::string every = "1 epoch";
  int64_t keep = 2;
};
constexpr auto fields(const Save*) {
  return std::tuple{field("every", &Save::every, "How often."),
                    field("keep", &Save::keep, "How many.").at_least(1)};
}
struct Train {
  int64_t epochs = 10;
  int64_t batch_size = 32;
  std::vector<std::string> metrics{"accuracy"};
  Typed<OptimizerFamily> optimizer;
  Save save;
};
constexpr auto fields(const Train*) {
  return std::tuple{field("epochs", &Train::epochs, "Passes over the data.").at_least(1),
                    field("batch_size", &Train::batch_size, "Records in one step.").at_least(1),
                    field("metrics", &Train::metrics, "What to report."),
                    field("optimizer", &Train::optimizer, "How weights move."),
                    field("save", &Train::save, "Checkpoints.")};
}

int fail_as(const std::string& how) {
  if (how == "internal") throw std::logic_error("a broken promise");
  if (how == "memory") throw std::bad_alloc();
  if (how == "pipe") throw Error(Exit::broken_pipe, "gone");
  for (int code = 2; code <= 10; ++code)
    if (how == std::to_string(code)) throw Error(static_cast<Exit>(code), "asked to fail");
  return std::atoi(how.c_str());
}

int run(cli::Invocation& in) {
  if (in.has("--fail")) return fail_as(in.text("--fail"));
  const auto train = in.get<Train>("train");
  if (in.on("--wait")) {
    in.log.info("waiting");
    while (!cli::interrupted() && !in.out_of_time()) {}
    return cli::interrupted();
  }
  if (in.on("--pack")) {
    const std::string to = in.output();
    in.log.info("output " + to);
    if (to == "-") cli::write_stdout("artifact");
    in.emit({{"packed", true}}, "packed");
    return 0;
  }
  json inputs = json::array();
  for (const std::string& i : in.inputs()) inputs.push_back(i);
  in.events.emit("run_start", {{"loss", std::numeric_limits<double>::quiet_NaN()}});
  in.log.verbose("verbose words");
  in.emit({{"inputs", inputs},
           {"epochs", train.epochs},
           {"shuffle", in.on("--shuffle")},
           {"shift", in.number("--shift")},
           {"threads", in.threads},
           {"seed", in.seed},
           {"loss", std::numeric_limits<double>::infinity()}},
          str("epochs ", train.epochs));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-sample",
       .summary = "shows what the tools share",
       .synopsis = {"[-c CFG] [-s K=V]... INPUT... [-o OUT]"},
       .description = "A first paragraph.\n\nA second one.",
       .sections = {cli::section<Train>("train", "How to train.")},
       .options =
           {{.name = "--epochs",
             .arg = "N",
             .doc = "Passes over the data.",
             .type = cli::Type::integer,
             .config = "/train/epochs"},
            {.name = "--shuffle",
             .doc = "Shuffles the records.",
             .fallback = "true",
             .take = cli::Take::boolean},
            {.name = "--shift", .arg = "X", .doc = "A number.", .fallback = "0", .type = cli::Type::number},
            {.name = "--data", .arg = "FILE|-", .doc = "Another input.", .type = cli::Type::input},
            {.name = "--fail", .arg = "HOW", .doc = "Fails that way."},
            {.name = "--wait", .doc = "Waits for a signal.", .take = cli::Take::nothing},
            {.name = "--pack", .doc = "Writes an artifact.", .take = cli::Take::nothing}},
       .positional = {.arg = "INPUT...", .doc = "Files to read.", .type = cli::Type::input, .max = 100},
       .output = cli::Output::artifact,
       .examples = {{"dl-sample -s train.epochs=5 a b", "Five epochs."}},
       .templates = {{"small", "A small one.", "{\n  // note\n  \"train\": {\"epochs\": 1}\n}\n"}},
       .graceful = true,
       .run = run},
      argc, argv);
}
