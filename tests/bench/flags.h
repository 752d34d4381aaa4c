#pragma once
// The command lines of the benchmarks.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "train/device.h"

namespace dl::bench {

struct Flag {
  const char* name;
  std::function<void(const std::string&)> set;
  bool value = true;  // a word follows, else set("") is called
};

inline Flag number(const char* name, int& to) {
  return {name, [&to](const std::string& text) { to = std::atoi(text.c_str()); }};
}
inline Flag number(const char* name, int64_t& to) {
  return {name, [&to](const std::string& text) { to = std::atoll(text.c_str()); }};
}
inline Flag number(const char* name, double& to) {
  return {name, [&to](const std::string& text) { to = std::atof(text.c_str()); }};
}
inline Flag word(const char* name, std::string& to) {
  return {name, [&to](const std::string& text) { to = text; }};
}
inline Flag on(const char* name, bool& to) {
  return {name, [&to](const std::string&) { to = true; }, false};
}
// cpu, cuda, cuda:N or auto.
inline Flag device(std::shared_ptr<Device>& to) {
  return {"--device", [&to](const std::string& text) {
            std::string how;
            to = open_device(resolve_device(text, how));
          }};
}

// Gives the words that are no flags. Error (usage) for an unknown flag and for one without its value.
inline std::vector<std::string> read_flags(int argc, char** argv, const std::vector<Flag>& flags) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    const Flag* flag = nullptr;
    for (const Flag& f : flags)
      if (text == f.name) flag = &f;
    if (!flag && text.starts_with("--")) throw Error(Exit::usage, text + ": there is no such flag");
    if (!flag) {
      words.push_back(text);
      continue;
    }
    if (flag->value && i + 1 == argc) throw Error(Exit::usage, text + ": its value is missing");
    flag->set(flag->value ? argv[++i] : "");
  }
  return words;
}

// Exit status of a benchmark; what went wrong goes to standard error.
inline int run(const std::function<void()>& work) {
  try {
    work();
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n%s", e.what(), e.hint.empty() ? "" : (e.hint + "\n").c_str());
    return static_cast<int>(e.code);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return static_cast<int>(Exit::internal);
  }
}

}  // namespace dl::bench
