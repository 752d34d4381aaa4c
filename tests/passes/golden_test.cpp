// The text of a training step after each pass. DL_UPDATE_GOLDEN=1 in the environment writes the files anew: look at the
// difference before it is committed.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "nn/loss.h"
#include "nn/optimizer.h"
#include "passes/autodiff.h"
#include "passes/passes.h"

using namespace dl;

namespace {

std::string path_of(const std::string& name) { return DL_SOURCE_DIR "/tests/golden/" + name + ".txt"; }

std::string read(const std::string& path) {
  std::string text;
  if (FILE* f = std::fopen(path.c_str(), "r")) {
    char buf[4096];
    for (size_t n; (n = std::fread(buf, 1, sizeof buf, f)) > 0;) text.append(buf, n);
    std::fclose(f);
  }
  return text;
}

void check_golden(const std::string& name, const Graph& g) {
  CAPTURE(name);
  verify(g);
  const std::string text = print(g);
  if (std::getenv("DL_UPDATE_GOLDEN")) {
    FILE* f = std::fopen(path_of(name).c_str(), "w");
    REQUIRE(f);
    std::fwrite(text.data(), 1, text.size(), f);
    std::fclose(f);
  }
  CHECK(text == read(path_of(name)));
}

}  // namespace

TEST_CASE("a training step reads the same after each pass as it did before") {
  const json model = json::parse(
      R"({"name": "golden", "layers": [{"type": "conv2d", "filters": 2, "kernel": 3}, "relu", "flatten",
    {"type": "dense", "units": 4}, "tanh", {"type": "dense", "units": 3}]})");
  Model m = build_model(
      model, {.batch = 2, .training = true, .inputs = {{"image", {DType::u8, {1, 6, 6}}}}, .classes = 3});
  check_golden("forward", m.graph);
  const TargetInfo target{.name = "label", .type = {DType::i32, {}}, .classes = 3};
  add_losses(m, {}, {&target, 1});
  const std::vector<ValueId> wanted = trainable(m);
  const std::vector<ValueId> gradients = autodiff(m.graph, m.graph.output("loss"), wanted);
  check_golden("autodiff", m.graph);
  Typed<OptimizerFamily> momentum;
  FieldType<Optimizer>::parse(momentum, {{"type", "sgd"}, {"lr", 0.1}, {"momentum", 0.9}, {"clip_norm", 1}},
                              "", Bounds{-INFINITY, INFINITY});
  add_optimizer(m, momentum, gradients);
  check_golden("step", m.graph);
  Graph g = simplify(m.graph);
  check_golden("simplify", g);
  g = fuse(std::move(g));
  check_golden("fuse", g);
  g = layout(std::move(g));
  check_golden("layout", g);
  g = schedule(std::move(g));
  check_golden("schedule", g);
}
