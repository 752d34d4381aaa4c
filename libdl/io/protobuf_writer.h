#pragma once
// The wire format of protocol buffers, as much of it as event files need: no library is loaded for a few messages.
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dl {

class ProtobufWriter {
 public:
  void integer(int field, int64_t value) {
    tag(field, 0);
    varint(static_cast<uint64_t>(value));
  }
  void real(int field, double value) {
    tag(field, 1);
    fixed(std::bit_cast<uint64_t>(value), 8);
  }
  void real32(int field, float value) {
    tag(field, 5);
    fixed(std::bit_cast<uint32_t>(value), 4);
  }
  // Text, bytes, or a message.
  void bytes(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    out_ += value;
  }
  void message(int field, const ProtobufWriter& value) { bytes(field, value.out_); }
  void packed(int field, std::span<const double> values) {
    tag(field, 2);
    varint(values.size() * 8);
    for (double v : values) fixed(std::bit_cast<uint64_t>(v), 8);
  }
  const std::string& text() const { return out_; }

 private:
  void tag(int field, int wire) { varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire)); }
  void varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_ += static_cast<char>(v | 0x80);
    out_ += static_cast<char>(v);
  }
  void fixed(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(v >> (8 * i));
  }
  std::string out_;
};

}  // namespace dl
