// Mixing of samples and their targets, noise of labels, and both on their way through the loader and dl-augment.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "data/enlarge.h"
#include "data/loader.h"
#include "data/sample_data.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

Augmenter augmenter(const char* list, uint64_t seed = 5) {
  return Augmenter(parse_augment(json::parse(list), "/augment"), sample_schema(), seed);
}

struct Mixture {
  std::vector<uint8_t> image;
  std::vector<float> target;
};

// Of a black image of class 2 with a white one of class 7.
Mixture mix(const Augmenter& a, uint64_t sample) {
  std::vector<uint8_t> own(36, 0), other(36, 255);
  Mixture m{std::vector<uint8_t>(36), std::vector<float>(10)};
  const int32_t label[2] = {2, 7};
  const void *one[] = {own.data(), &label[0]}, *two[] = {other.data(), &label[1]};
  void* out[] = {m.image.data(), m.target.data()};
  Image work;
  a.mix(out, one, two, 1, sample, work);
  return m;
}

LoaderOptions mixing(int workers) {
  LoaderOptions o;
  o.batch_size = 300;
  o.seed = 5;
  o.workers = workers;
  o.augment = parse_augment(json::parse(R"(["flip", {"type": "label_noise", "rate": 0.2},
      {"type": "choose", "p": 0.9, "of": ["mixup", "cutmix"]}])"),
                            "/augment");
  return o;
}

std::string bytes(const Batch& b) {
  std::string s = std::to_string(b.epoch) + "/" + std::to_string(b.index) + ":";
  for (const Tensor& t : b.columns)
    s.append(static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes()));
  return s;
}

}  // namespace

TEST_CASE("mixup blends image and target by one weight from Beta(alpha, alpha)") {
  const Augmenter a = augmenter(R"([{"type": "mixup", "alpha": 0.5}])");
  CHECK(a.schema().targets[0].kind == TargetKind::class_probabilities);
  CHECK(a.schema().targets[0].type == TensorType{DType::f32, {10}});
  double mean = 0, squares = 0;
  constexpr int kSamples = 4000;
  for (uint64_t s = 0; s < kSamples; ++s) {
    const Mixture m = mix(a, s);
    const double weight = m.target[2];
    CHECK(m.target[2] + m.target[7] == doctest::Approx(1));
    CHECK(std::accumulate(m.target.begin(), m.target.end(), 0.0) == doctest::Approx(1));
    CHECK(std::fabs(m.image[20] - 255 * (1 - weight)) <= 0.501);
    mean += weight / kSamples;
    squares += weight * weight / kSamples;
  }
  CHECK(mean == doctest::Approx(0.5).epsilon(0.03));
  // The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
  CHECK(squares - mean * mean == doctest::Approx(0.125).epsilon(0.05));
}

TEST_CASE("cutmix pastes a rectangle, and the target has its share of the pixels") {
  const Augmenter a = augmenter(R"(["cutmix"])");
  double mean = 0;
  constexpr int kSamples = 3000;
  for (uint64_t s = 0; s < kSamples; ++s) {
    const Mixture m = mix(a, s);
    const auto pasted = std::count(m.image.begin(), m.image.end(), 255);
    CHECK(pasted + std::count(m.image.begin(), m.image.end(), 0) == 36);
    CHECK(m.target[7] == doctest::Approx(static_cast<double>(pasted) / 36));
    mean += m.target[2] / kSamples;
  }
  CHECK(mean > 0.5);  // rectangles lose what lies outside
  CHECK(mean < 0.75);
}

TEST_CASE("mixing of features and of numbers; what cannot be mixed is said") {
  Schema s;
  s.inputs.push_back({"x", Role::features, {DType::f32, {2}}, {}});
  s.targets.push_back({"price", TargetKind::regression, {DType::f32, {}}, {}});
  const Augmenter a(parse_augment(json::parse(R"([{"type": "mixup", "alpha": 1}])"), "/augment"), s, 1);
  const float x[2][2] = {{0, 10}, {1, 20}}, y[2] = {100, 200};
  float mixed[2], price;
  const void *one[] = {x[0], &y[0]}, *two[] = {x[1], &y[1]};
  void* out[] = {mixed, &price};
  Image work;
  a.mix(out, one, two, 1, 4, work);
  CHECK(mixed[0] > 0);
  CHECK(mixed[0] < 1);
  CHECK(mixed[1] == doctest::Approx(10 + 10 * mixed[0]));
  CHECK(price == doctest::Approx(100 + 100 * mixed[0]));
  CHECK_THROWS_WITH_AS(Augmenter(parse_augment(json::parse(R"(["cutmix"])"), "/augment"), s, 1),
                       doctest::Contains("cuts images"), Error);
  CHECK_THROWS_WITH_AS(Augmenter(parse_augment(json::parse(R"(["label_noise"])"), "/augment"), s, 1),
                       doctest::Contains("the data set has none"), Error);
}

TEST_CASE("label noise: its rate, its matrix, the same in every epoch") {
  const auto labels = [](const char* list, int32_t label, uint64_t round) {
    const Augmenter a = augmenter(list);
    std::map<int32_t, int> seen;
    std::vector<int32_t> all;
    Image work;
    for (uint64_t s = 0; s < 5000; ++s) {
      std::vector<uint8_t> image(36);
      int32_t v = label;
      void* columns[] = {image.data(), &v};
      a.apply(columns, round, s, work);
      ++seen[v];
      all.push_back(v);
    }
    return std::pair(seen, all);
  };
  const char* symmetric = R"([{"type": "label_noise", "rate": 0.36}])";
  auto [seen, all] = labels(symmetric, 4, 1);
  CHECK(seen.size() == 10);
  CHECK(seen[4] == doctest::Approx(3200).epsilon(0.05));
  CHECK(seen[9] == doctest::Approx(200).epsilon(0.3));
  CHECK(labels(symmetric, 4, 2).second == all);
  json matrix = json::array();
  for (int i = 0; i < 10; ++i) {
    matrix.push_back(std::vector<double>(10, 0));
    matrix[static_cast<size_t>(i)][static_cast<size_t>(i)] = 0.75;
    matrix[static_cast<size_t>(i)][static_cast<size_t>((i + 1) % 10)] = 0.25;
  }
  const std::string by_class = json::array({{{"type", "label_noise"}, {"matrix", matrix}}}).dump();
  seen = labels(by_class.c_str(), 9, 1).first;
  CHECK(seen.size() == 2);
  CHECK(seen[0] == doctest::Approx(1250).epsilon(0.08));
  CHECK_THROWS_WITH_AS(augmenter(R"([{"type": "label_noise", "matrix": [[1, 0], [0, 1]]}])"),
                       doctest::Contains("has 2 rows, the data set has 10 classes"), Error);
  CHECK_THROWS_WITH_AS(augmenter(R"([{"type": "label_noise", "matrix": [[0.5, 0], [0, 1]]}])"),
                       doctest::Contains("sums to 0.5"), Error);
}

TEST_CASE("mixed batches are equal for any number of workers and from any position") {
  TempFolder dir;
  write_samples(dir / "d.h5", 3000, 10);
  const Dataset data(dir / "d.h5");
  LoaderOptions plain = mixing(1);
  plain.prefetch = 0;
  Loader one(data, plain);
  std::vector<std::string> expected;
  for (int i = 0; i < 25; ++i) expected.push_back(bytes(one.next()));
  for (int workers : {1, 2, 5}) {
    Loader many(data, mixing(workers));
    CHECK(many.schema().targets[0].kind == TargetKind::class_probabilities);
    std::vector<std::string> found;
    for (int i = 0; i < 25; ++i) found.push_back(bytes(many.next()));
    CHECK(found == expected);
    many.set_position(1, 4);
    CHECK(bytes(many.next()) == expected[14]);
    CHECK(bytes(many.next()) == expected[15]);
  }
}

TEST_CASE("soft targets without mixing are the labels, one class with probability 1") {
  TempFolder dir;
  write_samples(dir / "d.h5", 50, 10);
  const Dataset data(dir / "d.h5");
  LoaderOptions o;
  o.batch_size = 50;
  o.shuffle = false;
  o.soft_targets = true;
  Loader l(data, o);
  const Batch& b = l.next();
  for (size_t i = 0; i < 50; ++i)
    for (size_t c = 0; c < 10; ++c) CHECK(b.columns[1].data<float>()[i * 10 + c] == (c == i % 10 ? 1 : 0));
  CHECK(b.columns[0].data<uint8_t>()[36 * 3 + 7] == sample_pixel(3, 7));
}

TEST_CASE(
    "a mixed data set: probabilities that sum to 1, equal for any thread count, shards make up the whole") {
  TempFolder dir;
  write_samples(dir / "d.h5", 900, 30);
  const Dataset data(dir / "d.h5");
  const AugmentConfig config = parse_augment(json::parse(R"(["flip", "mixup"])"), "/augment");
  const auto write = [&](const std::string& name, int threads, int64_t shard, int64_t shards) {
    EnlargeOptions options;
    options.seed = 9;
    options.shard = shard;
    options.shards = shards;
    const PoolOwner pool(threads > 1 ? pool_create(threads) : nullptr);
    options.pool = pool.get();
    DatasetWriter w(dir / name, enlarged_schema(data, config), data.splits());
    enlarge(data, config, w, options);
    w.finish();
    CHECK(w.rows("train") == enlarged_rows(data, options) - w.rows("test"));
  };
  write("one.h5", 1, 0, 1);
  write("three.h5", 3, 0, 1);
  CHECK(dir.bytes("one.h5") == dir.bytes("three.h5"));
  const Dataset whole(dir / "one.h5");
  CHECK(whole.rows("train") == 1800);
  CHECK(whole.schema().targets[0].kind == TargetKind::class_probabilities);
  const auto row = [](const Dataset& d, int64_t r) {
    std::vector<uint8_t> image(36);
    std::vector<float> target(10);
    void* out[] = {image.data(), target.data()};
    d.read("train", r, 1, out);
    return std::pair(image, target);
  };
  CHECK(row(whole, 4).second[4] == 1);
  int mixed = 0;
  for (int64_t r = 900; r < 1800; ++r) {
    const auto target = row(whole, r).second;
    mixed += *std::max_element(target.begin(), target.end()) < 0.999f;
  }
  CHECK(mixed > 200);
  int64_t rows = 0;
  for (int64_t s = 0; s < 4; ++s) {
    write("shard.h5", 2, s, 4);
    const Dataset part(dir / "shard.h5");
    const int64_t first = 900 * s / 4, n = 900 * (s + 1) / 4 - first;
    REQUIRE(part.rows("train") == 2 * n);
    CHECK(row(part, 0) == row(whole, first));
    CHECK(row(part, n + 3) == row(whole, 900 + first + 3));
    CHECK(part.id("train", n + 3) == whole.id("train", 900 + first + 3));
    rows += part.rows("train");
  }
  CHECK(rows == 1800);
}

TEST_CASE("pca_jitter is fitted to the training part: it moves colours along their main direction") {
  TempFolder dir;
  Schema s;
  s.inputs.push_back({"image", Role::image, {DType::u8, {3, 8, 8}}, {}});
  {
    DatasetWriter w(dir / "d.h5", s);
    for (int r = 0; r < 40; ++r) {  // colours (100, 100, 100) + t (1, 2, -2) / 3
      std::vector<uint8_t> image(3 * 64);
      for (int i = 0; i < 64; ++i) {
        const double t = 3.0 * ((r * 7 + i * 5) % 21 - 10);
        for (int c = 0; c < 3; ++c)
          image[static_cast<size_t>(c * 64 + i)] = static_cast<uint8_t>(100 + t *
                                                                                  (c == 0   ? 1
                                                                                   : c == 1 ? 2
                                                                                            : -2) /
                                                                                  3);
      }
      const void* columns[] = {image.data()};
      w.append("train", columns, {}, 1);
    }
    w.finish();
  }
  const Dataset data(dir / "d.h5");
  Augmenter a(
      parse_augment(json::parse(R"([{"type": "choose", "of": [{"type": "pca_jitter", "std": 0.5}]}])"),
                    "/augment"),
      s, 3);
  a.fit(data, "train");
  Image work;
  double squares = 0;
  constexpr int kSamples = 400;
  for (uint64_t k = 0; k < kSamples; ++k) {
    std::vector<uint8_t> image(3 * 64, 128);
    void* columns[] = {image.data()};
    a.apply(columns, 1, k, work);
    const int red = image[0] - 128, green = image[64] - 128, blue = image[128] - 128;
    CHECK(std::abs(green - 2 * red) <= 2);
    CHECK(std::abs(blue + 2 * red) <= 2);
    squares += (red * red + green * green + blue * blue) / double{kSamples};
  }
  // The variance of t is 9 * 36.67, of the jitter a quarter of that.
  CHECK(squares == doctest::Approx(330.0 / 4).epsilon(0.2));
}

TEST_CASE("probabilities that are none are bad data, with their row") {
  TempFolder dir;
  Schema s = sample_schema();
  s.targets[0].kind = TargetKind::class_probabilities;
  s.targets[0].type = {DType::f32, {10}};
  {
    DatasetWriter w(dir / "d.h5", s);
    const std::vector<uint8_t> image(36);
    std::vector<float> p(10, 0.1f);
    const void* columns[] = {image.data(), p.data()};
    w.append("train", columns, {}, 1);
    p[3] = 0.4f;
    w.append("train", columns, {}, 1);
    w.finish();
  }
  const Dataset data(dir / "d.h5");
  CHECK_THROWS_WITH_AS(Loader(data, {}).next(),
                       doctest::Contains("row 1 (id '1'): the probabilities 'label' sum to 1.3"), Error);
}
