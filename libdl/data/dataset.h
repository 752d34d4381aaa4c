#pragma once
// Data set artifacts (kind "dataset"). A split (train, valid, test, fold_0 ...) is a group of the root:
//   /<split>/<input>        (N, sample shape), e.g. /train/image (60000,1,28,28) u8
//   /<split>/<target>       class: (N) i32; regression: (N) or (N,K) f32
//   /<split>/<group>        (N) i32, numbers of the values that the schema lists
//   /<split>/id             UTF-8 text of all ids one after the other, each ended by a newline; u8
//   /<split>/id_end         (N) i64: where each id ends in it, newline included. Without ids rows go by their
//   number
//   /normalization/<input>/{mean,std}       (C) or (F) f32
//   /fold_normalization/<input>/{mean,std}  (K, C) or (K, F) f32: row k is fitted to what round k learns from: all but
//                                           /fold_k, or /boot_k
//   /preparation            JSON text of how the rows were made: columns of the table, steps and what they learned; u8
//   attributes schema (see schema.h), splits (JSON list, in order)
// All columns of a split are cut into chunks of the same number of rows.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/schema.h"
#include "io/artifact.h"

namespace dl {

// Writes a data set row by row; memory is bounded by one chunk for each split and column. Splits may be
// written interleaved. Equal calls give equal bytes.
//
//   DatasetWriter w("mnist.h5", schema, {"train", "test"});
//   w.append("train", {pixels, labels}, ids, n);           // n rows: pixels (n,1,28,28), labels (n)
//   w.schema().normalization["image"] = {{33.3f}, {78.6f}};
//   w.artifact().config(config);
//   w.finish();
class DL_API DatasetWriter {
 public:
  // `splits` fixes their order; a split that gets no rows is empty. Others are added by their first append().
  DatasetWriter(const std::string& path, Schema schema, std::span<const std::string> splits = {},
                const OutputOptions& options = {});
  ~DatasetWriter();
  // `columns`: inputs, then targets, then groups, each `count` rows of its sample type. Ids should be unique; empty: the
  // row number.
  void append(const std::string& split, std::span<const void* const> columns,
              std::span<const std::string> ids, int64_t count);
  int64_t rows(const std::string& split) const;
  // Class names, feature names and normalisation may be filled until finish(); names and types of columns are
  // fixed.
  Schema& schema() { return schema_; }
  // Of each fold or bootstrap sample, in order.
  void fold_normalization(std::vector<std::map<std::string, Normalization>> rounds) {
    rounds_ = std::move(rounds);
  }
  // How the rows were made (Preparation::stored()), so that others can be made in the same way.
  void preparation(json document) { preparation_ = std::move(document); }
  ArtifactWriter& artifact() { return writer_; }  // for config, recipe hash, parents
  std::string finish();                           // the content hash

 private:
  struct Split;
  Split& split(const std::string& name);
  Schema schema_;
  ArtifactWriter writer_;
  std::vector<std::unique_ptr<Split>> splits_;
  std::vector<std::map<std::string, Normalization>> rounds_;
  json preparation_;
};

struct DatasetOptions {
  std::string tmp;                      // for streams, see ArtifactReader
  int64_t memory = int64_t{512} << 20;  // bytes of decompressed rows that may be held in memory
  // Round k of a data set of folds: "train" is then all folds but fold_k, "valid" is fold_k (of bootstrap samples: boot_k
  // and oob_k), and the schema has the normalisation that was fitted without it.
  std::optional<int64_t> fold = {};
};

enum class Shuffle { full, block };  // over all rows; or over blocks of rows and within a window of blocks

// Reads a data set. Columns are numbered as in the schema: inputs, then targets, then groups. Safe for several threads.
// A split whose rows fit into DatasetOptions::memory stays in memory once read, chunk by chunk as it is
// touched; a larger one is read through a small cache.
// A split may be the sum of others, "train+valid": their rows one after the other.
class DL_API Dataset {
 public:
  explicit Dataset(const std::string& path, const DatasetOptions& options = {});
  ~Dataset();
  const std::string& name() const { return reader_.name(); }
  const Schema& schema() const { return schema_; }
  const json& schema_json() const { return schema_json_; }  // to be kept in models
  const ArtifactReader& artifact() const { return reader_; }
  json preparation() const;  // null: it holds none
  std::vector<std::map<std::string, Normalization>> fold_normalization()
      const;  // of each round; empty: no rounds
  const std::vector<std::string>& splits() const { return names_; }
  bool has(const std::string& split) const;
  int64_t rows(const std::string& split) const;  // Error (Exit::data) naming the splits there are
  bool in_memory(const std::string& split) const;

  // Copies the given rows of every column; out[i] holds rows.size() samples of column i (null: not wanted).
  // Values are checked when they are first read: a label outside the classes or a feature that is not finite
  // is an Error (Exit::data) with file, split, row and id.
  void gather(const std::string& split, std::span<const int64_t> rows, std::span<void* const> out) const;
  void read(const std::string& split, int64_t first, int64_t count, std::span<void* const> out) const;
  std::vector<std::string> ids(const std::string& split, int64_t first, int64_t count) const;
  std::string id(const std::string& split, int64_t row) const { return ids(split, row, 1).front(); }
  // Blocks of rows are what is read and decompressed at once.
  int64_t block_rows(const std::string& split) const;
  int64_t cached_blocks(const std::string& split) const;  // how many the cache holds at a time
  void preload(const std::string& split, int64_t block) const;
  int64_t memory(const std::string& split) const;  // bytes of rows that are held once all were read

 private:
  struct Split;
  struct View;
  const View& view(const std::string& name) const;
  void choose_fold(int64_t fold);
  ArtifactReader reader_;
  Schema schema_;
  json schema_json_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> alias_;  // of the round: train, valid
  std::vector<std::unique_ptr<Split>> splits_;
  mutable std::mutex views_mutex_;
  mutable std::map<std::string, std::unique_ptr<View>> views_;  // that were asked for
};

}  // namespace dl
