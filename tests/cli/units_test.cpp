#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <limits>

#include "cli/events.h"
#include "cli/help.h"
#include "cli/log.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "train/device.h"

using namespace dl;
using namespace dl::cli;

TEST_CASE("durations are read with and without units") {
  CHECK(parse_duration("90") == 90);
  CHECK(parse_duration("1h30m") == 5400);
  CHECK(parse_duration("2d") == 172800);
  CHECK(parse_duration("1.5s") == 1.5);
  CHECK(parse_duration("500ms") == 0.5);
  for (const char* bad : {"", "h", "-1", "5x", "1h-2", "nan", "1 h"}) CHECK(parse_duration(bad) < 0);
}

TEST_CASE("numbers that are not finite become null and are listed") {
  const double inf = std::numeric_limits<double>::infinity();
  const json r = finite_record({{"loss", inf}, {"a", {{"b", {1.0, -inf}}}}});
  CHECK(r["loss"].is_null());
  CHECK(r["a"]["b"][1].is_null());
  CHECK(r["nonfinite"] == json{{"loss", "inf"}, {"a.b[1]", "-inf"}});
  CHECK(!finite_record({{"loss", 1.0}}).contains("nonfinite"));
}

TEST_CASE("a record prints as JSON, JSON lines and CSV") {
  const json rows = json::parse(R"([{"a": 1, "b": {"c": "x,y"}}, {"a": 2, "d": null}])");
  CHECK(formatted(rows, "text", "human") == "text\n");
  CHECK(formatted(rows, "", "jsonl") == "{\"a\":1,\"b\":{\"c\":\"x,y\"}}\n{\"a\":2,\"d\":null}\n");
  CHECK(formatted(rows, "", "csv") == "a,b.c,d\n1,\"x,y\",\n2,,\n");
  CHECK(json::parse(formatted(rows, "", "json")) == rows);
}

TEST_CASE("help text is broken at the width and keeps paragraphs") {
  CHECK(wrapped("aa bb cc", 2, 7) == "  aa bb\n  cc");
  CHECK(wrapped("a\n\nb", 0) == "a\n\nb");
}

TEST_CASE("a short job says nothing of its progress, not even without a terminal") {
  std::string path = "/tmp/dl-progress-XXXXXX";
  const int fd = mkstemp(path.data());
  REQUIRE(fd >= 0);
  {
    Log log;
    log.level = Level::info;
    log.open_file(path);
    Progress progress(log, ProgressMode::lines, 10, "records");
    for (int64_t i = 1; i <= 10; ++i) progress.update(i);
    progress.finish();
  }
  CHECK(lseek(fd, 0, SEEK_END) == 0);
  close(fd);
  unlink(path.c_str());
}

TEST_CASE("this process may use at least one core") { CHECK(usable_cores() >= 1); }

TEST_CASE("a device that is absent is an error, auto takes what is there") {
  std::string how;
  CHECK(resolve_device("cpu", how) == "cpu");
  CHECK(how.empty());
  CHECK_THROWS_WITH_AS(resolve_device("gpu", how), doctest::Contains("expected cpu, cuda, cuda:N or auto"),
                       Error);
  CHECK_THROWS_WITH_AS(resolve_device("cuda:", how), doctest::Contains("is not known"), Error);
  CHECK_THROWS_AS(resolve_device("cuda:4000", how), Error);
  const std::string found = resolve_device("auto", how);
  CHECK(how.starts_with(found));
}
