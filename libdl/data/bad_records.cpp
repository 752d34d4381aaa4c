#include "data/bad_records.h"

#include "base/error.h"
#include "base/str.h"
#include "io/csv.h"

namespace dl {

BadLimit parse_bad_limit(const json& j, const std::string& pointer) {
  double v = 0;
  std::string text = j.is_string() ? j.get<std::string>() : j.dump();
  const bool percent = text.ends_with('%');
  if (percent) text.pop_back();
  if (!read_number(text, v) || !(v >= 0) || v > (percent ? 100.0 : 1e15) ||
      (!percent && v != static_cast<double>(static_cast<int64_t>(v))))
    throw Error(Exit::config, pointer,
                str("is ", j.dump(), ", expected a number of records (3) or a share (\"0.5%\")"));
  return percent ? BadLimit{0, v / 100} : BadLimit{static_cast<int64_t>(v), -1};
}

void BadRecords::add(const std::string& message) {
  ++count_;
  if (kept_.size() < 100) kept_.push_back(message);
  if (limit_.share < 0 && count_ > limit_.count) {
    if (limit_.count == 0) throw Error(Exit::data, message);
    throw Error(Exit::data, str("more than ", limit_.count, " bad records; the last one: ", message));
  }
  if (last_ && on_bad) on_bad(message);
}

void BadRecords::finish(int64_t good, const std::string& what) const {
  if (limit_.share >= 0 && static_cast<double>(count_) > limit_.share * static_cast<double>(count_ + good))
    throw Error(Exit::data, str(count_, " of ", count_ + good, " records are bad, expected at most ",
                                number(100 * limit_.share), "%; the first one: ", kept_.front()));
  if (good == 0) throw Error(Exit::data, str(what, ": no usable record, expected at least one"));
}

}  // namespace dl
