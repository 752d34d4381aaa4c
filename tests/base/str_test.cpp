#include "base/str.h"

#include <doctest/doctest.h>

using namespace dl;

TEST_CASE("numbers print in the shortest form that reads back") {
  CHECK(number(0.01f) == "0.01");
  CHECK(number(1.0) == "1");
  CHECK(str("x=", 3, ' ', 0.5, ' ', true) == "x=3 0.5 true");
}

TEST_CASE("closest finds misspelt names and nothing far away") {
  const std::vector<std::string> known{"momentum", "learning_rate", "lr", "weight_decay"};
  CHECK(closest("momentm", known).front() == "momentum");
  CHECK(closest("wieght_decay", known).front() == "weight_decay");
  CHECK(closest("zzzzzz", known).empty());
}

TEST_CASE("large counts are grouped by thousands") {
  CHECK(grouped(25557032) == "25,557,032");
  CHECK(grouped(-1234) == "-1,234");
  CHECK(grouped(12) == "12");
}
