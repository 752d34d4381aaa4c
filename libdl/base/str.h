#pragma once
// Small string helpers; no iostreams.
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/export.h"

namespace dl {

// Shortest text that reads back as the same number; "nan", "inf", "-inf" for the rest.
DL_API std::string number(double v);
DL_API std::string number(float v);

namespace detail {
inline void append(std::string& s, std::string_view v) { s += v; }
inline void append(std::string& s, char c) { s += c; }
template <class T>
requires std::is_arithmetic_v<T>
void append(std::string& s, T v) {
  if constexpr (std::is_same_v<T, bool>)
    s += v ? "true" : "false";
  else if constexpr (std::is_floating_point_v<T>)
    s += number(v);
  else
    s += std::to_string(v);
}
}  // namespace detail

// Concatenates strings, characters and numbers.
template <class... T>
std::string str(const T&... parts) {
  std::string s;
  (detail::append(s, parts), ...);
  return s;
}

DL_API std::vector<std::string> split(std::string_view s, char sep);
DL_API std::string_view trim(std::string_view s);
DL_API std::string join(std::span<const std::string> parts, std::string_view sep);

// Groups digits for people: 25557032 -> "25,557,032".
DL_API std::string grouped(int64_t v);
// 1536 -> "1.5 KiB".
DL_API std::string human_bytes(double bytes);
// 75.4 -> "1m15s"; below a minute with one decimal.
DL_API std::string human_seconds(double seconds);

// Names of `known` within a small Damerau-Levenshtein distance of `name` (or sharing its letters as a prefix), best
// first, at most `limit`.
DL_API std::vector<std::string> closest(std::string_view name, std::span<const std::string> known,
                                        size_t limit = 3);

}  // namespace dl
