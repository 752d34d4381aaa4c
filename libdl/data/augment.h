#pragma once
// Transforms of samples: config section "augment", a list of {"type": ...}. A transform is a pure function of
// the sample and of a Random keyed by (seed, epoch or copy, sample), so results depend neither on threads nor
// on batches.
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/fields.h"
#include "base/random.h"
#include "data/schema.h"

namespace dl {

// One image during augmentation, in the units of the data set (0 to 255 for u8). Transforms may change the
// extents and swap `pixels` with `scratch`; the result must have the extents that the data set states.
struct Image {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<float> pixels;  // (C, H, W)
  std::vector<float> scratch;
  float* row(int64_t c, int64_t y) { return pixels.data() + (c * height + y) * width; }
};

struct Transform {
  static constexpr std::string_view what = "transform";
  static DL_API std::span<const Variant> variants();
};

struct AugmentConfig {
  std::vector<Typed<Transform>> transforms;
};
// Parses the list; `pointer` is where it stands in the config ("/augment").
DL_API AugmentConfig parse_augment(const json& list, const std::string& pointer);
DL_API json augment_schema();

// Transforms for the samples of one schema. Error (Exit::config) when a transform does not suit the data.
class DL_API Augmenter {
 public:
  Augmenter(const AugmentConfig& config, const Schema& schema, uint64_t seed);
  bool empty() const { return config_.transforms.empty(); }
  // One sample in place; columns[i] points at its value of input i. `round` is the epoch (training) or the
  // number of the copy (dl-augment); `sample` its row. `work` is scratch memory of the calling thread.
  void apply(std::span<void* const> columns, uint64_t round, uint64_t sample, Image& work) const;

 private:
  AugmentConfig config_;
  std::vector<Input> inputs_;
  uint64_t seed_;
};

}  // namespace dl
