#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "data/source.h"
#include "io/cifar.h"

namespace dl {

namespace {

class CifarSource : public Source {
 public:
  CifarSource(const CifarOptions& options, bool hundred, std::span<const std::string> files,
              const SourceContext& context)
      : options_(options), hundred_(hundred), context_(context) {
    for (const std::string& f : files) readers_.emplace_back(f, hundred ? 2 : 1, context.tmp);
    const int64_t count = !hundred ? 10 : options.label == CifarLabel::fine ? 100 : 20;
    std::vector<std::string> names = class_names(options.classes, "/prep/from/classes");
    if (names.empty() && !hundred)
      names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
    if (names.empty()) names = numbered(count);
    if (static_cast<int64_t>(names.size()) != count)
      throw Error(Exit::config, "/prep/from/classes",
                  str("names ", names.size(), " classes, expected ", count));
    schema_.inputs.push_back({"image", Role::image, {DType::u8, Shape{3, 32, 32}}, {}});
    schema_.targets.push_back({"label", TargetKind::class_index, {DType::i32, Shape{}}, std::move(names)});
  }

  SourceScan scan() override {
    SourceScan s{0, std::vector<int64_t>(classes())};
    uint8_t labels[2], pixels[CifarReader::kPixels];
    for (CifarReader& r : readers_) {
      for (; r.next(labels, pixels); ++s.records)
        if (label(labels) < classes()) ++s.class_records[label(labels)];
      r.rewind();
    }
    return s;
  }
  const Schema& schema() const override { return schema_; }

  bool read(Rows& rows) override {
    while (rows.count < rows.capacity && file_ < readers_.size()) {
      uint8_t labels[2];
      if (!readers_[file_].next(labels, rows.row(0, rows.count))) {
        ++file_;
        at_ = 0;
        continue;
      }
      const auto value = static_cast<int32_t>(label(labels));
      const int64_t record = at_++, index = total_++;
      if (label(labels) >= classes()) {
        context_.bad->add(str(readers_[file_].path(), ": record ", record, " has label ", value,
                              ", expected 0 to ", classes() - 1));
        continue;
      }
      std::memcpy(rows.row(1, rows.count), &value, sizeof value);
      rows.ids[static_cast<size_t>(rows.count)] = std::to_string(index);
      rows.index[static_cast<size_t>(rows.count)] = index;
      ++rows.count;
    }
    return file_ < readers_.size();
  }

  void rewind() override {
    for (CifarReader& r : readers_) r.rewind();
    file_ = 0;
    at_ = total_ = 0;
  }
  std::unique_ptr<Source> follow(std::span<const std::string> files) override {
    return std::make_unique<CifarSource>(options_, hundred_, files, context_);
  }

 private:
  size_t classes() const { return schema_.targets[0].classes.size(); }
  size_t label(const uint8_t (&labels)[2]) const {
    return labels[hundred_ && options_.label == CifarLabel::fine ? 1 : 0];
  }

  CifarOptions options_;
  bool hundred_;
  SourceContext context_;
  std::vector<CifarReader> readers_;
  Schema schema_;
  size_t file_ = 0;
  int64_t at_ = 0, total_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_cifar(const CifarOptions& options, bool hundred,
                                   std::span<const std::string> files, const SourceContext& context) {
  return std::make_unique<CifarSource>(options, hundred, files, context);
}

}  // namespace dl
