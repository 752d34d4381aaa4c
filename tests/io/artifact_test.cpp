#include "io/artifact.h"

#include <doctest/doctest.h>

#include <ctime>
#include <fstream>
#include <numeric>

#include "io/read_failure.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

// Two growing data sets written interleaved, a tensor, attributes.
void write_sample(const std::string& path, int64_t rows = 1000) {
  ArtifactWriter w(path, "dataset");
  w.config({{"prep", {{"normalize", "z_score"}}}});
  w.create("/train/image", {DType::u8, {1, 8, 8}}, 64);
  w.create("/train/label", {DType::i32, {}}, 64);
  std::vector<uint8_t> image(64 * 100);
  std::vector<int32_t> label(100);
  for (int64_t at = 0; at < rows; at += 100) {
    const int64_t n = std::min<int64_t>(100, rows - at);
    for (size_t i = 0; i < image.size(); ++i)
      image[i] = static_cast<uint8_t>((at * 7 + static_cast<int64_t>(i) * 3) % 251);
    std::iota(label.begin(), label.end(), static_cast<int32_t>(at));
    w.append("/train/image", image.data(), n);
    w.append("/train/label", label.data(), n);
  }
  Tensor t(DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i) t.data<float>()[static_cast<size_t>(i)] = 0.5f * static_cast<float>(i);
  w.write("/normalization/image/mean", t);
  w.attribute("answer", int64_t{42});
  w.attribute("pi", 3.25);
  w.parent("dataset", "abc");
  w.finish();
}

}  // namespace

TEST_CASE("what is written is read back") {
  TempFolder dir;
  write_sample(dir / "a.h5");
  ArtifactReader r(dir / "a.h5", "dataset");
  CHECK(r.kind() == "dataset");
  CHECK(r.config()["prep"]["normalize"] == "z_score");
  CHECK(r.integer("answer") == 42);
  CHECK(r.real("pi") == 3.25);
  CHECK(r.content_hash().size() == 64);
  CHECK(r.parents()[0]["content_hash"] == "abc");
  CHECK(r.names("/") == std::vector<std::string>{"train", "normalization"});
  CHECK(r.data_sets("/") ==
        std::vector<std::string>{"train/image", "train/label", "normalization/image/mean"});
  CHECK(r.type("/train/image").text() == "u8[1000,1,8,8]");
  CHECK(r.read("/normalization/image/mean").data<float>()[5] == 2.5f);
  std::vector<int32_t> label(130);
  r.read_rows("/train/label", 60, 130, label.data());
  for (int i = 0; i < 130; ++i) CHECK(label[static_cast<size_t>(i)] == 60 + i);
  std::vector<uint8_t> row(64);
  r.read_rows("/train/image", 999, 1, row.data());
  for (int i = 0; i < 64; ++i) CHECK(row[static_cast<size_t>(i)] == (900 * 7 + (99 * 64 + i) * 3) % 251);
  CHECK_FALSE(r.exists("/train/nothing"));
}

TEST_CASE("equal content gives equal bytes at another time") {
  TempFolder dir;
  write_sample(dir / "a.h5");
  const auto start = std::time(nullptr);
  while (std::time(nullptr) == start) {}  // HDF5 clocks tick in seconds
  write_sample(dir / "b.h5");
  CHECK(dir.bytes("a.h5") == dir.bytes("b.h5"));
  write_sample(dir / "c.h5", 999);
  CHECK(ArtifactReader(dir / "a.h5", "").content_hash() != ArtifactReader(dir / "c.h5", "").content_hash());
}

TEST_CASE("each kind of bad file has a message of its own") {
  TempFolder dir;
  write_sample(dir / "a.h5");
  const std::string good = dir.bytes("a.h5");
  CHECK(has(failure(dir / "none.h5"), "there is no such file"));
  CHECK(has(failure(dir / "."), "is a folder"));
  CHECK(has(failure(dir.put("empty", "")), "is empty"));
  CHECK(has(failure(dir.put("text", "image,label\n1,2\n")), "is text (\"image,label\")"));
  CHECK(has(failure(dir.put("binary", std::string("\x1f\x8b\0\0\0\0\0\0\0\0", 10))), "is not an HDF5 file"));
  CHECK(has(failure(dir.put("cut", good.substr(0, good.size() / 2))), "is truncated"));
  CHECK(has(failure(dir.put("stub", good.substr(0, 20))), "is truncated"));
  CHECK(has(failure(dir.put("twice", good + good)), "two or more artifacts"));
  CHECK(has(failure(dir.put("tail", good + "xyz")), "3 bytes after the end"));
  CHECK(has(failure(dir / "a.h5", "model"), "is a dataset, expected a model"));
}

TEST_CASE("a file cut or changed anywhere gives an error or a result, never a crash") {
  TempFolder dir;
  write_sample(dir / "a.h5");
  const std::string good = dir.bytes("a.h5");
  for (size_t n = 0; n < good.size(); n += 1000) CHECK(failure(dir.put("cut", good.substr(0, n))) != "");
  int refused = 0;
  for (size_t at = 0; at < good.size(); at += 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    refused += failure(dir.put("changed", bad)) != "";
  }
  CHECK(refused > 50);
}

TEST_CASE("an unfinished writer leaves nothing and keeps the older file") {
  TempFolder dir;
  write_sample(dir / "a.h5");
  const std::string before = dir.bytes("a.h5");
  {
    ArtifactWriter w(dir / "a.h5", "dataset");
    w.create("/x", {DType::f32, {100}});
    std::vector<float> rows(100 * 1000);
    w.append("/x", rows.data(), 1000);
  }
  CHECK(dir.bytes("a.h5") == before);
  CHECK(dir.list() == std::vector<std::string>{"a.h5"});
}

TEST_CASE("a file that is not ours is kept unless forced") {
  TempFolder dir;
  dir.put("notes.txt", "dear diary");
  const auto write = [&](bool force) {
    OutputOptions options;
    options.force = force;
    ArtifactWriter(dir / "notes.txt", "model", options).finish();
  };
  CHECK_THROWS_WITH_AS(write(false), doctest::Contains("is not an artifact of dl"), Error);
  CHECK(dir.bytes("notes.txt") == "dear diary");
  CHECK_THROWS_AS(check_output(dir / "notes.txt"), Error);
  write(true);
  CHECK(failure(dir / "notes.txt", "model") == "");
  CHECK(check_output(dir / "notes.txt") > 0);
  CHECK_THROWS_AS(check_output(dir / "missing/out.h5"), Error);
}

TEST_CASE("an attribute may be longer than an HDF5 header block") {
  TempFolder dir;
  const std::string text(300'000, 'x');
  {
    ArtifactWriter w(dir / "a.h5", "model");
    w.config({{"text", text}, {"empty", ""}});
    w.attribute("nothing", std::string_view());
    w.finish();
  }
  ArtifactReader r(dir / "a.h5", "model");
  CHECK(r.config()["text"] == text);
  CHECK(r.text("nothing").empty());
}
