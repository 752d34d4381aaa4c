#pragma once
// Lines for people, on stderr and in --log-file. Each line is one write(2), prefixed with the tool's name.
#include <string>
#include <string_view>

namespace dl::cli {

enum class Level { error, warning, info, verbose, debug };

class Log {
 public:
  Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log();

  std::string tool = "dl";
  Level level = Level::info;
  bool color = false;                       // stderr takes colours
  void open_file(const std::string& path);  // every line up to verbose goes there too

  void error(const std::string& text);        // further lines of `text` are written as they are
  void plain_error(const std::string& text);  // what belongs to an error, without the word
  void warning(const std::string& text);
  void info(const std::string& text);
  void verbose(const std::string& text);
  void debug(const std::string& text);

  // The bar of Progress stays below the log: `text` without newline, empty to remove it.
  void bar(std::string_view text);

 private:
  void line(Level at, std::string_view prefix, const std::string& text);
  int file_ = -1;
  std::string bar_;
};

// Writes all of `text`, retrying after signals. False (with errno) on failure.
bool write_all(int fd, std::string_view text);
// To stdout. Throws Error(Exit::broken_pipe) when the reader went away, Error(Exit::io) otherwise.
void write_stdout(std::string_view text);

}  // namespace dl::cli
