#include "train/evaluate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "io/temp_folder.h"
#include "train/step_graph.h"

using namespace dl;

namespace {

struct Workers {
  Pool* pool = pool_create(2);
  ~Workers() { pool_destroy(pool); }
};

// Points of the plane in three classes; the network's scores are (x, y, 0).
Schema points_schema() {
  Schema s;
  s.inputs = {{"x", Role::features, {DType::f32, {2}}, {"a", "b"}}};
  s.targets = {{"label", TargetKind::class_index, {DType::i32, {}}, {"ant", "bee", "cat"}}};
  return s;
}

void write_points(const std::string& path, const Schema& schema = points_schema(),
                  const std::string& split = "test") {
  const std::vector<float> x{5, 1, 1, 5, -1, -2, 4, 3, 2, 3};  // predicted 0 1 2 0 1
  const std::vector<int32_t> label{0, 1, 2, 1, 1};
  const std::vector<std::string> ids{"p0", "p1", "p2", "p3", "p4"};
  const std::vector<std::string> splits{split};
  DatasetWriter w(path, schema, splits);
  const void* columns[] = {x.data(), label.data()};
  w.append(split, columns, ids, 5);
  w.finish();
}

ModelFile points_model() {
  ModelFile m;
  m.config = json::parse(R"({"model": {"layers": [{"type": "dense", "units": "$classes", "name": "logits"}],
                                       "outputs": {"label": "logits"}}})");
  m.data_schema = points_schema().dump();
  Tensor w(DType::f32, {3, 2}), b(DType::f32, {3});
  const float weights[] = {1, 0, 0, 1, 0, 0};
  std::copy_n(weights, 6, w.data<float>().begin());
  m.parameters = {{"logits.weight", w}, {"logits.bias", b}};
  return m;
}

template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) { return e; }
  return Error(Exit::ok, "no error");
}

}  // namespace

TEST_CASE("a network is judged on the test split, whatever the batch size") {
  const TempFolder folder;
  const Workers workers;
  write_points(folder / "d.h5");
  const Dataset data(folder / "d.h5");
  Inference network(points_model(), workers.pool);
  for (int64_t batch : {1, 2, 5, 64}) {
    EvaluateOptions options;
    options.config.batch_size = batch;
    const Evaluation e = evaluate(network, data, options);
    CHECK(e.split == "test");
    CHECK(metric_value(e.values(), "accuracy") == doctest::Approx(0.8));
    CHECK(metric_value(e.values(), "per_class.bee.recall") == doctest::Approx(2.0 / 3));
    CHECK(metric_value(e.values(), "samples") == 5);
    // Cross entropy is the default loss of classes; without smoothing and weights it is the log loss.
    CHECK(metric_value(e.values(), "loss") == doctest::Approx(metric_value(e.values(), "log_loss")));
    CHECK(e.metrics[0].confusion() == std::vector<int64_t>{1, 0, 0, 1, 2, 0, 0, 0, 1});
  }
}

TEST_CASE("predictions hold outputs, targets and ids of every sample") {
  const TempFolder folder;
  const Workers workers;
  write_points(folder / "d.h5");
  const Dataset data(folder / "d.h5");
  Inference network(points_model(), workers.pool);
  EvaluateOptions options;
  options.config.batch_size = 2;
  options.predictions = folder / "p.h5";
  evaluate(network, data, options);
  const ArtifactReader p(folder / "p.h5", "predictions");
  CHECK(p.text("split") == "test");
  const Tensor out = p.read("/outputs/label"), label = p.read("/targets/label"), ids = p.read("/id"),
               ends = p.read("/id_end");
  REQUIRE(out.type() == TensorType{DType::f32, {5, 3}});
  CHECK(out.data<float>()[9] == 4);
  CHECK(label.data<int32_t>()[3] == 1);
  CHECK(std::string(ids.data<uint8_t>().begin(), ids.data<uint8_t>().end()) == "p0\np1\np2\np3\np4\n");
  CHECK(ends.data<int64_t>()[4] == 15);
  CHECK(p.parents().size() == 2);
  CHECK(p.names("/outputs") == std::vector<std::string>{"label"});
}

TEST_CASE("balanced classes take their counts from the training part") {
  const TempFolder folder;
  const Workers workers;
  write_points(folder / "d.h5");
  write_points(folder / "train.h5", points_schema(), "train");
  ModelFile m = points_model();
  m.config["train"]["loss"] = {{"type", "cross_entropy"}, {"class_weights", "balanced"}};
  Inference network(m, workers.pool);
  CHECK(std::isnan(metric_value(evaluate(network, Dataset(folder / "d.h5"), {}).values(), "loss")));
  const Dataset train(folder / "train.h5");
  CHECK(class_counts(train, "train").at("label") == std::vector<int64_t>{1, 3, 1});
  CHECK(metric_value(evaluate(network, train, {}).values(), "loss") > 0);
}

TEST_CASE("the planned metrics have the names of the final ones") {
  const TempFolder folder;
  const Workers workers;
  write_points(folder / "d.h5");
  Inference network(points_model(), workers.pool);
  const MetricList planned = planned_metrics(network, {}, network.schema()),
                   real = evaluate(network, Dataset(folder / "d.h5"), {}).values();
  REQUIRE(planned.size() == real.size());
  for (size_t i = 0; i < real.size(); ++i) CHECK(planned[i].name == real[i].name);
}

TEST_CASE("the split is the one asked for, else test, valid, or the only one") {
  const TempFolder folder;
  write_points(folder / "one.h5", points_schema(), "fold_3");
  const Dataset one(folder / "one.h5");
  CHECK(choose_split(one, "") == "fold_3");
  CHECK(error_of([&] { choose_split(one, "test"); }).code == Exit::data);
}

TEST_CASE("data unlike the training data is refused") {
  const TempFolder folder;
  const Workers workers;
  Inference network(points_model(), workers.pool);
  const auto refusal = [&](const Schema& schema) {
    write_points(folder / "d.h5", schema);
    const Dataset data(folder / "d.h5");
    const Error e = error_of([&] { evaluate(network, data, {}); });
    CHECK(e.code == Exit::data);
    return std::string(e.what());
  };
  Schema s = points_schema();
  s.targets[0].classes = {"bee", "ant", "cat"};
  CHECK(refusal(s).find("target 'label'") != std::string::npos);
  s = points_schema();
  s.inputs[0].name = "z";
  CHECK(refusal(s).find("no input 'x'") != std::string::npos);
  s = points_schema();
  s.inputs[0].columns = {"b", "a"};
  CHECK(refusal(s).find("columns") != std::string::npos);
}

TEST_CASE("a model file that lacks a parameter is refused with its name") {
  const Workers workers;
  ModelFile m = points_model();
  m.parameters.erase("logits.bias");
  const Inference network(m, workers.pool);
  const Error e = error_of([&] { network.network(1); });
  CHECK(e.code == Exit::data);
  CHECK(std::string(e.what()) == "the model file has no parameter 'logits.bias'");
}

TEST_CASE("the table for people shows metrics, classes and the confusion matrix") {
  const TempFolder folder;
  const Workers workers;
  write_points(folder / "d.h5");
  Inference network(points_model(), workers.pool);
  const std::string text = evaluation_text(evaluate(network, Dataset(folder / "d.h5"), {}));
  CHECK(text.find("accuracy           0.8000") != std::string::npos);
  CHECK(text.find("bee") != std::string::npos);
  CHECK(text.find("actual \\ predicted  ant  bee  cat") != std::string::npos);
  CHECK(text.find("bee                   1    2    0") != std::string::npos);
}
