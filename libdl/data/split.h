#pragma once
// Which part a record belongs to. A pure function of (seed, record number or id, counts of the scan): nothing is kept
// for each record, so any number of them can be split.
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "data/prep_config.h"

namespace dl {

enum class Part { train, valid, test };
DL_API std::string_view name_of(Part part);

// A permutation of [0, n) that needs no table: a Feistel network with cycle walking (Black and Rogaway, "Ciphers with
// arbitrary finite domains", CT-RSA 2002).
DL_API int64_t scatter(int64_t i, int64_t n, uint64_t seed, uint64_t stream);

class DL_API Splitter {
 public:
  // class_records: how many records each class has, for stratify. Error (config) when the shares make no sense.
  Splitter(const SplitConfig& config, uint64_t seed, int64_t records, std::vector<int64_t> class_records);
  // To be called for the records in order; `label` is -1 where there is none.
  Part part(int64_t index, std::string_view id, int64_t label);
  void rewind();
  bool makes(Part part) const;  // whether the config asks for such a part

 private:
  Part by_rank(int64_t rank, int64_t first, int64_t count) const;
  SplitConfig config_;
  uint64_t seed_;
  int64_t records_;
  double valid_ = 0, test_ = 0;
  std::vector<int64_t> class_records_, class_first_, seen_;
};

}  // namespace dl
