#pragma once
// A look at transforms: what they do to the first pictures of a data set, and how fast they are.
#include <string>
#include <vector>

#include "base/export.h"
#include "data/augment.h"
#include "data/dataset.h"

namespace dl {

struct AugmentSheetOptions {
  std::string split = "train";
  int64_t samples = 6;  // rows of the sheet
  int64_t copies = 3;   // through the whole list
  uint64_t seed = 0;
};
// A contact sheet as PNG bytes, one row for each sample: the picture with its class, what each transform of the list alone
// makes of it (with p = 1), then copies 1, 2 ... through the whole list, as enlarge() makes them. Error (Exit::data):
// no pictures.
DL_API std::string augmented_sheet(const Dataset& data, const AugmentConfig& config,
                                   const AugmentSheetOptions& options);

struct TransformSpeed {
  std::string name;
  double samples_per_second = 0;  // of processor time of one thread: what else runs does not count
};
// Each transform of the list, and the whole list under the name "all". An empty list stands for every transform there is that
// suits the data with its default attributes. It passes over the first samples of the split for `seconds` each.
DL_API std::vector<TransformSpeed> time_transforms(const Dataset& data, const std::string& split,
                                                   const AugmentConfig& config, double seconds);

}  // namespace dl
