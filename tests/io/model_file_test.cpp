#include "io/model_file.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "io/run_record.h"
#include "io/state_store.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

Tensor filled(Shape shape, float value) {
  Tensor t(DType::f32, shape);
  for (float& v : t.data<float>()) v = value;
  return t;
}

StateFile sample(int64_t step) {
  StateFile s;
  s.model.config = {{"train", {{"epochs", 3}}}};
  s.model.data_schema = {{"inputs", json::object()}};
  s.model.parameters.emplace("conv2d_1.weight", filled({6, 1, 5, 5}, static_cast<float>(step)));
  s.model.parameters.emplace("stage_1/bottleneck_1/conv2d_1.weight", filled({2}, 1));
  s.state.emplace("conv2d_1.weight/momentum", filled({6, 1, 5, 5}, 0.5f));
  s.state.emplace("step", Tensor(DType::i64, Shape{}));
  s.counters = {{"step", step}};
  return s;
}

}  // namespace

TEST_CASE("a model comes back as saved") {
  TempFolder dir;
  ModelFile m = sample(7).model;
  m.parents.push_back({"dataset", "abc"});
  m.recipe_hash = "r";
  for (int e = 1; e <= 2000; ++e)
    m.history.push_back({{"epoch", e}, {"train.loss", 1.0 / e}, {"valid.loss", nullptr}});
  m.save(dir / "m.h5");
  const ModelFile back = ModelFile::load(dir / "m.h5");
  CHECK(back.config == m.config);
  CHECK(back.data_schema == m.data_schema);
  CHECK(back.parameters.size() == 2);
  CHECK(back.parameters.at("conv2d_1.weight").shape().text() == "6,1,5,5");
  CHECK(back.parameters.at("conv2d_1.weight").data<float>()[149] == 7);
  CHECK(back.parameters.contains("stage_1/bottleneck_1/conv2d_1.weight"));
  CHECK(back.parents.at(0).content_hash == "abc");
  CHECK(back.recipe_hash == "r");
  CHECK(back.history == m.history);
  CHECK(back.content_hash == m.content_hash);
}

TEST_CASE("checkpoints take turns and the newest whole one is found") {
  TempFolder dir;
  const StateStore store(dir / "out.state");
  CHECK_FALSE(store.load().has_value());
  for (int64_t step = 1; step <= 5; ++step) {
    StateFile s = sample(step);
    StateStore(store.folder()).save(s);
    const auto found = store.load();
    CHECK(found->state.counters["step"] == step);
    CHECK(found->state.serial == step - 1);
    CHECK(found->note.empty());
  }
  const auto newest = store.load();
  CHECK(newest->state.state.at("conv2d_1.weight/momentum").data<float>()[0] == 0.5f);
  CHECK(newest->state.state.at("step").shape().rank() == 0);

  const std::string name = newest->path.substr(newest->path.rfind('/') + 1);
  dir.put("out.state/" + name, dir.bytes("out.state/" + name).substr(0, 3000));
  const auto older = store.load();
  CHECK(older->state.counters["step"] == 4);
  CHECK(older->note.find("is truncated") != std::string::npos);

  StateFile s = sample(6);
  StateStore(store.folder()).save(s);  // replaces the bad one
  CHECK(store.load()->state.counters["step"] == 6);
  CHECK(store.load()->note.empty());
  store.remove();
  CHECK(dir.list().empty());
}

TEST_CASE("checkpoints that all fail to read are an error") {
  TempFolder dir;
  std::filesystem::create_directory(dir / "out.state");
  dir.put("out.state/state-0.h5", "broken");
  CHECK_THROWS_WITH_AS(StateStore(dir / "out.state").load(), doctest::Contains("no checkpoint can be read"),
                       Error);
}

TEST_CASE("what varies between runs goes to the run record") {
  TempFolder dir;
  sample(1).model.save(dir / "m.h5");
  RunRecord r;
  r.argv = {"dl-train", "-o", "m.h5"};
  r.version = "0.1.0";
  r.seconds = 1.5;
  write_run_record(dir / "m.h5", r);
  const json j = json::parse(dir.bytes("m.h5.run.json"));
  CHECK(j["argv"][2] == "m.h5");
  CHECK(j["started"] == "1970-01-01T00:00:00Z");
  CHECK_FALSE(j["host"].get<std::string>().empty());
  write_run_record("-", r);
  CHECK(dir.list().size() == 2);
}
