#include "cli/signals.h"

#include <unistd.h>
#include <csignal>

namespace dl::cli {
namespace {

volatile std::sig_atomic_t stop_code = 0;
volatile std::sig_atomic_t checkpoint = 0;

extern "C" void on_stop(int signal) {
  const int code = 128 + signal;
  if (stop_code) _exit(code);
  stop_code = code;
}

extern "C" void on_checkpoint(int) { checkpoint = 1; }

}  // namespace

void install_signals() {
  struct sigaction a {};
  sigemptyset(&a.sa_mask);
  a.sa_flags = SA_RESTART;
  a.sa_handler = on_stop;
  sigaction(SIGINT, &a, nullptr);
  sigaction(SIGTERM, &a, nullptr);
  a.sa_handler = on_checkpoint;
  sigaction(SIGUSR1, &a, nullptr);
}

int interrupted() { return stop_code; }

bool checkpoint_requested() {
  const bool was = checkpoint;
  if (was) checkpoint = 0;
  return was;
}

}  // namespace dl::cli
