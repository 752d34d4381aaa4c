#pragma once
// Transforms of samples: config section "augment", a list of {"type": ...}. Transforms of images and labels are pure
// functions of the sample and of a Random keyed by (seed, epoch or copy, sample), so results depend neither on
// threads nor on batches. Mixing (mixup, cutmix) stands at the end of the list and also sees another sample.
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/fields.h"
#include "base/random.h"
#include "data/schema.h"
#include "data/transforms/image.h"
#include "data/transforms/transform.h"

namespace dl {

struct AugmentConfig {
  std::vector<Typed<Transform>> transforms;
};
// Parses the list; `pointer` is where it stands in the config ("/augment").
DL_API AugmentConfig parse_augment(const json& list, const std::string& pointer);
DL_API json augment_schema();
// Whether a transform mixes two samples.
DL_API bool works_on_pairs(const Typed<Transform>& t);

// Transforms for the samples of one schema.
//
//   Augmenter a(config, data.schema(), seed);
//   a.fit(data, "train");                        // where transforms want the data's statistics
//   a.apply(columns, epoch, row, work);          // images and labels, in place
//   if (a.softens()) a.mix(out, columns, other_columns, epoch, row, work);
class DL_API Augmenter {
 public:
  // `soft`: class labels become probabilities even where nothing is mixed. Error (Exit::config) when a transform does
  // not suit the data.
  Augmenter(const AugmentConfig& config, const Schema& schema, uint64_t seed, bool soft = false);
  void fit(const Dataset& data, const std::string& split);

  bool empty() const { return config_.transforms.empty(); }
  bool mixes() const { return mixes_; }
  bool softens() const { return mixes_ || soft_; }
  const Schema& schema() const {
    return schema_;
  }  // of what comes out: class labels as probabilities if softens()

  // One sample in place; columns[i] points at its value of column i, inputs first, then targets; targets may be left
  // out. `round` is the epoch (training) or the number of the copy (dl-augment); `sample` its row. `work` is scratch
  // memory of the calling thread.
  void apply(std::span<void* const> columns, uint64_t round, uint64_t sample, Image& work) const;
  // Which of `count` samples is mixed with this one.
  int64_t partner(uint64_t round, uint64_t sample, int64_t count) const;
  // Writes the mixture of two samples that went through apply(), in the types of schema().
  void mix(std::span<void* const> out, std::span<const void* const> own, std::span<const void* const> other,
           uint64_t round, uint64_t sample, Image& work) const;

 private:
  void transform_image(const Input& input, std::span<void* const> columns, size_t c, uint64_t round,
                       uint64_t sample, Image& work) const;
  void transform_labels(std::span<void* const> columns, uint64_t sample) const;
  double mix_column(const TensorType& type, void* out, const void* own, const void* other, uint64_t round,
                    uint64_t sample, Image& work) const;
  const Input* image_of_mask(const Target& target) const;  // null: no mask

  AugmentConfig config_;
  Schema in_, schema_;
  std::vector<Stage> stages_;  // of the transforms
  uint64_t seed_;
  bool mixes_ = false, soft_ = false, transforms_images_ = false, in_range_ = false;
};

// What there is: an object for each transform with its name, document line and attributes with their defaults.
DL_API json list_transforms();

}  // namespace dl
