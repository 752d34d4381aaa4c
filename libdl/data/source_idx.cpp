#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "data/source.h"
#include "io/idx.h"

namespace dl {

namespace {

struct Pair {
  IdxReader images, labels;
};

class IdxSource : public Source {
 public:
  IdxSource(std::vector<std::string> classes, bool fixed, std::span<const std::string> files,
            const SourceContext& context)
      : classes_(std::move(classes)), fixed_(fixed), context_(context) {
    open(files);
    const Shape& row = pairs_[0].images.row_shape();
    const DType dtype = pairs_[0].images.dtype();
    Input input{"image", Role::image, {dtype == DType::u8 ? DType::u8 : DType::f32, row}, {}};
    if (row.rank() == 1)
      input = {"features", Role::features, {DType::f32, row}, {}};
    else if (row.rank() == 2)
      input.type.shape = Shape{1, row[0], row[1]};
    else if (row.rank() != 3)
      throw Error(Exit::data,
                  str(pairs_[0].images.path(), ": records have rank ", row.rank(), ", expected 1 to 3"));
    schema_.inputs.push_back(input);
    schema_.targets.push_back({"label", TargetKind::class_index, {DType::i32, Shape{}}, classes_});
  }

  SourceScan scan() override {
    SourceScan s;
    std::vector<int32_t> labels;
    for (Pair& p : pairs_) {
      s.records += p.images.rows();
      for (int64_t done = 0, n; (n = read_labels(p, 65536, labels)) > 0; done += n)
        for (int64_t i = 0; i < n; ++i) {
          const int64_t label = labels[static_cast<size_t>(i)];
          if (!fixed_ && label > kMostClasses)
            throw Error(Exit::data, str(p.labels.path(), ": record ", done + i, " has label ", label,
                                        ", expected at most ", kMostClasses));
          if (label < 0 || (fixed_ && label >= static_cast<int64_t>(classes_.size())))
            continue;  // bad, said when it is read
          if (label >= static_cast<int64_t>(s.class_records.size()))
            s.class_records.resize(static_cast<size_t>(label) + 1);
          ++s.class_records[static_cast<size_t>(label)];
        }
      p.labels.rewind();
    }
    if (!fixed_) classes_ = numbered(static_cast<int64_t>(s.class_records.size()));
    s.class_records.resize(classes_.size());
    schema_.targets[0].classes = classes_;
    return s;
  }

  const Schema& schema() const override { return schema_; }

  bool read(Rows& rows) override {
    std::vector<int32_t> labels;
    while (rows.count < rows.capacity && file_ < pairs_.size()) {
      Pair& p = pairs_[file_];
      const int64_t n = read_images(p, rows.capacity - rows.count, rows);
      if (n == 0) {
        ++file_;
        at_ = 0;
        continue;
      }
      read_labels(p, n, labels);
      for (int64_t i = 0; i < n; ++i, ++at_, ++total_)
        keep(rows, rows.count + i - skipped_, labels[static_cast<size_t>(i)], p);
      rows.count += n - skipped_;
      skipped_ = 0;
    }
    return file_ < pairs_.size();
  }

  void rewind() override {
    for (Pair& p : pairs_) p.images.rewind(), p.labels.rewind();
    file_ = 0;
    at_ = total_ = 0;
  }

  std::unique_ptr<Source> follow(std::span<const std::string> files) override {
    auto next = std::make_unique<IdxSource>(classes_, true, files, context_);
    if (next->schema_.inputs[0].type != schema_.inputs[0].type)
      throw Error(Exit::data,
                  str(files[0], ": holds records of ", next->schema_.inputs[0].type.text(), ", expected ",
                      schema_.inputs[0].type.text(), " as in ", pairs_[0].images.path()));
    return next;
  }

 private:
  static constexpr int64_t kMostClasses = 1'000'000;

  void open(std::span<const std::string> files) {
    if (files.size() % 2)
      throw Error(Exit::usage,
                  str("IDX files come in pairs of images and labels, but ", files.size(), " were given"));
    for (size_t i = 0; i < files.size(); i += 2) {
      IdxReader a(files[i], context_.tmp), b(files[i + 1], context_.tmp);
      const bool labels_first = a.row_shape().rank() == 0 && b.row_shape().rank() > 0;
      Pair p{std::move(labels_first ? b : a), std::move(labels_first ? a : b)};
      if (p.images.row_shape().rank() == 0)
        throw Error(Exit::data,
                    str(p.images.path(), ": holds plain numbers, expected images (rank 2 and up)"));
      if (p.labels.row_shape().rank() != 0 || p.labels.dtype() == DType::f32 ||
          p.labels.dtype() == DType::f64)
        throw Error(Exit::data, str(p.labels.path(), ": holds no labels, expected whole numbers of rank 1"));
      if (p.images.rows() != p.labels.rows())
        throw Error(Exit::data, str(p.labels.path(), ": has ", p.labels.rows(), " labels, expected ",
                                    p.images.rows(), " as there are images in ", p.images.path()));
      if (!pairs_.empty() && (p.images.row_shape() != pairs_[0].images.row_shape() ||
                              p.images.dtype() != pairs_[0].images.dtype()))
        throw Error(Exit::data,
                    str(p.images.path(), ": holds records of ", p.images.row_shape().text(), ", expected ",
                        pairs_[0].images.row_shape().text(), " as in ", pairs_[0].images.path()));
      pairs_.push_back(std::move(p));
    }
  }

  static int64_t read_labels(Pair& p, int64_t count, std::vector<int32_t>& labels) {
    labels.resize(static_cast<size_t>(count));
    if (p.labels.dtype() != DType::u8) return p.labels.read(count, labels.data());
    std::vector<uint8_t> bytes(static_cast<size_t>(count));
    const int64_t n = p.labels.read(count, bytes.data());
    std::copy_n(bytes.begin(), n, labels.begin());
    return n;
  }

  // Images into the rows from rows.count on.
  int64_t read_images(Pair& p, int64_t count, Rows& rows) {
    uint8_t* dst = rows.row(0, rows.count);
    const DType from = p.images.dtype(), to = schema_.inputs[0].type.dtype;
    if (from == to) return p.images.read(count, dst);
    Tensor raw(from, Shape{count * p.images.row_shape().elements()});
    const int64_t n = p.images.read(count, raw.raw()), values = n * p.images.row_shape().elements();
    auto* out = reinterpret_cast<float*>(dst);
    const auto copy = [&](const auto* src) {
      std::transform(src, src + values, out, [](auto v) { return static_cast<float>(v); });
    };
    if (from == DType::u8)
      copy(raw.data<uint8_t>().data());
    else if (from == DType::i32)
      copy(raw.data<int32_t>().data());
    else
      copy(raw.data<double>().data());
    return n;
  }

  // The record at_ was read into the row after those kept and skipped; moves it to row `to`.
  void keep(Rows& rows, int64_t to, int32_t label, const Pair& p) {
    if (label < 0 || label >= static_cast<int32_t>(classes_.size())) {
      ++skipped_;
      context_.bad->add(str(p.labels.path(), ": record ", at_, " has label ", label, ", expected 0 to ",
                            classes_.size() - 1));
      return;
    }
    const auto bytes = static_cast<size_t>(schema_.inputs[0].type.bytes());
    if (skipped_ > 0) std::memmove(rows.row(0, to), rows.row(0, to + skipped_), bytes);
    std::memcpy(rows.row(1, to), &label, sizeof label);
    rows.ids[static_cast<size_t>(to)] = std::to_string(total_);
    rows.index[static_cast<size_t>(to)] = total_;
  }

  std::vector<Pair> pairs_;
  std::vector<std::string> classes_;
  bool fixed_;  // the classes are known, they are not taken from the labels
  SourceContext context_;
  Schema schema_;
  size_t file_ = 0;
  int64_t at_ = 0, total_ = 0, skipped_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_idx(const IdxOptions& options, std::span<const std::string> files,
                                 const SourceContext& context) {
  std::vector<std::string> classes = class_names(options.classes, "/prep/from/classes");
  const bool fixed = !classes.empty();
  return std::make_unique<IdxSource>(std::move(classes), fixed, files, context);
}

}  // namespace dl
