#include "data/augment_show.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/memory.h"
#include "base/str.h"
#include "data/preview.h"

namespace dl {
namespace {

// The first rows of a split, and room for what becomes of one of them.
class Samples {
 public:
  Samples(const Dataset& data, const std::string& split, int64_t count)
      : schema_(data.schema()), rows_(std::min(count, data.rows(split))) {
    if (rows_ == 0) throw Error(Exit::data, str(data.name(), ": split '", split, "' is empty"));
    std::vector<void*> columns;
    for (size_t c = 0; c < schema_.columns(); ++c) {
      all_.emplace_back(static_cast<size_t>(schema_.column_type(c).bytes() * rows_));
      columns.push_back(all_.back().data());
      for (auto* memory : {&one_, &other_, &mixed_}) memory->emplace_back(room(c));
    }
    data.read(split, 0, rows_, columns);
  }
  int64_t rows() const { return rows_; }
  const void* value(size_t c, int64_t row) const {
    return static_cast<const unsigned char*>(all_[c].data()) + row * schema_.column_type(c).bytes();
  }
  // Input `c` of the row after the transforms, good until the next call.
  const void* transformed(const Augmenter& a, size_t c, uint64_t round, int64_t row, Image& work) {
    const std::vector<void*> own = copy(row, one_);
    a.apply(own, round, static_cast<uint64_t>(row), work);
    if (!a.mixes()) return own[c];
    const int64_t partner = a.partner(round, static_cast<uint64_t>(row), rows_);
    const std::vector<void*> other = copy(partner, other_);
    a.apply(other, round, static_cast<uint64_t>(partner), work);
    std::vector<void*> out;
    for (const Memory& m : mixed_) out.push_back(m.data());
    a.mix(out, std::vector<const void*>(own.begin(), own.end()),
          std::vector<const void*>(other.begin(), other.end()), round, static_cast<uint64_t>(row), work);
    return out[c];
  }

 private:
  // Labels may become probabilities.
  size_t room(size_t c) const {
    const size_t bytes = static_cast<size_t>(schema_.column_type(c).bytes());
    if (c < schema_.inputs.size()) return bytes;
    return std::max(bytes, 4 * schema_.targets[c - schema_.inputs.size()].classes.size());
  }
  std::vector<void*> copy(int64_t row, std::vector<Memory>& to) const {
    std::vector<void*> out;
    for (size_t c = 0; c < to.size(); ++c) {
      std::memcpy(to[c].data(), value(c, row), static_cast<size_t>(schema_.column_type(c).bytes()));
      out.push_back(to[c].data());
    }
    return out;
  }
  const Schema& schema_;
  int64_t rows_;
  std::vector<Memory> all_, one_, other_, mixed_;
};

SheetPicture picture(const TensorType& type, const void* values, std::string label) {
  SheetPicture p{{}, std::move(label)};
  const int64_t n = type.elements();
  if (type.dtype == DType::u8) {
    const auto* v = static_cast<const uint8_t*>(values);
    p.pixels.assign(v, v + n);
    return p;
  }
  const auto* v = static_cast<const float*>(values);
  for (int64_t i = 0; i < n; ++i)
    p.pixels.push_back(static_cast<uint8_t>(std::clamp(v[i], 0.0f, 1.0f) * 255 + 0.5f));
  return p;
}

// The transform on its own, as if it were always applied.
AugmentConfig alone(const Typed<Transform>& t) {
  json j = FieldType<Typed<Transform>>::dump(t);
  if (j.contains("p")) j["p"] = 1;
  return parse_augment(json::array({j}), "/augment");
}

std::string class_of(const Schema& schema, const Samples& samples, int64_t row) {
  if (schema.targets.empty() || schema.targets[0].kind != TargetKind::class_index) return "original";
  int32_t label;
  std::memcpy(&label, samples.value(schema.inputs.size(), row), sizeof label);
  return schema.targets[0].classes.at(static_cast<size_t>(label));
}

// Every transform that suits the data with its default attributes.
AugmentConfig defaults_that_suit(const Schema& schema) {
  AugmentConfig out;
  for (const TransformDef& d : all_transforms()) {
    try {
      const AugmentConfig one = parse_augment(json::array({d.variant.name}), "/augment");
      (void)Augmenter(one, schema, 0);
      out.transforms.push_back(one.transforms.front());
    } catch (const Error&) {}  // required attributes, or other data
  }
  return out;
}

}  // namespace

std::string augmented_sheet(const Dataset& data, const AugmentConfig& config,
                            const AugmentSheetOptions& options) {
  const Schema& schema = data.schema();
  const auto image = std::find_if(schema.inputs.begin(), schema.inputs.end(),
                                  [](const Input& i) { return i.role == Role::image; });
  if (image == schema.inputs.end())
    throw Error(Exit::data, str(data.name(), ": has no pictures to preview, expected an input of images"));
  const auto c = static_cast<size_t>(image - schema.inputs.begin());
  struct Column {
    Augmenter augmenter;
    std::string label;
    uint64_t round;
  };
  std::vector<Column> columns;
  for (const Typed<Transform>& t : config.transforms)
    if (transform_def(t.type).stage != Stage::label && t.type != "resize" && t.type != "crop")
      columns.push_back({Augmenter(alone(t), schema, options.seed), t.type, 1});
  for (int64_t k = 1; k <= options.copies; ++k)
    columns.push_back({Augmenter(config, schema, options.seed), str("copy ", k), static_cast<uint64_t>(k)});
  for (Column& column : columns) column.augmenter.fit(data, options.split);
  Samples samples(data, options.split, options.samples);
  std::vector<SheetPicture> pictures;
  Image work;
  for (int64_t r = 0; r < samples.rows(); ++r) {
    pictures.push_back(picture(image->type, samples.value(c, r), class_of(schema, samples, r)));
    for (const Column& column : columns)
      pictures.push_back(picture(image->type, samples.transformed(column.augmenter, c, column.round, r, work),
                                 column.label));
  }
  return contact_sheet(pictures, image->type.shape, {.columns = static_cast<int64_t>(columns.size()) + 1});
}

std::vector<TransformSpeed> time_transforms(const Dataset& data, const std::string& split,
                                            const AugmentConfig& config, double seconds) {
  constexpr int64_t kSamples = 256;
  Samples samples(data, split, kSamples);
  const AugmentConfig timed = config.transforms.empty() ? defaults_that_suit(data.schema()) : config;
  std::vector<TransformSpeed> out;
  Image work;
  const auto measure = [&](const AugmentConfig& one, const std::string& name) {
    Augmenter augmenter(one, data.schema(), 0);
    augmenter.fit(data, split);
    const std::clock_t start = std::clock();
    int64_t done = 0;
    double passed = 0;
    for (uint64_t round = 1; passed < seconds; ++round) {
      for (int64_t r = 0; r < samples.rows(); ++r) samples.transformed(augmenter, 0, round, r, work);
      done += samples.rows();
      passed = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    }
    out.push_back({name, static_cast<double>(done) / passed});
  };
  measure({}, "none");
  for (const Typed<Transform>& t : timed.transforms)
    if (t.type != "resize" && t.type != "crop") measure(alone(t), t.type);
  if (!config.transforms.empty()) measure(config, "all");
  return out;
}

}  // namespace dl
