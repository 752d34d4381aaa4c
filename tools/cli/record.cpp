#include "cli/record.h"

#include <algorithm>

#include "base/str.h"
#include "cli/events.h"

namespace dl::cli {
namespace {

std::string one_line(const json& v) { return v.dump(-1, ' ', false, json::error_handler_t::replace); }

// Members by dotted name, in order.
void flatten(const json& v, const std::string& name, std::vector<std::pair<std::string, json>>& out) {
  if (!v.is_object()) return out.emplace_back(name.empty() ? "value" : name, v), void();
  for (const auto& item : v.items())
    flatten(item.value(), name.empty() ? item.key() : name + '.' + item.key(), out);
}

std::string cell(const json& v) {
  const std::string text = v.is_null() ? "" : v.is_string() ? v.get<std::string>() : one_line(v);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string csv(const json& record) {
  std::vector<std::string> columns;
  std::vector<std::vector<std::pair<std::string, json>>> rows;
  for (const json& r : record.is_array() ? record : json::array({record})) {
    flatten(r, "", rows.emplace_back());
    for (const auto& [name, value] : rows.back())
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
  }
  std::vector<std::string> line;
  for (const std::string& c : columns) line.push_back(cell(c));
  std::string out = join(line, ",") + '\n';
  for (const auto& row : rows) {
    line.assign(columns.size(), "");
    for (const auto& [name, value] : row)
      line[static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin())] =
          cell(value);
    out += join(line, ",") + '\n';
  }
  return out;
}

}  // namespace

std::string formatted(const json& record, const std::string& human, const std::string& format) {
  if (format == "human") return human.empty() || human.back() == '\n' ? human : human + '\n';
  const json clean = finite_record(record);
  if (format == "json") return clean.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
  if (format == "csv") return csv(clean);
  std::string out;
  for (const json& r : clean.is_array() ? clean : json::array({clean})) out += one_line(r) + '\n';
  return out;
}

}  // namespace dl::cli
