#pragma once
// Batches of a split in an order that is a pure function of (seed, epoch), prepared ahead on threads of their own.
// What a batch holds depends on its number alone, never on timing or on how many threads there are.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "tensor/tensor.h"

namespace dl {

struct LoaderOptions {
  std::string split = "train";
  int64_t batch_size = 128;
  uint64_t seed = 0;
  bool shuffle = true;        // false: in the order of the rows
  bool drop_last = false;     // leave out the last batch when it is short
  int prefetch = 3;           // batches prepared ahead; 0: none, no thread
  int workers = 1;            // threads that prepare batches
  AugmentConfig augment;      // applied on the fly, keyed by (seed, epoch, row)
  bool soft_targets = false;  // class labels become probabilities, as they do where samples are mixed
};

struct Batch {
  int64_t epoch = 0;
  int64_t index = 0;  // within the epoch
  int64_t rows = 0;   // batch_size, or fewer in the last batch
  std::vector<Tensor>
      columns;  // inputs, targets, groups, (rows, sample shape) in the types of Loader::schema()
  std::vector<int64_t> samples;  // the row of each sample in the split
};

// What a loader takes: its batches and the order of the samples, without the rows that the data set holds.
DL_API int64_t loader_bytes(const Dataset& data, const LoaderOptions& options);

class DL_API Loader {
 public:
  // `data` must outlive the loader. Error (Exit::data) for an empty or missing split.
  Loader(const Dataset& data, const LoaderOptions& options);
  ~Loader();
  const Schema& schema()
      const;                // of the batches: that of the data set, or with class labels as probabilities
  int64_t batches() const;  // in one epoch
  int64_t samples() const;  // in one epoch (drop_last leaves some out)
  Shuffle shuffle() const;  // which shuffle is in effect
  // The batch at the position, which then moves on; after the last batch of an epoch comes the first of the
  // next. The reference is good until the next call. Errors of the preparing thread are thrown here.
  const Batch& next();
  // Position of the next batch; any, at any time (exact resume).
  void set_position(int64_t epoch, int64_t batch);
  double wait_seconds() const;  // time next() spent waiting for data since the start

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The order of the rows in one epoch. block_rows 0: a full shuffle. Else blocks of rows are shuffled, and the
// rows of each window of `window_blocks` neighbours in that order are mixed, so that one window is needed at
// a time.
class DL_API Permutation {
 public:
  Permutation(int64_t rows, uint64_t seed, uint64_t epoch, int64_t block_rows = 0, int64_t window_blocks = 0);
  int64_t operator[](int64_t i);  // cheap while i stays in one window
  // For block shuffles: the window that position i lies in, where a window begins, and the blocks it mixes.
  int64_t window_of(int64_t i) const;
  int64_t window_begin(int64_t window) const;
  std::span<const int64_t> blocks(int64_t window) const;  // empty behind the last one

 private:
  void enter(int64_t window);
  int64_t rows_, block_rows_, window_blocks_;
  uint64_t seed_, epoch_;
  std::vector<int64_t> blocks_;  // shuffled; single rows in a full shuffle
  int64_t short_at_ = -1;        // where the block with fewer rows went
  std::vector<int64_t> order_;   // rows of the current window
  int64_t current_ = -1;
};

}  // namespace dl
