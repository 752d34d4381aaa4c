// Tables through the whole preparation.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/str.h"
#include "support/files.h"
#include "support/prepared.h"

using namespace dl;
using namespace dl::testing;

namespace {

json csv(json options = json::object()) {
  options["type"] = "csv";
  return {{"from", options}};
}

struct Table {
  TempDir dir;
  Prepared good(const std::string& text, const json& options = json::object()) const {
    return prepare(csv(options), {{dir.write("t.csv", text)}, {}, {}});
  }
  std::string bad(const std::string& text, const json& options = json::object(),
                  Exit code = Exit::data) const {
    const std::string m = prepare_error(csv(options), {{dir.write("t.csv", text)}, {}, {}}, code);
    const size_t at = m.find("t.csv");
    return at == m.npos ? m : m.substr(at);
  }
};

}  // namespace

TEST_CASE("a header is found, numbers are features and a text target is a class") {
  const Table t;
  const Prepared p = t.good("a,b,kind\n1,2.5,x\n3,4,y\n5,6,x\n");
  CHECK(p.schema.inputs[0].columns == std::vector<std::string>{"a", "b"});
  CHECK(p.schema.targets[0].classes == std::vector<std::string>{"x", "y"});
  CHECK(p.values.at("train") == std::vector<float>{1, 2.5, 3, 4, 5, 6});
  CHECK(p.labels.at("train") == std::vector<int32_t>{0, 1, 0});
  const Prepared bare = t.good("1,2.5,x\n3,4,y\n");
  CHECK(bare.schema.inputs[0].columns == std::vector<std::string>{"column_0", "column_1"});
  CHECK(bare.labels.at("train").size() == 2);
}

TEST_CASE("a target of numbers is regression, of few whole numbers a class, as the user says otherwise") {
  const Table t;
  CHECK(t.good("1,2.5\n2,3\n").targets.at("train") == std::vector<float>{2.5, 3});
  CHECK(t.good("1,10\n2,9\n").schema.targets[0].classes == std::vector<std::string>{"9", "10"});
  CHECK(t.good("1,10\n2,9\n", {{"task", "regression"}}).targets.at("train") == std::vector<float>{10, 9});
  CHECK(t.bad("1,a\n2,b\n", {{"task", "regression"}}) ==
        "t.csv: the target 'column_1' is text, expected numbers for regression");
  CHECK(t.bad("1,a\n2,a\n") == "t.csv: the target 'column_1' has 1 classes, expected at least 2");
}

TEST_CASE("columns go by name, by number and from the end") {
  const Table t;
  const std::string text = "id,y,a,b\nr1,p,1,2\nr2,q,3,4\n";
  const Prepared p = t.good(text, {{"target", "y"}, {"id", "id"}, {"drop", {"b"}}});
  CHECK(p.values.at("train") == std::vector<float>{1, 3});
  CHECK(p.ids.at("train") == std::vector<std::string>{"r1", "r2"});
  CHECK(t.good(text, {{"target", 1}, {"drop", {0, -1}}}).values.at("train") == std::vector<float>{1, 3});
  CHECK(t.good(text, {{"target", "1"}, {"drop", {0}}}).values.at("train").size() == 4);
  CHECK(t.bad(text, {{"target", "yy"}}) == "t.csv: there is no column 'yy', expected one of id, y, a, b");
  CHECK(t.bad(text, {{"target", 7}}) ==
        "t.csv: there is no column 7, expected -4 to 3 in a table of 4 columns");
  CHECK(
      contains(t.bad(text, {{"target", "y"}, {"drop", {"y"}}}, Exit::config), "which is dropped or the id"));
}

TEST_CASE("categories become columns of zeros and ones, or their number") {
  const Table t;
  const std::string text = "red,1,x\nblue,2,y\nred,3,x\n";
  const Prepared hot = t.good(text);
  CHECK(hot.schema.inputs[0].columns ==
        std::vector<std::string>{"column_0=blue", "column_0=red", "column_1"});
  CHECK(hot.values.at("train") == std::vector<float>{0, 1, 1, 1, 0, 2, 0, 1, 3});
  CHECK(hot.schema.normalization.at("features").mean[0] == 0);
  CHECK(hot.schema.normalization.at("features").mean[2] == 2);
  CHECK(t.good(text, {{"encoding", "index"}}).values.at("train") == std::vector<float>{1, 1, 0, 2, 1, 3});
  CHECK(t.good(text, {{"categorical", {1}}}).schema.inputs[0].columns.size() == 5);
  CHECK(t.bad(text, {{"max_categories", 1}}) ==
        "t.csv: column 'column_0' has more than 1 different texts, expected numbers or categories");
}

TEST_CASE("missing values stop the run, or the mean and mode of the training part stand in") {
  const Table t;
  const std::string text = "1,red,x\n?,red,y\n3,?,x\n8,blue,y\n100,blue,y\n";
  CHECK(t.bad(text) == "t.csv:2: column 'column_0' is '?', expected a number, or \"missing\": \"?\"");
  CHECK(t.bad(text, {{"missing", "?"}, {"impute", "error"}}) ==
        "t.csv:2: column 'column_0' is missing, expected a value, or \"impute\": \"mean\"");
  json config = csv({{"missing", "?"}});
  config["split"] = {{"valid", 0.2}, {"by", "order"}};
  const Prepared p = prepare(config, {{t.dir.write("t.csv", text)}, {}, {}});
  CHECK(p.values.at("train") ==
        std::vector<float>{1, 0, 1, 4, 0, 1, 3, 0, 1, 8, 1, 0});  // (1 + 3 + 8) / 3 without the 100
  CHECK(p.values.at("valid") == std::vector<float>{100, 1, 0});
  CHECK(t.good(text, {{"missing", {"?", "NA"}}, {"impute", "zero"}}).values.at("train")[6] == 3);
  CHECK(t.good(text, {{"missing", {"?", "NA"}}, {"impute", "zero"}}).values.at("train")[7] == 0);
  CHECK(t.bad("1,x\n2,\n3,y\n") == "t.csv:2: the target 'column_1' is missing");
  CHECK(t.bad("1,,x\n2,,y\n") == "t.csv: column 'column_1' has no value, expected numbers or categories");
}

TEST_CASE("bad records are named with file and line") {
  const Table t;
  CHECK(t.bad("1,2,x\n1,nan,y\n") == "t.csv:2: column 'column_1' is 'nan', expected a finite number");
  CHECK(t.bad("1,2,x\n1,1e39,y\n") == "t.csv:2: column 'column_1' is '1e39', expected a finite number");
  CHECK(t.bad("1,2,x\n1,2,y\n1,2a,y\n") == "t.csv:3: column 'column_1' is '2a', expected a number");
  CHECK(t.bad("1,2,x\n1,2\n1,2,y\n") == "t.csv:2: the record has 2 fields, expected 3");
  CHECK(t.bad("1,x\n2,z\n", {{"classes", {"x", "y"}}}) ==
        "t.csv:2: the target 'column_1' is 'z', expected one of x, y");
  CHECK(t.bad("x\ny\n") ==
        "t.csv: no column is left for the features, expected at least one beside the target");
  CHECK(t.bad("") == "t.csv: is empty, expected a table");
}

TEST_CASE("a test file has the columns, categories and stand-ins of the training file") {
  const Table t;
  const std::string train = t.dir.write("train.csv", "c,v,y\nred,1,no\nblue,2,yes\n");
  const auto test = [&](const std::string& text) { return t.dir.write("test.csv", text); };
  const auto error = [&](const std::string& text) {
    return prepare_error(csv(), {{train}, {}, {test(text)}});
  };
  const Prepared p = prepare(csv(), {{train}, {}, {test("c,v,y\nred,7,yes\n")}});
  CHECK(p.values.at("test") == std::vector<float>{0, 1, 7});
  CHECK(p.labels.at("test") == std::vector<int32_t>{1});
  CHECK(contains(error("c,v,y\ngreen,7,yes\n"),
                 "test.csv:2: column 'c' is 'green', expected one of blue, red"));
  CHECK(contains(error("c,v,y\nred,7,maybe\n"),
                 "test.csv:2: the target 'y' is 'maybe', expected one of no, yes"));
  CHECK(contains(error("c,w,y\nred,7,yes\n"), "test.csv:1: column 1 is called 'w', expected 'v'"));
  CHECK(contains(error("c,v\nred,7\n"), "test.csv:1: the header has 2 columns, expected 3"));
  const Prepared renamed =
      prepare(csv({{"rename", {{"no.", "no"}}}}), {{train}, {}, {test("c,v,y\nred,7,no.\n")}});
  CHECK(renamed.labels.at("test") == std::vector<int32_t>{0});
}

TEST_CASE("the tables that everyone knows just work") {
  const char* root = std::getenv("DL_TEST_DATA");
  if (!root) {
    std::puts("SKIP real tables: DL_TEST_DATA is not set");
    return;
  }
  const std::string dir = str(root, "/tabular/");
  const auto run = [&](const std::string& file, const json& options) {
    return prepare(csv(options), {{dir + file}, {}, {}});
  };
  CHECK(run("iris.csv", {}).schema.targets[0].classes.size() == 3);
  CHECK(run("wine.csv", {}).labels.at("train").size() == 178);
  CHECK(run("housing.csv", {}).targets.at("train").size() == 506);
  CHECK(run("abalone.csv", {}).schema.inputs[0].columns.size() == 10);
  CHECK(run("daily-min-temperatures.csv", {{"target", "Temp"}, {"max_categories", 5000}})
            .targets.at("train")
            .size() == 3650);
  const Prepared adult =
      prepare(csv({{"missing", "?"}, {"rename", {{"<=50K.", "<=50K"}, {">50K.", ">50K"}}}}),
              {{dir + "adult-train.csv.gz"}, {}, {dir + "adult-test.csv.gz"}});
  CHECK(adult.labels.at("train").size() == 32561);
  CHECK(adult.labels.at("test").size() == 16281);
  json colic = csv({{"missing", "?"}, {"target", 22}});
  colic["max_bad"] = 1;
  CHECK(prepare(colic, {{dir + "horse-colic.csv"}, {}, {}}).labels.at("train").size() == 299);
}
