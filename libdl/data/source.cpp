#include "data/source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/str.h"
#include "io/byte_reader.h"

namespace dl {

Rows::Rows(const Schema& schema, int64_t capacity)
    : capacity(capacity), ids(static_cast<size_t>(capacity)), index(static_cast<size_t>(capacity)) {
  for (size_t i = 0; i < schema.columns(); ++i) {
    const TensorType& sample = schema.column_type(i);
    Shape shape{capacity};
    for (int64_t e : sample.shape) shape.push_back(e);
    columns.emplace_back(sample.dtype, shape);
  }
}

uint8_t* Rows::row(size_t column, int64_t i) {
  Tensor& t = columns[column];
  return static_cast<uint8_t*>(t.raw()) + i * (t.bytes() / capacity);
}

int64_t block_rows(const Schema& schema) {
  int64_t bytes = 64;
  for (size_t i = 0; i < schema.columns(); ++i) bytes += schema.column_type(i).bytes();
  return std::clamp<int64_t>((int64_t{4} << 20) / bytes, 1, 1024);
}

std::vector<std::string> Source::keys() {
  throw Error(Exit::config, "/prep/split",
              "names a column to group or order by, expected records of a table");
}

std::vector<std::string> numbered(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

std::vector<std::string> class_names(const json& classes, const std::string& pointer) {
  if (classes.is_null()) return {};
  if (classes.is_number_integer() && classes.get<int64_t>() > 0 && classes.get<int64_t>() <= 1'000'000)
    return numbered(classes.get<int64_t>());
  std::vector<std::string> names;
  bool ok = classes.is_array() && !classes.empty();
  for (size_t i = 0; ok && i < classes.size(); ++i) {
    ok = classes[i].is_string();
    if (ok) names.push_back(classes[i].get<std::string>());
  }
  if (!ok)
    throw Error(Exit::config, pointer,
                str("is ", classes.dump(), ", expected a list of names or their number"));
  return names;
}

namespace {

std::string detect_type(const std::string& path, const SourceContext& context) {
  if (path == "-")
    throw Error(Exit::usage, "<stdin>: is read once and cannot be looked into first, expected --from TYPE");
  if (std::filesystem::is_directory(path)) return "folder";
  ByteReader in(path, context.tmp);
  uint8_t head[512];
  const size_t n = in.read(head, sizeof head);
  if (n >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 && head[3] >= 1 && head[3] <= 6)
    return "idx";
  if (n == 0) throw Error(Exit::data, str(in.path(), ": is empty, expected records"));
  if (std::memchr(head, 0, n) == nullptr) return "csv";
  constexpr size_t record = 3073;
  std::vector<uint8_t> block(record);
  size_t rest = n;
  bool labels = head[0] < 10;
  for (size_t total = n; labels && rest > 0; total += rest) {
    rest = in.read(block.data(), total < record ? record - total : record);
    labels = rest == 0 ? total % record == 0 : total < record || block[0] < 10;
  }
  if (labels) return "cifar10";
  throw Error(
      Exit::data,
      str(in.path(), ": is of no known form, expected IDX, CIFAR, text or a folder; say which: --from TYPE"));
}

}  // namespace

std::unique_ptr<Source> open_source(const Typed<SourceKind>& from, std::span<const std::string> files,
                                    const SourceContext& context, std::string& type) {
  type = from.type;
  if (type == "digits") {
    if (!files.empty())
      throw Error(Exit::usage, str(files[0], ": digits are made by a formula, expected no input"));
    return open_digits(from.as<DigitsOptions>(), context);
  }
  if (files.empty()) throw Error(Exit::usage, "no input, expected files to prepare, or --from digits");
  const bool found = type == "auto";
  if (found) type = detect_type(files[0], context);
  const auto options = [&]<class T>(const T&) { return found ? T{} : from.as<T>(); };
  if (type == "idx") return open_idx(options(IdxOptions{}), files, context);
  if (type == "cifar10" || type == "cifar100")
    return open_cifar(options(CifarOptions{}), type == "cifar100", files, context);
  if (type == "folder") return open_folder(options(FolderOptions{}), files, context);
  return open_table(options(TableOptions{}), files, context);
}

}  // namespace dl
