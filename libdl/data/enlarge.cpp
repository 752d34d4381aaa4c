#include "data/enlarge.h"

#include <algorithm>

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
  std::vector<void*> inputs(int64_t row) const {
    std::vector<void*> out;
    for (size_t c = 0; c < schema_.inputs.size(); ++c)
      out.push_back(static_cast<unsigned char*>(pointers_[c]) + row * schema_.column_type(c).bytes());
    return out;
  }

 private:
  const Schema& schema_;
  std::vector<Memory> columns_;
  std::vector<void*> pointers_;
};

bool chosen(const EnlargeOptions& options, const std::string& split) {
  return std::find(options.splits.begin(), options.splits.end(), split) != options.splits.end();
}

}  // namespace

int64_t enlarged_rows(const Dataset& in, const EnlargeOptions& options) {
  int64_t rows = 0;
  for (const std::string& split : options.splits) in.rows(split);
  for (const std::string& split : in.splits())
    rows += in.rows(split) * (chosen(options, split) ? options.times + options.originals : 1);
  return rows;
}

void enlarge(const Dataset& in, const AugmentConfig& config, DatasetWriter& out,
             const EnlargeOptions& options) {
  const Augmenter augmenter(config, in.schema(), options.seed);
  enlarged_rows(in, options);  // checks the names of the splits
  int64_t row_bytes = 0, written = 0;
  for (size_t c = 0; c < in.schema().columns(); ++c) row_bytes += in.schema().column_type(c).bytes();
  const int64_t piece_rows = std::clamp<int64_t>(kPieceBytes / row_bytes, 1, 4096);
  const Piece piece(in.schema(), piece_rows);
  const std::vector<const void*> columns(piece.columns().begin(), piece.columns().end());
  std::vector<Image> work(static_cast<size_t>(options.pool ? pool_threads(options.pool) : 1));
  for (const std::string& split : in.splits()) {
    const bool copies = chosen(options, split);
    const int64_t rows = in.rows(split);
    for (int64_t copy = copies && !options.originals ? 1 : 0; copy <= (copies ? options.times : 0); ++copy)
      for (int64_t first = 0; first < rows; first += piece_rows) {
        const int64_t n = std::min(piece_rows, rows - first);
        in.read(split, first, n, piece.columns());
        std::vector<std::string> ids = in.ids(split, first, n);
        const auto transform = [&](int64_t i, int worker) {
          augmenter.apply(piece.inputs(i), static_cast<uint64_t>(copy), static_cast<uint64_t>(first + i),
                          work[static_cast<size_t>(worker)]);
          ids[static_cast<size_t>(i)] += str('#', copy);
        };
        for (int64_t i = 0; copy > 0 && !options.pool && i < n; ++i) transform(i, 0);
        if (copy > 0 && options.pool) parallel(options.pool, n, transform);
        out.append(split, columns, ids, n);
        written += n;
        if (options.progress) options.progress(written);
      }
  }
}

}  // namespace dl
