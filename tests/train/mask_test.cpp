// A target for every pixel: a small U-Net learns masks, from data set to evaluation.
#include <doctest/doctest.h>

#include "base/random.h"
#include "io/temp_folder.h"
#include "train/evaluate.h"
#include "train/trainer.h"

using namespace dl;

namespace {

constexpr int64_t kSide = 12;

// Three noisy channels with a bright rectangle, and the mask of the rectangle.
void write_pictures(const std::string& path) {
  Schema schema;
  schema.inputs.push_back({"image", Role::image, {DType::f32, {3, kSide, kSide}}, {}});
  schema.targets.push_back({"mask", TargetKind::regression, {DType::f32, {1, kSide, kSide}}, {}});
  const std::vector<std::string> splits{"train", "test"};
  DatasetWriter w(path, schema, splits);
  Random r(5, stream_id("mask test"));
  for (const auto& [split, rows] : {std::pair<std::string, int>{"train", 48}, {"test", 16}})
    for (int i = 0; i < rows; ++i) {
      const int64_t top = r.below(6), left = r.below(6), height = 2 + r.below(5), width = 2 + r.below(5);
      std::vector<float> image(3 * kSide * kSide), mask(kSide * kSide);
      for (size_t p = 0; p < image.size(); ++p) {
        const int64_t at = static_cast<int64_t>(p) % (kSide * kSide), y = at / kSide - top,
                      x = at % kSide - left;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        image[p] = static_cast<float>(0.5 * r.normal()) + (inside ? 1.f : 0.f);
        mask[static_cast<size_t>(at)] = inside ? 1.f : 0.f;
      }
      const void* columns[] = {image.data(), mask.data()};
      w.append(split, columns, {}, 1);
    }
  w.finish();
}

json network() {
  return json::parse(R"({
    "model": {
      "blocks": {
        "level": {"parameters": {"width": null, "depth": null}, "layers": [
          {"type": "conv2d", "filters": "$width", "kernel": 3, "padding": "same", "bias": false}, "batch_norm",
          {"type": "relu", "name": "left"}, {"type": "max_pool2d", "kernel": 2, "if": "$depth > 0"},
          {"use": "level", "width": "2 * $width", "depth": "$depth - 1", "if": "$depth > 0"},
          {"type": "conv_transpose2d", "filters": "$width", "kernel": 2, "stride": 2, "if": "$depth > 0", "name": "up"},
          {"type": "concat", "inputs": ["up", "left"], "if": "$depth > 0"},
          {"type": "conv2d", "filters": "$width", "kernel": 3, "padding": "same", "bias": false}, "batch_norm", "relu"]}},
      "layers": [{"use": "level", "width": 8, "depth": 2}, {"type": "conv2d", "filters": 1, "kernel": 1}]},
    "train": {"epochs": 12, "batch_size": 8, "loss": "bce_with_logits", "optimizer": {"type": "adam", "lr": 0.01}}})");
}

}  // namespace

TEST_CASE("a U-Net learns masks, and its evaluation has the loss of every pixel") {
  const TempFolder folder;
  const std::string path = folder / "masks.h5";
  write_pictures(path);
  TrainRequest r;
  r.config = network();
  r.data = path;
  r.threads = 2;
  std::vector<double> losses;
  TrainHooks hooks;
  hooks.event = [&](const std::string& event, const json& fields) {
    if (event == "epoch") losses.push_back(fields.at("metrics").at("train").at("loss").get<double>());
  };
  const TrainResult result = Trainer(std::move(r), std::move(hooks)).run();
  CHECK(result.finished);
  REQUIRE(losses.size() == 12);
  CHECK(losses.back() < 0.3 * losses.front());

  Pool* pool = pool_create(2);
  {
    Inference inference(result.model, pool);
    const Evaluation e = evaluate(inference, Dataset(path), {});
    CHECK(e.split == "test");
    CHECK(e.loss_samples == 16);
    CHECK(e.loss / 16 < 0.3);
    REQUIRE(e.heads.size() == 1);
    CHECK(e.heads[0].columns == kSide * kSide);
  }
  pool_destroy(pool);
}
