#pragma once
// SIGINT and SIGTERM ask a long run to stop at the next safe point; a second one ends the process at once.
// SIGUSR1 asks for a checkpoint now.

namespace dl::cli {

void install_signals();
// 0, or the exit code to return: 130 after SIGINT, 143 after SIGTERM.
int interrupted();
// True once after each SIGUSR1.
bool checkpoint_requested();

}  // namespace dl::cli
