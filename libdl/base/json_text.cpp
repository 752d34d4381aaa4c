#include "base/json_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

#include "base/str.h"

namespace dl {
namespace {

// Walks the text in lock step with the parser: each event of nlohmann's SAX interface is exactly one token,
// in the order of the text, so skipping space, comments, ',' and ':' leads from one token to the next.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) offset_ = 3;
  }
  bool end() const { return offset_ >= text_.size(); }
  char peek(size_t ahead = 0) const { return offset_ + ahead < text_.size() ? text_[offset_ + ahead] : '\0'; }
  size_t offset() const { return offset_; }
  int line() const { return line_; }
  int column() const { return column_; }
  std::string_view rest() const { return text_.substr(std::min(offset_, text_.size())); }

  void step() {
    if (end()) return;
    const auto c = static_cast<unsigned char>(text_[offset_++]);
    if (c == '\n')
      ++line_, column_ = 1;
    else if ((c & 0xC0) != 0x80)
      ++column_;  // continuation bytes of UTF-8 take no column of their own
  }
  void advance_to(size_t offset) {
    while (!end() && offset_ < offset) step();
  }

  // False when a comment is not closed; the cursor then stands on its start.
  bool skip_space() {
    for (;;) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        step();
      } else if (c == '/' && peek(1) == '/') {
        while (!end() && peek() != '\n') step();
      } else if (c == '/' && peek(1) == '*') {
        const size_t close = text_.find("*/", offset_ + 2);
        if (close == std::string_view::npos) return false;
        advance_to(close + 2);
      } else {
        return true;
      }
    }
  }
  void to_token() {
    skip_space();
    while (peek() == ',' || peek() == ':') {
      step();
      skip_space();
    }
  }
  void over_token() {
    const char first = peek();
    if (first == '"') {
      step();
      while (!end() && peek() != '"') {
        if (peek() == '\\') step();
        step();
      }
      step();
    } else if (std::strchr("{}[]", first)) {
      step();
    } else {
      while (is_word(peek())) step();
    }
  }
  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.' || c == '_';
  }

 private:
  std::string_view text_;
  size_t offset_ = 0;
  int line_ = 1, column_ = 1;
};

class Reader {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  Reader(std::string_view text, const std::string& name) : cursor_(text), name_(name) {}
  Document take() { return std::move(document_); }

  bool null() { return scalar(nullptr); }
  bool boolean(bool v) { return scalar(v); }
  bool number_integer(number_integer_t v) { return scalar(v); }
  bool number_unsigned(number_unsigned_t v) { return scalar(v); }
  bool number_float(number_float_t v, const string_t&) { return scalar(v); }
  bool string(string_t& v) { return scalar(std::move(v)); }
  bool binary(binary_t&) { return false; }
  bool start_object(size_t) { return open(json::object()); }
  bool start_array(size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& k) {
    cursor_.to_token();
    Level& top = stack_.back();
    if (!top.keys.insert(k).second) duplicate(k);
    // Appended without ordered_map's own linear search: the set above already knows that the key is new.
    static_cast<std::vector<json::object_t::value_type>&>(top.value->get_ref<json::object_t&>())
        .emplace_back(k, json());
    Mark m;
    m.key_line = cursor_.line();
    m.key_column = cursor_.column();
    top.mark->children.push_back(m);
    cursor_.over_token();
    after_ = After::key;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) {
    syntax_error(position, e.what());
  }

 private:
  enum class After { nothing, open, key, value };
  struct Level {
    json* value;
    Mark* mark;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void fail(const Cursor& at, const std::string& message, std::string hint = {}) const {
    Error e(Exit::config, {}, message, std::move(hint));
    e.at = str(name_, ':', at.line(), ':', at.column());
    throw e;
  }

  [[noreturn]] void duplicate(const std::string& k) const {
    const Level& top = stack_.back();
    size_t i = 0;
    for (const auto& item : top.value->items()) {
      if (item.key() == k) break;
      ++i;
    }
    const Mark& first = top.mark->children[i];
    fail(cursor_, str("key '", k, "' stands twice in this object"),
         str("the first is at ", name_, ':', first.key_line, ':', first.key_column, "; keep one of them"));
  }

  // Puts a value where the next one belongs and returns its place.
  std::pair<json*, Mark*> put(json v) {
    json* value = &document_.value;
    Mark* mark = &document_.mark;
    if (!stack_.empty()) {
      Level& top = stack_.back();
      if (top.value->is_array()) {
        top.value->push_back(nullptr);
        top.mark->children.emplace_back();
        value = &top.value->back();
      } else {
        value = &top.value->get_ref<json::object_t&>().back().second;
      }
      mark = &top.mark->children.back();
    }
    *value = std::move(v);
    mark->line = cursor_.line();
    mark->column = cursor_.column();
    return {value, mark};
  }

  bool scalar(json v) {
    cursor_.to_token();
    put(std::move(v));
    cursor_.over_token();
    after_ = After::value;
    return true;
  }
  bool open(json v) {
    cursor_.to_token();
    if (stack_.size() >= size_t{kMaxJsonDepth})
      fail(cursor_, str("more than ", kMaxJsonDepth, " levels of nesting"));
    const auto [value, mark] = put(std::move(v));
    stack_.push_back({value, mark, {}});
    cursor_.over_token();
    after_ = After::open;
    return true;
  }
  bool close() {
    cursor_.to_token();
    cursor_.over_token();
    stack_.pop_back();
    after_ = After::value;
    return true;
  }

  // The parser stopped behind the last good token: what stands there, and what should.
  [[noreturn]] void syntax_error(size_t position, std::string_view what) {
    Cursor c = cursor_;
    if (!c.skip_space()) fail(c, "this comment is not closed, expected '*/'");
    const bool in_object = !stack_.empty() && stack_.back().value->is_object();
    std::string expected = "a JSON value";
    bool comma = false;
    if (after_ == After::open) {
      expected = in_object ? "a key in double quotes or '}'" : "a value or ']'";
    } else if (after_ == After::key) {
      expected = "':' after the key";
      if (c.peek() == ':') {
        c.step();
        expected = "a value";
      }
    } else if (after_ == After::value) {
      expected = stack_.empty() ? "the end of the document" : in_object ? "',' or '}'" : "',' or ']'";
      if (c.peek() == ',' && !stack_.empty()) {
        c.step();
        comma = true;
        expected = in_object ? "a key in double quotes" : "a value";
      }
    }
    if (!c.skip_space()) fail(c, "this comment is not closed, expected '*/'");
    if (c.peek() == '"') bad_string(c, position, what, expected);
    const std::string got = token(c);
    fail(c, str("expected ", expected, ", got ", got), advice(c, comma, expected, what));
  }

  // A string is either broken itself or stands where none may.
  [[noreturn]] void bad_string(Cursor c, size_t position, std::string_view what,
                               const std::string& expected) const {
    const size_t dash = what.find("invalid string: ");
    if (dash == std::string_view::npos) {
      const bool missing = expected.starts_with("','");
      fail(c, str("expected ", expected, ", got ", token(c)), missing ? "is a comma missing before it?" : "");
    }
    std::string_view why = what.substr(dash + 16);
    why = why.substr(0, why.find("; last read"));
    if (why.find("closing quote") != std::string_view::npos || why.find("U+000A") != std::string_view::npos)
      fail(c, "this string is not closed, expected '\"' on the same line");
    c.advance_to(position ? position - 1 : 0);
    fail(c, str("invalid string: ", why));
  }

  static std::string token(Cursor c) {
    if (c.end()) return "the end of the text";
    const size_t from = c.offset();
    const std::string_view rest = c.rest();
    const auto first = static_cast<unsigned char>(c.peek());
    if (first < 0x20 || first == 0x7f) return str("control character ", int{first});
    c.over_token();
    const size_t n = std::clamp<size_t>(c.offset() - from, 1, 30);
    std::string out(rest.substr(0, n));
    for (size_t i = n; first >= 0x80 && i < rest.size() && (rest[i] & 0xC0) == 0x80 && i < 4; ++i)
      out += rest[i];
    return str('\'', out, '\'');
  }

  static std::string advice(const Cursor& c, bool comma, const std::string& expected, std::string_view what) {
    std::string_view word = c.rest();
    size_t n = 0;
    while (n < word.size() && Cursor::is_word(word[n])) ++n;
    word = word.substr(0, n);
    std::string_view bare = word;
    while (!bare.empty() && (bare.front() == '-' || bare.front() == '+')) bare.remove_prefix(1);
    if (what.find("out_of_range") != std::string_view::npos)
      return str(word, " is beyond the range of a double");
    if (comma && (c.peek() == '}' || c.peek() == ']')) return "JSON allows no comma after the last item";
    if (bare == "NaN" || bare == "nan" || bare == "Infinity" || bare == "inf" || bare == "Inf")
      return "JSON has no NaN and no Infinity; leave the key out or write null";
    if (word == "True" || word == "False" || word == "None") return "JSON writes true, false and null";
    if (c.peek() == '\'') return "JSON strings stand in double quotes";
    if (expected.starts_with("a key") && !word.empty()) return str("write \"", word, "\"");
    if (expected == "a value" && !word.empty() && !std::strchr("0123456789+-.", word[0]))
      return str("a string stands in double quotes: \"", word, "\"");
    if (expected == "the end of the document") return "one file holds one JSON value";
    if (c.peek() == '#') return "comments are // and /* */";
    return {};
  }

  Cursor cursor_;
  const std::string& name_;
  Document document_;
  std::vector<Level> stack_;
  After after_ = After::nothing;
};

[[noreturn]] void read_error(const std::string& path, int code) {
  Error e(Exit::config, {}, str("cannot read '", path, "': ", std::strerror(code)));
  throw e;
}

}  // namespace

Document parse_json(std::string_view text, const std::string& name) {
  if (text.size() > kMaxJsonBytes) {
    throw Error(Exit::config, str(name, ": ", human_bytes(static_cast<double>(text.size())),
                                  " of JSON, expected at most ", human_bytes(kMaxJsonBytes)));
  }
  Reader reader(text, name);
  json::sax_parse(text.begin(), text.end(), &reader, json::input_format_t::json, true, true);
  return reader.take();
}

std::string read_text_file(const std::string& path, size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) read_error(path, errno);
  std::string out;
  char buffer[16384];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > limit) break;
  }
  const int code = errno;
  ::close(fd);
  if (n < 0) read_error(path, code);
  if (out.size() > limit)
    throw Error(Exit::config, str(path, ": larger than ", human_bytes(static_cast<double>(limit)),
                                  ", expected a JSON text below that"));
  return out;
}

}  // namespace dl
