#pragma once
// Other programs run by a tool.
#include <sys/types.h>

#include <string>
#include <vector>

namespace dl::cli {

// A program of this suite: the one beside the running executable, else the one found through PATH.
std::string sibling(const std::string& name);

// Starts a program in a process group of its own, with stdin from /dev/null and stdout and stderr appended to `log`. It is
// asked to stop (SIGTERM) when this process dies. Descriptors without close-on-exec are inherited. Throws Error(Exit::io).
pid_t start_child(const std::vector<std::string>& args, const std::string& log);

struct Ended {
  int code = 0;      // exit code, or -1 after a signal
  int signal = 0;    // 0 when it exited by itself
  std::string text;  // "exit 3 (config)", "killed by SIGKILL (9)"
};
// True and `ended` when the child is gone, with what it left of its group killed; never blocks.
bool child_ended(pid_t pid, Ended& ended);
// Sends a signal to a child and all it started.
void signal_group(pid_t pid, int signal);

// Sees to it that nothing started by start_child() outlives this process, however it ends: a process of its own that
// ends all groups it was told of (SIGTERM, after `grace` seconds SIGKILL) when this one is gone.
class Guard {
 public:
  explicit Guard(int grace = 10);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  void watch(pid_t group);
  void forget(pid_t group);

 private:
  void say(pid_t number) const;
  int fd_ = -1;
  pid_t pid_ = 0;
};

// Runs a program to its end and returns its standard output. Throws Error(Exit::io) when it fails.
std::string output_of(const std::vector<std::string>& args);

}  // namespace dl::cli
