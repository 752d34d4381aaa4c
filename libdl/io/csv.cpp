#include "io/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace dl {

namespace {

constexpr size_t kBlock = size_t{256} << 10, kMaxRecord = size_t{16} << 20;

std::string_view trim_blanks(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

}  // namespace

CsvReader::CsvReader(const std::string& path, char separator, const std::string& tmp_dir)
    : in_(path, tmp_dir), separator_(separator) {
  if (separator_ == 0) detect_separator();
}

bool CsvReader::fill() {
  if (input_done_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ > kMaxRecord)
    throw Error(Exit::data, str(in_.path(), ":", record_line_,
                                ": the record is longer than 16 MiB, is a quote not closed?"));
  if (buffer_.size() < end_ + kBlock) buffer_.resize(std::max(2 * buffer_.size(), end_ + kBlock));
  const size_t n = in_.read(buffer_.data() + end_, kBlock);
  input_done_ = n < kBlock;
  if (std::memchr(buffer_.data() + end_, 0, n))
    throw Error(Exit::data, str(in_.path(), ":", record_line_, ": a zero byte follows, expected text"));
  end_ += n;
  return n > 0;
}

// The record at begin_ is [begin_, end) and the next one starts at `after`; counts the line ends inside.
bool CsvReader::find_record(size_t& end, size_t& after) {
  size_t i = 0;  // relative to begin_, which moves when the buffer is refilled
  bool quoted = false;
  for (;;) {
    const char* p = buffer_.data() + begin_;
    const size_t have = end_ - begin_;
    for (; i < have; ++i) {
      if (p[i] == '"')
        quoted = !quoted;
      else if (p[i] == '\n') {
        ++line_;
        if (!quoted) {
          end = begin_ + i;
          after = end + 1;
          if (end > begin_ && buffer_[end - 1] == '\r') --end;
          return true;
        }
      }
    }
    if (!fill()) break;
  }
  if (quoted)
    throw Error(Exit::data,
                str(in_.path(), ":", record_line_, ": a quote is not closed before the end of the file"));
  end = after = end_;
  if (end > begin_ && buffer_[end - 1] == '\r') --end;
  return after > begin_;
}

bool CsvReader::next(std::vector<std::string_view>& fields) {
  for (;;) {
    record_line_ = line_;
    if (first_ && end_ - begin_ < 3) fill();
    if (first_ && end_ - begin_ >= 3 && std::memcmp(buffer_.data() + begin_, "\xEF\xBB\xBF", 3) == 0)
      begin_ += 3;
    first_ = false;
    size_t end = 0, after = 0;
    if (!find_record(end, after)) return false;
    const std::string_view record(buffer_.data() + begin_, end - begin_);
    begin_ = after;
    if (record.empty()) continue;
    split_record(record, fields);
    return true;
  }
}

void CsvReader::split_record(std::string_view record, std::vector<std::string_view>& fields) {
  fields.clear();
  unquoted_.clear();
  unquoted_.reserve(
      static_cast<size_t>(std::count(record.begin(), record.end(), '"')));  // views into it must stay
  for (size_t i = 0;;) {
    size_t start = i;
    while (start < record.size() && record[start] == ' ' && separator_ != ' ') ++start;
    if (start >= record.size() || record[start] != '"') {
      const size_t stop = std::min(record.find(separator_, i), record.size());
      fields.push_back(trim_blanks(record.substr(i, stop - i)));
      if (stop == record.size()) return;
      i = stop + 1;
      continue;
    }
    size_t stop = start + 1;
    bool doubled = false;
    for (; stop < record.size(); ++stop) {
      if (record[stop] != '"') continue;
      if (stop + 1 < record.size() && record[stop + 1] == '"')
        doubled = true, ++stop;
      else
        break;
    }
    std::string_view inside = record.substr(start + 1, stop - start - 1);
    if (doubled) {
      std::string& s = unquoted_.emplace_back();
      for (size_t k = 0; k < inside.size(); ++k) {
        s += inside[k];
        if (inside[k] == '"') ++k;
      }
      inside = s;
    }
    fields.push_back(inside);
    const size_t next = std::min(record.find(separator_, stop + 1), record.size());
    if (stop >= record.size() || !trim_blanks(record.substr(stop + 1, next - stop - 1)).empty())
      throw Error(Exit::data,
                  str(in_.path(), ":", record_line_, ": field ", static_cast<int64_t>(fields.size()),
                      " goes on after its closing quote, expected a separator"));
    if (next == record.size()) return;
    i = next + 1;
  }
}

// The separator that cuts the first records into the same number of fields, more than one; the most fields
// win.
void CsvReader::detect_separator() {
  constexpr std::array candidates{',', ';', '\t', '|'};
  fill();
  size_t best = 1;
  separator_ = ',';
  for (const char c : candidates) {
    size_t fields = 0, records = 0, count = 1;
    bool quoted = false, same = true;
    for (size_t i = 0; i < end_ && records < 50 && same; ++i) {
      const char ch = buffer_[i];
      if (ch == '"')
        quoted = !quoted;
      else if (ch == c && !quoted)
        ++count;
      else if (ch == '\n' && !quoted && i > 0 && buffer_[i - 1] != '\n') {
        same = records++ == 0 || count == fields;
        fields = count;
        count = 1;
      }
    }
    if (records == 0) fields = count;
    if (same && fields > best) best = fields, separator_ = c;
  }
}

void CsvReader::rewind() {
  in_.rewind();
  begin_ = end_ = 0;
  input_done_ = false;
  first_ = true;
  line_ = 1;
  record_line_ = 0;
}

bool read_number(std::string_view text, double& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return false;
  if (ec == std::errc::result_out_of_range) {
    // Too small reads as zero and too large as infinity, as strtod does; from_chars leaves the value alone.
    value = text.find("e-") != text.npos || text.find("E-") != text.npos ? 0.0 : HUGE_VAL;
    return true;
  }
  return ec == std::errc();
}

}  // namespace dl
