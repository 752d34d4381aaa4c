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
  uint64_t seed = 0;
  Pool* pool = nullptr;                        // never changes the result; null: this thread alone
  std::function<void(int64_t rows)> progress;  // called with the number of rows written so far
};

// Rows that enlarge() will write.
DL_API int64_t enlarged_rows(const Dataset& in, const EnlargeOptions& options);
// Writes every split of `in` to `out`, which has its schema; copy k (from 1) of a sample keeps its targets and has the
// id "<id>#<k>". Memory is bounded by a piece of rows. Error (Exit::data) for a split that is not there.
DL_API void enlarge(const Dataset& in, const AugmentConfig& config, DatasetWriter& out,
                    const EnlargeOptions& options);

}  // namespace dl
