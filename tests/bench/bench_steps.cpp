// Throughput of whole training steps and inference on random data, of the workloads that the peers' benchmark defines:
//   bench_steps [workload ...] [--threads N] [--seconds S] [--mode train|infer] [--batch N] [--without PASS]... [--recompute WHAT] [--profile]
// Prints one JSON line for each workload and mode: samples per second, best and median of groups of steps; the peak of
// resident memory as it was predicted and as it is (of the process: run one workload at a time); and the seconds from the
// start of the process to the end of the first step, of which building graph and plan, the first values, and the step.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "exec/executor.h"
#include "train/footprint.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

struct Workload {
  std::string name;
  Shape sample, target;  // target: extents of zeros and ones for each sample, where there are no classes
  int64_t batch, classes;
  std::vector<int64_t> inference;  // batches
  json model, train;
};

std::vector<Workload> read_workloads(const char* path) {
  std::ifstream in(path);
  const json all = json::parse(in, nullptr, true, true);
  std::vector<Workload> out;
  for (const json& j : all) {
    Workload w{j["name"], {}, {}, j["batch"], j.value("classes", 0), {}, j["model"], j["train"]};
    for (int64_t extent : j["sample"]) w.sample.push_back(extent);
    for (int64_t extent : j.value("target", std::vector<int64_t>{})) w.target.push_back(extent);
    w.inference = j.value("inference", std::vector<int64_t>{w.batch});
    out.push_back(std::move(w));
  }
  return out;
}

double mib(int64_t bytes) { return double(bytes) / 1048576; }

// Seconds since this process was created.
double age() {
  std::ifstream in("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec) -
         std::atof(field.c_str()) / double(sysconf(_SC_CLK_TCK));
}

Schema schema_of(const Workload& w) {
  Schema s;
  s.inputs.push_back({"x", w.sample.rank() == 3 ? Role::image : Role::features, {DType::f32, w.sample}, {}});
  Target t{"y", TargetKind::class_index, {DType::i32, {}}, {}};
  if (w.classes == 0) t = {"y", TargetKind::regression, {DType::f32, w.target}, {}};
  for (int64_t c = 0; c < w.classes; ++c) t.classes.push_back(std::to_string(c));
  s.targets.push_back(t);
  return s;
}

struct Settings {
  int threads = 2;
  double seconds = 2;
  bool profile = false;
  std::string mode;   // empty: both
  int64_t batch = 0;  // 0: those of the workload
  PassOptions passes;
};

// Random samples and targets, bound to the executor's inputs.
void feed(Executor& ex, const Workload& w, bool training) {
  Random r(7, 7);
  Tensor x(ex.graph().type(ex.graph().find("x")));
  for (float& v : x.data<float>()) v = float(r.normal());
  ex.feed("x", x);
  if (!training) return;
  Tensor y(ex.graph().type(ex.graph().find("y")));
  if (w.classes == 0)
    for (float& v : y.data<float>()) v = float(r.below(2));
  else
    for (int32_t& v : y.data<int32_t>()) v = int32_t(r.below(w.classes));
  ex.feed("y", y);
  ex.feed_scalar("learning_rate", 1e-4);
  ex.feed_scalar("step", 1);
}

// Samples per second of groups of runs, slowest first.
std::vector<double> rates_of(Executor& ex, int64_t batch, double seconds) {
  std::vector<double> rates;
  const double end = steady_seconds() + seconds;
  while (steady_seconds() < end || rates.size() < 3) {
    const double start = steady_seconds();
    int64_t runs = 0;
    for (; steady_seconds() - start < 0.1; ++runs) ex.run();
    rates.push_back(double(runs * batch) / (steady_seconds() - start));
  }
  std::sort(rates.begin(), rates.end());
  return rates;
}

void measure(const Workload& w, bool training, int64_t batch, const Settings& settings) {
  const int threads = settings.threads;
  const double began = steady_seconds();
  const int64_t resident = resident_bytes();
  const Schema schema = schema_of(w);
  TrainConfig train;
  parse_fields(train, w.train, "/train");
  Model m = training ? build_training_step(w.model, train, schema, {}, batch).model
                     : build_model(w.model, build_options(schema, batch, false));
  Pool* pool = pool_create(threads);
  {
    Plan plan = make_plan(m.graph, {.passes = settings.passes, .isa = best_isa(), .threads = threads});
    Footprint footprint;
    footprint.add(plan, resident);
    footprint.batches = plan.bytes().inputs;
    const int64_t arena = plan.memory.arena_bytes, bound = plan.memory.lower_bound;
    const double built = steady_seconds();
    TensorMap state = initial_values(m, 1, pool);
    const double valued = steady_seconds();
    Executor ex(std::move(plan), pool, state);
    feed(ex, w, training);
    const double fed = steady_seconds();
    ex.run();
    const double first = age(), stepped = steady_seconds();
    const std::vector<double> rates = rates_of(ex, batch, settings.seconds);
    std::printf(
        "{\"workload\": \"%s\", \"mode\": \"%s\", \"batch\": %lld, \"threads\": %d, \"best\": %.2f, "
        "\"median\": %.2f, \"peak_mib\": %.1f, \"predicted_mib\": %.1f, \"arena_mib\": %.1f, "
        "\"arena_lower_bound_mib\": %.1f, \"first_step_seconds\": %.3f, \"plan_seconds\": %.3f, "
        "\"values_seconds\": %.3f, \"step_seconds\": %.3f}\n",
        w.name.c_str(), training ? "train" : "infer", static_cast<long long>(batch), threads, rates.back(),
        rates[rates.size() / 2], mib(peak_resident_bytes()), mib(footprint.total()), mib(arena), mib(bound),
        first, built - began, valued - built, stepped - fed);
    if (settings.profile) {
      Profile profile;
      profile.set_ceilings(measure_ceilings(pool, best_isa()));
      ex.report_to(&profile, w.name);
      for (int i = 0; i < 5; ++i) ex.run();
      std::fputs(profile.table().c_str(), stdout);
    }
    std::fflush(stdout);
  }
  pool_destroy(pool);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      settings.threads = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc)
      settings.seconds = std::atof(argv[++i]);
    else if (!std::strcmp(argv[i], "--without") && i + 1 < argc)
      settings.passes.off.insert(argv[++i]);
    else if (!std::strcmp(argv[i], "--recompute") && i + 1 < argc)
      FieldType<Recompute>::parse(
          settings.passes.recompute,
          json::parse(argv[i + 1], nullptr, false).is_number() ? json::parse(argv[i + 1]) : json(argv[i + 1]),
          argv[i], {}),
          ++i;
    else if (!std::strcmp(argv[i], "--mode") && i + 1 < argc)
      settings.mode = argv[++i];
    else if (!std::strcmp(argv[i], "--batch") && i + 1 < argc)
      settings.batch = std::atoll(argv[++i]);
    else if (!std::strcmp(argv[i], "--profile"))
      settings.profile = true;
    else
      names.push_back(argv[i]);
  }
  for (const Workload& w : read_workloads(DL_WORKLOADS)) {
    if (!names.empty() && std::find(names.begin(), names.end(), w.name) == names.end()) continue;
    if (settings.mode != "infer") measure(w, true, settings.batch ? settings.batch : w.batch, settings);
    if (settings.mode == "train") continue;
    for (int64_t batch : settings.batch ? std::vector{settings.batch} : w.inference)
      measure(w, false, batch, settings);
  }
  return 0;
}
