// Throughput of whole training steps and inference on random data, of the workloads that the peers' benchmark defines:
//   bench_steps [workload ...] [--threads N] [--seconds S] [--without PASS]... [--nodes]
// Prints one JSON line for each workload and mode: samples per second, best and median of groups of steps.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/random.h"
#include "exec/executor.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

struct Workload {
  std::string name;
  Shape sample;
  int64_t batch, classes;
  std::vector<int64_t> inference;  // batches
  json model, train;
};

std::vector<Workload> read_workloads(const char* path) {
  std::ifstream in(path);
  const json all = json::parse(in, nullptr, true, true);
  std::vector<Workload> out;
  for (const json& j : all) {
    Workload w{j["name"], {}, j["batch"], j["classes"], {}, j["model"], j["train"]};
    for (int64_t extent : j["sample"]) w.sample.push_back(extent);
    w.inference = j.value("inference", std::vector<int64_t>{w.batch});
    out.push_back(std::move(w));
  }
  return out;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Schema schema_of(const Workload& w) {
  Schema s;
  s.inputs.push_back({"x", w.sample.rank() == 3 ? Role::image : Role::features, {DType::f32, w.sample}, {}});
  Target t{"y", TargetKind::class_index, {DType::i32, {}}, {}};
  for (int64_t c = 0; c < w.classes; ++c) t.classes.push_back(std::to_string(c));
  s.targets.push_back(t);
  return s;
}

struct Settings {
  int threads = 2;
  double seconds = 2;
  bool nodes = false;
  PassOptions passes;
};

void measure(const Workload& w, bool training, int64_t batch, const Settings& settings) {
  const int threads = settings.threads;
  const Schema schema = schema_of(w);
  TrainConfig train;
  parse_fields(train, w.train, "/train");
  Model m = training ? build_training_step(w.model, train, schema, {}, batch).model
                     : build_model(w.model, build_options(schema, batch, false));
  Pool* pool = pool_create(threads);
  {
    TensorMap state = initial_values(m, 1);
    Executor ex(make_plan(m.graph, {.passes = settings.passes, .isa = best_isa(), .threads = threads}), pool,
                state);
    Random r(7, 7);
    Tensor x(ex.graph().type(ex.graph().find("x")));
    for (float& v : x.data<float>()) v = float(r.normal());
    ex.feed("x", x);
    if (training) {
      Tensor y(DType::i32, {batch});
      for (int32_t& v : y.data<int32_t>()) v = int32_t(r.below(w.classes));
      ex.feed("y", y);
      ex.feed_scalar("learning_rate", 1e-4);
      ex.feed_scalar("step", 1);
    }
    ex.run();
    std::vector<double> rates;
    const double end = now() + settings.seconds;
    while (now() < end || rates.size() < 3) {
      const double start = now();
      int64_t steps = 0;
      while (now() - start < 0.1) {
        ex.run();
        ++steps;
      }
      rates.push_back(double(steps * batch) / (now() - start));
    }
    std::sort(rates.begin(), rates.end());
    std::printf(
        "{\"workload\": \"%s\", \"mode\": \"%s\", \"batch\": %lld, \"threads\": %d, \"best\": %.2f, "
        "\"median\": %.2f}\n",
        w.name.c_str(), training ? "train" : "infer", static_cast<long long>(batch), threads, rates.back(),
        rates[rates.size() / 2]);
    if (settings.nodes) {
      const Graph& g = ex.graph();
      for (size_t k = 0; k < g.nodes.size(); ++k) {
        double least = 1e9;
        for (int i = 0; i < 5; ++i) {
          const double start = now();
          ex.run(k, k + 1);
          least = std::min(least, now() - start);
        }
        const double flops = double(node_flops(g, g.nodes[k]));
        std::printf("  %8.1f us %8.1f GFLOP/s  %s %s %s\n", 1e6 * least, flops / least / 1e9,
                    g.nodes[k].name.c_str(), std::string(g.nodes[k].op->name).c_str(),
                    g.type(g.nodes[k].out[0]).text().c_str());
      }
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
    else if (!std::strcmp(argv[i], "--nodes"))
      settings.nodes = true;
    else
      names.push_back(argv[i]);
  }
  for (const Workload& w : read_workloads(DL_WORKLOADS)) {
    if (!names.empty() && std::find(names.begin(), names.end(), w.name) == names.end()) continue;
    measure(w, true, w.batch, settings);
    for (int64_t batch : w.inference) measure(w, false, batch, settings);
  }
  return 0;
}
