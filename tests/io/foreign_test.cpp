// HDF5 files that other programs wrote, or that lie.
#include <doctest/doctest.h>
#include <hdf5.h>

#include <cstring>

#include "base/random.h"
#include "io/artifact.h"
#include "io/read_failure.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

void put_integer(hid_t file, const char* name, int64_t value) {
  if (H5Aexists(file, name) > 0) H5Adelete(file, name);
  const hid_t space = H5Screate(H5S_SCALAR),
              a = H5Acreate2(file, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(a, H5T_STD_I64LE, &value);
  H5Aclose(a);
  H5Sclose(space);
}

// An artifact of kind "dataset", changed by `change` through plain HDF5.
template <class F>
std::string changed(const TempFolder& dir, F change) {
  const std::string path = dir / "a.h5";
  std::filesystem::remove(path);
  {
    ArtifactWriter w(path, "dataset");
    w.write("/x", Tensor(DType::f32, {3}));
    w.finish();
  }
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
  REQUIRE(file >= 0);
  change(file);
  H5Fclose(file);
  H5Pclose(access);
  return path;
}

}  // namespace

TEST_CASE("a newer format, an unfinished file and a file without a kind are refused, each with its message") {
  TempFolder dir;
  CHECK(failure(changed(dir, [](hid_t) {})) == "");
  CHECK(has(
      failure(changed(dir, [](hid_t f) { put_integer(f, "min_reader", 2), put_integer(f, "format", 7); })),
      "has format 7, expected at most 1"));
  CHECK(has(failure(changed(dir, [](hid_t f) { put_integer(f, "complete", 0); })), "is not complete"));
  CHECK(has(failure(changed(dir, [](hid_t f) { H5Adelete(f, "complete"); })), "is not complete"));
  CHECK(has(failure(changed(dir, [](hid_t f) { H5Adelete(f, "kind"); })), "no artifact of dl"));
  const hid_t old = H5Fcreate((dir / "old.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(old);
  CHECK(has(failure(dir / "old.h5"), "no artifact of dl"));
}

TEST_CASE("links that leave the file are not followed") {
  TempFolder dir;
  const std::string path = changed(dir, [](hid_t f) {
    H5Lcreate_external("/etc/hostname", "/", f, "away", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/x", f, "soft", H5P_DEFAULT, H5P_DEFAULT);
  });
  const ArtifactReader r(path, "dataset");
  CHECK(r.names("/") == std::vector<std::string>{"x"});
  CHECK_FALSE(r.exists("/away"));
  CHECK_THROWS_AS(r.read("/soft"), Error);
}

TEST_CASE("groups that hold themselves end in an error") {
  TempFolder dir;
  const std::string path =
      changed(dir, [](hid_t f) { H5Lcreate_hard(f, "/", f, "again", H5P_DEFAULT, H5P_DEFAULT); });
  CHECK(has(failure(path), "nested deeper"));
}

TEST_CASE("sizes that the file cannot hold are refused before memory is asked for") {
  TempFolder dir;
  const auto add = [](hid_t f, hsize_t rows, bool chunked) {
    const hid_t space = H5Screate_simple(1, &rows, nullptr), creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 1 << 10;
    if (chunked) H5Pset_chunk(creation, 1, &chunk);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_LATE);
    H5Dclose(H5Dcreate2(f, "big", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
  };
  CHECK(has(failure(changed(dir, [&](hid_t f) { add(f, hsize_t{1} << 50, true); })),
            "cannot come from a file of"));
  CHECK(has(failure(changed(dir, [&](hid_t f) { add(f, 1000, false); })), "reaches beyond the end"));
  CHECK(has(failure(changed(dir, [&](hid_t f) { add(f, 100'000, true); })), "are missing"));
}

TEST_CASE("element types and filters that dl does not use are named") {
  TempFolder dir;
  const auto add = [](hid_t f, hid_t type, bool checksum) {
    const hsize_t rows = 10;
    const hid_t space = H5Screate_simple(1, &rows, nullptr), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, &rows);
    if (checksum) H5Pset_fletcher32(creation);
    H5Dclose(H5Dcreate2(f, "odd", type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
  };
  CHECK(has(failure(changed(dir, [&](hid_t f) { add(f, H5T_STD_I16BE, false); })),
            "'odd' has an element type"));
  CHECK(has(failure(changed(dir, [&](hid_t f) { add(f, H5T_STD_U8LE, true); })), "uses HDF5 filter 3"));
}

extern "C" uint32_t H5_checksum_metadata(const void* data, size_t bytes,
                                         uint32_t start);  // exported by libhdf5

namespace {

struct Piece {
  size_t at, bytes;  // without the checksum that follows
};

// Finds the parts of a file that end in a checksum of HDF5.
std::vector<Piece> checksummed(const std::string& file) {
  std::vector<Piece> out;
  for (const char* mark : {"\x89HDF", "OHDR", "OCHK", "EAHD", "EAIB"})
    for (size_t at = 0; (at = file.find(mark, at, 4)) != std::string::npos; ++at)
      for (size_t n = 8; n < 4000 && at + n + 4 <= file.size(); ++n) {
        uint32_t stored = 0;
        std::memcpy(&stored, &file[at + n], 4);
        if (stored == 0 || stored != H5_checksum_metadata(&file[at], n, 0)) continue;
        out.push_back({at, n});
        break;
      }
  return out;
}

}  // namespace

TEST_CASE("metadata that is wrong under a right checksum gives an error or a result, never a crash") {
  TempFolder dir;
  {
    ArtifactWriter w(dir / "a.h5", "dataset");
    w.create("/train/x", {DType::f32, {4}}, 16);
    const std::vector<float> rows(4 * 50);
    w.append("/train/x", rows.data(), 50);
    w.write("/mean", Tensor(DType::f32, {4}));
    w.finish();
  }
  const std::string good = dir.bytes("a.h5");
  const std::vector<Piece> pieces = checksummed(good);
  REQUIRE(pieces.size() >= 6);
  Random random(1, stream_id("metadata"));
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string bad = good;
    for (int64_t k = random.below(3); k >= 0; --k) {
      const Piece& p = pieces[static_cast<size_t>(random.below(static_cast<int64_t>(pieces.size())))];
      const size_t at = p.at + 8 + static_cast<size_t>(random.below(static_cast<int64_t>(p.bytes) - 8));
      const size_t last = random.below(2) ? std::min(at + 8, p.at + p.bytes) : at + 1;
      for (size_t j = at; j < last; ++j) bad[j] = static_cast<char>(random.bits());
      const uint32_t sum = H5_checksum_metadata(&bad[p.at], p.bytes, 0);
      std::memcpy(&bad[p.at + p.bytes], &sum, 4);
    }
    refused += !failure(dir.put("bad.h5", bad)).empty();
  }
  CHECK(refused > 500);
}
