// Bytes, IDX and CIFAR.
#include <doctest/doctest.h>

#include "io/byte_reader.h"
#include "io/cifar.h"
#include "io/idx.h"
#include "support/files.h"

using namespace dl;
using namespace dl::testing;

namespace {

std::string pattern(size_t n) {
  std::string s(n, '\0');
  uint32_t v = 1;
  for (char& c : s) c = static_cast<char>((v = v * 1664525u + 1013904223u) >> 28);
  return s;
}

std::string all_of(ByteReader& in) {
  std::string out;
  char block[1000];
  while (const size_t n = in.read(block, sizeof block)) out.append(block, n);
  return out;
}

}  // namespace

TEST_CASE("plain, gzip, several gzip members and xz read as the same bytes, twice") {
  const TempDir dir;
  const std::string bytes = pattern(700'001);
  for (const std::string& packed :
       {bytes, gzip(bytes), gzip(bytes.substr(0, 1000)) + gzip(bytes.substr(1000)), xz(bytes)}) {
    ByteReader in(dir.write("file", packed));
    CHECK(all_of(in) == bytes);
    CHECK(in.at_end());
    in.rewind();
    CHECK(all_of(in) == bytes);
  }
}

TEST_CASE("files that cannot be read are named with what is wrong") {
  const TempDir dir;
  const std::string bytes = pattern(100'000), z = gzip(bytes), x = xz(bytes);
  const auto message = [&](const std::string& packed) {
    const std::string path = dir.write("file", packed);
    Exit code = Exit::ok;
    const std::string m = error_of(
        [&] {
          ByteReader in(path);
          all_of(in);
        },
        &code);
    CHECK(code == Exit::data);
    return m.substr(path.size());
  };
  CHECK(message(z.substr(0, z.size() - 9)) == ": the gzip data is cut short, expected its end mark");
  CHECK(message(x.substr(0, x.size() / 2)) == ": the xz data is cut short, expected its end mark");
  CHECK(message(z + "text") == ": bytes follow the gzip data, expected its end");
  std::string damaged = z;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  CHECK(contains(message(damaged), ": the gzip data is damaged"));
  damaged = x;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  CHECK(message(damaged) == ": the xz data is damaged");
  CHECK(contains(error_of([&] { ByteReader in(dir / "absent"); }), "absent: cannot be opened: No such file"));
  CHECK(contains(error_of([&] { ByteReader in(dir / "."); }), "is a directory, expected a file"));
  CHECK(contains(error_of([&] { read_file(dir.write("f", bytes), 99'999); }), "is larger than 97.7 KiB"));
}

TEST_CASE("IDX keeps u8 and converts the big-endian types") {
  const TempDir dir;
  IdxReader images(dir.write("images", gzip(idx_bytes({3, 2, 2}, "abcdefghijkl"))));
  CHECK(images.rows() == 3);
  CHECK(images.row_shape() == Shape{2, 2});
  char rows[12];
  CHECK(images.read(2, rows) == 2);
  CHECK(images.read(2, rows + 8) == 1);
  CHECK(images.read(2, rows) == 0);
  CHECK(std::string(rows, 12) == "abcdefghijkl");
  images.rewind();
  CHECK(images.read(3, rows) == 3);

  IdxReader shorts(dir.write("i16", idx_bytes({2}, std::string("\xFF\xFE\x01\x02", 4), 0x0B)));
  int32_t v[2];
  CHECK(shorts.read(2, v) == 2);
  CHECK(v[0] == -2);
  CHECK(v[1] == 258);
  IdxReader floats(dir.write("f32", idx_bytes({1}, std::string("\x3F\xC0\x00\x00", 4), 0x0D)));
  float f = 0;
  CHECK(floats.read(1, &f) == 1);
  CHECK(f == 1.5f);
}

TEST_CASE("IDX files that lie about themselves are errors") {
  const TempDir dir;
  const auto message = [&](const std::string& bytes) {
    const std::string path = dir.write("f", bytes);
    Exit code = Exit::ok;
    const std::string m = error_of(
        [&] {
          IdxReader in(path);
          std::vector<char> row(1 << 16);
          while (in.read(1, row.data())) {}
        },
        &code);
    CHECK(code == Exit::data);
    return m.substr(path.size());
  };
  CHECK(message("") == ": is empty, expected an IDX header");
  CHECK(message("hello, world") == ": is not an IDX file, expected two zero bytes, a type and a rank");
  CHECK(message(idx_bytes({1}, "a", 7)) == ": has IDX type 7, expected 8, 9, 11, 12, 13 or 14");
  CHECK(message(idx_bytes({3, 2}, "abcde")) == ": ends in record 2, expected 3 records as its header says");
  CHECK(message(idx_bytes({2, 2}, "abcde")) == ": bytes follow record 1, expected the end after 2 records");
  CHECK(message(idx_bytes({0, 2}, "")) == ": extent 1 is zero, expected at least 1");
  CHECK(contains(message(idx_bytes({1, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "")), "is larger than 256 MiB"));
  CHECK(contains(message(idx_bytes({1, 1, 1, 1, 1, 1, 1}, "a")), "has IDX rank 7, expected at most 6"));
  CHECK(message(std::string("\0\0\x08\x02\0\0", 6)) ==
        ": ends after 6 bytes, expected extent 1 of 2 of the IDX header");
}

TEST_CASE("CIFAR records carry one or two labels and planes") {
  const TempDir dir;
  const std::string planes = pattern(3072);
  CifarReader in(dir.write("c100", xz("\3\7" + planes + "\1\2" + planes)), 2);
  uint8_t labels[2];
  std::string pixels(3072, '\0');
  auto* p = reinterpret_cast<uint8_t*>(pixels.data());
  REQUIRE(in.next(labels, p));
  CHECK(labels[1] == 7);
  CHECK(pixels == planes);
  REQUIRE(in.next(labels, p));
  CHECK_FALSE(in.next(labels, p));
  in.rewind();
  CHECK(in.next(labels, p));

  CifarReader cut(dir.write("cut", "\1" + planes + "\1" + planes.substr(1)), 1);
  CHECK(cut.next(labels, p));
  CHECK(contains(error_of([&] { cut.next(labels, p); }),
                 "cut: ends in record 1, expected records of 3073 bytes"));
  CifarReader empty(dir.write("empty", ""), 1);
  CHECK(contains(error_of([&] { empty.next(labels, p); }), "empty: is empty, expected CIFAR records"));
}
