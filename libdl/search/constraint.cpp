#include "search/constraint.h"

#include <algorithm>
#include <cctype>
#include <functional>

#include "base/str.h"
#include "nn/expression.h"

namespace dl {
namespace {

bool begins_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool in_name(char c) {
  return begins_name(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '[';
}

bool is_function(const std::string& name) {
  return name == "min" || name == "max" || name == "ceil" || name == "floor" || name == "true" ||
         name == "false";
}

// The condition with every name replaced by what `put` says.
std::string with_names(const std::string& text, const std::function<std::string(const std::string&)>& put) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool number = std::isdigit(static_cast<unsigned char>(text[i])) || text[i] == '.';
    if (!begins_name(text[i]) && !number) {
      out += text[i++];
      continue;
    }
    size_t end = i + 1;
    if (number) {  // 1e-5
      while (end < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '.' ||
              ((text[end] == '-' || text[end] == '+') && std::tolower(text[end - 1]) == 'e')))
        ++end;
      out += text.substr(i, end - i);
    } else {
      while (end < text.size() && (in_name(text[end]) || (text[end] == ']' && text.find('[', i) < end)))
        ++end;
      const std::string name = text.substr(i, end - i);
      out += is_function(name) ? name : put(name);
    }
    i = end;
  }
  return out;
}

}  // namespace

std::vector<std::string> constraint_names(const std::string& condition) {
  std::vector<std::string> names;
  with_names(condition, [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return name;
  });
  return names;
}

void check_constraint(const std::string& condition, const std::string& pointer) {
  const auto names = constraint_names(condition);
  if (names.empty())
    throw Error(Exit::config, pointer,
                str("'", condition, "' names no key and no metric, expected one as \"a.b <= 5\""));
  json values = json::object();
  for (const std::string& name : names) values[name] = 1.5 + 0.37 * static_cast<double>(values.size());
  constraint_holds(condition, values, pointer);
}

std::optional<bool> constraint_holds(const std::string& condition, const json& values,
                                     const std::string& pointer) {
  Environment env;
  bool known = true;
  const std::string text = with_names(condition, [&](const std::string& name) {
    const std::string local = str('v', name.size(), '_', std::hash<std::string>{}(name));
    if (const auto v = values.find(name); v != values.end() && !v->is_null())
      env.set(local, {*v, {}, 1});
    else
      known = false;
    return "$" + local;
  });
  if (!known) return std::nullopt;
  const json result = evaluate(text, env, pointer).value;
  if (!result.is_boolean())
    throw Error(Exit::config, pointer,
                str("'", condition, "' is no condition, expected a comparison as \"a.b <= 5\""));
  return result.get<bool>();
}

}  // namespace dl
