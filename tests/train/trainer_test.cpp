#include "train/trainer.h"

#include "train/small_run.h"

using namespace dl;
using namespace dl::testing;

TEST_CASE("training learns, and more threads change no byte of it") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest one = request(folder, config(60), data);
  one.state_dir.clear();
  TrainRequest many = one;
  many.threads = 8;
  const TrainResult a = run(one), b = run(many);
  CHECK(a.finished);
  CHECK(a.steps == 60 * 13);
  CHECK(a.metrics["valid"]["accuracy"].get<double>() > 0.8);
  CHECK(same_bytes(a.model.parameters, b.model.parameters));
}

TEST_CASE("a run stopped after any step and resumed ends in the same bytes") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest whole = request(folder, config(), data);
  whole.state_dir = folder.at("whole");
  const TrainResult want = run(whole);
  for (int64_t stop_at : {1, 12, 13, 14, 26, 38}) {
    CAPTURE(stop_at);
    fs::remove_all(folder.at("state"));
    TrainRequest r = request(folder, config(), data);
    r.resume = "auto";
    int64_t steps = 0;
    TrainHooks hooks;
    hooks.stop = [&] { return ++steps >= stop_at ? 143 : 0; };
    const TrainResult first = run(r, hooks);
    CHECK(first.code == 143);
    CHECK_FALSE(first.finished);
    r.threads = 2;
    const TrainResult second = run(r);
    CHECK(second.finished);
    CHECK(second.steps == want.steps);
    CHECK(same_bytes(second.model.parameters, want.model.parameters));
    CHECK(second.metrics == want.metrics);
    CHECK(second.model.history == want.model.history);
  }
  REQUIRE(want.model.history.size() == 3);
  const json& last = want.model.history.back();
  CHECK(last["epoch"] == 3);
  CHECK(last["step"] == 39);
  CHECK(last["lr"] == 0.02);
  CHECK(last["valid.accuracy"] == want.metrics["valid"]["accuracy"]);
}

TEST_CASE("values that are computed again change no byte, nor does choosing so when a run goes on") {
  const Folder folder;
  const std::string data = make_data(folder);
  json small = config();
  small["model"]["layers"] =
      json::parse(R"([{"type": "dense", "units": 16}, "batch_norm", "relu", {"type": "dropout", "rate": 0.3},
    {"type": "dense", "units": 16}, "tanh", {"type": "dropout", "rate": 0.3}, {"type": "dense", "units": "$classes"}])");
  TrainRequest plain = request(folder, small, data);
  plain.state_dir.clear();
  const TrainResult want = run(plain);
  TrainRequest r = request(folder, small, data);
  r.resume = "auto";
  int64_t steps = 0;
  for (const json& what : {json("sqrt"), json("none"), json(2), json("cheap")}) {
    r.config["train"]["recompute"] = what;
    TrainHooks hooks;
    hooks.stop = [&] { return ++steps % 10 == 0 ? 143 : 0; };
    const TrainResult part = run(r, hooks);
    if (!part.finished) continue;
    CHECK(part.steps == want.steps);
    CHECK(same_bytes(part.model.parameters, want.model.parameters));
    CHECK(part.metrics == want.metrics);
  }
  CHECK(steps == want.steps);
}

TEST_CASE("resuming a finished run does nothing, and more epochs go on from its end") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(2), data);
  r.resume = "auto";
  const TrainResult first = run(r);
  const TrainResult again = run(r);
  CHECK(again.already_complete);
  CHECK(same_bytes(again.model.parameters, first.model.parameters));
  r.config = config(4);
  const TrainResult more = run(r);
  CHECK(more.steps == 4 * 13);
  CHECK_FALSE(more.already_complete);
}

TEST_CASE("a checkpoint of other data or another network is refused") {
  const Folder folder;
  const std::string data = make_data(folder), other = make_data(folder, "other.h5", 4);
  TrainRequest r = request(folder, config(1), data);
  run(r);
  r.resume = "auto";
  TrainRequest changed = r;
  changed.data = other;
  CHECK_THROWS_AS(run(changed), Error);
  changed = r;
  changed.config["model"]["layers"][0]["units"] = 17;
  CHECK_THROWS_AS(run(changed), Error);
}

TEST_CASE("divergence stops with the step and the layer, and exit code numeric") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(), data);
  r.config["model"]["layers"][1] = "relu";
  r.config["train"]["optimizer"] = {{"type", "sgd"}, {"lr", 1e38}};
  try {
    run(r);
    FAIL("did not diverge");
  } catch (const Error& e) {
    CHECK(e.code == Exit::numeric);
    CHECK(std::string(e.what()).starts_with("step "));
    CHECK(e.hint.find("learning rate") != std::string::npos);
  }
}

TEST_CASE("early stopping ends the run and the best epoch is what is written") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(200), data);
  r.config["train"]["early_stopping"] = {{"metric", "valid.loss"}, {"patience", 3}};
  r.config["train"]["save"] = {{"best", "valid.loss"}};
  double least = INFINITY;
  TrainHooks hooks;
  hooks.event = [&](const std::string& name, const json& fields) {
    if (name == "eval") least = std::min(least, fields["metrics"]["loss"].get<double>());
  };
  const TrainResult result = run(r, hooks);
  CHECK(result.epochs < 200);
  CHECK(result.metrics["valid"]["loss"].get<double>() == least);
}

TEST_CASE("init_from takes all parameters or says which do not fit") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(1), data);
  TrainResult first = run(r);
  first.model.save(folder.at("model.h5"));
  r.init_from = folder.at("model.h5");
  r.config["train"]["epochs"] = 0;
  r.state_dir.clear();
  CHECK(same_bytes(run(r).model.parameters, first.model.parameters));
  r.config["model"]["layers"][0]["units"] = 20;
  CHECK_THROWS_AS(run(r), Error);
  r.partial = true;
  CHECK_NOTHROW(run(r));
}

TEST_CASE("a run from another model's parameters, stopped and resumed, names that model as its parent") {
  const Folder folder;
  const std::string data = make_data(folder);
  run(request(folder, config(1), data)).model.save(folder.at("model.h5"));
  TrainRequest r = request(folder, config(2), data);
  r.init_from = folder.at("model.h5");
  r.state_dir = folder.at("second");
  r.resume = "auto";
  int64_t steps = 0;
  TrainHooks hooks;
  hooks.stop = [&] { return ++steps >= 7 ? 143 : 0; };
  CHECK(run(r, hooks).code == 143);
  const TrainResult resumed = run(r);
  REQUIRE(resumed.model.parents.size() == 2);
  CHECK(resumed.model.parents[1].kind == "model");
}

TEST_CASE("a metric that needs a split which is not there is refused before the first step") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(1), data);
  r.config["train"]["valid_split"] = "absent";
  r.config["train"]["save"] = {{"best", "valid.accuracy"}};
  CHECK_THROWS_AS(Trainer(r, {}), Error);
}

TEST_CASE(
    "mixing of no strength trains as without it: soft targets, smoothing and class weights mean the same") {
  const Folder folder;
  const std::string data = make_data(folder);
  for (const char* loss :
       {R"("cross_entropy")", R"({"type": "cross_entropy", "label_smoothing": 0.2})",
        R"({"type": "cross_entropy", "class_weights": "balanced"})",
        R"({"type": "cross_entropy", "label_smoothing": 0.1, "class_weights": [0.5, 3]})"}) {
    CAPTURE(loss);
    json hard = config(2);
    hard["train"]["loss"] = json::parse(loss);
    json soft = hard;
    soft["augment"] = json::parse(R"([{"type": "mixup", "p": 0}])");
    TrainRequest a = request(folder, hard, data), b = request(folder, soft, data);
    a.state_dir.clear();
    b.state_dir.clear();
    const TrainResult one = run(a), two = run(b);
    for (const char* part : {"train", "valid"})
      CHECK(one.metrics[part]["loss"].get<double>() ==
            doctest::Approx(two.metrics[part]["loss"].get<double>()).epsilon(2e-4));
    CHECK(one.metrics["valid"]["accuracy"] == two.metrics["valid"]["accuracy"]);
  }
}

TEST_CASE("training on mixtures learns, resumes to the byte, and its model is judged by labels") {
  const Folder folder;
  const std::string data = make_data(folder);
  json c = config(20);
  c["augment"] = json::parse(R"([{"type": "label_noise", "rate": 0.02}, {"type": "mixup", "alpha": 0.2}])");
  TrainRequest plain = request(folder, c, data);
  plain.state_dir.clear();
  plain.threads = 3;
  const TrainResult whole = run(plain);
  CHECK(whole.metrics["valid"]["accuracy"].get<double>() > 0.7);
  int steps = 0;
  TrainHooks stopping;
  stopping.stop = [&] { return ++steps == 30 ? 130 : 0; };
  run(request(folder, c, data), stopping);
  TrainRequest again = request(folder, c, data);
  again.resume = "auto";
  CHECK(same_bytes(run(again).model.parameters, whole.model.parameters));
  CHECK(Schema::parse(whole.model.data_schema, "model").targets[0].kind == TargetKind::class_index);
}
