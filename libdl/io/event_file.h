#pragma once
// Event files of TensorBoard: TFRecords (length, CRC32C, bytes, CRC32C) of the protobuf message tensorflow.Event. A file is
// only ever appended to, so what is there of it after a kill reads up to the last whole record.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"

namespace dl {

// A node of a graph that TensorBoard draws. A '/' in a name makes a group.
struct EventGraphNode {
  std::string name, op;
  std::vector<std::string> inputs;  // names
};

// Parameters of a run for the table of TensorBoard: exactly one of the two is meant.
struct EventParameter {
  std::string name, text;
  double number = 0;
  bool is_number = false;
};

class DL_API EventFile {
 public:
  // Makes a new file in `folder` (made where it is missing), whose name sorts behind those there. Readers drop what earlier
  // files say of `first_step` and later steps. Error (Exit::io).
  EventFile(const std::string& folder, int64_t first_step);
  ~EventFile();  // without what was not flushed
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;
  const std::string& path() const { return path_; }

  // Records wait until flush(), a full buffer, or ten seconds. Error (Exit::io) when they cannot be written.
  void scalar(std::string_view tag, double value, int64_t step);
  // Of the finite values; none when there is none.
  void histogram(std::string_view tag, std::span<const float> values, int64_t step);
  void text(std::string_view tag, std::string_view markdown, int64_t step);
  void graph(std::span<const EventGraphNode> nodes);
  void parameters(std::span<const EventParameter> values);
  void end(bool success);  // of the run whose parameters were given
  void flush();

 private:
  void add(std::string_view what, int64_t step);
  std::string path_, waiting_;
  int fd_ = -1;
  double flushed_ = 0;
};

// CRC-32C (Castagnoli), as TFRecords have it before masking.
DL_API uint32_t crc32c(std::string_view bytes);

}  // namespace dl
