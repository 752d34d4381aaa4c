#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "io/artifact.h"
#include "io/chunk_codec.h"
#include "io/hash.h"
#include "io/hdf5_file.h"
#include "io/output_file.h"

namespace dl {

static_assert(std::endian::native == std::endian::little,
              "artifacts hold little-endian numbers, written as they are in memory");

namespace {

struct Growing {  // a data set that takes rows
  Hid id;
  TensorType row;
  int64_t row_bytes = 0, chunk_rows = 0, rows = 0;
  std::vector<unsigned char> pending;  // rows of the chunk that is not full
  Sha256 hash;
};

struct Entry {  // what the content hash covers, in order
  std::string name;
  Growing* growing = nullptr;
  std::string text;  // of a whole tensor: type and hash
};

// A file to be replaced must be an artifact, or empty.
void check_ours(const std::string& path, bool force) {
  struct stat st {};
  if (force || path == "-" || ::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
    return;
  try {
    ArtifactReader old(path, "");
  } catch (const Error&) {
    throw Error(
        Exit::io, {},
        str(path, ": exists and is not an artifact of dl, expected a new file or an artifact to replace"),
        "--force replaces it");
  }
}

}  // namespace

struct ArtifactWriter::Impl {
  OutputFile out;
  Hdf5Device device;
  Hid file;
  std::map<std::string, Growing> growing;
  std::vector<Entry> entries;
  json parents = json::array();
  Sha256 attributes;
  bool finished = false;

  explicit Impl(const std::string& path, const OutputOptions& options) : out(path, options.tmp) {
    device.fd = out.fd();
  }

  void check(bool ok) const {
    if (ok && !device.error) return;
    throw Error(Exit::io, str(out.name(), ": cannot be written: ",
                              device.error ? errno_text(device.error) : "HDF5 refused a write"));
  }
  Hid object(const std::string& name) const { return H5Oopen(file, name.c_str(), H5P_DEFAULT); }
  void attribute(const std::string& object, std::string_view name, hid_t type, const void* value,
                 std::string_view hashed);
  void text_attribute(const std::string& object, std::string_view name, std::string_view text);
  void integer_attribute(std::string_view name, int64_t value);
  Hid create(const std::string& name, const TensorType& type, hid_t space, hid_t creation);
  void write_chunk(Growing& g, int64_t first_row, int64_t rows, const unsigned char* data);
  std::string content_hash();
};

int64_t check_output(const std::string& path, const OutputOptions& options) {
  const OutputFile probe(path, options.tmp);
  check_ours(path, options.force);
  return probe.free_bytes();
}

namespace {

// Links and attributes stay in the object header, the simplest of HDF5's forms to read.
constexpr unsigned kMostInHeader = 4096;

void set_group_creation(hid_t p) {
  H5Pset_obj_track_times(p, false);
  H5Pset_link_creation_order(p, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_link_phase_change(p, kMostInHeader, 0);
  H5Pset_attr_creation_order(p, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_phase_change(p, kMostInHeader, 0);
}

void check_name(const std::string& name) {
  for (const std::string& part :
       split(name.starts_with('/') ? std::string_view(name).substr(1) : std::string_view(name), '/'))
    if (part.empty() || part == "." || part == "..")
      throw Error(Exit::internal, str("'", name, "' cannot name a data set"));
}

}  // namespace

void ArtifactWriter::Impl::attribute(const std::string& object_name, std::string_view name, hid_t type,
                                     const void* value, std::string_view hashed) {
  const Hid target = object(object_name);
  const Hid space = H5Screate(H5S_SCALAR);
  const Hid a = H5Acreate2(target, std::string(name).c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
  check(a.ok() && H5Awrite(a, type, value) >= 0);
  attributes.add(str("attribute ", object_name, ' ', name, ' ', hashed.size(), '\n'));
  attributes.add(hashed);
}

void ArtifactWriter::Impl::text_attribute(const std::string& object_name, std::string_view name,
                                          std::string_view text) {
  Hid type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, std::max<size_t>(text.size(), 1));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  attribute(object_name, name, type, text.empty() ? "" : text.data(), text);
}

void ArtifactWriter::Impl::integer_attribute(std::string_view name, int64_t value) {
  attribute("/", name, H5T_STD_I64LE, &value, number(static_cast<double>(value)));
}

Hid ArtifactWriter::Impl::create(const std::string& name, const TensorType& type, hid_t space,
                                 hid_t creation) {
  check_name(name);
  Hid group = H5Gopen2(file, "/", H5P_DEFAULT);
  std::vector<std::string> parts = split(name.starts_with('/') ? name.substr(1) : name, '/');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const bool there = H5Lexists(group, parts[i].c_str(), H5P_DEFAULT) > 0;
    if (there) {
      group = Hid(H5Gopen2(group, parts[i].c_str(), H5P_DEFAULT));
    } else {
      const Hid properties = H5Pcreate(H5P_GROUP_CREATE);
      set_group_creation(properties);
      group = Hid(H5Gcreate2(group, parts[i].c_str(), H5P_DEFAULT, properties, H5P_DEFAULT));
    }
    check(group.ok());
  }
  H5Pset_obj_track_times(creation, false);
  H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_phase_change(creation, kMostInHeader, 0);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  Hid set = H5Dcreate2(group, parts.back().c_str(), hdf5_type(type.dtype), space, H5P_DEFAULT, creation,
                       H5P_DEFAULT);
  if (!set.ok() && !device.error && H5Lexists(group, parts.back().c_str(), H5P_DEFAULT) > 0)
    throw Error(Exit::internal, str("data set '", name, "' written twice"));
  check(set.ok());
  return set;
}

ArtifactWriter::ArtifactWriter(const std::string& path, std::string_view kind, const OutputOptions& options) {
  impl_ = std::make_unique<Impl>(path, options);
  Impl& w = *impl_;
  check_ours(path, options.force);
  const Hdf5Lock lock;
  Hid creation = H5Pcreate(H5P_FILE_CREATE);
  set_group_creation(creation);
  w.file = H5Fcreate("artifact", H5F_ACC_TRUNC, creation, hdf5_access(&w.device));
  w.check(w.file.ok());
  attribute("kind", kind);
  attribute("format", kArtifactFormat);
  attribute("min_reader", kArtifactFormat);
}

ArtifactWriter::~ArtifactWriter() {
  const Hdf5Lock lock;
  impl_->device.discard = true;
  impl_->growing.clear();
  impl_->file.reset();
}

void ArtifactWriter::attribute(std::string_view name, std::string_view text) {
  const Hdf5Lock lock;
  impl_->text_attribute("/", name, text);
}
void ArtifactWriter::attribute(std::string_view name, int64_t value) {
  const Hdf5Lock lock;
  impl_->integer_attribute(name, value);
}
void ArtifactWriter::attribute(std::string_view name, double value) {
  const Hdf5Lock lock;
  impl_->attribute("/", name, H5T_IEEE_F64LE, &value, number(value));
}
void ArtifactWriter::attribute(std::string_view name, const json& value) {
  attribute(name, std::string_view(value.dump()));
}
void ArtifactWriter::attribute(const std::string& object, std::string_view name, const json& value) {
  const Hdf5Lock lock;
  impl_->text_attribute(object, name, value.dump());
}
void ArtifactWriter::parent(std::string_view kind, std::string_view content_hash) {
  impl_->parents.push_back({{"kind", kind}, {"content_hash", content_hash}});
}

void ArtifactWriter::write(const std::string& name, const Tensor& value) {
  const Hdf5Lock lock;
  Impl& w = *impl_;
  hsize_t dims[kMaxRank];
  std::copy(value.shape().begin(), value.shape().end(), dims);
  const int rank = value.shape().rank();
  const Hid space = rank ? H5Screate_simple(rank, dims, nullptr) : H5Screate(H5S_SCALAR);
  const Hid creation = H5Pcreate(H5P_DATASET_CREATE);
  const Hid set = w.create(name, value.type(), space, creation);
  if (value.bytes() > 0)
    w.check(H5Dwrite(set, hdf5_type(value.dtype()), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.raw()) >= 0);
  Sha256 hash;
  hash.add(value.raw(), static_cast<size_t>(value.bytes()));
  w.entries.push_back({name, nullptr, str(value.type().text(), ' ', hash.hex())});
}

void ArtifactWriter::create(const std::string& name, const TensorType& row, int64_t chunk_rows) {
  const Hdf5Lock lock;
  Impl& w = *impl_;
  Growing g;
  g.row = row;
  g.row_bytes = row.bytes();
  if (g.row_bytes <= 0 || row.shape.rank() >= kMaxRank)
    throw Error(Exit::internal, str("rows of type ", row.text(), " cannot be appended"));
  g.chunk_rows = chunk_rows > 0 ? chunk_rows : std::max<int64_t>(1, kChunkBytes / g.row_bytes);
  hsize_t dims[kMaxRank] = {}, most[kMaxRank] = {H5S_UNLIMITED},
          chunk[kMaxRank] = {static_cast<hsize_t>(g.chunk_rows)};
  for (int i = 0; i < row.shape.rank(); ++i)
    dims[i + 1] = most[i + 1] = chunk[i + 1] = static_cast<hsize_t>(row.shape[i]);
  const int rank = row.shape.rank() + 1;
  const Hid space = H5Screate_simple(rank, dims, most);
  const Hid creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(creation, rank, chunk);
  if (size_of(row.dtype) > 1) H5Pset_shuffle(creation);
  H5Pset_deflate(creation, kDeflateLevel);
  g.id = w.create(name, row, space, creation);
  g.pending.reserve(static_cast<size_t>(g.chunk_rows * g.row_bytes));
  Growing& kept = w.growing.insert_or_assign(name, std::move(g)).first->second;
  w.entries.push_back({name, &kept, {}});
}

// HDF5's own filters would give the same format; these are several times faster and leave the lock.
void ArtifactWriter::Impl::write_chunk(Growing& g, int64_t first_row, int64_t rows,
                                       const unsigned char* data) {
  const int64_t bytes = g.chunk_rows * g.row_bytes, width = size_of(g.row.dtype);
  std::vector<unsigned char> full, shuffled, packed;
  if (rows < g.chunk_rows) {
    full.assign(static_cast<size_t>(bytes), 0);
    std::memcpy(full.data(), data, static_cast<size_t>(rows * g.row_bytes));
    data = full.data();
  }
  if (width > 1) {
    shuffled.resize(static_cast<size_t>(bytes));
    shuffle_bytes(data, shuffled.data(), bytes / width, width);
    data = shuffled.data();
  }
  const bool smaller = deflate_chunk(data, bytes, packed);
  const uint32_t skipped = smaller ? 0 : width > 1 ? 2 : 1;  // bit i: filter i was not applied
  const Hdf5Lock lock;
  hsize_t dims[kMaxRank] = {static_cast<hsize_t>(first_row + rows)},
          at[kMaxRank] = {static_cast<hsize_t>(first_row)};
  for (int i = 0; i < g.row.shape.rank(); ++i) dims[i + 1] = static_cast<hsize_t>(g.row.shape[i]);
  check(H5Dset_extent(g.id, dims) >= 0);
  check(H5Dwrite_chunk(g.id, H5P_DEFAULT, skipped, at, smaller ? packed.size() : static_cast<size_t>(bytes),
                       smaller ? packed.data() : data) >= 0);
}

void ArtifactWriter::append(const std::string& name, const void* rows, int64_t count) {
  const auto it = impl_->growing.find(name);
  if (it == impl_->growing.end()) throw Error(Exit::internal, str("data set '", name, "' takes no rows"));
  Growing& g = it->second;
  const auto* p = static_cast<const unsigned char*>(rows);
  g.hash.add(p, static_cast<size_t>(count * g.row_bytes));
  while (count > 0) {
    const int64_t waiting = static_cast<int64_t>(g.pending.size()) / g.row_bytes;
    const int64_t n = std::min(count, g.chunk_rows - waiting);
    const bool direct = waiting == 0 && n == g.chunk_rows;
    if (!direct) g.pending.insert(g.pending.end(), p, p + n * g.row_bytes);
    if (waiting + n == g.chunk_rows) {
      impl_->write_chunk(g, g.rows - waiting, g.chunk_rows, direct ? p : g.pending.data());
      g.pending.clear();
    }
    g.rows += n;
    p += n * g.row_bytes;
    count -= n;
  }
}

std::string ArtifactWriter::Impl::content_hash() {
  Sha256 all;
  for (Entry& e : entries) {
    if (e.growing)
      e.text = str(TensorType{e.growing->row}.text(), '*', e.growing->rows, ' ', e.growing->hash.hex());
    all.add(str("data ", e.name, ' ', e.text, '\n'));
  }
  all.add(attributes.hex());
  return all.hex();
}

std::string ArtifactWriter::finish() {
  Impl& w = *impl_;
  if (w.finished) throw Error(Exit::internal, "artifact finished twice");
  for (auto& [name, g] : w.growing) {
    const int64_t waiting = static_cast<int64_t>(g.pending.size()) / g.row_bytes;
    if (waiting > 0) w.write_chunk(g, g.rows - waiting, waiting, g.pending.data());
  }
  attribute("parents", w.parents);
  const std::string hash = w.content_hash();
  {
    const Hdf5Lock lock;
    w.text_attribute("/", "content_hash", hash);
    w.integer_attribute("complete", 1);
    w.growing.clear();
    w.entries.clear();
    w.check(w.file.close());
  }
  w.finished = true;
  w.out.publish();
  return hash;
}

}  // namespace dl
