// Transforms of columns, through the whole preparation, against values computed by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "base/str.h"
#include "support/files.h"
#include "support/prepared.h"

using namespace dl;
using namespace dl::testing;

namespace {

struct Table {
  TempDir dir;
  json section(const json& transforms, json from = json::object()) const {
    from["type"] = "csv";
    return {{"from", from}, {"transforms", transforms}, {"normalize", "none"}};
  }
  Prepared good(const std::string& text, const json& transforms, const json& from = json::object()) const {
    return prepare(section(transforms, from), {{dir.write("t.csv", text)}, {}, {}});
  }
  std::string bad(const std::string& text, const json& transforms, Exit code = Exit::config,
                  const json& from = json::object()) const {
    return prepare_error(section(transforms, from), {{dir.write("t.csv", text)}, {}, {}}, code);
  }
};

std::vector<float> column(const Prepared& p, const std::string& name, const std::string& part = "train") {
  const auto& names = p.schema.inputs[0].columns;
  const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  REQUIRE(at < names.size());
  std::vector<float> out;
  for (size_t i = at; i < p.values.at(part).size(); i += names.size()) out.push_back(p.values.at(part)[i]);
  return out;
}

void check_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance = 1e-5) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i)
    CHECK(static_cast<double>(got[i]) == doctest::Approx(want[i]).epsilon(tolerance));
}

const char* kFive = "a,b,y\n1,2,p\n2,4,q\n3,7,p\n4,8,q\n10,9,p\n";

}  // namespace

TEST_CASE("impute: mean, median, most frequent and a constant, with an indicator") {
  const Table t;
  const std::string text = "a,c,y\n1,u,p\n,v,q\n2,,p\n2,v,q\n7,v,p\n";
  const auto with = [&](const json& w) { return t.good(text, json::array({w})); };
  check_near(column(with("impute"), "a"), {1, 3, 2, 2, 7});
  check_near(column(with({{"type", "impute"}, {"with", "median"}}), "a"), {1, 2, 2, 2, 7});
  check_near(column(with({{"type", "impute"}, {"with", "most_frequent"}}), "a"), {1, 2, 2, 2, 7});
  check_near(column(with("impute"), "c=v"), {0, 1, 1, 1, 1});
  const Prepared p = with({{"type", "impute"}, {"with", "constant"}, {"value", -1}, {"indicator", true}});
  check_near(column(p, "a"), {1, -1, 2, 2, 7});
  check_near(column(p, "a_missing"), {0, 1, 0, 0, 0});
  check_near(column(p, "c=v"), {0, 1, 0, 1, 1});
  CHECK(contains(t.bad(text, {{{"type", "impute"}, {"columns", {"c"}}}}, Exit::data),
                 "record '1': column 'a' is missing, expected a value, or an impute step for it"));
}

TEST_CASE("outliers are clipped, taken as missing, or dropped from the training part alone") {
  const Table t;
  const auto with = [&](json o) {
    o["type"] = "outliers";
    o["columns"] = {"a"};
    return json::array({o});
  };
  // Quartiles 2 and 4: bounds -1 and 7. Median 3, MAD 1: 3 + 3.5 / 0.6745 = 8.189.
  check_near(column(t.good(kFive, with({{"to", "clip"}})), "a"), {1, 2, 3, 4, 7});
  check_near(column(t.good(kFive, with({{"by", "mad"}, {"to", "clip"}})), "a"), {1, 2, 3, 4, 8.189029});
  // Mean 4, standard deviation sqrt(10).
  check_near(column(t.good(kFive, with({{"by", "z_score"}, {"limit", 1}, {"to", "clip"}})), "a"),
             {1, 2, 3, 4, 4 + std::sqrt(10.0)});
  CHECK(t.good(kFive, with({{"to", "drop"}})).values.at("train").size() == 8);
  CHECK(t.good(kFive, with({{"to", "report"}})).values.at("train").size() == 10);
  json steps = with({{"to", "missing"}});
  steps.push_back("impute");
  check_near(column(t.good(kFive, steps), "a"), {1, 2, 3, 4, 2.5});
  json section = t.section(with({{"to", "drop"}}));
  section["split"] = {{"valid", 0.2}, {"by", "order"}};
  const Prepared p = prepare(section, {{t.dir.write("t.csv", kFive)}, {}, {}});
  check_near(column(p, "a", "valid"), {10});
}

TEST_CASE("categories: one-hot without the first, an order, hashed texts") {
  const Table t;
  const json header{{"header", true}};  // all columns are texts
  const std::string text = "size,y\nsmall,p\nlarge,q\nmedium,p\nsmall,q\n";
  const Prepared hot = t.good(text, {{{"type", "one_hot"}, {"drop_first", true}}}, header);
  CHECK(hot.schema.inputs[0].columns == std::vector<std::string>{"size=medium", "size=small"});
  const json order = {{{"type", "ordinal"}, {"columns", {"size"}}, {"order", {"small", "medium", "large"}}}};
  check_near(column(t.good(text, order, header), "size"), {0, 2, 1, 0});
  CHECK(contains(t.bad(text, {{{"type", "ordinal"}, {"order", {"small", "large"}}}}, Exit::config, header),
                 "/prep/transforms/0/order: does not name 'medium', a category of column 'size'"));
  const Prepared hashed = t.good(text, {{{"type", "hash"}, {"columns", {"size"}}, {"buckets", 5}}}, header);
  REQUIRE(hashed.schema.inputs[0].columns.size() == 5);
  for (size_t r = 0; r < 4; ++r) {
    float sum = 0;
    for (size_t c = 0; c < 5; ++c) sum += std::abs(hashed.values.at("train")[5 * r + c]);
    CHECK(sum == 1);
  }
  for (size_t c = 0; c < 5; ++c) CHECK(hashed.values.at("train")[c] == hashed.values.at("train")[15 + c]);
}

TEST_CASE("scales: z-score, min-max, largest magnitude, robust, norm") {
  const Table t;
  const auto a = [&](const json& step) { return column(t.good(kFive, json::array({step})), "a"); };
  check_near(a("z_score"),
             {-3 / std::sqrt(10.0), -2 / std::sqrt(10.0), -1 / std::sqrt(10.0), 0, 6 / std::sqrt(10.0)});
  check_near(a("min_max"), {0, 1 / 9., 2 / 9., 3 / 9., 1});
  check_near(a({{"type", "min_max"}, {"low", -1}, {"high", 1}}), {-1, -7 / 9., -5 / 9., -3 / 9., 1});
  check_near(a("max_abs"), {0.1, 0.2, 0.3, 0.4, 1});
  check_near(a("robust"), {-1, -0.5, 0, 0.5, 3.5});
  check_near(a("unit_norm"), {1 / std::sqrt(5.0), 2 / std::sqrt(20.0), 3 / std::sqrt(58.0),
                              4 / std::sqrt(80.0), 10 / std::sqrt(181.0)});
  CHECK(
      contains(t.bad(kFive, {{{"type", "min_max"}, {"low", 1}, {"high", 1}}}), "\"low\" that is not below"));
}

TEST_CASE("powers: log, Box-Cox, Yeo-Johnson, at a lambda and at the likeliest one") {
  const Table t;
  const auto a = [&](const json& step, const char* text = kFive) {
    return column(t.good(text, json::array({step})), "a");
  };
  check_near(a("log1p"), {std::log(2), std::log(3), std::log(4), std::log(5), std::log(11)});
  check_near(a({{"type", "box_cox"}, {"lambda", 2}}), {0, 1.5, 4, 7.5, 49.5});
  check_near(a({{"type", "box_cox"}, {"lambda", 0}}),
             {0, std::log(2), std::log(3), std::log(4), std::log(10)});
  const char* negative = "a,y\n-3,p\n-1,q\n0,p\n2,q\n";
  // lambda 3: ((x + 1)^3 - 1) / 3 above 0, and below 1 - 1 / (1 - x) with its sign: the power is 2 - 3 = -1.
  check_near(a({{"type", "yeo_johnson"}, {"lambda", 3}}, negative), {-0.75, -0.5, 0, 26 / 3.});
  // exp(0), exp(1) ... exp(4) is normal-like under the logarithm: lambda is 0 by symmetry of the exponents.
  check_near(
      a("box_cox",
        "a,y\n1,p\n2.718281828459045,q\n7.38905609893065,p\n20.085536923187668,q\n54.598150033144236,p\n"),
      {0, 1, 2, 3, 4}, 1e-4);
  CHECK(contains(t.bad(negative, {"box_cox"}, Exit::data),
                 "record '0': column 'a' is -3 at /prep/transforms/0, expected above 0"));
  CHECK(contains(t.bad(negative, {"log1p"}, Exit::data),
                 "column 'a' is -3 at /prep/transforms/0, expected above -1"));
}

TEST_CASE("quantiles and bins") {
  const Table t;
  const auto a = [&](const json& step) { return column(t.good(kFive, json::array({step})), "a"); };
  check_near(a("quantile"), {0, 0.25, 0.5, 0.75, 1});
  check_near(a({{"type", "quantile"}, {"quantiles", 3}}), {0, 0.25, 0.5, 0.5 + 0.5 / 7, 1});
  const auto normal = a({{"type", "quantile"}, {"normal", true}});
  check_near({normal[1], normal[2], normal[4]}, {-0.6744898, 0, 5.199338});
  check_near(a({{"type", "bin"}, {"bins", 3}, {"by", "width"}}), {0, 0, 0, 1, 2});
  check_near(a({{"type", "bin"}, {"bins", 2}}), {0, 0, 1, 1, 1});
  CHECK(t.good(kFive, {{{"type", "bin"}, {"columns", {"a"}}, {"bins", 2}, {"one_hot", true}}})
            .schema.inputs[0]
            .columns == std::vector<std::string>{"a=bin_0", "a=bin_1", "b"});
}

TEST_CASE("products of columns") {
  const Table t;
  const Prepared p = t.good(kFive, {"polynomial"});
  CHECK(p.schema.inputs[0].columns == std::vector<std::string>{"a", "b", "a^2", "a*b", "b^2"});
  check_near(column(p, "a*b"), {2, 8, 21, 32, 90});
  const Prepared q = t.good(kFive, {{{"type", "polynomial"}, {"interactions_only", true}}});
  CHECK(q.schema.inputs[0].columns == std::vector<std::string>{"a", "b", "a*b"});
}

TEST_CASE("principal components: two columns on a line have one") {
  const Table t;
  const std::string line = "a,b,y\n0,0,p\n1,2,q\n2,4,p\n3,6,q\n";
  const Prepared p = t.good(line, {"pca"});
  CHECK(p.schema.inputs[0].columns == std::vector<std::string>{"pca_0"});
  const double s = std::sqrt(5.0);
  check_near(column(p, "pca_0"), {-1.5 * s, -0.5 * s, 0.5 * s, 1.5 * s});
  const Prepared white = t.good(kFive, {{{"type", "pca"}, {"components", 2}, {"whiten", true}}});
  for (const char* name : {"pca_0", "pca_1"}) {
    double sum = 0, squares = 0;
    for (float v : column(white, name))
      sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
    CHECK(sum == doctest::Approx(0).epsilon(1e-6));
    CHECK(squares / 4 == doctest::Approx(1).epsilon(1e-6));
  }
  CHECK(contains(t.bad(kFive, {{{"type", "pca"}, {"components", 3}}}),
                 "/prep/transforms/0: has \"components\" 3, but there are 2 columns"));
}

TEST_CASE("zca whitening: covariance 1, near to the columns, and a picture stays one") {
  const Table t;
  const Prepared p = t.good(kFive, {{{"type", "zca"}, {"epsilon", 0}}});
  const auto a = column(p, "a"), b = column(p, "b");
  double aa = 0, ab = 0;
  for (size_t i = 0; i < 5; ++i)
    aa += static_cast<double>(a[i] * a[i]) / 4, ab += static_cast<double>(a[i] * b[i]) / 4;
  CHECK(aa == doctest::Approx(1).epsilon(1e-5));
  CHECK(std::abs(ab) < 1e-5);
  const json digits{{"from", {{"type", "digits"}, {"count", 300}, {"size", 8}}},
                    {"transforms", {"zca"}},
                    {"normalize", "none"}};
  const Prepared d = prepare(digits, {});
  CHECK(d.schema.inputs[0].role == Role::image);
  CHECK(d.schema.inputs[0].type == TensorType{DType::f32, {1, 8, 8}});
  json pca = digits;
  pca["transforms"] = {{{"type", "pca"}, {"components", 10}}};
  CHECK(prepare(pca, {}).schema.inputs[0].type == TensorType{DType::f32, {10}});
}

TEST_CASE("discriminants: the watermelons of Zhou's Machine Learning, table 3.0a") {
  const Table t;
  const std::string melons =
      "density,sugar,good\n.697,.460,1\n.774,.376,1\n.634,.264,1\n.608,.318,1\n.556,.215,1\n.403,.237,1\n."
      "481,.149,1\n"
      ".437,.211,1\n.666,.091,0\n.243,.267,0\n.245,.057,0\n.343,.099,0\n.639,.161,0\n.657,.198,0\n.360,.370,"
      "0\n"
      ".593,.042,0\n.719,.103,0\n";
  const auto x = column(t.good(melons, {"lda"}), "lda_0");
  // w ~ (0.146510, 0.738716): projections of the first two rows differ by w . (0.077, -0.084).
  const double scale = static_cast<double>(x[0] - x[1]) / (0.146510 * -0.077 + 0.738716 * 0.084);
  CHECK(static_cast<double>(x[0] - x[10]) ==
        doctest::Approx(scale * (0.146510 * 0.452 + 0.738716 * 0.403)).epsilon(1e-4));
  CHECK(contains(t.bad(melons, {{{"type", "lda"}, {"components", 2}}}), "2 classes give at most 1"));
  CHECK(contains(t.bad("a,b,y\n1,2,p\n2,4,q\n3,6,p\n5,10,q\n", {"lda"}), "depend on each other"));
}

TEST_CASE("selection by variance, correlation, inflation and condition") {
  const Table t;
  // c is constant; b = 2a + small noise; d is by itself.
  const std::string text =
      "a,b,c,d,y\n1,2.1,5,3,10\n2,3.9,5,1,19\n3,6.2,5,4,31\n4,7.8,5,1,40\n5,10.1,5,5,52\n6,12,5,9,59\n";
  const json from{{"task", "regression"}};
  const auto kept = [&](json o) {
    o["type"] = "select";
    return t.good(text, json::array({o}), from).schema.inputs[0].columns;
  };
  using Names = std::vector<std::string>;
  CHECK(kept({{"by", "variance"}}) == Names{"a", "b", "d"});
  CHECK(kept({{"by", "variance"}, {"keep", 1}}) == Names{"b"});
  CHECK(kept({{"by", "correlation"}}).size() == 3);
  CHECK(kept({{"by", "vif"}}).size() == 2);
  CHECK(kept({{"by", "condition_number"}, {"threshold", 5}}).size() == 2);
  CHECK(kept({{"by", "condition_number"}, {"threshold", 1000}}) == Names{"a", "b", "d"});
  CHECK(kept({{"by", "anova"}, {"keep", 2}}) == Names{"a", "b"});
  CHECK(kept({{"by", "mutual_information"}, {"keep", 2}, {"bins", 3}}) == Names{"a", "b"});
  CHECK(kept({{"by", "l1"}, {"threshold", 0.9}}).size() == 1);
  CHECK(contains(t.bad(text, {{{"type", "select"}, {"by", "chi_squared"}}}, Exit::config, from),
                 "needs a target of classes"));
  CHECK(contains(t.bad(text, {{{"type", "select"}, {"threshold", 1000}}}, Exit::config, from),
                 "leaves no column"));
}

TEST_CASE("what learns is fitted to the training part alone") {
  const Table t;
  json section = t.section({"z_score"});
  section["split"] = {{"valid", 0.2}, {"by", "order"}};
  const Prepared p = prepare(section, {{t.dir.write("t.csv", kFive)}, {}, {}});
  check_near(column(p, "a", "valid"), {(10 - 2.5) / std::sqrt(1.25)});
  section["split"] = {{"folds", 2}};
  CHECK(contains(prepare_error(section, {{t.dir.write("t.csv", kFive)}, {}, {}}, Exit::config),
                 "/prep/split: makes 2 training parts, but \"impute\" or \"transforms\" learn from one"));
  section["transforms"] = {"log1p"};
  CHECK(prepare(section, {{t.dir.write("t.csv", kFive)}, {}, {}}).parts.size() == 2);
}

TEST_CASE("a column that is not there, or of the wrong kind, is named with its place") {
  const Table t;
  CHECK(contains(t.bad(kFive, {{{"type", "log1p"}, {"columns", {"aa"}}}}),
                 "/prep/transforms/0/columns/0: is 'aa', but no column at this step is called so"));
  CHECK(contains(t.bad("a,c,y\n1,u,p\n2,v,q\n", {{{"type", "z_score"}, {"columns", {"c=*"}}}}),
                 "a column of kind indicator"));
}

TEST_CASE("further files go the way of a data set that was prepared before") {
  const Table t;
  const json section = t.section(
      {"impute", {{"type", "z_score"}, {"columns", {"a"}}}, {{"type", "select"}, {"by", "variance"}}});
  PrepConfig config;
  parse_fields(config, section, "/prep");
  Preparation first(config, {{t.dir.write("t.csv", "a,c,k,y\n1,u,5,p\n2,v,5,q\n3,u,5,p\n,v,5,q\n")}, {}, {}},
                    {});
  first.run({});
  const StoredPreparation like{first.stored(), first.fitted_schema(), "t.h5", "test", {}};
  const auto again = [&](const std::string& text, std::optional<Unknown> unknown = {}) {
    PrepareOptions options;
    options.like = like;
    options.like->unknown = unknown;
    Preparation p(config, {{t.dir.write("new.csv", text)}, {}, {}}, options);
    std::vector<float> x;
    p.run([&](const std::string& part, std::span<const void* const> columns, auto, int64_t n) {
      CHECK(part == "test");
      const auto* f = static_cast<const float*>(columns[0]);
      x.insert(x.end(), f, f + n * p.schema().inputs[0].type.elements());
    });
    x.push_back(static_cast<float>(p.schema().targets.size()));
    return x;
  };
  const double s = std::sqrt(0.5);
  check_near(again("y,k,c,a\nq,9,v,4\n"), {2 / s, 0, 1, 1});
  check_near(again("a,c,k\n,u,1\n"), {0, 1, 0, 0});  // no target; the mean of the first file
  check_near(again("a,c,k\n2,w,1\n", Unknown::none), {0, 0, 0, 0});
  CHECK(contains(error_of([&] { again("a,c,k\n2,w,1\n"); }),
                 "new.csv:2: column 'c' is 'w', expected one of u, v"));
  CHECK(contains(error_of([&] { again("a,k,y\n2,1,p\n"); }), "new.csv:1: the header has no column c"));
}
