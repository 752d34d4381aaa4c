// Throughput of whole training steps and inference on random data, of the workloads that the peers' benchmark defines:
//   bench_steps [workload ...] [--threads N] [--seconds S]
// Prints one JSON line for each workload and mode: samples per second, best and median of groups of steps.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/random.h"
#include "exec/executor.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

struct Workload {
  const char* name;
  Shape sample;
  int64_t batch, classes;
  const char* model;
  const char* train;
};

constexpr const char* kSgd = R"({"optimizer": {"type": "sgd", "lr": 0.1}})";
constexpr const char* kMomentum = R"({"optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}})";

// W1: MLP 784-512-256-10, ReLU, SGD. W2: LeNet-5 with tanh and average pooling; W2r: with ReLU.
const Workload kWorkloads[] = {
    {"W1",
     {784},
     128,
     10,
     R"({"layers": [{"type": "dense", "units": 512}, "relu", {"type": "dense", "units": 256}, "relu", {"type": "dense", "units": 10}]})",
     kSgd},
    {"W2",
     {1, 28, 28},
     128,
     10,
     R"({"layers": [{"type": "conv2d", "filters": 6, "kernel": 5, "padding": 2}, "tanh", {"type": "avg_pool2d", "kernel": 2},
         {"type": "conv2d", "filters": 16, "kernel": 5}, "tanh", {"type": "avg_pool2d", "kernel": 2}, "flatten",
         {"type": "dense", "units": 120}, "tanh", {"type": "dense", "units": 84}, "tanh", {"type": "dense", "units": 10}]})",
     kMomentum},
    {"W2r",
     {1, 28, 28},
     128,
     10,
     R"({"layers": [{"type": "conv2d", "filters": 6, "kernel": 5, "padding": 2}, "relu", {"type": "avg_pool2d", "kernel": 2},
         {"type": "conv2d", "filters": 16, "kernel": 5}, "relu", {"type": "avg_pool2d", "kernel": 2}, "flatten",
         {"type": "dense", "units": 120}, "relu", {"type": "dense", "units": 84}, "relu", {"type": "dense", "units": 10}]})",
     kMomentum},
};

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

void measure(const Workload& w, bool training, int threads, double seconds, bool nodes) {
  const Schema schema = schema_of(w);
  TrainConfig train;
  parse_fields(train, json::parse(w.train), "/train");
  const json model = json::parse(w.model);
  Model m = training ? build_training_step(model, train, schema, {}, w.batch).model
                     : build_model(model, build_options(schema, w.batch, false));
  Pool* pool = pool_create(threads);
  {
    TensorMap state = initial_values(m, 1);
    Executor ex(make_plan(m.graph, {.passes = {}, .isa = best_isa(), .threads = threads}), pool, state);
    Random r(7, 7);
    Tensor x(ex.graph().type(ex.graph().find("x")));
    for (float& v : x.data<float>()) v = float(r.normal());
    ex.feed("x", x);
    if (training) {
      Tensor y(DType::i32, {w.batch});
      for (int32_t& v : y.data<int32_t>()) v = int32_t(r.below(w.classes));
      ex.feed("y", y);
      ex.feed_scalar("learning_rate", 1e-4);
      ex.feed_scalar("step", 1);
    }
    ex.run();
    std::vector<double> rates;
    const double end = now() + seconds;
    while (now() < end || rates.size() < 3) {
      const double start = now();
      int64_t steps = 0;
      while (now() - start < 0.1) {
        ex.run();
        ++steps;
      }
      rates.push_back(double(steps * w.batch) / (now() - start));
    }
    std::sort(rates.begin(), rates.end());
    std::printf(
        "{\"workload\": \"%s\", \"mode\": \"%s\", \"threads\": %d, \"best\": %.0f, \"median\": %.0f}\n",
        w.name, training ? "train" : "infer", threads, rates.back(), rates[rates.size() / 2]);
    if (nodes) {
      const Graph& g = ex.graph();
      for (size_t k = 0; k < g.nodes.size(); ++k) {
        double least = 1e9;
        for (int i = 0; i < 50; ++i) {
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
  int threads = 2;
  double seconds = 2;
  bool nodes = false;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc)
      threads = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else if (!std::strcmp(argv[i], "--nodes"))
      nodes = true;
    else
      names.push_back(argv[i]);
  }
  for (const Workload& w : kWorkloads) {
    if (!names.empty() && std::find(names.begin(), names.end(), w.name) == names.end()) continue;
    measure(w, true, threads, seconds, nodes);
    measure(w, false, threads, seconds, nodes);
  }
  return 0;
}
