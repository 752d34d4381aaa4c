#include "dl-hpo/launcher.h"

#include "base/str.h"
#include "cli/tool.h"

namespace dl::hpo {
namespace {

[[noreturn]] void bad(const std::string& message) {
  cli::usage_error("--launcher: " + message, "for example --launcher 'srun -n1 {}' or 'ssh node{job} {sh}'");
}

std::vector<std::string> words_of(const std::string& pattern) {
  std::vector<std::string> words;
  bool open = false;
  char quote = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (!quote && (c == ' ' || c == '\t' || c == '\n')) {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    open = true;
    if (c == '\\' && quote != '\'' && i + 1 < pattern.size())
      words.back() += pattern[++i];
    else if (quote ? c == quote : c == '\'' || c == '"')
      quote = quote ? 0 : c;
    else
      words.back() += c;
  }
  if (quote) bad(str("the quote ", quote, " is not closed"));
  return words;
}

}  // namespace

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                          "_-+=:,./@%") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

std::vector<std::string> launched(const std::string& pattern, const std::vector<std::string>& command,
                                  const std::map<std::string, std::string>& names) {
  std::vector<std::string> out, shell;
  for (const std::string& word : command) shell.push_back(quoted(word));
  bool placed = false;
  for (const std::string& word : words_of(pattern)) {
    if (word == "{}") {
      out.insert(out.end(), command.begin(), command.end());
      placed = true;
      continue;
    }
    std::string filled;
    for (size_t i = 0; i < word.size();) {
      const size_t end = word[i] == '{' ? word.find('}', i) : std::string::npos;
      if (end == std::string::npos) {
        filled += word[i++];
        continue;
      }
      const std::string name = word.substr(i + 1, end - i - 1);
      if (const auto v = names.find(name); v != names.end())
        filled += v->second;
      else if (name == "sh" || name.empty())
        filled += join(shell, " "), placed = true;
      else
        bad(str("{", name, "} is not known, expected {}, {sh}, {trial} or {job}"));
      i = end + 1;
    }
    out.push_back(filled);
  }
  if (!placed) bad("it has no {} nor {sh} for the command of the trial");
  return out;
}

}  // namespace dl::hpo
