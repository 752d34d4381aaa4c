#pragma once
// Which parts a record goes to. Random, hashed and ordered shares are a pure function of (seed, record number or id,
// counts of the scan): nothing is kept for each record, so any number of them can be split. Groups and an order by a
// column keep a number for each record; bootstrap samples one for each record and sample.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "data/prep_config.h"

namespace dl {

// A permutation of [0, n) that needs no table: a Feistel network with cycle walking (Black and Rogaway, "Ciphers with
// arbitrary finite domains", CT-RSA 2002).
DL_API int64_t scatter(int64_t i, int64_t n, uint64_t seed, uint64_t stream);

class DL_API Splitter {
 public:
  // class_records: how many records each class has, for stratify. keys: the texts of the column `group` or `order_by`,
  // one for each record, where the config names one. Error (config) when the shares make no sense.
  Splitter(const SplitConfig& config, uint64_t seed, int64_t records, std::vector<int64_t> class_records,
           std::span<const std::string> keys = {});
  // The parts that the config asks for, in order: train, valid, test, train_dev; or fold_0, fold_1 ..., test; or
  // boot_0, oob_0, boot_1 ..., test.
  const std::vector<std::string>& names() const { return names_; }
  // To be called for the records in order; `label` is -1 where there is none. Numbers of names(), one for each copy of
  // the record; good until the next call.
  std::span<const int> places(int64_t index, std::string_view id, int64_t label);
  void rewind();
  // Folds or bootstrap samples that stand side by side, each with a training part of its own; 0: there is one "train".
  int64_t rounds() const { return rounds_; }
  // The parts that round k learns from.
  std::vector<std::string> training_parts(int64_t round) const;

 private:
  void check(int64_t records);
  void name_parts();
  void assign_groups(std::span<const std::string> keys, int64_t records);
  void assign_ranks(std::span<const std::string> keys);
  void draw_samples(int64_t records);
  int by_share(double u) const;  // u in [0, 1): test, then valid, then train_dev, then train
  int by_rank(int64_t rank, int64_t first, int64_t count) const;
  int by_fold(int64_t fold) const;
  int place(int64_t index, std::string_view id, int64_t label);

  SplitConfig config_;
  uint64_t seed_;
  double valid_ = 0, test_ = 0, dev_ = 0;
  std::vector<std::string> names_;
  int train_at_ = -1, valid_at_ = -1, test_at_ = -1, dev_at_ = -1;
  int64_t rounds_ = 0;
  std::vector<int64_t> class_records_, class_first_, seen_;
  std::vector<int32_t> group_part_;             // of each record, with `group`
  std::vector<int64_t> rank_;                   // of each record, with `order_by`
  std::vector<std::vector<uint16_t>> samples_;  // how often each record is in each bootstrap sample
  std::vector<int> out_;
};

}  // namespace dl
