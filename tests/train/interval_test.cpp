#include "train/interval.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace dl;

TEST_CASE("durations add up their parts") {
  CHECK(parse_duration("90") == 90);
  CHECK(parse_duration("1h30m") == 5400);
  CHECK(parse_duration("2d") == 172800);
  CHECK(parse_duration("0.5s") == 0.5);
  for (const char* bad : {"", "m", "1x", "-3", "1h-5m", "nan"}) CHECK(parse_duration(bad) < 0);
}

TEST_CASE("intervals count steps, epochs or seconds") {
  CHECK(parse_interval("2 epochs", "").unit == Interval::Unit::epochs);
  CHECK(parse_interval("500 steps", "").amount == 500);
  CHECK(parse_interval("10m", "").amount == 600);
  CHECK(parse_interval("never", "").unit == Interval::Unit::never);
  CHECK_THROWS_WITH_AS(
      parse_interval("often", "/train/save/every"),
      "'often' is no interval, expected for example \"1 epoch\", \"500 steps\", \"10m\" or \"never\"", Error);
  CHECK_THROWS_AS(parse_interval("0 steps", ""), Error);
  CHECK_THROWS_AS(parse_interval("1.5 epochs", ""), Error);
}
