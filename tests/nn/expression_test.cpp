#include "nn/expression.h"

#include <doctest/doctest.h>

using namespace dl;

static json value(std::string_view text) {
  Environment env("stage_1.");
  env.set("width", {64, {}, 1});
  env.set("depths", {json::array({3, 4, 6, 3}), {}, 5});
  env.set("project", {true, {}, 1});
  env.set("in", {".stage_1.relu_2", {}, 1});
  env.set("half", {0.5, {}, 1});
  return evaluate(text, env, "/model/layers/0/filters").value;
}

static std::string error(std::string_view text) {
  try {
    value(text);
  } catch (const Error& e) {
    CHECK(e.code == Exit::config);
    CHECK(e.pointer == "/model/layers/0/filters");
    return e.what() + (e.hint.empty() ? "" : " | " + e.hint);
  }
  return "no error";
}

TEST_CASE("arithmetic follows precedence and integers stay integers") {
  CHECK(value("4 * $width") == 256);
  CHECK(value("4 * $width").is_number_integer());
  CHECK(value("1 + 2 * 3 - 4") == 3);
  CHECK(value("(1 + 2) * -3") == -9);
  CHECK(value("$width / 2").is_number_integer());
  CHECK(value("7 / 2") == 3.5);
  CHECK(value("7 // 2") == 3);
  CHECK(value("-7 // 2") == -4);
  CHECK(value("-7 % 3") == 2);
  CHECK(value("7 % -3") == -2);
  CHECK(value("7.5 // 2") == 3.0);
  CHECK(value("1e-2 * 100") == 1.0);
  CHECK(value("$half * $width") == 32.0);
}

TEST_CASE("lists, comparisons, choices and the four functions") {
  CHECK(value("$depths[0]") == 3);
  CHECK(value("$depths[-2]") == 6);
  CHECK(value("$depths[$depths[0]]") == 3);
  CHECK(value("[1, $width][1]") == 64);
  CHECK(value("$width >= 64 ? 1 : 2") == 1);
  CHECK(value("1 > 2 ? 1 : 2 > 1 ? 3 : 4") == 3);
  CHECK(value("$project ? shortcut : $in") == "shortcut");
  CHECK(value("false ? shortcut : $in") == ".stage_1.relu_2");
  CHECK(value("stage_1.relu_2") == "stage_1.relu_2");
  CHECK(value("min(3, $width, 2.5)") == 2.5);
  CHECK(value("max(3, $width)") == 64);
  CHECK(value("ceil(7 / 2)") == 4);
  CHECK(value("floor(7 / 2)").is_number_integer());
  CHECK(value("1 == 1.0") == true);
}

TEST_CASE("only the chosen branch of a choice is evaluated") {
  CHECK(value("1 > 0 ? 5 : 1 / 0") == 5);
  CHECK(value("0 > 1 ? $nothing : 6") == 6);
}

TEST_CASE("a name carries the scope it was written in") {
  Environment env("a.b.");
  env.set("input", {"residual", "a.", 1});
  CHECK(evaluate("$input", env, {}).scope == "a.");
  CHECK(evaluate("true ? other : $input", env, {}).scope == "a.b.");
}

TEST_CASE("every mistake is named with its column and text") {
  CHECK(error("4 * $widht") ==
        "unknown parameter '$widht', at column 5 of \"4 * $widht\" | did you mean $width?");
  CHECK(error("4 *") == "expected a value, at column 4 of \"4 *\"");
  CHECK(error("4 * )") == "expected a value, got ')', at column 5 of \"4 * )\"");
  CHECK(error("(4 * 2") == "expected ')' after an expression in parentheses, at column 7 of \"(4 * 2\"");
  CHECK(error("4 4") == "unexpected '4', at column 3 of \"4 4\"");
  CHECK(error("1 / 0") == "division by zero, at column 3 of \"1 / 0\"");
  CHECK(error("2.0 % 0") == "division by zero, at column 5 of \"2.0 % 0\"");
  CHECK(error("9223372036854775807 + 1").starts_with("integer overflow, at column 21"));
  CHECK(error("1e300 * 1e300").starts_with("the result is not a finite number"));
  CHECK(error("$depths[4]") == "index 4 is outside a list of 4, at column 8 of \"$depths[4]\"");
  CHECK(error("$width[0]").starts_with("only a list takes an index, this is a number"));
  CHECK(error("$depths[0.5]").starts_with("an index is an integer, not a number"));
  CHECK(error("$depths * 2").starts_with("'*' needs numbers, got a list"));
  CHECK(
      error("width * 2") ==
      "'*' needs numbers, got a name 'width', at column 7 of \"width * 2\" | parameters are written with $");
  CHECK(error("$depths < 2").starts_with("'<' compares numbers, not a list"));
  CHECK(error("$depths ? 1 : 2").starts_with("a condition is true, false or a number, not a list"));
  CHECK(error("sqrt(2)") ==
        "unknown function 'sqrt', at column 1 of \"sqrt(2)\" | known: min, max, ceil, floor");
  CHECK(error("ceil(1, 2)").starts_with("ceil takes one number, got 2"));
  CHECK(error("min()").starts_with("min takes one or more numbers, got 0"));
  CHECK(error("max(a)").starts_with("max takes numbers, got a name"));
  CHECK(error("3x").starts_with("'3x' is not a number"));
  CHECK(error("$ + 1").starts_with("expected a name after '$'"));
  CHECK(error("1 ? 2").starts_with("expected ':' after the first branch of '?'"));
  CHECK(error(std::string(200, '(')).starts_with("more than 64 levels of nesting"));
  CHECK(error(std::string(2000, '-')).starts_with("expression of more than 1000 characters"));
}

TEST_CASE("only strings with a dollar sign or arithmetic on numbers are expressions") {
  CHECK(is_expression("$in"));
  CHECK(is_expression("4 * 16"));
  CHECK(is_expression("(1 + 2) // 3"));
  CHECK(is_expression("min(3, 4)"));
  CHECK_FALSE(is_expression("same"));
  CHECK_FALSE(is_expression("conv2d_1"));
  CHECK_FALSE(is_expression("2d-maps"));
  CHECK_FALSE(is_expression("5"));
  CHECK_FALSE(is_expression(""));
}
