// Sources of pictures and digits through the whole preparation.
#include "data/prepare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/str.h"
#include "data/dataset.h"
#include "data/inspect.h"
#include "io/image.h"
#include "support/files.h"
#include "support/prepared.h"

using namespace dl;
using namespace dl::testing;

namespace {

std::string ramp(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i);
  return s;
}

std::string png(int64_t h, int64_t w, uint8_t value) {
  const std::vector<uint8_t> p(static_cast<size_t>(h * w), value);
  return encode_png(p.data(), h, w, 1);
}

}  // namespace

TEST_CASE("IDX pairs become images and labels, in any order within the pair, compressed or not") {
  const TempDir dir;
  const std::string images = dir.write("i.gz", gzip(idx_bytes({4, 2, 2}, ramp(16)))),
                    labels = dir.write("l", idx_bytes({4}, std::string("\0\1\2\1", 4)));
  for (const bool swapped : {false, true}) {
    const Prepared p = prepare(json::object(),
                               {swapped ? std::vector{labels, images} : std::vector{images, labels}, {}, {}});
    CHECK(p.schema.inputs[0].type == TensorType{DType::u8, Shape{1, 2, 2}});
    CHECK(p.schema.targets[0].classes == std::vector<std::string>{"0", "1", "2"});
    CHECK(p.bytes.at("train") == ramp(16));
    CHECK(p.labels.at("train") == std::vector<int32_t>{0, 1, 2, 1});
    CHECK(p.ids.at("train") == std::vector<std::string>{"0", "1", "2", "3"});
  }
}

TEST_CASE("a label out of range is named with file and record, and may be passed over") {
  const TempDir dir;
  const std::string images = dir.write("i", idx_bytes({4, 1, 2}, "aabbccdd")),
                    labels = dir.write("lab", idx_bytes({4}, std::string("\0\7\1\0", 4)));
  json config{{"from", {{"type", "idx"}, {"classes", 2}}}, {"normalize", "none"}};
  CHECK(contains(prepare_error(config, {{images, labels}, {}, {}}),
                 "lab: record 1 has label 7, expected 0 to 1"));
  config["max_bad"] = 1;
  const Prepared p = prepare(config, {{images, labels}, {}, {}});
  CHECK(p.bytes.at("train") == "aaccdd");
  CHECK(p.labels.at("train") == std::vector<int32_t>{0, 1, 0});
  CHECK(p.ids.at("train") == std::vector<std::string>{"0", "2", "3"});
  CHECK(p.bad == 1);
  config["max_bad"] = "10%";
  CHECK(contains(prepare_error(config, {{images, labels}, {}, {}}),
                 "1 of 4 records are bad, expected at most 10%; the first one:"));
  config["max_bad"] = "many";
  CHECK(contains(prepare_error(config, {{images, labels}, {}, {}}, Exit::config),
                 "/prep/max_bad: is \"many\", expected a number of records"));
}

TEST_CASE("IDX files that do not belong together are errors") {
  const TempDir dir;
  const std::string images = dir.write("i", idx_bytes({2, 1, 2}, "aabb")),
                    labels = dir.write("l", idx_bytes({2}, std::string("\0\1", 2)));
  const std::string three = dir.write("l3", idx_bytes({3}, std::string("\0\1\0", 3))),
                    wide = dir.write("w", idx_bytes({2, 1, 3}, "aaabbb"));
  CHECK(contains(prepare_error({}, {{images}, {}, {}}, Exit::usage),
                 "IDX files come in pairs of images and labels, but 1 were given"));
  CHECK(contains(prepare_error({}, {{images, three}, {}, {}}),
                 "l3: has 3 labels, expected 2 as there are images in"));
  CHECK(contains(prepare_error({}, {{images, images}, {}, {}}),
                 "holds no labels, expected whole numbers of rank 1"));
  CHECK(contains(prepare_error({}, {{labels, labels}, {}, {}}), "holds plain numbers, expected images"));
  CHECK(contains(prepare_error({}, {{images, labels, wide, labels}, {}, {}}),
                 "w: holds records of 1,3, expected 1,2 as in"));
  CHECK(contains(prepare_error({}, {{images, labels}, {}, {wide, labels}}),
                 "holds records of u8[1,1,3], expected u8[1,1,2] as in"));
  CHECK(contains(
      prepare_error({{"split", {{"test", 0.5}}}}, {{images, labels}, {}, {images, labels}}, Exit::config),
      "/prep/split: holds out a test part, but files for it are given too"));
  CHECK(contains(prepare_error({}, {{}, {}, {}}, Exit::usage),
                 "no input, expected files to prepare, or --from digits"));
  CHECK(contains(prepare_error({{"from", "digits"}}, {{images}, {}, {}}, Exit::usage),
                 "digits are made by a formula, expected no input"));
}

TEST_CASE("a test file keeps to the classes of the training files") {
  const TempDir dir;
  const std::string images = dir.write("i", idx_bytes({2, 1, 2}, "aabb")),
                    labels = dir.write("l", idx_bytes({2}, std::string("\0\1", 2)));
  const std::string other = dir.write("other", idx_bytes({2}, std::string("\0\2", 2)));
  CHECK(contains(prepare_error({}, {{images, labels}, {}, {images, other}}),
                 "other: record 1 has label 2, expected 0 to 1"));
  const Prepared p = prepare({}, {{images, labels}, {images, labels}, {images, labels}});
  CHECK(p.parts == std::vector<std::string>{"train", "valid", "test"});
  CHECK(p.bytes.at("test") == "aabb");
}

TEST_CASE("CIFAR batches keep their planes, classes and range") {
  const TempDir dir;
  const std::string planes = ramp(3072);
  const std::string batch = dir.write("b.xz", xz("\3" + planes + "\11" + planes));
  const Prepared p = prepare({{"from", "cifar10"}}, {{batch, batch}, {}, {}});
  CHECK(p.schema.targets[0].classes[3] == "cat");
  CHECK(p.bytes.at("train") == planes + planes + planes + planes);
  CHECK(p.ids.at("train").back() == "3");
  CHECK(prepare({}, {{batch}, {}, {}}).type == "cifar10");
  const std::string bad = dir.write("bad", "\3" + planes + "\12" + planes);
  CHECK(contains(prepare_error({{"from", "cifar10"}}, {{bad}, {}, {}}),
                 "bad: record 1 has label 10, expected 0 to 9"));
  const std::string hundred = dir.write("h", "\1\101" + planes);
  CHECK(prepare({{"from", "cifar100"}}, {{hundred}, {}, {}}).labels.at("train")[0] == 65);
  CHECK(prepare({{"from", {{"type", "cifar100"}, {"label", "coarse"}}}}, {{hundred}, {}, {}})
            .labels.at("train")[0] == 1);
}

TEST_CASE("a folder of pictures by class is read sorted, and resized when asked to") {
  const TempDir dir;
  dir.write("cat/2.png", png(2, 2, 20));
  dir.write("cat/1.png", png(2, 2, 10));
  dir.write("dog/x.PNG", png(2, 2, 30));
  dir.write("dog/notes.txt", "text");
  const std::string root = dir / ".";
  const Prepared p = prepare({}, {{root}, {}, {}});
  CHECK(p.type == "folder");
  CHECK(p.schema.targets[0].classes == std::vector<std::string>{"cat", "dog"});
  CHECK(p.ids.at("train") == std::vector<std::string>{"cat/1.png", "cat/2.png", "dog/x.PNG"});
  CHECK(p.bytes.at("train") == std::string(4, 10) + std::string(4, 20) + std::string(4, 30));
  const json resized{{"from", {{"type", "folder"}, {"resize", {3, 1}}, {"channels", "rgb"}}}};
  dir.write("dog/y.png", png(5, 9, 40));
  CHECK(prepare(resized, {{root}, {}, {}}).bytes.at("train").substr(27) == std::string(9, 40));
  CHECK(contains(prepare_error({}, {{root}, {}, {}}),
                 "dog/y.png: has shape 1,5,9, expected 1,2,2 as the first picture; or set \"resize\""));
  dir.write("dog/y.png", png(5, 9, 40).substr(0, 50));
  CHECK(contains(prepare_error({}, {{root}, {}, {}}), "dog/y.png: is damaged, its pixels do not decode"));
  CHECK(prepare({{"max_bad", 1}}, {{root}, {}, {}}).ids.at("train").size() == 3);
  dir.write("empty/none/x", "");
  CHECK(contains(prepare_error({{"from", "folder"}}, {{dir / "empty"}, {}, {}}),
                 "has no pictures in its folders"));
  CHECK(contains(prepare_error({{"from", "folder"}}, {{dir / "cat"}, {}, {}}),
                 "has no folders, expected one for each class"));
  CHECK(contains(prepare_error({{"from", "folder"}}, {{dir / "absent"}, {}, {}}), "is no folder"));
}

TEST_CASE("what is of no known form is an error") {
  const TempDir dir;
  CHECK(contains(prepare_error({}, {{dir.write("e", "")}, {}, {}}), "e: is empty, expected records"));
  CHECK(contains(prepare_error({}, {{dir.write("f", std::string("\x7f\0\1\2", 4))}, {}, {}}),
                 "f: is of no known form"));
  CHECK(contains(prepare_error({}, {{dir / "absent"}, {}, {}}), "absent: cannot be opened"));
}

TEST_CASE("normalisation is fitted to the training part alone and bytes stay bytes") {
  const TempDir dir;
  const std::string images = dir.write("i", idx_bytes({4, 1, 2}, std::string("\0\2\4\6\200\200\200\200", 8)));
  const std::string labels = dir.write("l", idx_bytes({4}, std::string("\0\1\0\1", 4)));
  json config{{"split", {{"valid", 0.5}, {"by", "order"}}}};
  const Prepared z = prepare(config, {{images, labels}, {}, {}});
  CHECK(z.schema.normalization.at("image").mean == std::vector<float>{3});
  CHECK(z.schema.normalization.at("image").std[0] == doctest::Approx(std::sqrt(5.0)));
  config["normalize"] = "min_max";
  const Prepared m = prepare(config, {{images, labels}, {}, {}});
  CHECK(m.schema.normalization.at("image").mean[0] == 0);
  CHECK(m.schema.normalization.at("image").std[0] == 6);
  config["normalize"] = "none";
  CHECK(prepare(config, {{images, labels}, {}, {}}).schema.normalization.empty());
  CHECK(m.bytes.at("valid") == std::string(4, '\200'));
}

TEST_CASE("statistics count classes and give moments of each channel") {
  const TempDir dir;
  const std::string images =
      dir.write("i", idx_bytes({2, 3, 1, 2}, std::string("\0\2\1\1\5\7\4\6\1\1\5\7", 12)));
  const std::string labels = dir.write("l", idx_bytes({2}, std::string("\0\1", 2)));
  const Prepared p = prepare({}, {{images, labels}, {}, {}});
  const json& s = p.statistics["train"];
  CHECK(s["rows"] == 2);
  CHECK(s["label"]["classes"] == json{{"0", 1}, {"1", 1}});
  CHECK(s["image"]["0"] == json{{"mean", 3.0}, {"std", std::sqrt(5.0)}, {"min", 0.0}, {"max", 6.0}});
  CHECK(s["image"]["1"]["std"] == 0.0);
}

TEST_CASE("digits need no file, and a data set shows the rows that were put in") {
  const TempDir dir;
  const json config{{"from", {{"type", "digits"}, {"count", 300}}},
                    {"split", {{"valid", 0.1}, {"test", 0.1}, {"stratify", true}}}};
  const Prepared p = prepare(config, {});
  for (const auto& [part, labels] : p.labels) {
    std::map<int32_t, int> counts;
    for (int32_t l : labels) ++counts[l];
    for (const auto& [label, n] : counts) CHECK(n == (part == "train" ? 24 : 3));
  }
  const std::string path = dir / "d.h5";
  DatasetWriter writer(path, p.schema, p.parts);
  PrepConfig parsed;
  parse_fields(parsed, config, "/prep");
  Preparation preparation(parsed, {}, {});
  preparation.run([&](const std::string& part, auto columns, auto ids, int64_t n) {
    writer.append(part, columns, ids, n);
  });
  writer.finish();
  const Dataset data(path);
  HeadRows head(data.schema(), 300);
  Statistics statistics(data.schema());
  pour_dataset(
      data,
      [&](const std::string& part, auto columns, auto ids, int64_t n) {
        statistics.add(part, columns, n);
        head.add(part, columns, ids, n);
      },
      [](int64_t) { return true; });
  CHECK(statistics.record() == p.statistics);
  CHECK(head.records().size() == 300);
  CHECK(head.records()[0]["id"] == p.ids.at("train")[0]);
  CHECK(head.records()[0]["label"] == std::to_string(p.labels.at("train")[0]));
}
