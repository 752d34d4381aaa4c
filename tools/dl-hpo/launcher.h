#pragma once
// How the command of a trial becomes the command that is started: by itself, or through srun, ssh, mpirun and the like.
#include <map>
#include <string>
#include <vector>

namespace dl::hpo {

// One word for a POSIX shell.
std::string quoted(const std::string& word);

// The words of a template such as "ssh node{job} {sh}", with quotes and backslashes as in a shell. A word {} becomes the
// words of the command, {sh} inside a word the whole command quoted for a shell, {name} what `names` says. Throws
// Error(Exit::usage) for a template without {} or {sh}, an open quote, or a name that is not there.
std::vector<std::string> launched(const std::string& pattern, const std::vector<std::string>& command,
                                  const std::map<std::string, std::string>& names);

}  // namespace dl::hpo
