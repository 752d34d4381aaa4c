#include "io/stored_json.h"

#include "base/error.h"
#include "base/str.h"

namespace dl {

void write_json(ArtifactWriter& writer, const std::string& name, const json& value) {
  const std::string text = value.dump();
  writer.create(name, {DType::u8, {}});
  writer.append(name, text.data(), static_cast<int64_t>(text.size()));
}

json read_json(const ArtifactReader& reader, const std::string& name) {
  if (!reader.exists(name)) return nullptr;
  const auto column = reader.column(name);
  json value;
  if (column->type() == TensorType{DType::u8, {column->rows()}}) {
    std::string text(static_cast<size_t>(column->rows()), '\0');
    column->read_rows(0, column->rows(), text.data());
    value = json::parse(text, nullptr, false);
  }
  if (!value.is_object() && !value.is_array())
    throw Error(Exit::data, str(reader.name(), ": data set '", name, "' is damaged, expected JSON text"));
  return value;
}

}  // namespace dl
