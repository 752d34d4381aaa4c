#pragma once
// The functions that a written C source may hold: it gets those that its layers call. Internal to the C export.
#include <span>
#include <string>
#include <string_view>

namespace dl {

// '@' stands for the prefix of the network; a line that begins with "8|" is for weights of 8 bits, one with "f|" for floats.
struct CFunction {
  std::string_view name, text;
  std::string_view needs = {};  // other functions, separated by spaces
};
std::span<const CFunction> c_window_functions();
std::span<const CFunction> c_numeric_functions();

// Elementwise functions differ by a formula alone. Of x and parameters: name(x, n, parameters..., y).
struct CUnary {
  std::string_view name, parameters, formula, needs = {};
};
// Of x and z, which stretch over the result: name(extents, steps of x, steps of z, x, z, y).
struct CBinary {
  std::string_view name, formula;
};
const CUnary* c_unary(std::string_view op);    // null when op is none of these
const CBinary* c_binary(std::string_view op);  // the same

struct CText {
  std::string text, needs;
};
// The text of a function of any of these kinds, for weights of 8 bits or floats; '@' is still in it.
CText c_function(std::string_view name, bool int8);

}  // namespace dl
