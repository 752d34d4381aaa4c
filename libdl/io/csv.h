#pragma once
// Tables as text: RFC 4180 (quoted fields may hold separators, doubled quotes and line ends), any
// one-character separator, LF or CRLF, a byte order mark, and compression as in byte_reader.h.
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "io/byte_reader.h"

namespace dl {

class DL_API CsvReader {
 public:
  // separator 0: found from the first lines among comma, semicolon, tab and bar (a comma when there is one
  // column).
  explicit CsvReader(const std::string& path, char separator = 0, const std::string& tmp_dir = {});

  // The fields of the next record, valid until the next call; false at the end. Blanks around unquoted fields
  // are dropped; lines without any character are skipped. Error (data), with file:line: a quote that is not
  // closed, text after a closing quote, a zero byte, or a record above 16 MiB.
  bool next(std::vector<std::string_view>& fields);
  int64_t line() const { return record_line_; }  // line on which the last record began, from 1
  char separator() const { return separator_; }
  const std::string& path() const { return in_.path(); }
  void rewind();

 private:
  bool fill();
  bool find_record(size_t& end, size_t& after);
  void split_record(std::string_view record, std::vector<std::string_view>& fields);
  void detect_separator();

  ByteReader in_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;
  bool input_done_ = false, first_ = true;
  int64_t line_ = 1, record_line_ = 0;
  char separator_;
  std::vector<std::string> unquoted_;  // fields whose doubled quotes were undone
};

// True when the whole text is a decimal number (also "nan" and "inf", as C writes them).
DL_API bool read_number(std::string_view text, double& value);

}  // namespace dl
