#pragma once
// Data sets made from others: several together, some of the rows, another order.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/dataset.h"
#include "data/statistics.h"

namespace dl {

struct DeriveOptions {
  double fraction = 1;  // of the training part; of each class as much, a smaller one within each larger one
  int64_t shard = 0, shards = 1;  // every `shards`-th row of every part, from row `shard`
  bool shuffle = false;           // another order of the rows of each part
  uint64_t seed = 0;
};

// The rows of a part that `options` leave, in their order; of several data sets the rows of each follow those of the one
// before.
DL_API std::vector<int64_t> derived_rows(std::span<const Dataset* const> from, const std::string& split,
                                         const DeriveOptions& options);

// The parts that the data sets have together, in order of first appearance.
DL_API std::vector<std::string> derived_splits(std::span<const Dataset* const> from);
// Error (data): the data sets do not hold the same inputs, columns and classes, or what is asked for has no sense for
// them.
DL_API void check_derivable(std::span<const Dataset* const> from, const DeriveOptions& options);

// Writes all parts; `statistics` may be null. `progress` is called with the rows written so far, false ends it early.
DL_API void derive(std::span<const Dataset* const> from, const DeriveOptions& options, DatasetWriter& out,
                   Statistics* statistics, const std::function<bool(int64_t)>& progress);

}  // namespace dl
