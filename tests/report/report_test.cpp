#include "report/report.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "io/temp_folder.h"
#include "report/figures.h"
#include "report/look_inside.h"

using namespace dl;

namespace {

struct Workers {
  Pool* pool = pool_create(2);
  ~Workers() { pool_destroy(pool); }
};

// Grey pictures of 6 x 6: class 1 is bright on the left, class 0 on the right.
void write_pictures(const std::string& path) {
  Schema s;
  s.inputs = {{"image", Role::image, {DType::u8, {1, 6, 6}}, {}}};
  s.targets = {{"label", TargetKind::class_index, {DType::i32, {}}, {"right <&>", "left"}}};
  s.groups = {{"site", {"north", "south"}}};
  const std::vector<std::string> splits{"train", "test"};
  DatasetWriter w(path, s, splits);
  for (const std::string& split : splits)
    for (int32_t i = 0; i < 40; ++i) {
      std::vector<uint8_t> pixels(36);
      const int32_t label = i % 2, site = i % 4 / 2;
      for (size_t p = 0; p < 36; ++p)
        pixels[p] = static_cast<uint8_t>(((p % 6 < 3) == (label == 1) ? 200 : 20) + i % 7);
      const void* columns[] = {pixels.data(), &label, &site};
      w.append(split, columns, {}, 1);
    }
  w.finish();
}

ModelFile picture_model(const Schema& schema) {
  ModelFile m;
  m.config = json::parse(
      R"({"model": {"name": "sides", "layers": [{"type": "conv2d", "filters": 2, "kernel": 3, "padding": 1}, "relu",
    "flatten", {"type": "dense", "units": 4}, "relu", {"type": "dense", "units": "$classes"}]}})");
  m.data_schema = schema.dump();
  const Model built = build_model(m.config["model"], build_options(schema, 1, false));
  m.parameters = initial_values(built, 3);
  m.history = json::parse(
      R"([{"epoch": 1, "step": 5, "lr": 0.1, "train.loss": 0.9, "valid.loss": 0.8, "valid.accuracy": 0.5},
    {"epoch": 2, "step": 10, "lr": 0.05, "train.loss": 0.5, "valid.loss": 1.1, "valid.accuracy": null}])");
  return m;
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a page about a network of pictures has all its sections and is the same every time") {
  const TempFolder folder;
  const Workers workers;
  write_pictures(folder / "d.h5");
  const Dataset data(folder / "d.h5");
  Inference network(picture_model(data.schema()), workers.pool);
  EvaluateOptions options;
  options.keep = true;
  options.config.by = {"site"};
  const Evaluation e = evaluate(network, data, options);
  ReportInputs in;
  in.network = &network;
  in.data = &data;
  in.evaluation = &e;
  in.model_name = "m.h5";
  in.data_name = "d.h5";
  in.history = network.model().history;
  in.breakdowns = {break_down(options.config, data, e, 0)};
  const std::string page = report_html(in);
  for (const char* heading :
       {"How it learnt", "Bias and variance", "What is taken for what", "By class", "Curves", "By site",
        "What it sees", "Network and origin", "right &lt;&amp;&gt;"})
    CHECK_MESSAGE(holds(page, heading), heading);
  CHECK(holds(page, "by heart"));  // validation loss rose
  CHECK(holds(page, "data:image/png;base64,iVBOR"));
  CHECK_FALSE(holds(page, "<script"));
  CHECK_FALSE(holds(page, "right <&>"));
  CHECK_FALSE(holds(page, "nan"));
  CHECK(page == report_html(in));
}

TEST_CASE("covering a part of a picture takes most where the answer comes from") {
  const TempFolder folder;
  const Workers workers;
  write_pictures(folder / "d.h5");
  const Dataset data(folder / "d.h5");
  // One weight: class 1 by the brightness of the top left pixel.
  ModelFile m = picture_model(data.schema());
  m.config["model"]["layers"] =
      json::parse(R"(["flatten", {"type": "dense", "units": "$classes", "name": "out"}])");
  Tensor w(DType::f32, {2, 36}), b(DType::f32, {2});
  w.data<float>()[36] = 5;
  m.parameters = {{"out.weight", w}, {"out.bias", b}};
  Inference network(m, workers.pool);
  Inside inside(network, network.network(1).graph.outputs[0].name);
  CHECK_FALSE(inside.has_maps());
  const auto inputs = inputs_of(data, network.schema(), "test", {1});
  const Occlusion o = inside.occlude(inputs, "image", 1);
  REQUIRE(o.lost.size() == static_cast<size_t>(o.rows * o.columns));
  CHECK(o.lost[0] > 0.01);
  for (size_t i = 1; i < o.lost.size(); ++i) CHECK(o.lost[i] == doctest::Approx(0));
}

TEST_CASE("the history comes from events too, and a file without any is refused") {
  const std::string events = R"({"event":"run_start"}
{"event":"epoch","epoch":1,"step":4,"learning_rate":0.1,"metrics":{"train":{"loss":2},"valid":{"accuracy":0.5}}}
{"event":"epoch","epoch":1,"step":4,"learning_rate":0.1,"metrics":{"train":{"loss":1}}}
)";
  const json history = history_from_events(events, "e");
  REQUIRE(history.size() == 1);
  CHECK(history[0]["train.loss"] == 1);
  CHECK(history[0]["lr"] == 0.1);
  CHECK_THROWS_AS(history_from_events("{}\n", "e"), Error);
  CHECK_THROWS_AS(history_from_events("no\n", "e"), Error);
}

TEST_CASE("a histogram counts every value once") {
  const Series s = histogram({0, 0.1, 0.5, 1, 2, -3}, 0, 1, 2, "h");
  REQUIRE(s.points.size() == 6);
  CHECK(s.points[1].second == 3);
  CHECK(s.points[3].second == 3);
}
