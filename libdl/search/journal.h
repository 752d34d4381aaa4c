#pragma once
// An append-only file of JSON records that several processes may write to. Each line is one write(2), carries a CRC-32
// of the rest of the line, and is on the disk before append() returns. A last line that was torn by a crash is cut off.
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

class DL_API Journal {
 public:
  // Opens, or creates when `create`. Throws Error: data (missing, not a journal, damaged in the middle), io.
  Journal(const std::string& path, bool create);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Runs `change` while no other process can append. Records written since the last call come in first, through `read`;
  // what `change` returns is appended, and read too.
  void transaction(const std::function<void(const json&)>& read,
                   const std::function<std::vector<json>()>& change);
  const std::string& path() const { return path_; }
  bool repaired() const { return repaired_; }  // a torn last line was cut off

 private:
  void read_new(const std::function<void(const json&)>& read);
  std::string path_;
  int fd_ = -1;
  int64_t offset_ = 0, line_ = 0;
  bool repaired_ = false;
};

}  // namespace dl
