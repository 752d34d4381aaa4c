#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "data/digits.h"
#include "data/source.h"

namespace dl {

namespace {

class DigitsSource : public Source {
 public:
  DigitsSource(const DigitsOptions& options, uint64_t seed)
      : options_(options),
        generator_({options.seed ? static_cast<uint64_t>(*options.seed) : seed, options.size,
                    options.balanced, options.distortion}) {
    schema_.inputs.push_back({"image", Role::image, {DType::u8, Shape{1, options.size, options.size}}, {}});
    schema_.targets.push_back({"label", TargetKind::class_index, {DType::i32, Shape{}}, numbered(10)});
  }
  SourceScan scan() override {
    SourceScan s{options_.count, std::vector<int64_t>(10)};
    for (int64_t i = 0; i < options_.count; ++i) ++s.class_records[static_cast<size_t>(generator_.label(i))];
    return s;
  }
  const Schema& schema() const override { return schema_; }
  bool read(Rows& rows) override {
    for (; rows.count < rows.capacity && at_ < options_.count; ++at_, ++rows.count) {
      const int32_t label = generator_.label(at_);
      generator_.draw(at_, rows.row(0, rows.count));
      std::memcpy(rows.row(1, rows.count), &label, sizeof label);
      rows.ids[static_cast<size_t>(rows.count)] = std::to_string(at_);
      rows.index[static_cast<size_t>(rows.count)] = at_;
    }
    return at_ < options_.count;
  }
  void rewind() override { at_ = 0; }
  std::unique_ptr<Source> follow(std::span<const std::string> files) override {
    throw Error(Exit::usage, str(files[0], ": digits are made by a formula, expected no further files"));
  }

 private:
  DigitsOptions options_;
  DigitGenerator generator_;
  Schema schema_;
  int64_t at_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_digits(const DigitsOptions& options, const SourceContext& context) {
  return std::make_unique<DigitsSource>(options, context.seed);
}

}  // namespace dl
