#include "io/state_store.h"

#include <array>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/str.h"
#include "io/output_file.h"

namespace dl {
namespace {

// Serial number of a checkpoint that opens; -1 when there is none, -2 and `problem` when it does not open.
int64_t serial_of(const std::string& path, std::string& problem) {
  if (::access(path.c_str(), F_OK) != 0) return -1;
  try {
    return ArtifactReader(path, "state").integer("serial");
  } catch (const Error& e) {
    problem = e.what();
    return -2;
  }
}

}  // namespace

std::string StateStore::path(int slot) const { return str(folder_, "/state-", slot, ".h5"); }

void StateStore::save(StateFile& state) {
  if (::mkdir(folder_.c_str(), 0777) != 0 && errno != EEXIST)
    throw Error(Exit::io, str(folder_, ": cannot be made: ", errno_text(errno)));
  std::string problem;
  const int64_t first = serial_of(path(0), problem), second = serial_of(path(1), problem);
  state.serial = std::max<int64_t>({first, second, -1}) + 1;
  OutputOptions options;
  options.force = true;  // what does not open is an older state of ours that went bad
  state.save(path(first <= second ? 0 : 1), options);
}

std::optional<StateStore::Loaded> StateStore::load() const {
  std::string problem;
  std::array<int64_t, 2> serial{serial_of(path(0), problem), serial_of(path(1), problem)};
  if (serial[0] == -1 && serial[1] == -1) return std::nullopt;
  for (int tries = 0; tries < 2; ++tries) {
    const int slot = serial[0] >= serial[1] ? 0 : 1;
    if (serial[slot] < 0) break;
    try {
      return Loaded{StateFile::load(path(slot)), path(slot), problem};
    } catch (const Error& e) {
      problem = e.what();
      serial[slot] = -2;
    }
  }
  throw Error(Exit::data, str(folder_, ": no checkpoint can be read: ", problem));
}

void StateStore::remove() const {
  for (int slot : {0, 1}) ::unlink(path(slot).c_str());
  ::rmdir(folder_.c_str());
}

}  // namespace dl
