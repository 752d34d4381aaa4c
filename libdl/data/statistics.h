#pragma once
// What the values of a data set look like: for each part the number of rows and of each class, and mean, standard
// deviation and range of each channel, feature and regression target. One pass, in the order of the rows.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "data/prep_config.h"
#include "data/schema.h"

namespace dl {

// Moments of one channel or feature. Bytes are summed exactly, other values with Welford's update in double.
struct Moments {
  int64_t count = 0;
  double min = 0, max = 0;
  uint64_t sum = 0, squares = 0;  // of bytes
  double running_mean = 0, deviations = 0;
  bool bytes = false;
  DL_API double mean() const;
  DL_API double std() const;  // of the population
  void add_bytes(const uint8_t* v, int64_t n);
  void add(double v);
  DL_API void merge(const Moments& other);  // as if its values had been added after these
};

struct PartStatistics {
  std::string name;
  int64_t rows = 0;
  std::vector<std::vector<Moments>> inputs;         // by channel (image) or feature
  std::vector<std::vector<int64_t>> class_records;  // by target; empty for regression
  std::vector<std::vector<Moments>> targets;        // by target; empty for classes
};

class DL_API Statistics {
 public:
  explicit Statistics(Schema schema) : schema_(std::move(schema)) {}
  // `columns`: inputs, then targets, `count` rows each.
  void add(const std::string& part, std::span<const void* const> columns, int64_t count);
  const PartStatistics* part(const std::string& name) const;  // null when it has no row
  const std::vector<PartStatistics>& parts() const { return parts_; }

  json record() const;  // {"train": {"rows": 60000, "label": {"classes": {"0": 5923}}, "image": [{...}]}}
  json table() const;   // one flat object for each number of rows, class or column
  std::string text() const;  // for people

 private:
  Schema schema_;
  std::vector<PartStatistics> parts_;
};

// The constants of the training parts together for each input; one-hot columns (named "colour=red") are left as they
// are. Error (data): there is no training row.
DL_API std::map<std::string, Normalization> fit_normalization(Normalize kind, const Schema& schema,
                                                              const Statistics& statistics,
                                                              std::span<const std::string> training_parts);

}  // namespace dl
