#include "data/enlarge.h"

#include <algorithm>
#include <memory>

#include "base/memory.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr int64_t kPieceBytes = 8 << 20;

class Piece {  // rows on their way from one data set to the other
 public:
  Piece(const Schema& schema, int64_t rows) : schema_(schema) {
    for (size_t c = 0; c < schema.columns(); ++c) {
      columns_.emplace_back(static_cast<size_t>(schema.column_type(c).bytes() * rows));
      pointers_.push_back(columns_.back().data());
    }
  }
  std::span<void* const> columns() const { return pointers_; }
  std::vector<const void*> read_only() const { return {pointers_.begin(), pointers_.end()}; }
  // Where the values of one row are.
  template <class P = void*>
  std::vector<P> row(int64_t row) const {
    std::vector<P> out;
    for (size_t c = 0; c < pointers_.size(); ++c)
      out.push_back(static_cast<unsigned char*>(pointers_[c]) + row * schema_.column_type(c).bytes());
    return out;
  }

 private:
  Schema schema_;
  std::vector<Memory> columns_;
  std::vector<void*> pointers_;
};

bool chosen(const EnlargeOptions& options, const std::string& split) {
  return std::find(options.splits.begin(), options.splits.end(), split) != options.splits.end();
}

struct Rows {
  int64_t first, last;
};
Rows rows_of_shard(int64_t rows, const EnlargeOptions& o) {
  return {rows * o.shard / o.shards, rows * (o.shard + 1) / o.shards};
}

class Enlarger {
 public:
  Enlarger(const Dataset& in, const AugmentConfig& config, DatasetWriter& out, const EnlargeOptions& options)
      : in_(in),
        out_(out),
        options_(options),
        augmenter_(config, in.schema(), options.seed),
        plain_({}, in.schema(), options.seed, augmenter_.softens()),
        piece_rows_(rows_of_piece(in.schema())),
        own_(in.schema(), piece_rows_),
        work_(static_cast<size_t>(options.pool ? pool_threads(options.pool) : 1)) {
    augmenter_.fit(in, options.splits.front());
    if (!augmenter_.softens()) return;
    partners_ = std::make_unique<Piece>(in.schema(), piece_rows_);
    mixed_ = std::make_unique<Piece>(augmenter_.schema(), piece_rows_);
  }

  void run() {
    for (const std::string& split : in_.splits()) {
      const bool copies = chosen(options_, split);
      const Rows rows = rows_of_shard(in_.rows(split), options_);
      for (int64_t copy = copies && !options_.originals ? 1 : 0; copy <= (copies ? options_.times : 0);
           ++copy)
        for (int64_t first = rows.first; first < rows.last; first += piece_rows_)
          write(split, copy, first, std::min(piece_rows_, rows.last - first));
    }
  }

 private:
  static int64_t rows_of_piece(const Schema& schema) {
    int64_t bytes = 0;
    for (size_t c = 0; c < schema.columns(); ++c) bytes += schema.column_type(c).bytes();
    return std::clamp<int64_t>(kPieceBytes / bytes, 1, 4096);
  }

  template <class F>  // f(i, image) for every row of the piece
  void each(int64_t n, F&& f) {
    const auto go = [&](int64_t i, int worker) { f(i, work_[static_cast<size_t>(worker)]); };
    for (int64_t i = 0; !options_.pool && i < n; ++i) go(i, 0);
    if (options_.pool) parallel(options_.pool, n, go);
  }

  void write(const std::string& split, int64_t copy, int64_t first, int64_t n) {
    in_.read(split, first, n, own_.columns());
    std::vector<std::string> ids = in_.ids(split, first, n);
    const auto round = static_cast<uint64_t>(copy);
    if (copy > 0)
      each(n, [&](int64_t i, Image& work) {
        augmenter_.apply(own_.row(i), round, static_cast<uint64_t>(first + i), work);
        ids[static_cast<size_t>(i)] += str('#', copy);
      });
    if (mixed_) mix(split, copy, first, n);
    out_.append(split, (mixed_ ? *mixed_ : own_).read_only(), ids, n);
    written_ += n;
    if (options_.progress) options_.progress(written_);
  }

  void mix(const std::string& split, int64_t copy, int64_t first, int64_t n) {
    const auto round = static_cast<uint64_t>(copy);
    if (copy == 0) {
      each(n, [&](int64_t i, Image& work) {
        plain_.mix(mixed_->row(i), own_.row<const void*>(i), own_.row<const void*>(i), round,
                   static_cast<uint64_t>(first + i), work);
      });
      return;
    }
    std::vector<int64_t> partners;
    for (int64_t i = 0; i < n; ++i)
      partners.push_back(augmenter_.partner(round, static_cast<uint64_t>(first + i), in_.rows(split)));
    in_.gather(split, partners, partners_->columns());
    each(n, [&](int64_t i, Image& work) {
      augmenter_.apply(partners_->row(i), round, static_cast<uint64_t>(partners[static_cast<size_t>(i)]),
                       work);
      augmenter_.mix(mixed_->row(i), own_.row<const void*>(i), partners_->row<const void*>(i), round,
                     static_cast<uint64_t>(first + i), work);
    });
  }

  const Dataset& in_;
  DatasetWriter& out_;
  const EnlargeOptions& options_;
  Augmenter augmenter_, plain_;  // plain_: labels of originals become probabilities too
  int64_t piece_rows_, written_ = 0;
  Piece own_;
  std::unique_ptr<Piece> partners_, mixed_;  // where samples are mixed
  std::vector<Image> work_;
};

}  // namespace

int64_t enlarged_rows(const Dataset& in, const EnlargeOptions& options) {
  int64_t rows = 0;
  for (const std::string& split : options.splits) in.rows(split);
  for (const std::string& split : in.splits()) {
    const Rows r = rows_of_shard(in.rows(split), options);
    rows += (r.last - r.first) * (chosen(options, split) ? options.times + options.originals : 1);
  }
  return rows;
}

Schema enlarged_schema(const Dataset& in, const AugmentConfig& config) {
  return Augmenter(config, in.schema(), 0).schema();
}

void enlarge(const Dataset& in, const AugmentConfig& config, DatasetWriter& out,
             const EnlargeOptions& options) {
  enlarged_rows(in, options);  // checks the names of the splits
  Enlarger(in, config, out, options).run();
}

}  // namespace dl
