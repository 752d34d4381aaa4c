#pragma once
// The arithmetic of model configs: "$width", "4 * $width", "$depths[0]", "$project ? shortcut : $in".
//
//   choice  := compare [ "?" choice ":" choice ]
//   compare := sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
//   sum     := product { ("+" | "-") product }
//   product := sign { ("*" | "/" | "//" | "%") sign }
//   sign    := [ "-" | "+" ] sign | item
//   item    := (number | "$" name | word | "(" choice ")" | "[" choice, ... "]" | function "(" choice, ...
//   ")") { "[" choice "]" }
//
// Functions are min, max, ceil, floor. A bare word is the name of a layer (or true, false). Integers stay
// integers: "/" of two integers is an integer when it divides exactly, "//" and "%" round towards minus
// infinity as in Python. Only the chosen branch of "?" is evaluated.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// A value, and the scope (layer name prefix) in which a layer name inside it was written.
struct Bound {
  json value;
  std::string scope;
  int64_t size = 1;  // JSON values inside
};

// Names that expressions may use, without their "$". Looks further in `outer`.
class DL_API Environment {
 public:
  explicit Environment(std::string scope = {}, const Environment* outer = nullptr)
      : scope_(std::move(scope)), outer_(outer) {}
  void set(std::string name, Bound value);
  const Bound* find(std::string_view name) const;  // null if there is none
  std::vector<std::string> names() const;
  const std::string& scope() const { return scope_; }
  const Environment* outer() const { return outer_; }

 private:
  std::string scope_;
  const Environment* outer_;
  std::vector<std::pair<std::string, Bound>> values_;
};

// Errors: Exit::config at `pointer`, with the column and the text.
DL_API Bound evaluate(std::string_view text, const Environment& env, const std::string& pointer);

// Whether an attribute's string is to be evaluated: it contains "$", or is arithmetic on numbers such as "4 *
// 16".
DL_API bool is_expression(std::string_view text);

// How many JSON values there are in a value, itself included; a string counts one for each 16 bytes more.
DL_API int64_t json_size(const json& value);

}  // namespace dl
