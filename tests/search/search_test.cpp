#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/str.h"
#include "search/events.h"
#include "search/space.h"
#include "search/study.h"

using namespace dl;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dl-search-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

const json kConfig =
    json::parse(R"({"train": {"optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}, "epochs": 3},
                                     "model": {"parameters": {"width": 8}}})");
const json kSearch = json::parse(R"({"space": {
    "train.optimizer.momentum": {"uniform": [0.8, 0.99], "when": {"train.optimizer.type": "sgd"}},
    "train.optimizer.type": {"choice": ["sgd", "adam"]},
    "train.optimizer.lr": {"log_uniform": [1e-4, 1.0]},
    "model.parameters.width": {"int": [16, 64], "step": 16}}, "trials": 5})");
const json kSchema = json::parse(R"({"properties": {"model": {}, "train": {"type": "object", "properties": {
    "epochs": {"type": "integer"},
    "optimizer": {"anyOf": [{"enum": ["sgd", "adam"]},
      {"properties": {"type": {"const": "sgd"}, "lr": {"type": "number"}, "momentum": {"type": "number"}}},
      {"properties": {"type": {"const": "adam"}, "lr": {"type": "number"}}}]}}}}})");

std::string complaint(const json& space) {
  try {
    parse_space(space, "/search/space");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    return e.pointer + " " + e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a sample keeps to its ranges and depends on seed, number and key alone") {
  const auto space = parse_space(kSearch["space"], "/search/space");
  int sgd = 0;
  for (int64_t n = 0; n < 200; ++n) {
    const json p = sample_random(space, kConfig, 1, n);
    CHECK(p == sample_random(space, kConfig, 1, n));
    const double lr = p["train.optimizer.lr"].get<double>();
    CHECK((lr >= 1e-4 && lr <= 1));
    const int64_t width = p["model.parameters.width"].get<int64_t>();
    CHECK((width >= 16 && width <= 64 && width % 16 == 0));
    const bool is_sgd = p["train.optimizer.type"] == "sgd";
    CHECK(p.contains("train.optimizer.momentum") == is_sgd);
    sgd += is_sgd;
  }
  CHECK((sgd > 60 && sgd < 140));
  json fewer = kSearch["space"];
  fewer.erase("model.parameters.width");
  CHECK(sample_random(parse_space(fewer, ""), kConfig, 1, 7)["train.optimizer.lr"] ==
        sample_random(space, kConfig, 1, 7)["train.optimizer.lr"]);
  CHECK(sample_random(space, kConfig, 2, 7) != sample_random(space, kConfig, 1, 7));
}

TEST_CASE("a logarithmic range is covered evenly in decades") {
  const auto space = parse_space(json::parse(R"({"a": {"log_uniform": [1e-4, 1]}})"), "");
  int low = 0;
  for (int64_t n = 0; n < 1000; ++n) low += sample_random(space, {}, 0, n)["a"].get<double>() < 1e-2;
  CHECK((low > 440 && low < 560));
}

TEST_CASE("a condition on a key of the config reads the config") {
  const json space = json::parse(
      R"({"train.optimizer.momentum": {"uniform": [0, 1], "when": {"train.optimizer.type": ["adam", "rmsprop"]}}})");
  CHECK(sample_random(parse_space(space, ""), kConfig, 0, 0).empty());
  CHECK(sample_random(parse_space(space, ""), json::parse(R"({"train": {"optimizer": "adam"}})"), 0, 0)
            .size() == 1);
}

TEST_CASE("a space that makes no sense is refused at its place") {
  CHECK(complaint(json::parse(R"({"a": 1})")).starts_with("/search/space/a expected an object"));
  CHECK(complaint(json::parse(R"({"a": {}})")).find("has none, expected one of") != std::string::npos);
  CHECK(complaint(json::parse(R"({"a": {"int": [1, 2], "choice": [1]}})")).find("has int and choice") !=
        std::string::npos);
  CHECK(complaint(json::parse(R"({"a": {"unifrom": [1, 2]}})")) ==
        "/search/space/a/unifrom unknown key 'unifrom'");
  CHECK(complaint(json::parse(R"({"a": {"uniform": [2, 1]}})")).find("low 2 is above high 1") !=
        std::string::npos);
  CHECK(complaint(json::parse(R"({"a": {"log_uniform": [0, 1]}})")).find("has no logarithm") !=
        std::string::npos);
  CHECK(complaint(json::parse(R"({"a": {"int": [0.5, 2]}})"))
            .starts_with("/search/space/a/int/0 0.5 is not an integer"));
  CHECK(complaint(json::parse(R"({"a": {"choice": []}})")).find("expected a list of values") !=
        std::string::npos);
  CHECK(complaint(json::parse(R"({"a": {"log_uniform": [1, 2], "step": 2}})"))
            .find("only int and uniform have a step") != std::string::npos);
  CHECK(complaint(json::parse(
                      R"({"a": {"choice": [1], "when": {"b": 1}}, "b": {"choice": [1], "when": {"a": 1}}})"))
            .find("circle") != std::string::npos);
}

TEST_CASE("a key that the schema or the chosen variant lacks is an error") {
  const auto check = [](const json& p) { check_parameters(kConfig, p, kSchema, "/search/space"); };
  check({{"train.optimizer.momentum", 0.5}});
  check({{"model.parameters.width", 3}});
  CHECK_THROWS_WITH_AS(check({{"train.epoch", 1}}), "'epoch' is not a key of train", Error);
  CHECK_THROWS_WITH_AS(check({{"model.parameters.widht", 1}}), "'widht' is not a key of model.parameters",
                       Error);
  CHECK_THROWS_WITH_AS(check({{"train.optimizer.type", "adam"}, {"train.optimizer.momentum", 0.5}}),
                       "'momentum' is not a key of train.optimizer with type \"adam\"", Error);
}

TEST_CASE("a study goes on where it was, and runs lost trials again") {
  const Folder f;
  {
    Study s = Study::open_or_create(f.file("s"), kConfig, kSearch, 3);
    CHECK(!s.best());
    for (int64_t n = 0; n < 3; ++n) CHECK(s.ask()->parameters == sample_random(s.space(), kConfig, 3, n));
    s.tell(0, {.value = 0.5, .metrics = {{"loss", 1}}});
    s.tell(1, {.state = TrialState::failed, .why = "exit 8"});
    s.tell(2, {.state = TrialState::lost});
  }
  Study s = Study::open_or_create(f.file("s"), kConfig, kSearch, 3);
  CHECK(s.trials().size() == 3);
  CHECK(s.trials()[1].why == "exit 8");
  const auto again = s.ask();
  CHECK(again->number == 2);
  CHECK(again->state == TrialState::running);
  CHECK(again->parameters == sample_random(s.space(), kConfig, 3, 2));
  CHECK(again->launches == 2);
  CHECK(s.ask()->number == 3);
  s.tell(3, {.value = 0.7});
  s.tell(2, {.value = 0.7});
  CHECK(s.best()->number == 2);
  CHECK(s.ask()->number == 4);
  CHECK(!s.ask());
  CHECK_THROWS_AS(s.tell(9, {}), Error);
}

TEST_CASE("another config, space or seed is no continuation; more trials are") {
  const Folder f;
  Study::open_or_create(f.file("s"), kConfig, kSearch, 3);
  json more = kSearch, other = kConfig;
  more["trials"] = 50;
  CHECK(Study::open_or_create(f.file("s"), kConfig, more, 3).search().trials == 50);
  other["train"]["epochs"] = 4;
  CHECK_THROWS_WITH_AS(Study::open_or_create(f.file("s"), other, kSearch, 3),
                       doctest::Contains("another config.train.epochs"), Error);
  CHECK_THROWS_WITH_AS(Study::open_or_create(f.file("s"), kConfig, kSearch, 4),
                       doctest::Contains("another seed"), Error);
}

TEST_CASE("a record torn at any byte is cut off, a damaged one in the middle is an error") {
  const Folder f;
  {
    Study s = Study::open_or_create(f.file("s"), kConfig, kSearch, 0);
    s.ask();
  }
  const auto kept = std::filesystem::file_size(f.file("s"));
  {
    Study s = Study::open(f.file("s"));
    s.tell(0, {.value = 0.25});
  }
  const auto whole = std::filesystem::file_size(f.file("s"));
  for (auto size = kept + 1; size < whole; ++size) {
    std::filesystem::copy_file(f.file("s"), f.file("t"), std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(f.file("t"), size);
    Study s = Study::open(f.file("t"));
    CHECK(s.repaired());
    CHECK(s.trials()[0].state == TrialState::running);
    s.tell(0, {.value = 0.5});
    CHECK(Study::open(f.file("t")).best()->value == 0.5);
  }
  std::fstream damaged(f.file("s"), std::ios::in | std::ios::out);
  damaged.seekp(30);
  damaged.put('?');
  damaged.close();
  CHECK_THROWS_WITH_AS(Study::open(f.file("s")), doctest::Contains("s:1: not a study"), Error);
  std::ofstream(f.file("u")) << "hello\n";
  CHECK_THROWS_WITH_AS(Study::open(f.file("u")), doctest::Contains("not a study"), Error);
  CHECK_THROWS_AS(Study::open(f.file("none")), Error);
}

TEST_CASE("two openers of one study never give out the same trial") {
  const Folder f;
  Study a = Study::open_or_create(f.file("s"), kConfig, kSearch, 0), b = Study::open(f.file("s"));
  CHECK(a.ask()->number == 0);
  CHECK(b.ask()->number == 1);
  CHECK(a.ask()->number == 2);
  b.refresh();
  CHECK(b.trials().size() == 3);
}

TEST_CASE("the objective comes from the end of the run, else from its last report") {
  const auto read = [](const std::string& events) {
    EventReader r("valid.accuracy");
    for (char c : events) r.take({&c, 1});  // however it comes
    return r;
  };
  const auto value = [&](const std::string& events) { return read(events).objective(); };
  const std::string two = R"({"event":"epoch","epoch":1,"metrics":{"valid.accuracy":0.1}}
{"event":"epoch","epoch":2,"metrics":{"valid.accuracy":0.3}}
{"event":"epoch","epoch":3,"metrics":{"valid.ac)";
  CHECK(value(two) == 0.3);
  CHECK(read(two).metrics() == json{{"valid.accuracy", 0.3}});
  CHECK(read(two).curve() == std::map<int64_t, double>{{1, 0.1}, {2, 0.3}});
  CHECK(value("{\"event\":\"eval\",\"split\":\"valid\",\"metrics\":{\"accuracy\":0.4}}\n"
              "{\"event\":\"eval\",\"split\":\"test\",\"metrics\":{\"accuracy\":0.9}}\n") == 0.4);
  CHECK(value("{\"event\":\"run_end\",\"metrics\":{\"valid\":{\"accuracy\":0.5}}}\n") == 0.5);
  const EventReader whole = read(
      "{\"event\":\"run_start\",\"parameters\":7}\n{torn\n{\"event\":\"run_end\",\"metrics\":{\"valid."
      "accuracy\":1}}\n");
  CHECK(whole.started());
  CHECK(whole.metrics() == json{{"valid.accuracy", 1}, {"parameters", 7}});
  CHECK(!value("{\"event\":\"epoch\",\"metrics\":{\"valid.accuracy\":null}}\n"));
  CHECK(!value(""));
}

TEST_CASE("a value that is no number is never the best") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Objective up{"a", {}}, down{{}, "a"};
  CHECK(up.better(2, 1));
  CHECK(down.better(1, 2));
  CHECK(!up.better(nan, 1));
  CHECK(down.better(1, nan));
}

TEST_CASE("the objective is one of maximize and minimize") {
  CHECK_THROWS_AS(parse_search(json::parse(R"({"objective": {}})"), "/search"), Error);
  CHECK_THROWS_AS(
      parse_search(json::parse(R"({"objective": {"maximize": "a", "minimize": "b"}})"), "/search"), Error);
  CHECK(parse_search(json::parse(R"({"objective": {"minimize": "b"}})"), "/search").objective.name() == "b");
  CHECK(parse_search(json::object(), "/search").objective.name() == "valid.accuracy");
}
