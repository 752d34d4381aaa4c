// How a run is steered: accumulated gradients, bounds on steps, validation within epochs, early stopping.
#include "train/monitor.h"
#include "train/small_run.h"

using namespace dl;
using namespace dl::testing;

namespace {

// Stops the run after every `every` batches and goes on, until it is finished.
TrainResult run_in_pieces(TrainRequest r, int every) {
  r.resume = "auto";
  for (;;) {
    int batches = 0;
    TrainHooks hooks;
    hooks.stop = [&] { return ++batches >= every ? 143 : 0; };
    TrainResult part = run(r, hooks);
    if (part.finished) return part;
    REQUIRE(part.code == 143);
  }
}

double largest_difference(const TensorMap& a, const TensorMap& b) {
  double most = 0;
  for (const auto& [name, t] : a) {
    if (t.dtype() != DType::f32) continue;
    const auto x = t.data<float>(), y = b.at(name).data<float>();
    for (size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(double(x[i]) - double(y[i])));
  }
  return most;
}

json accumulating(int64_t batch, int64_t count, const json& optimizer) {
  json c = config(2);
  c["train"]["batch_size"] = batch;
  c["train"]["accumulate"] = count;
  c["train"]["optimizer"] = optimizer;
  return c;
}

}  // namespace

TEST_CASE("gradients of N batches give the step of a batch N times larger") {
  const Folder folder;
  const std::string data =
      make_data(folder);  // 205 samples: the last step of an epoch has fewer, and a short batch
  for (const json& optimizer : {json{{"type", "sgd"}, {"lr", 0.1}, {"momentum", 0.9}},
                                json{{"type", "adam"}, {"lr", 0.02}, {"clip_norm", 0.5}}}) {
    TrainRequest whole = request(folder, accumulating(40, 1, optimizer), data);
    whole.state_dir.clear();
    TrainRequest parts = request(folder, accumulating(10, 4, optimizer), data);
    parts.state_dir.clear();
    const TrainResult a = run(whole), b = run(parts);
    CHECK(b.steps == a.steps);
    CHECK(b.steps == 2 * 6);
    CHECK(largest_difference(a.model.parameters, b.model.parameters) < 2e-5);
    CHECK(b.metrics["train"]["loss"].get<double>() ==
          doctest::Approx(a.metrics["train"]["loss"].get<double>()).epsilon(1e-5));
    TrainRequest single = parts;
    single.config["train"]["accumulate"] = 1;
    CHECK(largest_difference(a.model.parameters, run(single).model.parameters) > 1e-3);
  }
}

TEST_CASE("a run stopped within an accumulated step and resumed ends in the same bytes") {
  const Folder folder;
  const std::string data = make_data(folder);
  json c = accumulating(16, 3, {{"type", "adam"}, {"lr", 0.02}});
  c["model"]["layers"] = json::parse(
      R"([{"type": "dense", "units": 16}, "batch_norm", "tanh", {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": "$classes"}])");
  for (const char* precision : {"f32", "f16"}) {
    c["train"]["precision"] = precision;
    TrainRequest r = request(folder, c, data);
    r.state_dir.clear();
    const TrainResult want = run(r);
    for (int every : {1, 2, 5}) {
      CAPTURE(every);
      r.state_dir = folder.at(std::string(precision) + std::to_string(every));
      const TrainResult got = run_in_pieces(r, every);
      CHECK(got.steps == want.steps);
      CHECK(same_bytes(got.model.parameters, want.model.parameters));
      CHECK(got.model.history == want.model.history);
    }
  }
}

TEST_CASE("max_steps ends a run within an epoch, and a larger bound goes on from there") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(3), data);
  r.config["train"]["max_steps"] = 20;  // 13 in an epoch
  r.resume = "auto";
  const TrainResult cut = run(r);
  CHECK(cut.finished);
  CHECK(cut.steps == 20);
  REQUIRE(cut.model.history.size() == 2);
  CHECK(cut.model.history[1]["epoch"] == 2);
  CHECK(cut.model.history[1]["step"] == 20);
  CHECK(cut.metrics["valid"].contains("accuracy"));
  CHECK(run(r).already_complete);
  r.config["train"]["max_steps"] = 0;
  const TrainResult more = run(r);
  TrainRequest whole = request(folder, config(3), data);
  whole.state_dir.clear();
  const TrainResult want = run(whole);
  CHECK(same_bytes(more.model.parameters, want.model.parameters));
  CHECK(more.model.history == want.model.history);
}

TEST_CASE("validation within epochs is in the history and steers the best model") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(3), data);
  r.state_dir.clear();
  r.config["train"]["validate_every"] = "5 steps";
  r.config["train"]["save"]["best"] = "valid.loss";
  double least = INFINITY;
  int evals = 0;
  TrainHooks hooks;
  hooks.event = [&](const std::string& name, const json& fields) {
    if (name != "eval") return;
    ++evals;
    least = std::min(least, fields["metrics"]["loss"].get<double>());
  };
  const TrainResult whole = run(r, hooks);
  CHECK(evals == 39 / 5 + 1);  // and at the end
  CHECK(whole.metrics["valid"]["loss"].get<double>() == least);
  CHECK(whole.model.history[0]["validations"].size() == 2);
  CHECK(whole.model.history[0]["validations"][1]["step"] == 10);
  CHECK_FALSE(whole.model.history[0].contains("valid.loss"));
  CHECK(whole.model.history[2].contains("valid.loss"));
  r.state_dir = folder.at("pieces");
  const TrainResult pieces = run_in_pieces(r, 4);
  CHECK(pieces.model.history == whole.model.history);
  CHECK(same_bytes(pieces.model.parameters, whole.model.parameters));
}

TEST_CASE("epochs without validation have the metrics of the training part alone") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(3), data);
  r.config["train"]["validate_every"] = "2 epochs";
  r.config["train"]["train_metrics"] = true;
  const TrainResult result = run(r);
  const json& history = result.model.history;
  CHECK(history[0].contains("train.accuracy"));
  CHECK_FALSE(history[0].contains("valid.accuracy"));
  CHECK(history[1].contains("valid.accuracy"));
  CHECK(history[2].contains("valid.accuracy"));
  TrainRequest seconds = request(folder, config(1), data);
  seconds.config["train"]["validate_every"] = "10s";
  CHECK_THROWS_AS(Trainer(seconds, {}), Error);
}

TEST_CASE("early stopping: a start that does not count, a bound, and the best model") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(40), data);
  r.state_dir.clear();
  r.config["train"]["optimizer"] = {{"type", "sgd"}, {"lr", 0}};  // never improves on the first epoch
  const auto epochs = [&](const json& stopping) {
    r.config["train"]["early_stopping"] = stopping;
    return run(r).epochs;
  };
  CHECK(epochs({{"metric", "valid.loss"}, {"patience", 3}}) == 4);
  CHECK(epochs({{"metric", "valid.loss"}, {"patience", 3}, {"start_from_epoch", 10}}) == 13);
  CHECK(epochs({{"metric", "valid.loss"}, {"patience", 3}, {"diverged_at", 0.01}}) == 1);
  CHECK(epochs({{"metric", "valid.accuracy"}, {"patience", 3}, {"diverged_at", 0.999}}) == 1);
  CHECK(epochs({{"metric", "valid.loss"}, {"patience", 3}, {"diverged_at", 100}}) == 4);
  r.config = config(6);
  r.config["train"]["early_stopping"] = {{"metric", "valid.loss"}, {"restore_best", true}};
  double least = INFINITY;
  for (const json& epoch : run(r).model.history) least = std::min(least, epoch["valid.loss"].get<double>());
  CHECK(run(r).metrics["valid"]["loss"].get<double>() == least);
  r.config["train"]["save"]["best"] = "valid.accuracy";
  CHECK_THROWS_AS(Trainer(r, {}), Error);
}

TEST_CASE("a loss far above those before is warned of once in an epoch") {
  RunCounters c;
  for (int i = 0; i < 100; ++i) CHECK(note_loss(1 + 0.1 * std::sin(i), c).empty());
  c.step = 101;
  CHECK(note_loss(9, c).starts_with("step 101: the loss is 9"));
  CHECK(note_loss(40, c).empty());
  RunCounters falling;
  for (int i = 0; i < 100; ++i) CHECK(note_loss(std::exp(-0.05 * i), falling).empty());
}

TEST_CASE(
    "frozen layers stay until the epoch that unfreezes them, and a stopped run goes on in the right phase") {
  const Folder folder;
  const std::string data = make_data(folder);
  json c = config(3);
  c["model"]["layers"] = json::parse(R"([{"type": "dense", "units": 8, "name": "first", "freeze": true},
    {"type": "batch_norm", "name": "norm", "freeze": true}, "tanh", {"type": "dense", "units": "$classes"}])");
  c["train"]["unfreeze"] =
      json::parse(R"([{"epoch": 1, "layers": ["norm"]}, {"epoch": 2, "layers": ["*"]}])");
  const auto after = [&](int64_t epochs) {
    TrainRequest r = request(folder, c, data);
    r.state_dir.clear();
    r.config["train"]["max_steps"] = epochs * 13;
    return run(r).model.parameters;
  };
  const TensorMap one = after(1), two = after(2), three = after(3);
  TrainRequest start = request(folder, c, data);
  start.state_dir.clear();
  start.config["train"]["epochs"] = 0;
  const TensorMap first = run(start).model.parameters;
  const auto same = [](const TensorMap& a, const TensorMap& b, const char* name) {
    return std::memcmp(a.at(name).raw(), b.at(name).raw(), size_t(a.at(name).bytes())) == 0;
  };
  for (const char* name : {"first.weight", "norm.scale", "norm.running_mean"}) CHECK(same(first, one, name));
  CHECK_FALSE(same(first, one, "dense_1.weight"));
  CHECK(same(one, two, "first.weight"));
  for (const char* name : {"norm.scale", "norm.running_mean"}) CHECK_FALSE(same(one, two, name));
  CHECK_FALSE(same(two, three, "first.weight"));
  for (int accumulate : {1, 2}) {
    c["train"]["accumulate"] = accumulate;
    TrainRequest r = request(folder, c, data);
    r.state_dir.clear();
    const TrainResult want = run(r);
    r.state_dir = folder.at("pieces" + std::to_string(accumulate));
    CHECK(same_bytes(run_in_pieces(r, 6).model.parameters, want.model.parameters));
  }
  c["train"]["unfreeze"][0]["layers"][0] = "dense_1";
  try {
    Trainer(request(folder, c, data), {});
    FAIL("accepted");
  } catch (const Error& e) { CHECK(e.pointer == "/train/unfreeze/0/layers/0"); }
}

TEST_CASE(
    "a batch size that is left to dl-train becomes a number, stays that of the checkpoint, and keeps to the "
    "memory") {
  const Folder folder;
  const std::string data = make_data(folder);
  TrainRequest r = request(folder, config(1), data);
  CHECK(choose_batch_size(r).empty());
  r.config["train"]["batch_size"] = "auto";
  TrainRequest chosen = r;
  CHECK(choose_batch_size(chosen).starts_with("train.batch_size \"auto\" is "));
  const auto size = chosen.config["train"]["batch_size"].get<int64_t>();
  CHECK(size >= 16);
  CHECK(size <= 128);  // of 205 samples
  TrainRequest other = r;
  other.config["train"]["batch_size"] = 48;
  run(other);
  r.resume = "auto";
  CHECK(choose_batch_size(r).ends_with("as in the checkpoint"));
  CHECK(r.config["train"]["batch_size"] == 48);
  other.max_memory = 1 << 20;
  try {
    Trainer(other, {});
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.code == Exit::memory);
    CHECK(e.pointer == "/train/batch_size");
  }
}
