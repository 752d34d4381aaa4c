#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "data/dataset.h"
#include "io/stored_json.h"

namespace dl {

struct DatasetWriter::Split {
  std::string name;
  std::vector<std::string> columns;  // paths
  std::vector<int64_t> row_bytes;
  int64_t rows = 0;
  int64_t id_bytes = 0;
  bool has_ids = false;
};

DatasetWriter::DatasetWriter(const std::string& path, Schema schema, std::span<const std::string> splits,
                             const OutputOptions& options)
    : schema_(std::move(schema)), writer_(path, "dataset", options) {
  for (const std::string& name : splits) split(name);
}

DatasetWriter::~DatasetWriter() = default;

DatasetWriter::Split& DatasetWriter::split(const std::string& name) {
  for (const auto& s : splits_)
    if (s->name == name) return *s;
  if (name.empty() || name == "normalization" || name == "fold_normalization" || name == "preparation" ||
      name.find('+') != std::string::npos || name.find('/') != std::string::npos)
    throw Error(Exit::data, str("'", name, "' cannot name a split"));
  auto s = std::make_unique<Split>();
  s->name = name;
  int64_t row = 0;
  for (size_t i = 0; i < schema_.columns(); ++i) row += schema_.column_type(i).bytes();
  const int64_t chunk_rows = std::clamp<int64_t>(kChunkBytes / std::max<int64_t>(row, 1), 1, 1 << 16);
  for (size_t i = 0; i < schema_.columns(); ++i) {
    s->columns.push_back(str('/', name, '/', schema_.column_name(i)));
    s->row_bytes.push_back(schema_.column_type(i).bytes());
    writer_.create(s->columns.back(), schema_.column_type(i), chunk_rows);
  }
  splits_.push_back(std::move(s));
  return *splits_.back();
}

void DatasetWriter::append(const std::string& name, std::span<const void* const> columns,
                           std::span<const std::string> ids, int64_t count) {
  Split& s = split(name);
  if (columns.size() != s.columns.size())
    throw Error(Exit::internal, str(columns.size(), " columns appended, expected ", s.columns.size()));
  if (s.rows == 0 && !ids.empty()) {
    s.has_ids = true;
    writer_.create(str('/', name, "/id"), {DType::u8, {}});
    writer_.create(str('/', name, "/id_end"), {DType::i64, {}});
  }
  if (s.has_ids && static_cast<int64_t>(ids.size()) != count)
    throw Error(Exit::internal, str(ids.size(), " ids for ", count, " rows"));
  for (size_t i = 0; i < columns.size(); ++i) writer_.append(s.columns[i], columns[i], count);
  std::string text;
  std::vector<int64_t> ends;
  for (const std::string& id : ids) {
    text += id;
    std::replace(text.end() - static_cast<std::ptrdiff_t>(id.size()), text.end(), '\n', ' ');
    text += '\n';
    ends.push_back(s.id_bytes + static_cast<int64_t>(text.size()));
  }
  if (s.has_ids) {
    writer_.append(str('/', name, "/id"), text.data(), static_cast<int64_t>(text.size()));
    writer_.append(str('/', name, "/id_end"), ends.data(), count);
  }
  s.id_bytes += static_cast<int64_t>(text.size());
  s.rows += count;
}

int64_t DatasetWriter::rows(const std::string& name) const {
  for (const auto& s : splits_)
    if (s->name == name) return s->rows;
  return 0;
}

std::string DatasetWriter::finish() {
  for (const auto& [input, n] : schema_.normalization)
    for (const auto& [what, values] : {std::pair{"mean", &n.mean}, std::pair{"std", &n.std}}) {
      Tensor t(DType::f32, {static_cast<int64_t>(values->size())});
      std::copy(values->begin(), values->end(), t.data<float>().begin());
      writer_.write(str("/normalization/", input, '/', what), t);
    }
  for (const Input& input : schema_.inputs) {
    if (rounds_.empty() || !rounds_[0].contains(input.name)) continue;
    const auto width = static_cast<int64_t>(rounds_[0].at(input.name).mean.size());
    Tensor mean(DType::f32, {static_cast<int64_t>(rounds_.size()), width}), std(mean.type());
    for (size_t k = 0; k < rounds_.size(); ++k) {
      const Normalization& n = rounds_[k].at(input.name);
      std::copy(n.mean.begin(), n.mean.end(), mean.data<float>().begin() + static_cast<int64_t>(k) * width);
      std::copy(n.std.begin(), n.std.end(), std.data<float>().begin() + static_cast<int64_t>(k) * width);
    }
    writer_.write(str("/fold_normalization/", input.name, "/mean"), mean);
    writer_.write(str("/fold_normalization/", input.name, "/std"), std);
  }
  if (!preparation_.is_null()) write_json(writer_, kPreparation, preparation_);
  json names = json::array();
  for (const auto& s : splits_) names.push_back(s->name);
  writer_.attribute("splits", names);
  writer_.attribute("schema", schema_.dump());
  return writer_.finish();
}

}  // namespace dl
