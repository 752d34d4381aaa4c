#pragma once
// A look at the rows of a data set, whether it is being made or there already.
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/prepare.h"
#include "data/preview.h"

namespace dl {

// The first rows as records: {"part": "train", "id": "7", "label": "cat", "features": {...}}; a picture is told by its
// type and mean.
class DL_API HeadRows {
 public:
  HeadRows(const Schema& schema, int64_t limit) : schema_(schema), limit_(limit) {}
  void add(const std::string& part, std::span<const void* const> columns, std::span<const std::string> ids,
           int64_t count);
  bool full() const { return static_cast<int64_t>(records_.size()) >= limit_; }
  const json& records() const { return records_; }  // an array
  json table() const;                               // the same, each record flat
  std::string text() const;

 private:
  Schema schema_;
  int64_t limit_;
  json records_ = json::array();
};

// The first pictures, with their class or value underneath.
class DL_API PreviewRows {
 public:
  // Error (data): the data set has no picture of bytes.
  PreviewRows(const Schema& schema, int64_t limit);
  void add(std::span<const void* const> columns, int64_t count);
  bool full() const { return static_cast<int64_t>(pictures_.size()) >= limit_; }
  std::string png() const;

 private:
  Schema schema_;
  size_t input_ = 0;
  int64_t limit_;
  std::vector<SheetPicture> pictures_;
};

// What the steps of prep.transforms did (Preparation::report()), for people: a line for each step and each column.
DL_API std::string report_text(const json& report);

// Passes the rows of every split in order until `sink` has been given all or `more` returns false.
DL_API void pour_dataset(const Dataset& data, const RowSink& sink,
                         const std::function<bool(int64_t done)>& more);

}  // namespace dl
