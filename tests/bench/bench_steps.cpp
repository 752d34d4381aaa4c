// Throughput of whole training steps and inference on random data, of the workloads that the peers' benchmark defines:
//   bench_steps [workload ...] [--device cpu|cuda[:N]] [--threads N] [--seconds S] [--mode train|infer] [--batch N]
//               [--precision f32|tf32|bf16|f16] [--without PASS]... [--recompute WHAT] [--profile]
// Prints one JSON line for each workload and mode: samples per second, best and median of groups of steps; the peak of
// resident memory as it was predicted and as it is (of the process: run one workload at a time), likewise the device's; and
// the seconds from the start of the process to the end of the first step, of which building graph and plan, the first
// values, and the step.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/flags.h"
#include "exec/executor.h"
#include "train/footprint.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

struct Workload {
  std::string name;
  Shape sample, target;  // target: extents of zeros and ones for each sample, where there are no classes
  int64_t batch, classes;
  std::vector<int64_t> inference, on_device;  // batches; those of a device for both modes
  json model, train;
};

std::vector<Workload> read_workloads(const char* path) {
  std::ifstream in(path);
  const json all = json::parse(in, nullptr, true, true);
  std::vector<Workload> out;
  for (const json& j : all) {
    Workload w{j["name"], {}, {}, j["batch"], j.value("classes", 0), {}, {}, j["model"], j["train"]};
    for (int64_t extent : j["sample"]) w.sample.push_back(extent);
    for (int64_t extent : j.value("target", std::vector<int64_t>{})) w.target.push_back(extent);
    w.inference = j.value("inference", std::vector<int64_t>{w.batch});
    w.on_device = j.value("device", std::vector<int64_t>{w.batch});
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
  std::shared_ptr<Device> device;
  PassOptions passes;
  std::string precision = "f32";  // that of the passes
  std::vector<std::string> names;

  std::vector<int64_t> batches(const Workload& w, bool training) const {
    if (batch) return {batch};
    if (device) return w.on_device;
    return training ? std::vector{w.batch} : w.inference;
  }
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

// Samples per second of groups of runs, slowest first. A device is waited for after so many runs as take a tenth of a second.
std::vector<double> rates_of(Executor& ex, int64_t batch, double seconds) {
  std::vector<double> rates;
  int64_t burst = 1;
  const double end = steady_seconds() + seconds;
  while (steady_seconds() < end || rates.size() < 3) {
    const double start = steady_seconds();
    int64_t runs = 0;
    while (steady_seconds() - start < 0.1) {
      for (int64_t i = 0; i < burst; ++i) ex.run();
      ex.wait();
      runs += burst;
    }
    const double spent = steady_seconds() - start;
    rates.push_back(static_cast<double>(runs * batch) / spent);
    if (ex.plan().device)
      burst = std::max<int64_t>(1, static_cast<int64_t>(0.1 / spent * static_cast<double>(runs)));
  }
  std::sort(rates.begin(), rates.end());
  return rates;
}

Model model_of(const Workload& w, bool training, int64_t batch, Precision precision) {
  const Schema schema = schema_of(w);
  if (!training) return build_model(w.model, build_options(schema, batch, false));
  TrainConfig train;
  parse_fields(train, w.train, "/train");
  train.precision = precision;
  return build_training_step(w.model, train, schema, {}, batch).model;
}

void print_profile(Executor& ex, const std::string& name, Pool* pool) {
  Profile profile;
  profile.set_ceilings(measure_ceilings(ex.plan(), pool));
  ex.report_to(&profile, name);
  for (int i = 0; i < 5; ++i) ex.run();
  std::fputs(profile.table().c_str(), stdout);
}

void measure(const Workload& w, bool training, int64_t batch, const Settings& settings) {
  const double began = steady_seconds();
  const int64_t resident = resident_bytes();
  const std::shared_ptr<Device>& device = settings.device;
  const int64_t free = device ? device->free_memory() : 0;
  const Model m = model_of(w, training, batch, settings.passes.precision);
  const PoolOwner pool(pool_create(settings.threads));
  const PlanOptions options{
      .passes = settings.passes, .isa = best_isa(), .device = device, .threads = settings.threads};
  Plan plan = make_plan(m.graph, options);
  require_device_memory(plan, batch, [&](int64_t b) {
    return make_plan(model_of(w, training, b, settings.passes.precision).graph, options);
  });
  Footprint footprint;
  footprint.add(plan, resident);
  footprint.batches = plan.bytes().inputs;
  json row = {{"workload", w.name},
              {"mode", training ? "train" : "infer"},
              {"batch", batch},
              {"threads", settings.threads},
              {"device", device ? device->info().name : "cpu"},
              {"precision", settings.precision},
              {"predicted_mib", mib(footprint.total())},
              {"arena_mib", mib(plan.memory.arena_bytes)},
              {"arena_lower_bound_mib", mib(plan.memory.lower_bound)}};
  if (device) row["predicted_device_mib"] = mib(device_bytes(plan));
  const double built = steady_seconds();
  TensorMap state = initial_values(m, 1, pool.get());
  const double valued = steady_seconds();
  Executor ex(std::move(plan), pool.get(), state);
  feed(ex, w, training);
  const double fed = steady_seconds();
  ex.run();
  ex.wait();
  row["first_step_seconds"] = age();
  row["plan_seconds"] = built - began;
  row["values_seconds"] = valued - built;
  row["step_seconds"] = steady_seconds() - fed;
  const std::vector<double> rates = rates_of(ex, batch, settings.seconds);
  row["best"] = rates.back();
  row["median"] = rates[rates.size() / 2];
  row["peak_mib"] = mib(peak_resident_bytes());
  if (device) row["device_mib"] = mib(free - device->free_memory());
  std::printf("%s\n", row.dump().c_str());
  if (settings.profile) print_profile(ex, w.name, pool.get());
  std::fflush(stdout);
}

Settings read_settings(int argc, char** argv) {
  Settings s;
  const auto without = [&](const std::string& pass) { s.passes.off.insert(pass); };
  const auto recompute = [&](const std::string& text) {
    const json number = json::parse(text, nullptr, false);
    FieldType<Recompute>::parse(s.passes.recompute, number.is_number() ? number : json(text), "--recompute",
                                {});
  };
  const auto precision = [&](const std::string& text) {
    FieldType<Precision>::parse(s.passes.precision, json(text), "--precision", {});
    s.precision = text;
  };
  s.names = bench::read_flags(argc, argv,
                              {bench::number("--threads", s.threads),
                               bench::number("--seconds", s.seconds),
                               bench::number("--batch", s.batch),
                               bench::word("--mode", s.mode),
                               bench::device(s.device),
                               {"--without", without},
                               {"--recompute", recompute},
                               {"--precision", precision},
                               bench::on("--profile", s.profile)});
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run([&] {
    const Settings settings = read_settings(argc, argv);
    for (const Workload& w : read_workloads(DL_WORKLOADS)) {
      if (!settings.names.empty() && !std::count(settings.names.begin(), settings.names.end(), w.name))
        continue;
      for (bool training : {true, false}) {
        if (settings.mode == (training ? "infer" : "train")) continue;
        for (int64_t batch : settings.batches(w, training)) measure(w, training, batch, settings);
      }
    }
  });
}
