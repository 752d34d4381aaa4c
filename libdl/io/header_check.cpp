#include "io/header_check.h"

#include <vector>

#include "base/str.h"

namespace dl {
namespace {

constexpr int kAttribute = 0x0C, kContinuation = 0x10;

uint64_t number_at(const std::string& b, size_t at, size_t bytes) {
  uint64_t v = 0;
  for (size_t i = bytes; i-- > 0;) v = v << 8 | static_cast<unsigned char>(b[at + i]);
  return v;
}

// Attribute message of version 3: version, flags, sizes of name, type and space (2 bytes each), character set, then
// those three, then the value: elements as long as the type says in its bytes 4 to 7. Space: version, rank, and from
// byte 4 (8 in version 1) on the extents.
bool sound_attribute(const std::string& b, size_t at, size_t size) {
  if (size < 9 || number_at(b, at, 1) != 3 || (b[at + 1] & 3))
    return false;  // flags: type or space elsewhere
  const uint64_t name = number_at(b, at + 2, 2), type = number_at(b, at + 4, 2),
                 space = number_at(b, at + 6, 2);
  if (name == 0 || type < 8 || space < 4 || 9 + name + type + space > size) return false;
  if (b[at + 9 + name - 1] != '\0') return false;
  const size_t dims = at + 9 + name + type;
  const uint64_t rank = number_at(b, dims + 1, 1), first = number_at(b, dims, 1) == 1 ? 8 : 4;
  uint64_t value = number_at(b, at + 9 + name + 4, 4);
  if (first + 8 * rank > space) return false;
  for (uint64_t i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(value, number_at(b, dims + first + 8 * i, 8), &value)) return false;
  return value <= size - 9 - name - type - space;
}

struct Block {  // a run of messages
  std::string bytes;
  size_t at, end;
};

}  // namespace

// Object header of version 2: "OHDR", version, flags, times (16 bytes, flag 32), attribute limits (4, flag 16), size of
// the first block (1, 2, 4 or 8 bytes by flags & 3), messages, checksum. Later blocks: "OCHK", messages, checksum.
// Message: type, size (2), flags, order (2, flag 4), body.
std::string attribute_problem(const InputFile& file, uint64_t address) {
  const auto length = static_cast<uint64_t>(file.bytes());
  if (address >= length) return "its root group lies beyond the end";
  const std::string head = file.peek(static_cast<int64_t>(address), 40);
  if (head.size() < 40 || !head.starts_with("OHDR") || head[4] != 2)
    return "its root group has no header of version 2";
  const int flags = static_cast<unsigned char>(head[5]);
  const size_t width = size_t{1} << (flags & 3),
               prefix = 6 + (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0) + width;
  const uint64_t size = number_at(head, prefix - width, width);
  if (size > length - address) return "its root group reaches beyond the end";
  std::vector<Block> blocks;
  blocks.push_back(
      {file.peek(static_cast<int64_t>(address), static_cast<int64_t>(prefix + size)), prefix, prefix + size});
  const size_t start = flags & 4 ? 6 : 4;  // of the body in a message
  uint64_t total = size;
  for (size_t k = 0; k < blocks.size(); ++k) {
    const Block b = blocks[k];
    if (b.bytes.size() < b.end) return "a header is cut off";
    for (size_t at = b.at; at + start <= b.end;) {
      const uint64_t type = number_at(b.bytes, at, 1), bytes = number_at(b.bytes, at + 1, 2);
      at += start;
      if (bytes > b.end - at) return "a message is longer than its header";
      if (type == kAttribute && !sound_attribute(b.bytes, at, bytes))
        return "an attribute does not fit its message";
      if (type == kContinuation) {
        if (bytes < 16) return "a header goes on nowhere";
        const uint64_t next = number_at(b.bytes, at, 8), more = number_at(b.bytes, at + 8, 8);
        if (next > length || more > length - next || more < 8) return "a header goes on beyond the end";
        if ((total += more) > length) return "a header goes on without end";
        blocks.push_back({file.peek(static_cast<int64_t>(next), static_cast<int64_t>(more)), 4,
                          static_cast<size_t>(more) - 4});
      }
      at += bytes;
    }
  }
  return {};
}

}  // namespace dl
