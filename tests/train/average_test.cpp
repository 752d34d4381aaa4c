// Averages of parameters: what they are, and that they survive a resumption.
#include "train/average_config.h"
#include "train/small_run.h"

using namespace dl;
using namespace dl::testing;

namespace {

json with_norm(int epochs, const json& average) {
  json c = config(epochs);
  c["model"]["layers"] =
      json::parse(R"([{"type": "dense", "units": 8, "name": "first"}, {"type": "batch_norm", "name": "norm"},
    "tanh", {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": "$classes"}])");
  c["train"]["average"] = average;
  return c;
}

// first.weight after each of `steps`, without averaging.
std::vector<std::vector<float>> weights_after(const Folder& folder, json c, const std::string& data,
                                              const std::vector<int64_t>& steps) {
  std::vector<std::vector<float>> out;
  c["train"].erase("average");
  for (int64_t step : steps) {
    c["train"]["max_steps"] = step;
    TrainRequest r = request(folder, c, data);
    r.state_dir.clear();
    const TensorMap got = run(r).model.parameters;
    const auto w = got.at("first.weight").data<float>();
    out.emplace_back(w.begin(), w.end());
  }
  return out;
}

void check_close(const Tensor& got, const std::vector<float>& want) {
  const auto w = got.data<float>();
  REQUIRE(w.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) CHECK(w[i] == doctest::Approx(want[i]).epsilon(1e-5));
}

}  // namespace

TEST_CASE("the keeping factors are those of an average that began with nothing") {
  EmaAverage ema;
  ema.decay = 0.9;
  double m = 0, average = 0;
  for (int t = 1; t <= 30; ++t) {
    const double w = std::sin(t);
    m = 0.9 * m + 0.1 * w;
    const double keep = ema_keep(ema, t);
    average = keep * average + (1 - keep) * w;
    CHECK(average == doctest::Approx(m / (1 - std::pow(0.9, t))));
  }
  ema.start = EmaStart::warmup;
  CHECK(ema_keep(ema, 1) == doctest::Approx(2.0 / 11));
  CHECK(ema_keep(ema, 1000) == 0.9);
}

TEST_CASE("the rate of averaged epochs falls along each cycle") {
  SwaAverage swa;
  swa.from_epoch = 2;
  swa.cycle_epochs = 2;
  CHECK_FALSE(swa_rate(swa, 100, 10));
  swa.lr = 1;
  swa.end_lr = 0.2;
  CHECK_FALSE(swa_rate(swa, 19, 10));
  CHECK(*swa_rate(swa, 20, 10) == doctest::Approx(1 - 0.8 / 20));
  CHECK(*swa_rate(swa, 39, 10) == doctest::Approx(0.2));
  CHECK(*swa_rate(swa, 40, 10) == doctest::Approx(1 - 0.8 / 20));
}

TEST_CASE("an exponential average is written and judged in place of the parameters") {
  const Folder folder;
  const std::string data = make_data(folder);
  const json c = with_norm(1, {{"type", "ema"}, {"decay", 0.8}, {"every", 4}});
  TrainRequest r = request(folder, c, data);
  const TrainResult result = run(r);
  const auto w = weights_after(folder, c, data, {4, 8, 12});
  std::vector<float> want(w[0].size());
  for (size_t i = 0; i < want.size(); ++i)
    want[i] = static_cast<float>((0.2 * (0.64 * w[0][i] + 0.8 * w[1][i] + w[2][i])) / (1 - 0.512));
  check_close(result.model.parameters.at("first.weight"), want);
  json plain = c;
  plain["train"].erase("average");
  TrainRequest raw = request(folder, plain, data);
  raw.state_dir.clear();
  CHECK(result.metrics["valid"] != run(raw).metrics["valid"]);
  TrainRequest judged = raw;  // the model as written has the metrics of the run
  ModelFile file = result.model;
  file.save(folder.at("ema.h5"));
  judged.init_from = folder.at("ema.h5");
  judged.config["train"]["epochs"] = 1;
  judged.config["train"]["optimizer"] = {{"type", "sgd"}, {"lr", 0}};
  judged.config["model"]["layers"][1]["freeze"] = true;
  CHECK(run(judged).metrics["valid"] == result.metrics["valid"]);
}

TEST_CASE("the mean of epochs has the statistics of the training part") {
  const Folder folder;
  const std::string data = make_data(folder);
  const json c = with_norm(5, {{"type", "swa"}, {"from_epoch", 2}});
  TrainRequest r = request(folder, c, data);
  r.state_dir.clear();
  const TrainResult result = run(r);
  const auto w = weights_after(folder, c, data, {39, 52, 65});
  std::vector<float> want(w[0].size());
  for (size_t i = 0; i < want.size(); ++i) want[i] = (w[0][i] + w[1][i] + w[2][i]) / 3;
  check_close(result.model.parameters.at("first.weight"), want);
  CHECK(result.model.history.back()["average.loss"] == result.metrics["valid"]["loss"]);

  // The mean that the norm sees is that of a W + b over all 205 samples.
  const Dataset set(data, {});
  std::vector<float> x(205 * 4);
  std::vector<int32_t> y(205);
  void* columns[] = {x.data(), y.data()};
  set.read("train", 0, 205, columns);
  const TensorMap& p = result.model.parameters;
  const auto weight = p.at("first.weight").data<float>(), bias = p.at("first.bias").data<float>();
  const Shape& shape = p.at("first.weight").shape();
  for (int64_t unit = 0; unit < 8; ++unit) {
    double sum = 0;
    for (int64_t n = 0; n < 205; ++n)
      for (int64_t i = 0; i < 4; ++i)
        sum += double(x[size_t(n * 4 + i)]) *
               double(weight[size_t(shape[0] == 4 ? i * 8 + unit : unit * 4 + i)]);
    CHECK(p.at("norm.running_mean").data<float>()[size_t(unit)] ==
          doctest::Approx(sum / 205 + double(bias[size_t(unit)])).epsilon(1e-4));
  }
}

TEST_CASE("averages of a run that was stopped anywhere are the same to the byte") {
  const Folder folder;
  const std::string data = make_data(folder);
  int variant = 0;
  for (const json& average :
       {json{{"type", "ema"}, {"decay", 0.9}, {"start", "warmup"}},
        json{{"type", "swa"}, {"from_epoch", 1}, {"lr", 0.05}, {"end_lr", 0.01}, {"cycle_epochs", 2}}}) {
    json c = with_norm(5, average);
    c["train"]["accumulate"] = 2;
    if (average["type"] == "ema") c["train"]["save"]["best"] = "valid.loss";
    TrainRequest r = request(folder, c, data);
    r.state_dir.clear();
    const TrainResult want = run(r);
    r.resume = "auto";
    r.state_dir = folder.at("pieces" + std::to_string(variant++));
    TrainResult got;
    do {
      int batches = 0;
      TrainHooks hooks;
      hooks.stop = [&] { return ++batches >= 9 ? 143 : 0; };
      got = run(r, hooks);
    } while (!got.finished);
    CHECK(same_bytes(got.model.parameters, want.model.parameters));
    CHECK(got.model.history == want.model.history);
    CHECK(got.metrics == want.metrics);
    CHECK(same_bytes(run(r).model.parameters, want.model.parameters));
  }
}

TEST_CASE("an average that nothing would go into, or that competes with the best epoch, is refused") {
  const Folder folder;
  const std::string data = make_data(folder);
  json c = with_norm(2, {{"type", "swa"}, {"from_epoch", 2}});
  CHECK_THROWS_AS(Trainer(request(folder, c, data), {}), Error);
  c = with_norm(2, {{"type", "swa"}, {"from_epoch", 1}});
  c["train"]["save"]["best"] = "valid.loss";
  CHECK_THROWS_AS(Trainer(request(folder, c, data), {}), Error);
}
