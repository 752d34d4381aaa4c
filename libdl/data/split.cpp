#include "data/split.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "base/str.h"

namespace dl {

std::string_view name_of(Part part) {
  return part == Part::train ? "train" : part == Part::valid ? "valid" : "test";
}

int64_t scatter(int64_t i, int64_t n, uint64_t seed, uint64_t stream) {
  int half = 1;
  while (half < 31 && (int64_t{1} << (2 * half)) < n) ++half;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  const Philox philox{{uint32_t(seed), uint32_t(seed >> 32)}};
  auto v = static_cast<uint64_t>(i);
  do {
    uint64_t left = v >> half, right = v & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t mixed = left ^ (philox(right | round << 32, stream).v[0] & mask);
      left = right;
      right = mixed;
    }
    v = left << half | right;
  } while (v >= static_cast<uint64_t>(n));
  return static_cast<int64_t>(v);
}

Splitter::Splitter(const SplitConfig& config, uint64_t seed, int64_t records,
                   std::vector<int64_t> class_records)
    : config_(config), seed_(seed), records_(records), class_records_(std::move(class_records)) {
  const char* at = "/prep/split";
  if (config.folds > 0) {
    if (config.folds < 2) throw Error(Exit::config, str(at, "/folds"), "is 1, expected at least 2 folds");
    if (config.fold >= config.folds)
      throw Error(Exit::config, str(at, "/fold"),
                  str("is ", config.fold, ", expected less than the ", config.folds, " folds"));
    if (config.valid || config.test || config.train)
      throw Error(Exit::config, at, "has both folds and shares, expected one of them");
    if (records < config.folds)
      throw Error(Exit::config, str(at, "/folds"),
                  str("is ", config.folds, ", but there are ", records, " records"));
  }
  valid_ = config.valid.value_or(0);
  test_ = config.test.value_or(0);
  const double sum = config.train.value_or(std::max(0.0, 1 - valid_ - test_)) + valid_ + test_;
  if (std::abs(sum - 1) > 1e-9)
    throw Error(Exit::config, at,
                str("has shares that add up to ", number(std::round(1e6 * sum) / 1e6), ", expected 1"));
  if (config.stratify && config.by == SplitBy::hash && config.folds == 0)
    return;  // by id alone: even over the classes already
  if (config.stratify && config.by == SplitBy::order)
    throw Error(Exit::config, str(at, "/stratify"),
                "does not go with \"by\": \"order\", expected random or hash");
  if (config.stratify && class_records_.empty())
    throw Error(Exit::config, str(at, "/stratify"), "is true, but the target is no class");
  if (!config.stratify) class_records_ = {records};
  int64_t first = 0;
  for (int64_t n : class_records_) {
    class_first_.push_back(first);
    first += n;
  }
  rewind();
}

void Splitter::rewind() { seen_.assign(class_records_.size(), 0); }

bool Splitter::makes(Part part) const {
  if (part == Part::train) return true;
  return part == Part::valid ? valid_ > 0 || config_.folds > 0 : test_ > 0;
}

// `rank` within a class that holds ranks [first, first + count) of all: the cuts are those of the whole, so shares are
// exact over all classes and off by less than two records within each.
Part Splitter::by_rank(int64_t rank, int64_t first, int64_t count) const {
  const auto cut = [&](double share) {
    return std::llround(share * static_cast<double>(first + count)) -
           std::llround(share * static_cast<double>(first));
  };
  const int64_t held = cut(valid_ + test_), test = cut(test_);
  if (config_.by == SplitBy::order)
    return rank >= count - test ? Part::test : rank >= count - held ? Part::valid : Part::train;
  return rank < test ? Part::test : rank < held ? Part::valid : Part::train;
}

Part Splitter::part(int64_t index, std::string_view id, int64_t label) {
  if (config_.by == SplitBy::hash) {
    const Philox philox{{uint32_t(seed_), uint32_t(seed_ >> 32)}};
    const double u = philox(stream_id(id), stream_id("split")).v[0] * 0x1p-32;
    if (config_.folds > 0)
      return static_cast<int64_t>(u * static_cast<double>(config_.folds)) == config_.fold ? Part::valid
                                                                                          : Part::train;
    return u < test_ ? Part::test : u < test_ + valid_ ? Part::valid : Part::train;
  }
  const auto c = static_cast<size_t>(config_.stratify && label >= 0 ? label : 0);
  const int64_t n = class_records_[c], place = config_.stratify ? seen_[c]++ : index;
  if (place >= n)
    throw Error(Exit::data,
                str("record ", id, ": was not there when the records were counted; did a file change?"));
  const int64_t rank =
      config_.by == SplitBy::order ? place : scatter(place, n, seed_, stream_id("split") + c);
  if (config_.folds > 0) {
    const int64_t fold =
        config_.by == SplitBy::order ? rank * config_.folds / n : (rank + class_first_[c]) % config_.folds;
    return fold == config_.fold ? Part::valid : Part::train;
  }
  return by_rank(rank, class_first_[c], n);
}

}  // namespace dl
