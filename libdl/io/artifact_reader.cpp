#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "io/artifact.h"
#include "io/chunk_codec.h"
#include "io/hdf5_file.h"
#include "io/header_check.h"
#include "io/input_file.h"
#include "io/output_file.h"

namespace dl {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr int64_t kDeflateLimit = 1032;  // deflate expands at most this many times
constexpr size_t kMaxNames = 1'000'000;
constexpr int kMaxDepth = 16;
constexpr int64_t kMaxText = 64 << 20;  // bytes of one attribute
constexpr int kMaxNesting = 128;        // of JSON text

bool printable(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return c == '\t' || c == '\n' || c == '\r' || c >= 32;
  });
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t v = 0;
  for (size_t i = bytes.size(); i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
  return v;
}

// Says what is wrong with a file before HDF5 sees it. The superblock of versions 2 and 3: signature, version,
// sizes of offsets and lengths, flags, then base, extension, end of file, root group, checksum.
void check_superblock(const InputFile& in) {
  const auto bad = [&](const std::string& what, std::string hint = {}) {
    throw Error(Exit::data, {}, str(in.name(), ": ", what), hint);
  };
  const std::string head = in.peek(0, 48);
  if (head.empty())
    bad("is empty, expected an artifact of dl",
        in.name() == "<stdin>" ? "the program before it in the pipe wrote nothing" : "");
  const bool prefix = head.size() < kSignature.size() && kSignature.starts_with(head);
  if (!prefix && !head.starts_with(kSignature)) {
    std::string_view line =
        std::string_view(head).substr(0, std::min<size_t>(head.find_first_of("\r\n"), 24));
    if (printable(line)) bad(str("is text (\"", line, "\"), expected an artifact of dl (HDF5)"));
    bad("is not an HDF5 file, expected an artifact of dl");
  }
  if (head.size() < 48) bad(str("is truncated: ", in.bytes(), " bytes, not even a whole header"));
  const int version = static_cast<unsigned char>(head[8]);
  if (version != 2 && version != 3)
    bad(str("is an HDF5 file but no artifact of dl (superblock version ", version, ", expected 3)"));
  const uint64_t end = little_endian(std::string_view(head).substr(28, 8)),
                 base = little_endian(std::string_view(head).substr(12, 8));
  if (head[9] != 8 || head[10] != 8 || base != 0)
    bad("is an HDF5 file but no artifact of dl (unusual offsets)");
  const auto have = static_cast<uint64_t>(in.bytes());
  if (have < end)
    bad(str("is truncated: ", have, " of ", end, " bytes"), "was the program that wrote it interrupted?");
  if (have > end) {
    if (in.peek(static_cast<int64_t>(end), static_cast<int64_t>(kSignature.size())) == kSignature)
      bad(str("holds two or more artifacts one after the other (the first ends at byte ", end,
              "), expected one"));
    bad(str("has ", have - end, " bytes after the end of the artifact, expected none"));
  }
  if (head[11] & 1) bad("is not complete: it was not closed by the program that wrote it");
  const std::string problem = attribute_problem(in, little_endian(std::string_view(head).substr(36, 8)));
  if (!problem.empty()) bad("is damaged: " + problem);
}

}  // namespace

struct ArtifactReader::Impl {
  InputFile in;
  Hdf5Device device;
  Hid file;

  Impl(const std::string& path, const std::string& tmp) : in(path, kSignature, tmp) {
    device.fd = in.fd();
    device.read_only = true;
  }
  ~Impl() {
    const Hdf5Lock lock;
    file.reset();
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw Error(Exit::data, str(in.name(), ": ", what));
  }
  void check(bool ok, const std::string& what) const {
    if (!ok) bad(what);
  }
  Hid open_attribute(std::string_view name) const;
  // Walks the path by hard links alone: others could lead out of the file.
  bool resolves(const std::string& name) const;
  Hid open_group(const std::string& name) const;
  std::vector<std::string> names(hid_t group) const;
  void collect(hid_t group, const std::string& prefix, int depth, std::vector<std::string>& out) const;
};

Hid ArtifactReader::Impl::open_attribute(std::string_view name) const {
  Hid a = H5Aopen(file, std::string(name).c_str(), H5P_DEFAULT);
  check(a.ok(), str("has no attribute '", name, "'"));
  const Hid space = H5Aget_space(a);
  check(H5Sget_simple_extent_type(space) == H5S_SCALAR, str("attribute '", name, "' is no single value"));
  return a;
}

bool ArtifactReader::Impl::resolves(const std::string& name) const {
  std::string at;
  for (const std::string& part : split(name.starts_with('/') ? name.substr(1) : name, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
    at += '/' + part;
    H5L_info_t info;
    if (H5Lexists(file, at.c_str(), H5P_DEFAULT) <= 0 ||
        H5Lget_info(file, at.c_str(), &info, H5P_DEFAULT) < 0)
      return false;
    if (info.type != H5L_TYPE_HARD) return false;
  }
  return true;
}

Hid ArtifactReader::Impl::open_group(const std::string& name) const {
  if (name == "/" || name.empty()) return H5Gopen2(file, "/", H5P_DEFAULT);
  return resolves(name) ? Hid(H5Gopen2(file, name.c_str(), H5P_DEFAULT)) : Hid();
}

std::vector<std::string> ArtifactReader::Impl::names(hid_t group) const {
  std::vector<std::string> out;
  const auto add = [](hid_t, const char* name, const H5L_info_t* info, void* to) -> herr_t {
    auto* list = static_cast<std::vector<std::string>*>(to);
    if (info->type == H5L_TYPE_HARD) list->emplace_back(name);
    return list->size() > kMaxNames ? -1 : 0;
  };
  // A search for what is not there decodes every link; H5Literate would free what it has not decoded when one is bad.
  check(H5Lexists(group, "<none>", H5P_DEFAULT) == 0, "is damaged: a group cannot be listed");
  const Hid creation = H5Gget_create_plist(group);
  unsigned order = 0;
  H5Pget_link_creation_order(creation, &order);
  const herr_t r = H5Literate(group, order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME,
                              H5_ITER_INC, nullptr, +add, &out);
  check(r >= 0, "is damaged: a group cannot be listed");
  return out;
}

void ArtifactReader::Impl::collect(hid_t group, const std::string& prefix, int depth,
                                   std::vector<std::string>& out) const {
  check(depth < kMaxDepth, str("is damaged: groups nested deeper than ", kMaxDepth));
  for (const std::string& name : names(group)) {
    const Hid object = H5Oopen(group, name.c_str(), H5P_DEFAULT);
    check(object.ok(), str("is damaged: '", prefix, name, "' cannot be opened"));
    const H5I_type_t kind = H5Iget_type(object);
    if (kind == H5I_GROUP)
      collect(object, prefix + name + "/", depth + 1, out);
    else if (kind == H5I_DATASET)
      out.push_back(prefix + name);
    check(out.size() <= kMaxNames, "is damaged: too many data sets");
  }
}

ArtifactReader::ArtifactReader(const std::string& path, std::string_view kind, const std::string& tmp)
    : impl_(std::make_shared<Impl>(path, tmp)) {
  Impl& r = *impl_;
  check_superblock(r.in);
  const Hdf5Lock lock;
  r.file = H5Fopen("artifact", H5F_ACC_RDONLY, hdf5_access(&r.device));
  r.check(r.file.ok(), "is damaged: HDF5 cannot open it");
  r.check(has_attribute("kind") && has_attribute("format"), "is an HDF5 file but no artifact of dl");
  const std::string found = this->kind();
  r.check(has_attribute("complete") && integer("complete") == 1,
          "is not complete: the program that wrote it did not finish");
  if (const int64_t least = integer("min_reader"); least > kArtifactFormat)
    r.bad(str("has format ", integer("format"), ", expected at most ", kArtifactFormat,
              ": it needs a newer dl"));
  r.check(kind.empty() || found == kind, str("is a ", found, ", expected a ", kind));
}

ArtifactReader::~ArtifactReader() = default;
ArtifactReader::ArtifactReader(ArtifactReader&&) noexcept = default;
ArtifactReader& ArtifactReader::operator=(ArtifactReader&&) noexcept = default;

const std::string& ArtifactReader::name() const { return impl_->in.name(); }
std::string ArtifactReader::kind() const { return text("kind"); }
std::string ArtifactReader::content_hash() const { return text("content_hash"); }

bool ArtifactReader::has_attribute(std::string_view name) const {
  const Hdf5Lock lock;
  return H5Aexists(impl_->file, std::string(name).c_str()) > 0;
}

std::string ArtifactReader::text(std::string_view name) const {
  const Hdf5Lock lock;
  const Hid a = impl_->open_attribute(name);
  const Hid type = H5Aget_type(a);
  const auto size = static_cast<int64_t>(H5Tget_size(type));
  impl_->check(H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0,
               str("attribute '", name, "' is no text"));
  impl_->check(size <= std::min(kMaxText, impl_->in.bytes()),
               str("is damaged: attribute '", name, "' of ", size, " bytes"));
  std::string out(static_cast<size_t>(size), '\0');
  impl_->check(H5Aread(a, type, out.data()) >= 0, str("is damaged: attribute '", name, "' cannot be read"));
  out.resize(std::min(out.size(), out.find_last_not_of('\0') + 1));
  return out;
}

int64_t ArtifactReader::integer(std::string_view name) const {
  const Hdf5Lock lock;
  const Hid a = impl_->open_attribute(name);
  const Hid type = H5Aget_type(a);
  int64_t v = 0;
  impl_->check(H5Tequal(type, H5T_STD_I64LE) > 0 && H5Aread(a, H5T_STD_I64LE, &v) >= 0,
               str("attribute '", name, "' is no 64-bit integer"));
  return v;
}

double ArtifactReader::real(std::string_view name) const {
  const Hdf5Lock lock;
  const Hid a = impl_->open_attribute(name);
  const Hid type = H5Aget_type(a);
  double v = 0;
  impl_->check(H5Tequal(type, H5T_IEEE_F64LE) > 0 && H5Aread(a, H5T_IEEE_F64LE, &v) >= 0,
               str("attribute '", name, "' is no 64-bit float"));
  return v;
}

json ArtifactReader::parsed(std::string_view name) const {
  if (!has_attribute(name)) return json::object();
  const std::string source = text(name);
  int depth = 0, most = 0;
  for (char c : source) {
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    most = std::max(most, depth);
  }
  json out = most > kMaxNesting ? json(json::value_t::discarded) : json::parse(source, nullptr, false);
  if (out.is_discarded()) impl_->bad(str("is damaged: attribute '", name, "' is not JSON"));
  return out;
}

bool ArtifactReader::exists(const std::string& name) const {
  const Hdf5Lock lock;
  return impl_->resolves(name);
}

std::vector<std::string> ArtifactReader::names(const std::string& group) const {
  const Hdf5Lock lock;
  const Hid g = impl_->open_group(group);
  impl_->check(g.ok(), str("has no group '", group, "'"));
  return impl_->names(g);
}

std::vector<std::string> ArtifactReader::data_sets(const std::string& group) const {
  const Hdf5Lock lock;
  std::vector<std::string> out;
  if (const Hid g = impl_->open_group(group); g.ok()) impl_->collect(g, "", 0, out);
  return out;
}

TensorType ArtifactReader::type(const std::string& name) const { return column(name)->type(); }

Tensor ArtifactReader::read(const std::string& name) const {
  const auto c = column(name);
  Tensor out(c->type());
  c->read_rows(0, c->rows(), out.raw());
  return out;
}

void ArtifactReader::read_rows(const std::string& name, int64_t first, int64_t count, void* out) const {
  column(name)->read_rows(first, count, out);
}

// ---- Columns
// -----------------------------------------------------------------------------------------------------

struct ArtifactColumn::Impl {
  std::shared_ptr<ArtifactReader::Impl> reader;
  std::string name;
  Hid set;
  bool chunked = false, shuffled = false, deflated = false;
  int64_t offset = 0;  // of contiguous data in the file

  [[noreturn]] void bad(const std::string& what) const { reader->bad(str("data set '", name, "' ", what)); }
  void check(bool ok, const std::string& what) const {
    if (!ok) bad(what);
  }
  ~Impl() {
    const Hdf5Lock lock;
    set.reset();
  }
  TensorType parse_type() const;
  int64_t parse_layout(const TensorType& type);  // rows of a chunk
  void parse_filters(hid_t creation);
  std::vector<unsigned char> fetch(int64_t first_row, uint32_t& skipped) const;
};

TensorType ArtifactColumn::Impl::parse_type() const {
  TensorType type;
  const Hid kind = H5Dget_type(set);
  check(parse_hdf5_type(kind, type.dtype),
        "has an element type that dl does not use, expected f32, f64, i32, i64 or u8");
  const Hid space = H5Dget_space(set);
  const H5S_class_t extent = H5Sget_simple_extent_type(space);
  const int rank = H5Sget_simple_extent_ndims(space);
  check((extent == H5S_SCALAR || extent == H5S_SIMPLE) && rank >= 0 && rank <= kMaxRank,
        str("has ", rank, " dimensions, expected at most ", kMaxRank));
  hsize_t dims[kMaxRank] = {};
  check(H5Sget_simple_extent_dims(space, dims, nullptr) >= 0, "is damaged");
  int64_t bytes = size_of(type.dtype), row = bytes;
  for (int i = 0; i < rank; ++i) {
    const auto d = static_cast<int64_t>(dims[i]);
    check(d >= 0 && !__builtin_mul_overflow(bytes, std::max<int64_t>(d, 1), &bytes),
          "is damaged: its size overflows");
    if (i > 0) row *= std::max<int64_t>(d, 1);
    type.shape.push_back(d);
  }
  const int64_t file = reader->in.bytes();
  check(bytes / kDeflateLimit <= file + kChunkBytes && row / kDeflateLimit <= file,
        str("is damaged: ", type.text(), " cannot come from a file of ", file, " bytes"));
  return type;
}

void ArtifactColumn::Impl::parse_filters(hid_t creation) {
  const int filters = H5Pget_nfilters(creation);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    const H5Z_filter_t id =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (id == H5Z_FILTER_SHUFFLE && i == 0)
      shuffled = true;
    else if (id == H5Z_FILTER_DEFLATE && i == filters - 1)
      deflated = true;
    else
      bad(str("uses HDF5 filter ", static_cast<int>(id), ", expected shuffle and deflate"));
  }
}

int64_t ArtifactColumn::Impl::parse_layout(const TensorType& type) {
  const Hid creation = H5Dget_create_plist(set);
  check(creation.ok() && H5Pget_external_count(creation) == 0, "refers to other files");
  const int64_t rows = type.shape.rank() ? type.shape[0] : 1, file = reader->in.bytes();
  const H5D_layout_t layout = H5Pget_layout(creation);
  if (layout == H5D_CONTIGUOUS) {
    if (type.bytes() == 0) return std::max<int64_t>(rows, 1);
    const haddr_t at = H5Dget_offset(set);
    check(at != HADDR_UNDEF && at <= static_cast<haddr_t>(file) &&
              type.bytes() <= file - static_cast<int64_t>(at),
          "is damaged: it reaches beyond the end of the file");
    offset = static_cast<int64_t>(at);
    return std::max<int64_t>(rows, 1);
  }
  check(layout == H5D_CHUNKED, "has a layout that dl does not use, expected contiguous or chunked");
  chunked = true;
  hsize_t chunk[kMaxRank] = {};
  const int rank = type.shape.rank();
  check(H5Pget_chunk(creation, kMaxRank, chunk) == rank && chunk[0] > 0, "is damaged: its chunks");
  int64_t bytes = size_of(type.dtype);
  for (int i = 0; i < rank; ++i) {
    check(i == 0 || static_cast<int64_t>(chunk[i]) == type.shape[i],
          "is cut within rows, expected chunks of whole rows");
    check(!__builtin_mul_overflow(bytes, static_cast<int64_t>(chunk[i]), &bytes),
          "is damaged: its size overflows");
  }
  check(bytes / kDeflateLimit <= file + kChunkBytes, "is damaged: its chunks");
  parse_filters(creation);
  return static_cast<int64_t>(chunk[0]);
}

// The stored bytes of the chunk that begins at a row.
std::vector<unsigned char> ArtifactColumn::Impl::fetch(int64_t first_row, uint32_t& skipped) const {
  hsize_t at[kMaxRank] = {static_cast<hsize_t>(first_row)}, bytes = 0;
  const Hdf5Lock lock;
  check(H5Dget_chunk_storage_size(set, at, &bytes) >= 0 && bytes > 0,
        str("is damaged: rows from ", first_row, " are missing"));
  check(bytes <= static_cast<hsize_t>(reader->in.bytes()), str("is damaged: rows from ", first_row));
  std::vector<unsigned char> out(static_cast<size_t>(bytes));
  check(H5Dread_chunk(set, H5P_DEFAULT, at, &skipped, out.data()) >= 0 && !reader->device.error,
        str("is damaged: rows from ", first_row, " cannot be read"));
  return out;
}

ArtifactColumn::ArtifactColumn(std::unique_ptr<Impl> impl, TensorType type, int64_t chunk_rows)
    : impl_(std::move(impl)), type_(type), chunk_rows_(chunk_rows), chunked_(impl_->chunked) {
  row_bytes_ =
      size_of(type_.dtype) * type_.shape.elements(std::min(1, type_.shape.rank()), type_.shape.rank());
}
ArtifactColumn::~ArtifactColumn() = default;

std::shared_ptr<const ArtifactColumn> ArtifactReader::column(const std::string& name) const {
  const Hdf5Lock lock;
  impl_->check(impl_->resolves(name), str("has no data set '", name, "'"));
  auto c = std::make_unique<ArtifactColumn::Impl>();
  c->reader = impl_;
  c->name = name;
  c->set = H5Oopen(impl_->file, name.c_str(), H5P_DEFAULT);
  c->check(c->set.ok() && H5Iget_type(c->set) == H5I_DATASET, "is no data set");
  const TensorType type = c->parse_type();
  const int64_t chunk_rows = c->parse_layout(type);
  return std::shared_ptr<const ArtifactColumn>(new ArtifactColumn(std::move(c), type, chunk_rows));
}

void ArtifactColumn::read_chunk(int64_t i, void* out) const {
  const int64_t first = i * chunk_rows_, count = std::min(chunk_rows_, rows() - first);
  if (i < 0 || count <= 0) throw Error(Exit::internal, str("chunk ", i, " of ", chunks(), " asked for"));
  if (!impl_->chunked) return read_rows(first, count, out);
  const int64_t width = size_of(type_.dtype), bytes = chunk_rows_ * row_bytes_;
  uint32_t skipped = 0;
  std::vector<unsigned char> data = impl_->fetch(first, skipped), plain;
  const bool shuffled = impl_->shuffled && !(skipped & 1);
  const bool deflated = impl_->deflated && !(skipped & (impl_->shuffled ? 2u : 1u));
  const bool direct = deflated && !shuffled && count == chunk_rows_;  // decompress straight into `out`
  if (deflated) {
    if (!direct) plain.resize(static_cast<size_t>(bytes));
    impl_->check(inflate_chunk(data.data(), static_cast<int64_t>(data.size()),
                               direct ? static_cast<unsigned char*>(out) : plain.data(), bytes),
                 str("is damaged: rows from ", first, " do not decompress"));
    if (direct) return;
    data.swap(plain);
  }
  impl_->check(static_cast<int64_t>(data.size()) == bytes, str("is damaged: rows from ", first));
  if (shuffled) {
    plain.resize(static_cast<size_t>(bytes));
    unshuffle_bytes(data.data(), plain.data(), bytes / width, width);
    data.swap(plain);
  }
  std::memcpy(out, data.data(), static_cast<size_t>(count * row_bytes_));
}

void ArtifactColumn::read_rows(int64_t first, int64_t count, void* out) const {
  if (first < 0 || count < 0 || count > rows() - first)
    throw Error(Exit::internal, str("rows ", first, " to ", first + count, " of ", rows(), " asked for"));
  auto* p = static_cast<unsigned char*>(out);
  if (count == 0 || row_bytes_ == 0) return;
  if (!impl_->chunked) {
    impl_->check(read_all(impl_->reader->in.fd(), p, count * row_bytes_, impl_->offset + first * row_bytes_),
                 "cannot be read");
    return;
  }
  std::vector<unsigned char> part;
  for (const int64_t end = first + count; first < end;) {
    const int64_t chunk = first / chunk_rows_, skip = first - chunk * chunk_rows_;
    const int64_t have = std::min(chunk_rows_, rows() - chunk * chunk_rows_),
                  n = std::min(have - skip, end - first);
    if (n == have) {
      read_chunk(chunk, p);
    } else {
      part.resize(static_cast<size_t>(have * row_bytes_));
      read_chunk(chunk, part.data());
      std::memcpy(p, part.data() + skip * row_bytes_, static_cast<size_t>(n * row_bytes_));
    }
    p += n * row_bytes_;
    first += n;
  }
}

}  // namespace dl
