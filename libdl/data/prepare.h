#pragma once
// The procedure of dl-prep: sources are scanned, what must be learned from the data is fitted to the training part, and
// every record goes to its part in one further pass.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/bad_records.h"
#include "data/prep_config.h"
#include "data/schema.h"
#include "data/statistics.h"

namespace dl {

struct PrepareInputs {
  std::vector<std::string> files, valid, test;  // files of the parts `valid` and `test` are not split
};

// How the rows of another data set were made, for further files to go the same way.
struct StoredPreparation {
  json document;  // Dataset::preparation()
  Schema schema;  // of the data set
  std::string name;
  std::string part = "test";       // that the rows go to
  std::optional<Unknown> unknown;  // instead of what the data set says
};

struct PrepareOptions {
  uint64_t seed = 0;
  std::string tmp;                                   // where streams are spooled
  std::function<void(const std::string&)> on_bad;    // each bad record that is passed over
  std::function<bool(int64_t records)> on_progress;  // now and then; false ends the run early
  std::optional<StoredPreparation> like = {};        // nothing is split or fitted
};

// Takes rows of a part: inputs, then targets, `count` each; pointers are good during the call.
using RowSink = std::function<void(const std::string& part, std::span<const void* const> columns,
                                   std::span<const std::string> ids, int64_t count)>;

class DL_API Preparation {
 public:
  // Opens and scans. Errors: config, usage, data.
  Preparation(const PrepConfig& config, const PrepareInputs& inputs, const PrepareOptions& options);
  ~Preparation();
  const Schema& schema() const;
  const std::string& type() const;                // of the source: "idx"
  const std::vector<std::string>& parts() const;  // in order: those of the splitter, then of further files
  int64_t records() const;                        // found by the scan, over all files
  const std::vector<std::string>& warnings() const;
  // Passes every good record to `sink`. Once.
  void run(const RowSink& sink);
  const Statistics& statistics() const;  // after run()
  int64_t bad_records() const;
  int64_t dropped_records() const;  // of the training part, by a step
  // After run(): the schema with the constants of the training part.
  Schema fitted_schema() const;
  json stored() const;  // for DatasetWriter::preparation()
  json report() const;  // what each step of the transforms did: an array
  // Where there are folds or bootstrap samples side by side: the constants of what each round learns from.
  std::vector<std::map<std::string, Normalization>> fold_normalization() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dl
