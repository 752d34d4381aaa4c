#pragma once
// Data sets enlarged by transformed copies of their samples (dl-augment).
#include <functional>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/threads.h"
#include "data/augment.h"
#include "data/dataset.h"

namespace dl {

struct EnlargeOptions {
  std::vector<std::string> splits = {"train"};  // these are enlarged, the others copied as they are
  int64_t times = 1;                            // transformed copies of each sample
  bool originals = true;                        // keep the samples themselves, before the copies
  int64_t shard = 0, shards = 1;  // of each split the rows of this part alone: part 0 to shards - 1
  uint64_t seed = 0;
  Pool* pool = nullptr;                        // never changes the result; null: this thread alone
  std::function<void(int64_t rows)> progress;  // called with the number of rows written so far
};

// Rows that enlarge() will write.
DL_API int64_t enlarged_rows(const Dataset& in, const EnlargeOptions& options);
// What it will write: the schema of `in`, with class labels as probabilities where samples are mixed.
DL_API Schema enlarged_schema(const Dataset& in, const AugmentConfig& config);
// Writes every split of `in` to `out`, which has enlarged_schema(); copy k (from 1) of a sample keeps its targets unless
// the transforms change them, and has the id "<id>#<k>". A row of a shard is what it is in the whole; mixing takes its
// partners from the whole split. Memory is bounded by a piece of rows. Error (Exit::data) for a split that is not there.
DL_API void enlarge(const Dataset& in, const AugmentConfig& config, DatasetWriter& out,
                    const EnlargeOptions& options);

}  // namespace dl
