#include "data/augment.h"

#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "data/enlarge.h"
#include "data/sample_data.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

std::vector<uint8_t> run(const char* list, uint64_t seed, uint64_t round, uint64_t sample) {
  const Augmenter a(parse_augment(json::parse(list), "/augment"), sample_schema(), seed);
  std::vector<uint8_t> image(36);
  std::iota(image.begin(), image.end(), uint8_t{1});
  void* columns[] = {image.data()};
  Image work;
  a.apply(columns, round, sample, work);
  return image;
}

}  // namespace

TEST_CASE("flip mirrors the rows or turns the image upside down") {
  const auto across = run(R"([{"type": "flip", "p": 1}])", 0, 0, 0);
  for (size_t y = 0; y < 6; ++y)
    for (size_t x = 0; x < 6; ++x) CHECK(across[y * 6 + x] == y * 6 + (5 - x) + 1);
  const auto down = run(R"([{"type": "flip", "p": 1, "direction": "vertical"}])", 0, 0, 0);
  for (size_t y = 0; y < 6; ++y)
    for (size_t x = 0; x < 6; ++x) CHECK(down[y * 6 + x] == (5 - y) * 6 + x + 1);
  CHECK(run(R"([{"type": "flip", "p": 0}])", 0, 0, 0)[0] == 1);
}

TEST_CASE("translate moves by at most its pixels and fills what comes in") {
  std::set<std::pair<int, int>> seen;
  for (uint64_t s = 0; s < 300; ++s) {
    const auto v = run(R"([{"type": "translate", "pixels": [1, 2], "fill": 200}])", 1, 0, s);
    bool found = false;
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -2; dx <= 2; ++dx) {
        bool same = true;
        for (int y = 0; y < 6; ++y)
          for (int x = 0; x < 6; ++x) {
            const bool inside = y + dy >= 0 && y + dy < 6 && x + dx >= 0 && x + dx < 6;
            same = same && v[static_cast<size_t>(y * 6 + x)] == (inside ? (y + dy) * 6 + x + dx + 1 : 200);
          }
        if (same) seen.insert({dy, dx});
        found = found || same;
      }
    CHECK(found);
  }
  CHECK(seen.size() == 15);
}

TEST_CASE("a transform depends on seed, round and sample, and each in the list draws anew") {
  const char* list = R"([{"type": "pad_and_crop", "padding": 3}])";
  CHECK(run(list, 1, 2, 3) == run(list, 1, 2, 3));
  std::set<std::vector<uint8_t>> seen;
  for (uint64_t i = 0; i < 20; ++i)
    seen.insert(run(list, i, 0, 0)), seen.insert(run(list, 0, i, 0)), seen.insert(run(list, 0, 0, i));
  CHECK(seen.size() > 25);
  int once = 0;
  for (uint64_t i = 0; i < 200; ++i) once += run(R"(["flip", "flip"])", 0, 0, i) != run("[]", 0, 0, i);
  CHECK(once > 70);
  CHECK(once < 130);
}

TEST_CASE("a misspelt transform or key is answered with the right one") {
  CHECK_THROWS_WITH_AS(run(R"(["flipp"])", 0, 0, 0), doctest::Contains("unknown transform 'flipp'"), Error);
  CHECK_THROWS_WITH_AS(run(R"([{"type": "flip", "q": 1}])", 0, 0, 0), doctest::Contains("unknown key 'q'"),
                       Error);
  Schema features;
  features.inputs.push_back({"x", Role::features, {DType::f32, {3}}, {}});
  CHECK_THROWS_WITH_AS(Augmenter(parse_augment(json::parse(R"(["flip"])"), "/augment"), features, 0),
                       doctest::Contains("the data set has none"), Error);
}

TEST_CASE("an enlarged data set has copies with their targets and ids, equal for any thread count") {
  TempFolder dir;
  write_samples(dir / "d.h5", 2000, 30);
  const Dataset data(dir / "d.h5");
  const auto config =
      parse_augment(json::parse(R"(["flip", {"type": "translate", "pixels": 1}])"), "/augment");
  const auto run = [&](const std::string& name, int threads) {
    EnlargeOptions options;
    options.times = 2;
    options.seed = 9;
    options.pool = threads > 1 ? pool_create(threads) : nullptr;
    DatasetWriter w(dir / name, data.schema(), data.splits());
    enlarge(data, config, w, options);
    w.finish();
    if (options.pool) pool_destroy(options.pool);
  };
  run("one.h5", 1);
  run("three.h5", 3);
  CHECK(dir.bytes("one.h5") == dir.bytes("three.h5"));
  const Dataset more(dir / "one.h5");
  CHECK(more.rows("train") == 6000);
  CHECK(more.rows("test") == 30);
  CHECK(more.ids("train", 1999, 2) == std::vector<std::string>{"s1999", "s0#1"});
  CHECK(more.id("train", 4007) == "s7#2");
  std::vector<uint8_t> image(36), first(36);
  int32_t label = 0;
  void* out[] = {image.data(), &label};
  more.read("train", 4007, 1, out);
  CHECK(label == 7);
  void* copy[] = {first.data(), &label};
  more.read("train", 2007, 1, copy);
  CHECK(image != first);
  CHECK(more.schema().normalization.at("image").mean[0] == 127.5f);
}
