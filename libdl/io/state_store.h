#pragma once
// Checkpoints of one run: the folder OUT.state holds two files written in turn, each by rename, so that a
// kill at any moment leaves at least the older one whole.
#include <cstdint>
#include <optional>
#include <string>

#include "base/export.h"
#include "io/model_file.h"

namespace dl {

class DL_API StateStore {
 public:
  explicit StateStore(std::string folder) : folder_(std::move(folder)) {}
  const std::string& folder() const { return folder_; }

  // Makes the folder when it is missing and replaces the older of the two files. The state carries a serial
  // number, one above the newest that is there. Error (Exit::io) when it cannot be written; the newest
  // checkpoint then stays.
  void save(StateFile& state);

  struct Loaded {
    StateFile state;
    std::string path;
    std::string note;  // why a newer file was passed over; empty when there was none
  };
  // The newest checkpoint that reads whole; nothing when the folder has none. Error (Exit::data) when there
  // are checkpoints and none of them can be read.
  std::optional<Loaded> load() const;

  // Removes the checkpoints, and the folder when nothing else is in it.
  void remove() const;

 private:
  std::string path(int slot) const;
  std::string folder_;
};

}  // namespace dl
