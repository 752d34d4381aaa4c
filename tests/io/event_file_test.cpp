#include "io/event_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "base/error.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

uint64_t fixed(std::string_view s, size_t at, size_t bytes) {
  uint64_t v = 0;
  for (size_t i = 0; i < bytes; ++i) v |= uint64_t(static_cast<unsigned char>(s[at + i])) << (8 * i);
  return v;
}

uint32_t unmasked(uint32_t crc) {
  const uint32_t turned = crc - 0xa282ead8u;
  return turned >> 17 | turned << 15;
}

// The messages of a file, up to the first record that is not whole.
std::vector<std::string> records(const std::string& bytes) {
  std::vector<std::string> out;
  for (size_t at = 0; at + 12 <= bytes.size();) {
    const uint64_t length = fixed(bytes, at, 8);
    CHECK(unmasked(static_cast<uint32_t>(fixed(bytes, at + 8, 4))) == crc32c(bytes.substr(at, 8)));
    if (at + 16 + length > bytes.size()) break;
    out.push_back(bytes.substr(at + 12, length));
    CHECK(unmasked(static_cast<uint32_t>(fixed(bytes, at + 12 + length, 4))) == crc32c(out.back()));
    at += 16 + length;
  }
  return out;
}

// Fields of a message by number: numbers as they stand on the wire, and bytes.
struct Fields {
  std::map<int, uint64_t> number;
  std::map<int, std::string> bytes;
  explicit Fields(std::string_view m) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t v = 0;
      for (int shift = 0;; shift += 7) {
        const auto b = static_cast<unsigned char>(m.at(at++));
        v |= uint64_t(b & 0x7f) << shift;
        if (b < 0x80) return v;
      }
    };
    while (at < m.size()) {
      const uint64_t tag = varint();
      const int field = static_cast<int>(tag >> 3);
      if ((tag & 7) == 0) number[field] = varint();
      if ((tag & 7) == 1) number[field] = fixed(m, at, 8), at += 8;
      if ((tag & 7) == 5) number[field] = fixed(m, at, 4), at += 4;
      if ((tag & 7) == 2) {
        const uint64_t n = varint();
        bytes[field] = m.substr(at, n);
        at += n;
      }
    }
  }
  double real(int field) const {
    double v;
    std::memcpy(&v, &number.at(field), sizeof v);
    return v;
  }
  Fields in(int field) const { return Fields(bytes.at(field)); }
};

}  // namespace

TEST_CASE("the checksum of TFRecords is CRC-32C") {
  CHECK(crc32c("123456789") == 0xe3069283u);            // the check value of the polynomial
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);  // RFC 3720, B.4
}

TEST_CASE("scalars and histograms come back") {
  TempFolder dir;
  EventFile file(dir / "logs/run", 0);
  file.scalar("train/loss", 0.25, 300);
  const std::vector<float> values{-1, 0, 0, 3, NAN};
  file.histogram("w", values, 7);
  file.histogram("nothing", {}, 7);
  file.flush();
  const auto all = records(read_whole(file.path()));
  REQUIRE(all.size() == 3);
  CHECK(Fields(all[0]).bytes.at(3) == "brain.Event:2");
  const Fields scalar(all[1]);
  CHECK(scalar.number.at(2) == 300);
  const Fields value = scalar.in(5).in(1);
  CHECK(value.bytes.at(1) == "train/loss");
  const auto bits = static_cast<uint32_t>(value.number.at(2));
  float loss;
  std::memcpy(&loss, &bits, sizeof loss);
  CHECK(loss == 0.25f);
  const Fields h = Fields(all[2]).in(5).in(1).in(5);
  CHECK(h.real(1) == -1);
  CHECK(h.real(2) == 3);
  CHECK(h.real(3) == 4);
  CHECK(h.real(4) == 2);
  CHECK(h.real(5) == 10);
  const std::string limits = h.bytes.at(6), counts = h.bytes.at(7);
  REQUIRE(limits.size() == counts.size());
  double count = 0, below_half = 0;
  for (size_t i = 0; i < limits.size(); i += 8) {
    double limit, n;
    std::memcpy(&limit, limits.data() + i, 8);
    std::memcpy(&n, counts.data() + i, 8);
    count += n;
    if (limit <= 0.5) below_half += n;
  }
  CHECK(count == 4);
  CHECK(below_half == 3);
}

TEST_CASE("a run that goes on has a file of its own, which says from which step on the others do not count") {
  TempFolder dir;
  const std::string first = EventFile(dir / "logs", 0).path();
  EventFile second(dir / "logs", 41);
  CHECK(second.path() > first);
  const auto all = records(read_whole(second.path()));
  REQUIRE(all.size() == 2);
  CHECK(Fields(all[1]).number.at(2) == 41);
  CHECK(Fields(all[1]).in(7).number.at(1) == 1);
}

TEST_CASE("what was flushed survives, and nothing else is torn") {
  TempFolder dir;
  std::string path;
  {
    EventFile file(dir / "logs", 0);
    path = file.path();
    for (int i = 0; i < 10; ++i) file.scalar("a", i, i);
    file.flush();
    file.scalar("lost", 1, 10);
  }
  const std::string whole = read_whole(path);
  CHECK(records(whole).size() == 11);
  CHECK(records(whole.substr(0, whole.size() - 3)).size() == 10);
  try {
    EventFile("/proc/nowhere", 0);
    FAIL("made a file there");
  } catch (const Error& e) { CHECK(e.code == Exit::io); }
}
