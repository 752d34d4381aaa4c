#include "train/resume.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace dl;

static json config() {
  return json::parse(R"({"model": {"layers": [{"type": "dense", "units": 10}]},
    "train": {"epochs": 2, "batch_size": 32, "optimizer": {"type": "sgd", "lr": 0.1}, "save": {"every": "1 epoch"}}})");
}

TEST_CASE("equal configurations may resume without a word") {
  CHECK(check_resume(config(), config()).empty());
}

TEST_CASE("the number of epochs and checkpointing are free to change") {
  json after = config();
  after["train"]["epochs"] = 9;
  after["train"]["save"]["every"] = "10m";
  CHECK(check_resume(config(), after).empty());
}

TEST_CASE("a changed learning rate is noted with both values") {
  json after = config();
  after["train"]["optimizer"]["lr"] = 0.01;
  CHECK(check_resume(config(), after) == std::vector<std::string>{"/train/optimizer/lr: 0.1 -> 0.01"});
}

TEST_CASE("another optimizer, batch size or network is refused and named") {
  for (const char* pointer : {"/train/optimizer/type", "/train/batch_size", "/model/layers/0/units"}) {
    json after = config();
    after[json::json_pointer(pointer)] = "other";
    try {
      check_resume(config(), after);
      FAIL("accepted");
    } catch (const Error& e) {
      CHECK(e.code == Exit::config);
      CHECK(e.pointer == pointer);
    }
  }
}
