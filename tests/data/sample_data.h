#pragma once
// A small data set for tests: image u8 (1,6,6) whose pixels tell the row, label i32 = row % 10, ids "s<row>".
#include <string>
#include <vector>

#include "data/dataset.h"

inline dl::Schema sample_schema() {
  dl::Schema s;
  s.inputs.push_back({"image", dl::Role::image, {dl::DType::u8, {1, 6, 6}}, {}});
  s.targets.push_back({"label", dl::TargetKind::class_index, {dl::DType::i32, {}}, {}});
  for (int i = 0; i < 10; ++i) s.targets[0].classes.push_back(std::to_string(i));
  return s;
}

inline uint8_t sample_pixel(int64_t row, int64_t at) {
  return static_cast<uint8_t>((row * 36 + at) * 2654435761u >> 11);
}

inline void append_samples(dl::DatasetWriter& w, const std::string& split, int64_t rows) {
  std::vector<uint8_t> image;
  std::vector<int32_t> label;
  std::vector<std::string> ids;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < 36; ++i) image.push_back(sample_pixel(r, i));
    label.push_back(static_cast<int32_t>(r % 10));
    ids.push_back("s" + std::to_string(r));
  }
  const void* columns[] = {image.data(), label.data()};
  w.append(split, columns, ids, rows);
}

inline void write_samples(const std::string& path, int64_t train, int64_t test) {
  dl::DatasetWriter w(path, sample_schema());
  append_samples(w, "train", train);
  append_samples(w, "test", test);
  w.schema().normalization["image"] = {{127.5f}, {73.9f}};
  w.finish();
}
