#include "train/gate.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/json.h"

using namespace dl;

namespace {
const MetricList kList{{"accuracy", 0.97}, {"loss", 0.25}, {"per_class.cat.f1", NAN}};

bool passes(std::string_view text) { return run_gates({parse_gate(text)}, kList)[0].passed; }
}  // namespace

TEST_CASE("a gate compares a metric with a bound") {
  CHECK(passes("accuracy>=0.97"));
  CHECK_FALSE(passes("accuracy>0.97"));
  CHECK(passes("accuracy == 0.97"));
  CHECK(passes(" accuracy <= 9.7e-1 "));
  CHECK_FALSE(passes("accuracy<0.97"));
  CHECK(passes("loss<0.3"));
  CHECK_FALSE(passes("per_class.cat.f1>=0"));
}

TEST_CASE("a gate that does not parse is a config error") {
  for (const char* text :
       {"", "accuracy", "accuracy>=", ">=1", "accuracy>=x", "accuracy>=nan", "accuracy=1", "accuracy>=1 2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_gate(text), Error);
  }
}

TEST_CASE("an unknown metric in a gate names the closest ones") {
  try {
    check_gates({parse_gate("acuracy>=0.5")}, kList);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    CHECK(e.hint == "closest: accuracy");
  }
  check_gates({parse_gate("loss<1")}, kList);
}

TEST_CASE("a drop is measured in the direction that is worse") {
  const MetricList before{{"accuracy", 0.98}, {"loss", 0.2}};
  const auto outcome = [&](std::string_view text) { return run_gates({parse_drop(text, before)}, kList)[0]; };
  CHECK(outcome("accuracy=0.02").passed);
  CHECK_FALSE(outcome("accuracy=0.005").passed);
  CHECK(outcome("accuracy=0.005").message == "accuracy is 0.97, expected at most 0.005 below 0.98");
  CHECK(outcome("loss=0.06").passed);
  CHECK_FALSE(outcome("loss=0.01").passed);
  CHECK_THROWS_AS(outcome("f1=0.1"), Error);
  CHECK_THROWS_AS(outcome("accuracy=-1"), Error);
  CHECK_THROWS_AS(outcome("accuracy"), Error);
}

TEST_CASE("JUnit XML has one escaped test case for each gate") {
  const std::string xml =
      junit_xml("dl-eval", run_gates({parse_gate("accuracy>=0.98"), parse_gate("loss<1")}, kList));
  CHECK(xml ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites tests=\"2\" failures=\"1\" errors=\"0\">\n"
        "  <testsuite name=\"dl-eval\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"0\">\n"
        "    <testcase classname=\"dl-eval\" name=\"accuracy&gt;=0.98\" time=\"0\">\n"
        "      <failure type=\"gate\" message=\"accuracy is 0.97, expected &gt;= 0.98\"/>\n"
        "    </testcase>\n"
        "    <testcase classname=\"dl-eval\" name=\"loss&lt;1\" time=\"0\"/>\n"
        "  </testsuite>\n"
        "</testsuites>\n");
}

TEST_CASE("metrics.json is flat, reads back, and lists what is not finite") {
  const std::string text = metrics_json(kList);
  const json j = json::parse(text);
  CHECK(j["accuracy"] == 0.97);
  CHECK(j["per_class.cat.f1"].is_null());
  CHECK(j["nonfinite"] == json{{"per_class.cat.f1", "nan"}});
  const MetricList back = parse_metrics(text, "m.json");
  CHECK(metric_value(back, "loss") == 0.25);
  CHECK(std::isnan(back[2].value));
  CHECK_THROWS_WITH_AS(parse_metrics("oops", "m.json"),
                       "m.json: is not a metrics file, expected a JSON object of numbers", Error);
}

TEST_CASE("metrics as CSV leave non-finite values empty and quote names") {
  CHECK(metrics_csv({{"a,\"b\"", 1}, {"loss", std::numeric_limits<double>::infinity()}}) ==
        "name,value\n\"a,\"\"b\"\"\",1\nloss,\n");
}
