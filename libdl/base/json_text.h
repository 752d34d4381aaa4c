#pragma once
// Reads JSON text and remembers where every key and value stands.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// Where a value stands in its text, 1-based, columns in characters; children in the order of the JSON value's
// own (members of an object, elements of an array). The key's position is 0:0 for the root and for array
// elements.
struct Mark {
  int line = 0, column = 0;
  int key_line = 0, key_column = 0;
  std::vector<Mark> children;
};

struct Document {
  json value;
  Mark mark;
};

inline constexpr size_t kMaxJsonBytes = size_t{4} << 20;
inline constexpr int kMaxJsonDepth = 200;

// Parses one JSON document. `//` and `/* */` comments are allowed; a duplicate key, NaN, Infinity, a number
// beyond the range of double, trailing text, more than kMaxJsonDepth levels or kMaxJsonBytes bytes are
// errors. Throws Error(Exit::config) with `at` = "<name>:<line>:<column>" and what was expected there.
DL_API Document parse_json(std::string_view text, const std::string& name);

// Reads a whole text file of at most `limit` bytes. Throws Error(Exit::config) naming the file when it cannot
// be read.
DL_API std::string read_text_file(const std::string& path, size_t limit = kMaxJsonBytes);

}  // namespace dl
