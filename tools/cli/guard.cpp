#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <set>

#include "base/error.h"
#include "base/str.h"
#include "cli/child.h"

namespace dl::cli {
namespace {

bool any_alive(std::set<pid_t>& groups) {
  std::erase_if(groups, [](pid_t g) { return ::kill(-g, 0) != 0 && errno == ESRCH; });
  return !groups.empty();
}

// The guard's own life: reads numbers of groups (negative: forget it) until the other end is gone.
[[noreturn]] void keep_watch(int pipe, int grace) {
  for (int s : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1}) std::signal(s, SIG_IGN);
  ::setsid();
  ::dup2(pipe, 0);
  ::close_range(1, ~0u, 0);  // nobody waits for the end of our output, and no lock is held by us
  std::set<pid_t> groups;
  pid_t number = 0;
  ssize_t n = 0;
  while ((n = ::read(0, &number, sizeof number)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof number) break;
    if (number > 0)
      groups.insert(number);
    else
      groups.erase(-number);
  }
  for (pid_t g : groups) ::kill(-g, SIGTERM);
  const timespec wait{0, 50'000'000};
  for (int i = 0; i < grace * 20 && any_alive(groups); ++i) nanosleep(&wait, nullptr);
  for (pid_t g : groups) ::kill(-g, SIGKILL);
  _exit(0);
}

}  // namespace

Guard::Guard(int grace) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw Error(Exit::io, str("no pipe: ", std::strerror(errno)));
  pid_ = ::fork();
  if (pid_ == 0) keep_watch(pipe[0], grace);
  ::close(pipe[0]);
  fd_ = pipe[1];
  if (pid_ < 0) {
    ::close(fd_);
    throw Error(Exit::io, str("cannot start a process: ", std::strerror(errno)));
  }
}

Guard::~Guard() {
  ::close(fd_);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
}

void Guard::say(pid_t number) const {
  while (::write(fd_, &number, sizeof number) < 0 && errno == EINTR) {}
}
void Guard::watch(pid_t group) { say(group); }
void Guard::forget(pid_t group) { say(-group); }

}  // namespace dl::cli
