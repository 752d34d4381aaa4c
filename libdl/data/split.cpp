#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/random.h"
#include "base/str.h"
#include "io/csv.h"

namespace dl {

namespace {

constexpr const char* kAt = "/prep/split";
constexpr int64_t kMostSplits = 2000;  // in one data set

[[noreturn]] void fault(const char* key, const std::string& what) {
  throw Error(Exit::config, str(kAt, key), what);
}

}  // namespace

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
                   std::vector<int64_t> class_records, std::span<const std::string> keys)
    : config_(config), seed_(seed), class_records_(std::move(class_records)) {
  if (config_.leave_one_out) {
    if (config_.folds > 0) fault("/leave_one_out", "does not go with folds, expected one of them");
    config_.folds = records;
  }
  if (!config_.order_by.is_null()) config_.by = SplitBy::order;
  check(records);
  name_parts();
  if (!config_.group.is_null()) {
    assign_groups(keys, records);
  } else if (!config_.order_by.is_null()) {
    assign_ranks(keys);
  }
  if (!config_.stratify || class_records_.empty()) class_records_ = {records};
  int64_t first = 0;
  for (int64_t n : class_records_) {
    class_first_.push_back(first);
    first += n;
  }
  if (config_.bootstrap > 0) draw_samples(records);
  rewind();
}

void Splitter::check(int64_t records) {
  SplitConfig& c = config_;
  if (c.folds > 0) {
    if (c.folds < 2) fault("/folds", str("is ", c.folds, ", expected at least 2 folds"));
    if (c.fold && *c.fold >= c.folds)
      fault("/fold", str("is ", *c.fold, ", expected less than the ", c.folds, " folds"));
    if (c.valid || c.train || c.train_dev)
      fault("", "has both folds and shares, expected one of them (a test share may stand beside folds)");
    if (records < c.folds) fault("/folds", str("is ", c.folds, ", but there are ", records, " records"));
    if (!c.fold && c.folds > kMostSplits)
      fault(c.leave_one_out ? "/leave_one_out" : "/folds",
            str("would write ", c.folds, " parts, expected at most ", kMostSplits,
                "; make one at a time with \"fold\": 0, 1, ..."));
  } else if (c.fold && *c.fold >= c.bootstrap) {
    fault("/fold", c.bootstrap > 0 ? str("is ", *c.fold, ", expected less than the ", c.bootstrap, " samples")
                                   : "needs folds, leave_one_out or bootstrap");
  }
  if (c.bootstrap > 0) {
    if (c.folds > 0 || c.valid || c.train || c.train_dev || !c.group.is_null() || c.by != SplitBy::random)
      fault("/bootstrap", "goes with a test share alone, expected no folds, other shares, groups or order");
    if (c.stratify) fault("/stratify", "does not go with bootstrap");
  }
  valid_ = c.valid.value_or(0);
  test_ = c.test.value_or(0);
  dev_ = c.train_dev.value_or(0);
  const double held = valid_ + test_ + dev_, sum = c.train.value_or(std::max(0.0, 1 - held)) + held;
  if (std::abs(sum - 1) > 1e-9)
    fault("", str("has shares that add up to ", number(std::round(1e6 * sum) / 1e6), ", expected 1"));
  if (c.stratify && c.by == SplitBy::hash && c.folds == 0) c.stratify = false;  // even over classes already
  if (c.stratify && c.by == SplitBy::order)
    fault("/stratify", "does not go with \"by\": \"order\", expected random or hash");
  if (c.stratify && !c.group.is_null()) fault("/stratify", "does not go with a group, expected one of them");
  if (!c.order_by.is_null() && !c.group.is_null())
    fault("/order_by", "does not go with a group, expected one of them");
  if (c.stratify && class_records_.empty()) fault("/stratify", "is true, but the target is no class");
}

void Splitter::name_parts() {
  const auto add = [&](const std::string& name) {
    names_.push_back(name);
    return static_cast<int>(names_.size()) - 1;
  };
  const bool rounds = !config_.fold && (config_.folds > 0 || config_.bootstrap > 1);
  rounds_ = !rounds ? 0 : config_.folds > 0 ? config_.folds : config_.bootstrap;
  for (int64_t k = 0; k < rounds_; ++k) {
    add(str(config_.folds > 0 ? "fold_" : "boot_", k));
    if (config_.bootstrap > 0) add(str("oob_", k));
  }
  if (!rounds) train_at_ = add("train");
  if (!rounds && (valid_ > 0 || config_.folds > 0 || config_.bootstrap > 0)) valid_at_ = add("valid");
  if (test_ > 0) test_at_ = add("test");
  if (dev_ > 0) dev_at_ = add("train_dev");
}

std::vector<std::string> Splitter::training_parts(int64_t round) const {
  if (rounds_ == 0) return {"train"};
  if (config_.bootstrap > 0) return {str("boot_", round)};
  std::vector<std::string> out;
  for (int64_t k = 0; k < rounds_; ++k)
    if (k != round) out.push_back(str("fold_", k));
  return out;
}

void Splitter::rewind() { seen_.assign(class_records_.size(), 0); }

// Groups go one after the other, in an order drawn with the seed, to the part that lacks most records of its share;
// for folds the largest groups first.
void Splitter::assign_groups(std::span<const std::string> keys, int64_t records) {
  std::unordered_map<std::string, int64_t> number;
  std::vector<int64_t> sizes, of_record;
  for (const std::string& key : keys) {
    const auto [it, fresh] = number.emplace(key, static_cast<int64_t>(sizes.size()));
    if (fresh) sizes.push_back(0);
    ++sizes[static_cast<size_t>(it->second)];
    of_record.push_back(it->second);
  }
  const auto groups = static_cast<int64_t>(sizes.size());
  if (config_.folds > groups)
    fault("/folds", str("is ", config_.folds, ", but there are ", groups, " groups"));
  std::vector<size_t> order(sizes.size());
  for (size_t g = 0; g < order.size(); ++g)
    order[static_cast<size_t>(scatter(static_cast<int64_t>(g), groups, seed_, stream_id("split.groups")))] =
        g;
  if (config_.folds > 0)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  std::vector<std::pair<int, double>> lacking;  // part, records
  const auto n = static_cast<double>(records), folds = static_cast<double>(config_.folds);
  if (config_.folds > 0) {
    for (int64_t k = 0; k < config_.folds; ++k)
      lacking.emplace_back(static_cast<int>(k), n * (1 - test_) / folds);
  } else {
    lacking.emplace_back(train_at_, n * (1 - valid_ - test_ - dev_));
    if (valid_at_ >= 0) lacking.emplace_back(valid_at_, n * valid_);
    if (dev_at_ >= 0) lacking.emplace_back(dev_at_, n * dev_);
  }
  const int kTest = -1;  // folds take the numbers of parts until by_fold() has its say
  if (test_at_ >= 0) lacking.emplace_back(kTest, n * test_);
  std::vector<int> part(sizes.size());
  for (size_t g : order) {
    const auto most = std::max_element(lacking.begin(), lacking.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    most->second -= static_cast<double>(sizes[g]);
    part[g] = most->first == kTest ? test_at_ : config_.folds > 0 ? by_fold(most->first) : most->first;
  }
  for (int64_t g : of_record) group_part_.push_back(part[static_cast<size_t>(g)]);
}

// Numbers by value, texts (such as 2024-01-31) by their bytes; equal keys keep the order of the records.
void Splitter::assign_ranks(std::span<const std::string> keys) {
  std::vector<double> values(keys.size());
  bool numbers = true;
  for (size_t i = 0; numbers && i < keys.size(); ++i) numbers = read_number(keys[i], values[i]);
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return numbers ? values[a] < values[b] : keys[a] < keys[b]; });
  rank_.resize(keys.size());
  for (size_t r = 0; r < order.size(); ++r) rank_[order[r]] = static_cast<int64_t>(r);
}

void Splitter::draw_samples(int64_t records) {
  // The test part is held out first; samples are drawn from what is left.
  std::vector<int64_t> pool;
  for (int64_t i = 0; i < records; ++i)
    if (by_rank(scatter(i, records, seed_, stream_id("split")), 0, records) != test_at_ || test_at_ < 0)
      pool.push_back(i);
  if (pool.empty()) fault("", "leaves no record for the training part");
  for (int64_t b = 0; b < config_.bootstrap; ++b) {
    if (config_.fold && *config_.fold != b) continue;
    auto& times = samples_.emplace_back(static_cast<size_t>(records));
    Random random(seed_, stream_id("split.bootstrap"), static_cast<uint64_t>(b));
    for (size_t draw = 0; draw < pool.size(); ++draw) {
      uint16_t& t = times[static_cast<size_t>(
          pool[static_cast<size_t>(random.below(static_cast<int64_t>(pool.size())))])];
      if (t < UINT16_MAX) ++t;
    }
  }
}

int Splitter::by_share(double u) const {
  if (u < test_) return test_at_;
  if (u < test_ + valid_) return valid_at_;
  return u < test_ + valid_ + dev_ ? dev_at_ : train_at_;
}

// `rank` within a class that holds ranks [first, first + count) of all: the cuts are those of the whole, so shares are
// exact over all classes and off by less than two records within each.
int Splitter::by_rank(int64_t rank, int64_t first, int64_t count) const {
  const auto cut = [&](double share) {
    return std::llround(share * static_cast<double>(first + count)) -
           std::llround(share * static_cast<double>(first));
  };
  const int64_t test = cut(test_), valid = cut(test_ + valid_), held = cut(test_ + valid_ + dev_);
  const int64_t place = config_.by == SplitBy::order ? count - 1 - rank : rank;  // the last are held out
  return place < test ? test_at_ : place < valid ? valid_at_ : place < held ? dev_at_ : train_at_;
}

int Splitter::by_fold(int64_t fold) const {
  if (!config_.fold) return static_cast<int>(fold);
  return fold == *config_.fold ? valid_at_ : train_at_;
}

int Splitter::place(int64_t index, std::string_view id, int64_t label) {
  if (!group_part_.empty()) return group_part_[static_cast<size_t>(index)];
  if (config_.by == SplitBy::hash) {
    const Philox philox{{uint32_t(seed_), uint32_t(seed_ >> 32)}};
    const double u = philox(stream_id(id), stream_id("split")).v[0] * 0x1p-32;
    if (config_.folds == 0 || u < test_) return by_share(u);
    return by_fold(static_cast<int64_t>((u - test_) / (1 - test_) * static_cast<double>(config_.folds)));
  }
  const auto c = static_cast<size_t>(config_.stratify && label >= 0 ? label : 0);
  const int64_t n = class_records_[c], first = class_first_[c];
  const int64_t at = config_.stratify ? seen_[c]++
                     : rank_.empty()  ? index
                                      : rank_[static_cast<size_t>(index)];
  if (at >= n)
    throw Error(Exit::data,
                str("record ", id, ": was not there when the records were counted; did a file change?"));
  const int64_t rank = config_.by == SplitBy::order ? at : scatter(at, n, seed_, stream_id("split") + c);
  const int part = by_rank(rank, first, n);
  if (config_.folds == 0 || (part == test_at_ && test_at_ >= 0)) return part;
  if (config_.by == SplitBy::order) {
    const auto left = n - std::llround(test_ * static_cast<double>(n));
    return by_fold(rank * config_.folds / left);
  }
  return by_fold((rank + first) % config_.folds);
}

std::span<const int> Splitter::places(int64_t index, std::string_view id, int64_t label) {
  const int64_t known =
      std::max<int64_t>(static_cast<int64_t>(group_part_.size()), static_cast<int64_t>(rank_.size()));
  if ((known > 0 && index >= known) ||
      (!samples_.empty() && index >= static_cast<int64_t>(samples_[0].size())))
    throw Error(Exit::data,
                str("record ", id, ": was not there when the records were counted; did a file change?"));
  out_.assign(1, place(index, id, label));
  if (config_.bootstrap == 0 || (out_[0] == test_at_ && test_at_ >= 0)) return out_;
  out_.clear();
  for (size_t b = 0; b < samples_.size(); ++b) {
    const uint16_t times = samples_[b][static_cast<size_t>(index)];
    const int in = rounds_ ? static_cast<int>(2 * b) : train_at_;
    out_.insert(out_.end(), times ? times : 1, times ? in : rounds_ ? in + 1 : valid_at_);
  }
  return out_;
}

}  // namespace dl
