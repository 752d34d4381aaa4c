#include "data/derive.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/str.h"
#include "data/split.h"

namespace dl {

namespace {

int64_t total_rows(std::span<const Dataset* const> from, const std::string& split) {
  int64_t rows = 0;
  for (const Dataset* d : from) rows += d->has(split) ? d->rows(split) : 0;
  return rows;
}

// The class of each row of a part; 0 where the target is no class.
std::vector<int32_t> labels(std::span<const Dataset* const> from, const std::string& split) {
  std::vector<int32_t> out(static_cast<size_t>(total_rows(from, split)));
  const Schema& s = from[0]->schema();
  if (s.targets.empty() || s.targets[0].kind != TargetKind::class_index) return out;
  int64_t at = 0;
  for (const Dataset* d : from) {
    if (!d->has(split)) continue;
    std::vector<void*> columns(s.columns());
    columns[s.inputs.size()] = out.data() + at;
    d->read(split, 0, d->rows(split), columns);
    at += d->rows(split);
  }
  return out;
}

// Each class's rows are put into an order by the seed, and the first ones of it stay.
std::vector<int64_t> nested_fraction(const std::vector<int32_t>& label, double fraction, uint64_t seed) {
  std::vector<int64_t> count, seen;
  for (int32_t c : label) {
    if (static_cast<size_t>(c) >= count.size()) count.resize(static_cast<size_t>(c) + 1);
    ++count[static_cast<size_t>(c)];
  }
  seen.resize(count.size());
  std::vector<int64_t> out;
  for (size_t i = 0; i < label.size(); ++i) {
    const auto c = static_cast<size_t>(label[i]);
    const int64_t stay = std::max<int64_t>(1, std::llround(fraction * static_cast<double>(count[c])));
    if (scatter(seen[c]++, count[c], seed, stream_id("fraction") + c) < stay)
      out.push_back(static_cast<int64_t>(i));
  }
  return out;
}

}  // namespace

std::vector<std::string> derived_splits(std::span<const Dataset* const> from) {
  std::vector<std::string> out;
  for (const Dataset* d : from)
    for (const std::string& name : d->splits())
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  return out;
}

void check_derivable(std::span<const Dataset* const> from, const DeriveOptions& options) {
  const Schema& first = from[0]->schema();
  for (const Dataset* d : from) {
    const Schema& s = d->schema();
    bool same = s.inputs.size() == first.inputs.size() && s.targets.size() == first.targets.size();
    for (size_t i = 0; same && i < s.inputs.size(); ++i)
      same = s.inputs[i].name == first.inputs[i].name && s.inputs[i].type == first.inputs[i].type &&
             s.inputs[i].columns == first.inputs[i].columns;
    for (size_t i = 0; same && i < s.targets.size(); ++i)
      same = s.targets[i].name == first.targets[i].name && s.targets[i].type == first.targets[i].type &&
             s.targets[i].kind == first.targets[i].kind && s.targets[i].classes == first.targets[i].classes;
    if (!same)
      throw Error(Exit::data, {},
                  str(d->name(), ": does not hold the same inputs, columns and classes as ", from[0]->name()),
                  "dl-prep --like makes a data set in the form of another");
  }
  for (const std::string& name : derived_splits(from))
    if (from.size() > 1 && (name.starts_with("fold_") || name.starts_with("boot_")))
      throw Error(Exit::data, str(from[0]->name(), ": has split '", name,
                                  "', expected data sets without folds to merge; fold them afterwards"));
  if (options.fraction < 1 && total_rows(from, "train") == 0)
    throw Error(Exit::data, str(from[0]->name(), ": has no split 'train' to take a fraction of, it has ",
                                join(from[0]->splits(), ", ")));
}

std::vector<int64_t> derived_rows(std::span<const Dataset* const> from, const std::string& split,
                                  const DeriveOptions& options) {
  const int64_t all = total_rows(from, split);
  std::vector<int64_t> rows;
  if (options.fraction < 1 && split == "train") {
    rows = nested_fraction(labels(from, split), options.fraction, options.seed);
  } else {
    rows.resize(static_cast<size_t>(all));
    std::iota(rows.begin(), rows.end(), 0);
  }
  const auto n = static_cast<int64_t>(rows.size());
  std::vector<int64_t> out;
  for (int64_t i = options.shard; i < n; i += options.shards)
    out.push_back(rows[static_cast<size_t>(
        options.shuffle ? scatter(i, n, options.seed, stream_id("shuffle." + split)) : i)]);
  return out;
}

void derive(std::span<const Dataset* const> from, const DeriveOptions& options, DatasetWriter& out,
            Statistics* statistics, const std::function<bool(int64_t)>& progress) {
  const Schema& schema = from[0]->schema();
  int64_t row_bytes = 64, done = 0;
  for (size_t c = 0; c < schema.columns(); ++c) row_bytes += schema.column_type(c).bytes();
  const int64_t piece = std::clamp<int64_t>((int64_t{4} << 20) / row_bytes, 1, 1024);
  for (const std::string& split : derived_splits(from)) {
    const std::vector<int64_t> rows = derived_rows(from, split, options);
    std::vector<Memory> memory;
    for (size_t c = 0; c < schema.columns(); ++c)
      memory.emplace_back(static_cast<size_t>(schema.column_type(c).bytes() * piece));
    for (size_t first = 0; first < rows.size(); first += static_cast<size_t>(piece)) {
      const size_t n = std::min(rows.size() - first, static_cast<size_t>(piece));
      std::vector<std::string> ids;
      for (size_t i = 0; i < n; ++i) {
        int64_t row = rows[first + i];
        size_t d = 0;
        for (; !from[d]->has(split) || row >= from[d]->rows(split); ++d)
          if (from[d]->has(split)) row -= from[d]->rows(split);
        std::vector<void*> to;
        for (size_t c = 0; c < schema.columns(); ++c)
          to.push_back(static_cast<unsigned char*>(memory[c].data()) +
                       static_cast<int64_t>(i) * schema.column_type(c).bytes());
        from[d]->gather(split, {&row, 1}, to);
        ids.push_back(from[d]->id(split, row));
      }
      std::vector<const void*> columns;
      for (const Memory& m : memory) columns.push_back(m.data());
      out.append(split, columns, ids, static_cast<int64_t>(n));
      if (statistics) statistics->add(split, columns, static_cast<int64_t>(n));
      done += static_cast<int64_t>(n);
      if (!progress(done)) return;
    }
  }
}

}  // namespace dl
