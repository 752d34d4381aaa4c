#include "data/inspect.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace dl {

namespace {

template <class T>
T value_at(const void* rows, int64_t i) {
  T v;
  std::memcpy(&v, static_cast<const char*>(rows) + i * static_cast<int64_t>(sizeof(T)), sizeof v);
  return v;
}

json target_value(const Target& t, const void* rows, int64_t r) {
  if (t.kind == TargetKind::class_index) {
    const auto label = value_at<int32_t>(rows, r);
    if (label >= 0 && static_cast<size_t>(label) < t.classes.size())
      return t.classes[static_cast<size_t>(label)];
    return label;
  }
  const int64_t n = t.type.elements();
  if (n == 1) return number_json(value_at<float>(rows, r));
  json list = json::array();
  for (int64_t k = 0; k < n; ++k) list.push_back(number_json(value_at<float>(rows, r * n + k)));
  return list;
}

json input_value(const Input& in, const void* rows, int64_t r) {
  const int64_t n = in.type.elements();
  if (in.role == Role::image) {
    double sum = 0;
    for (int64_t k = 0; k < n; ++k)
      sum += in.type.dtype == DType::u8 ? value_at<uint8_t>(rows, r * n + k)
                                        : static_cast<double>(value_at<float>(rows, r * n + k));
    return str(in.type.text(), " mean ",
               number(static_cast<float>(std::round(100 * sum / static_cast<double>(n)) / 100)));
  }
  json out = json::object();
  for (int64_t k = 0; k < n; ++k) {
    const auto c = static_cast<size_t>(k);
    out[c < in.columns.size() ? in.columns[c] : std::to_string(k)] =
        number_json(value_at<float>(rows, r * n + k));
  }
  return out;
}

std::string plain(const json& v) { return v.is_string() ? v.get<std::string>() : v.dump(); }

}  // namespace

void HeadRows::add(const std::string& part, std::span<const void* const> columns,
                   std::span<const std::string> ids, int64_t count) {
  for (int64_t r = 0; r < count && !full(); ++r) {
    json record{{"part", part}, {"id", ids.empty() ? std::to_string(r) : ids[static_cast<size_t>(r)]}};
    for (size_t i = 0; i < schema_.targets.size(); ++i)
      record[schema_.targets[i].name] =
          target_value(schema_.targets[i], columns[schema_.inputs.size() + i], r);
    for (size_t i = 0; i < schema_.inputs.size(); ++i)
      record[schema_.inputs[i].name] = input_value(schema_.inputs[i], columns[i], r);
    records_.push_back(std::move(record));
  }
}

json HeadRows::table() const {
  json out = json::array();
  for (const json& record : records_) {
    json flat = json::object();
    for (const auto& item : record.items()) {
      if (!item.value().is_object())
        flat[item.key()] = item.value();
      else
        for (const auto& inner : item.value().items()) flat[inner.key()] = inner.value();
    }
    out.push_back(std::move(flat));
  }
  return out;
}

std::string HeadRows::text() const {
  std::string out;
  for (const json& record : records_) {
    std::string line;
    for (const auto& item : record.items()) {
      if (!line.empty()) line += "  ";
      if (!item.value().is_object()) {
        line += item.key() + "=" + plain(item.value());
        continue;
      }
      std::string inside;
      for (const auto& inner : item.value().items())
        if (inner.key().find('=') == std::string::npos || inner.value() != 0.0)
          inside += (inside.empty() ? "" : " ") + inner.key() + ":" + plain(inner.value());
      line += inside;
    }
    out += line + '\n';
  }
  return out;
}

PreviewRows::PreviewRows(const Schema& schema, int64_t limit) : schema_(schema), limit_(limit) {
  while (input_ < schema.inputs.size() &&
         !(schema.inputs[input_].role == Role::image && schema.inputs[input_].type.dtype == DType::u8))
    ++input_;
  if (input_ == schema.inputs.size())
    throw Error(Exit::data, "the data set has no pictures to preview, expected an image of bytes");
}

void PreviewRows::add(std::span<const void* const> columns, int64_t count) {
  const int64_t bytes = schema_.inputs[input_].type.bytes();
  for (int64_t r = 0; r < count && !full(); ++r) {
    const auto* first = static_cast<const uint8_t*>(columns[input_]) + r * bytes;
    SheetPicture& p = pictures_.emplace_back();
    p.pixels.assign(first, first + bytes);
    if (!schema_.targets.empty())
      p.label = plain(target_value(schema_.targets[0], columns[schema_.inputs.size()], r));
  }
}

std::string PreviewRows::png() const { return contact_sheet(pictures_, schema_.inputs[input_].type.shape); }

std::string report_text(const json& report) {
  std::string out;
  for (const json& step : report) {
    out += str(step.value("type", ""), " (", step.value("step", ""), ")\n");
    for (const auto& item : step.items()) {
      if (item.key() == "type" || item.key() == "step") continue;
      const json& v = item.value();
      const bool lines = v.is_structured() && !v.empty() && v.front().is_object();
      out += str("  ", item.key(), ": ", lines ? "" : v.dump(), "\n");
      for (const json& line : lines ? v : json::array()) {
        out += "   ";
        for (const auto& part : line.items())
          out += str(" ", part.key(), " ",
                     part.value().is_string() ? part.value().get<std::string>() : part.value().dump(), ";");
        out.back() = '\n';
      }
    }
  }
  return out;
}

void pour_dataset(const Dataset& data, const RowSink& sink, const std::function<bool(int64_t)>& more) {
  const Schema& schema = data.schema();
  int64_t done = 0;
  for (const std::string& split : data.splits()) {
    const int64_t rows = data.rows(split), step = std::clamp<int64_t>(data.block_rows(split), 1, 4096);
    std::vector<Tensor> block;
    std::vector<void*> out;
    for (size_t i = 0; i < schema.columns(); ++i) {
      Shape shape{step};
      for (int64_t e : schema.column_type(i).shape) shape.push_back(e);
      block.emplace_back(schema.column_type(i).dtype, shape);
      out.push_back(block.back().raw());
    }
    const std::vector<const void*> columns(out.begin(), out.end());
    for (int64_t first = 0; first < rows; first += step) {
      const int64_t n = std::min(step, rows - first);
      data.read(split, first, n, out);
      sink(split, columns, data.ids(split, first, n), n);
      done += n;
      if (!more(done)) return;
    }
  }
}

}  // namespace dl
