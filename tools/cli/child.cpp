#include "cli/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "cli/help.h"

namespace dl::cli {
namespace {

// In the child. Only calls that are safe between fork and exec.
[[noreturn]] void become(char* const* argv, int out, int err, pid_t parent, bool group) {
  if (group) ::setpgid(0, 0);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  for (int s : {SIGPIPE, SIGINT, SIGTERM, SIGUSR1}) std::signal(s, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) _exit(143);
  ::execvp(argv[0], argv);
  _exit(127);
}

pid_t spawn(const std::vector<std::string>& args, int out, int err, bool group) {
  std::vector<char*> argv;
  for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid == 0) become(argv.data(), out, err, parent, group);
  if (pid < 0) throw Error(Exit::io, str("cannot start '", args[0], "': ", std::strerror(errno)));
  if (group) ::setpgid(pid, pid);  // here too: a signal must not come before the group is there
  return pid;
}

Ended ended_as(int status) {
  Ended e;
  if (WIFSIGNALED(status)) {
    e.code = -1;
    e.signal = WTERMSIG(status);
    const char* name = sigabbrev_np(e.signal);
    e.text = str("killed by ", name ? str("SIG", name) : "a signal", " (", e.signal, ')');
    return e;
  }
  e.code = WEXITSTATUS(status);
  e.text = str("exit ", e.code);
  for (const ExitDoc& d : exit_codes())
    if (d.code == e.code) e.text += str(" (", d.name, ')');
  if (e.code == 127) e.text += " (not found)";
  return e;
}

}  // namespace

std::string sibling(const std::string& name) {
  char self[4096];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) {
    const std::string path(self, static_cast<size_t>(n));
    const std::string beside = path.substr(0, path.rfind('/') + 1) + name;
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return name;
}

pid_t start_child(const std::vector<std::string>& args, const std::string& log) {
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) throw Error(Exit::io, str("cannot write '", log, "': ", std::strerror(errno)));
  const pid_t pid = spawn(args, fd, fd, true);
  ::close(fd);
  return pid;
}

bool child_ended(pid_t pid, Ended& ended) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == EINTR) {}
  if (info.si_pid != pid) return false;
  signal_group(pid, SIGKILL);  // while its number cannot be given to another
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  ended = ended_as(status);
  return true;
}

void signal_group(pid_t pid, int signal) { ::kill(-pid, signal); }

std::string output_of(const std::vector<std::string>& args) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw Error(Exit::io, str("no pipe: ", std::strerror(errno)));
  const pid_t pid = spawn(args, pipe[1], STDERR_FILENO, false);
  ::close(pipe[1]);
  std::string out;
  char buffer[16384];
  ssize_t n = 0;
  while ((n = ::read(pipe[0], buffer, sizeof buffer)) != 0) {
    if (n > 0)
      out.append(buffer, static_cast<size_t>(n));
    else if (errno != EINTR)
      break;
  }
  ::close(pipe[0]);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (status != 0) throw Error(Exit::io, str("'", join(args, " "), "' failed: ", ended_as(status).text));
  return out;
}

}  // namespace dl::cli
