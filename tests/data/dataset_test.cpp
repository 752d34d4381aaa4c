#include "data/dataset.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "data/sample_data.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

void check_rows(const Dataset& d, const std::string& split, const std::vector<int64_t>& rows) {
  std::vector<uint8_t> image(36 * rows.size());
  std::vector<int32_t> label(rows.size());
  void* out[] = {image.data(), label.data()};
  d.gather(split, rows, out);
  for (size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(label[i] == rows[i] % 10);
    for (size_t k = 0; k < 36; ++k)
      REQUIRE(image[i * 36 + k] == sample_pixel(rows[i], static_cast<int64_t>(k)));
  }
}

std::string message(const std::string& path) {
  try {
    const Dataset d(path);
    std::vector<unsigned char> image(1 << 16), label(1 << 16);
    void* out[] = {image.data(), label.data()};
    d.read("train", 0, d.rows("train"), out);
  } catch (const Error& e) {
    CHECK(e.code == Exit::data);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("rows come back as written, from memory and through the cache") {
  TempFolder dir;
  write_samples(dir / "d.h5", 20000, 77);
  for (int64_t memory : {int64_t{1} << 30, int64_t{0}}) {
    DatasetOptions options;
    options.memory = memory;
    const Dataset d(dir / "d.h5", options);
    CHECK(d.splits() == std::vector<std::string>{"train", "test"});
    CHECK(d.in_memory("train") == (memory > 0));
    CHECK(d.rows("train") == 20000);
    CHECK(d.rows("test") == 77);
    check_rows(d, "train", {0, 19999, 5, 12345, 12345, 1637, 1638, 1639});
    check_rows(d, "test", {76, 0});
    CHECK(d.id("train", 12345) == "s12345");
    CHECK(d.ids("test", 0, 3) == std::vector<std::string>{"s0", "s1", "s2"});
    CHECK(d.schema().normalization.at("image").std[0] == 73.9f);
    CHECK(d.schema().targets[0].classes.size() == 10);
  }
}

TEST_CASE("the schema survives being written and read") {
  Schema s = sample_schema();
  s.inputs.push_back({"features", Role::features, {DType::f32, {2}}, {"age", "colour=red"}});
  s.targets.push_back({"price", TargetKind::regression, {DType::f32, {}}, {}});
  s.normalization["features"] = {{0.1f, 2}, {1, 3}};
  CHECK(Schema::parse(s.dump(), "x").dump() == s.dump());
  json bad = s.dump();
  bad["inputs"]["image"]["shape"] = {1, -6, 6};
  CHECK_THROWS_WITH_AS(Schema::parse(bad, "x.h5"),
                       doctest::Contains("x.h5: the schema of the data has an extent"), Error);
}

TEST_CASE("writing in small and in large pieces gives equal bytes") {
  TempFolder dir;
  const auto write = [&](const std::string& name, int64_t piece) {
    DatasetWriter w(dir / name, sample_schema(), std::vector<std::string>{"train", "test"});
    for (int64_t r = 0; r < 4000; r += piece)
      for (const char* split : {"train", "test"}) {
        std::vector<uint8_t> image(static_cast<size_t>(36 * piece), static_cast<uint8_t>(r / 1000));
        std::vector<int32_t> label(static_cast<size_t>(piece), 3);
        const void* columns[] = {image.data(), label.data()};
        w.append(split, columns, {}, piece);
      }
    return w.finish();
  };
  CHECK(write("a.h5", 1000) == write("b.h5", 8));
  CHECK(Dataset(dir / "a.h5").id("train", 17) == "17");
}

TEST_CASE("a label out of range is named with file, split, row and id") {
  TempFolder dir;
  {
    DatasetWriter w(dir / "d.h5", sample_schema());
    const std::vector<uint8_t> image(36 * 3);
    const int32_t label[] = {9, 10, 0};
    const void* columns[] = {image.data(), label};
    w.append("train", columns, std::vector<std::string>{"a", "b", "c"}, 3);
    w.finish();
  }
  CHECK(message(dir / "d.h5") ==
        (dir / "d.h5") +
            ": split 'train', row 1 (id 'b'): label 10 in 'label' is out of range, expected 0 to 9");
}

TEST_CASE("a feature that is not finite is named with file, split, row and id") {
  TempFolder dir;
  {
    Schema s;
    s.inputs.push_back({"features", Role::features, {DType::f32, {2}}, {}});
    DatasetWriter w(dir / "d.h5", s);
    const float rows[] = {1, 2, 3, 4, 5, NAN};
    const void* columns[] = {rows};
    w.append("train", columns, {}, 3);
    w.finish();
  }
  const Dataset d(dir / "d.h5");
  std::vector<float> out(6);
  void* columns[] = {out.data()};
  CHECK_THROWS_WITH_AS(d.read("train", 0, 3, columns),
                       doctest::Contains("split 'train', row 2 (id '2'): value 1 of 'features' is nan"),
                       Error);
}

TEST_CASE("a missing split is answered with those there are") {
  TempFolder dir;
  write_samples(dir / "d.h5", 10, 10);
  const Dataset d(dir / "d.h5");
  CHECK_THROWS_WITH_AS(d.rows("valid"), doctest::Contains("has no split 'valid', it has train, test"), Error);
  CHECK_FALSE(d.has("valid"));
}

TEST_CASE("a sum of splits holds the rows of each, one after the other") {
  TempFolder dir;
  write_samples(dir / "d.h5", 3000, 77);
  for (int64_t memory : {int64_t{1} << 30, int64_t{0}}) {
    const Dataset d(dir / "d.h5", {.tmp = {}, .memory = memory});
    CHECK(d.has("test+train"));
    CHECK_FALSE(d.has("test+valid"));
    CHECK(d.rows("test+train") == 3077);
    std::vector<int32_t> label(4);
    void* out[] = {nullptr, label.data()};
    const int64_t rows[] = {76, 77, 3076, 0};
    d.gather("test+train", rows, out);
    CHECK(label == std::vector<int32_t>{6, 0, 9, 0});
    CHECK(d.ids("test+train", 75, 4) == std::vector<std::string>{"s75", "s76", "s0", "s1"});
    for (int64_t b = 0; b * d.block_rows("test+train") < 3077; ++b) d.preload("test+train", b);
  }
  const Dataset d(dir / "d.h5");
  const auto error = [&](const std::string& split) {
    try {
      d.rows(split);
    } catch (const Error& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK(error("train+vali").find("has no split 'vali', it has train, test") != std::string::npos);
  CHECK(error("train+train").find("has split 'train' twice") != std::string::npos);
}

TEST_CASE("a fold renames the parts and brings the normalisation fitted without it") {
  TempFolder dir;
  {
    DatasetWriter w(dir / "d.h5", sample_schema());
    for (int k = 0; k < 3; ++k) append_samples(w, "fold_" + std::to_string(k), 10 + k);
    w.schema().normalization["image"] = {{100.0f}, {70.0f}};
    w.fold_normalization(
        {{{"image", {{1.0f}, {11.0f}}}}, {{"image", {{2.0f}, {12.0f}}}}, {{"image", {{3.0f}, {13.0f}}}}});
    w.finish();
  }
  const Dataset d(dir / "d.h5", {.tmp = {}, .fold = 1});
  CHECK(d.rows("train") == 22);
  CHECK(d.rows("valid") == 11);
  CHECK(d.rows("fold_1") == 11);
  CHECK(d.schema().normalization.at("image").mean[0] == 2);
  CHECK(Schema::parse(d.schema_json(), "").normalization.at("image").std[0] == 12);
  CHECK(Dataset(dir / "d.h5").schema().normalization.at("image").mean[0] == 100);
  std::string message;
  try {
    Dataset(dir / "d.h5", {.tmp = {}, .fold = 3});
  } catch (const Error& e) { message = e.what(); }
  CHECK(message.find("has no fold 3, its splits are fold_0, fold_1, fold_2") != std::string::npos);
}
