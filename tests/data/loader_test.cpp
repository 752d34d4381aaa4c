#include "data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "data/sample_data.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

std::vector<int64_t> all(int64_t rows, uint64_t seed, uint64_t epoch, int64_t block = 0, int64_t window = 0) {
  Permutation p(rows, seed, epoch, block, window);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < rows; ++i) out.push_back(p[i]);
  return out;
}

bool is_permutation_of_rows(std::vector<int64_t> v) {
  std::sort(v.begin(), v.end());
  for (size_t i = 0; i < v.size(); ++i)
    if (v[i] != static_cast<int64_t>(i)) return false;
  return true;
}

// Everything that a batch holds, as one string.
std::string bytes(const Batch& b) {
  std::string s =
      std::to_string(b.epoch) + "/" + std::to_string(b.index) + "/" + std::to_string(b.rows) + ":";
  for (const Tensor& t : b.columns)
    s.append(static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes()));
  for (int64_t r : b.samples) s += std::to_string(r) + ",";
  return s;
}

std::vector<std::string> batches(Loader& l, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back(bytes(l.next()));
  return out;
}

LoaderOptions augmented() {
  LoaderOptions o;
  o.batch_size = 300;
  o.seed = 5;
  o.augment = parse_augment(json::parse(R"(["flip", {"type": "pad_and_crop", "padding": 1}])"), "/augment");
  return o;
}

}  // namespace

TEST_CASE("a permutation holds every row once, whatever the blocks") {
  for (int64_t rows : {1, 2, 7, 100, 1001})
    for (int64_t block : {0, 1, 3, 10, 100})
      for (int64_t window : {1, 2, 7}) CHECK(is_permutation_of_rows(all(rows, 1, 2, block, window)));
}

TEST_CASE("a permutation depends on seed and epoch and on nothing else") {
  CHECK(all(1000, 1, 2) == all(1000, 1, 2));
  CHECK(all(1000, 1, 2) != all(1000, 1, 3));
  CHECK(all(1000, 1, 2) != all(1000, 2, 2));
  CHECK(all(1000, 1, 2, 10, 5) != all(1000, 1, 3, 10, 5));
  Permutation p(1000, 1, 2, 10, 5);
  const std::vector<int64_t> rows = all(1000, 1, 2, 10, 5);
  for (int64_t i : {999, 0, 500, 49, 50, 51}) CHECK(p[i] == rows[static_cast<size_t>(i)]);
}

TEST_CASE("every row is as likely in every place") {
  int counts[5][5] = {};
  for (uint64_t epoch = 0; epoch < 5000; ++epoch) {
    const auto v = all(5, 3, epoch);
    for (int i = 0; i < 5; ++i) ++counts[i][v[static_cast<size_t>(i)]];
  }
  double chi = 0;
  for (const auto& line : counts)
    for (int c : line) chi += (c - 1000.0) * (c - 1000.0) / 1000;
  CHECK(chi < 40);  // 16 degrees of freedom: 0.1 % of good generators exceed 39.3
}

TEST_CASE("a window needs its own blocks alone") {
  Permutation p(1003, 1, 2, 10, 5);
  for (int64_t i = 0; i < 1003; ++i) {
    const auto blocks = p.blocks(p.window_of(i));
    CHECK(std::find(blocks.begin(), blocks.end(), p[i] / 10) != blocks.end());
  }
}

TEST_CASE("batches are equal with and without a preparing thread, in memory or not") {
  TempFolder dir;
  write_samples(dir / "d.h5", 10000, 10);
  const Dataset data(dir / "d.h5");
  LoaderOptions o = augmented();
  Loader ahead(data, o);
  o.prefetch = 0;
  Loader plain(data, o);
  CHECK(ahead.shuffle() == Shuffle::full);
  CHECK(ahead.batches() == 34);
  CHECK(batches(ahead, 80) == batches(plain, 80));
}

TEST_CASE("a data set larger than the memory is shuffled by blocks and is whole") {
  TempFolder dir;
  write_samples(dir / "d.h5", 30000, 10);
  DatasetOptions small;
  small.memory = 1 << 20;
  const Dataset data(dir / "d.h5", small);
  LoaderOptions o;
  o.batch_size = 128;
  Loader l(data, o);
  CHECK(l.shuffle() == Shuffle::block);
  CHECK(data.cached_blocks("train") < 30000 / data.block_rows("train"));
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::vector<int64_t> seen;
    for (int64_t i = 0; i < l.batches(); ++i) {
      const Batch& b = l.next();
      REQUIRE(b.epoch == epoch);
      for (int64_t k = 0; k < b.rows; ++k) {
        REQUIRE(b.columns[1].data<int32_t>()[static_cast<size_t>(k)] ==
                b.samples[static_cast<size_t>(k)] % 10);
        REQUIRE(b.columns[0].data<uint8_t>()[static_cast<size_t>(k * 36 + 7)] ==
                sample_pixel(b.samples[static_cast<size_t>(k)], 7));
      }
      seen.insert(seen.end(), b.samples.begin(), b.samples.end());
    }
    CHECK(is_permutation_of_rows(seen));
  }
}

TEST_CASE("a loader set to a position goes on as one that went there") {
  TempFolder dir;
  write_samples(dir / "d.h5", 5000, 10);
  const Dataset data(dir / "d.h5");
  Loader whole(data, augmented());
  const auto expected = batches(whole, 60);
  for (int from : {0, 1, 16, 17, 33, 34, 50}) {
    Loader part(data, augmented());
    for (int i = 0; i < from % 4; ++i) part.next();
    part.set_position(from / 17, from % 17);
    CHECK(batches(part, 60 - from) == std::vector<std::string>(expected.begin() + from, expected.end()));
  }
}

TEST_CASE("the last short batch is kept or left out") {
  TempFolder dir;
  write_samples(dir / "d.h5", 1000, 10);
  const Dataset data(dir / "d.h5");
  LoaderOptions o;
  o.batch_size = 300;
  o.shuffle = false;
  Loader keep(data, o);
  CHECK(keep.batches() == 4);
  CHECK(keep.samples() == 1000);
  for (int i = 0; i < 3; ++i) keep.next();
  const Batch& last = keep.next();
  CHECK(last.rows == 100);
  CHECK(last.samples.front() == 900);
  CHECK(last.columns[0].shape().text() == "100,1,6,6");
  o.drop_last = true;
  Loader drop(data, o);
  CHECK(drop.batches() == 3);
  CHECK(drop.samples() == 900);
}

TEST_CASE("an error while preparing reaches the caller") {
  TempFolder dir;
  {
    DatasetWriter w(dir / "d.h5", sample_schema());
    const std::vector<uint8_t> image(36);
    const int32_t label = 99;
    const void* columns[] = {image.data(), &label};
    w.append("train", columns, {}, 1);
    w.finish();
  }
  const Dataset data(dir / "d.h5");
  Loader l(data, {});
  CHECK_THROWS_WITH_AS(l.next(), doctest::Contains("label 99"), Error);
  LoaderOptions missing;
  missing.split = "valid";
  CHECK_THROWS_AS(Loader(data, missing), Error);
}
