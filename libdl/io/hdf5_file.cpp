#include "io/hdf5_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace dl {
namespace {

struct Settings {
  Hdf5Device* device;
};

struct File {
  H5FD_t base;  // first, as HDF5 demands
  Hdf5Device* device;
  haddr_t eoa, eof;
};

File* self(H5FD_t* f) { return reinterpret_cast<File*>(f); }
const File* self(const H5FD_t* f) { return reinterpret_cast<const File*>(f); }

hid_t driver();

H5FD_t* open_file(const char*, unsigned, hid_t access, haddr_t) {
  const auto* settings = static_cast<const Settings*>(H5Pget_driver_info(access));
  struct stat st {};
  if (!settings || ::fstat(settings->device->fd, &st) != 0) return nullptr;
  File* f = new File{};
  f->device = settings->device;
  f->eof = static_cast<haddr_t>(st.st_size);
  return &f->base;
}

herr_t close_file(H5FD_t* f) {
  delete self(f);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const Hdf5Device *x = self(a)->device, *y = self(b)->device;
  return x < y ? -1 : x > y;
}

// HDF5's metadata accumulator copies by sizes that it has not checked: not for files that are only read, which are
// not trusted.
herr_t query(const H5FD_t* f, unsigned long* flags) {
  if (!flags) return 0;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
  if (f && !self(f)->device->read_only) *flags |= H5FD_FEAT_ACCUMULATE_METADATA;
  return 0;
}

haddr_t get_eoa(const H5FD_t* f, H5FD_mem_t) { return self(f)->eoa; }
haddr_t get_eof(const H5FD_t* f, H5FD_mem_t) { return self(f)->eof; }
herr_t set_eoa(H5FD_t* f, H5FD_mem_t, haddr_t eoa) {
  self(f)->eoa = eoa;
  return 0;
}

herr_t read_bytes(H5FD_t* f, H5FD_mem_t, hid_t, haddr_t at, size_t size, void* out) {
  char* p = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t n = ::pread(self(f)->device->fd, p, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      self(f)->device->error = errno;
      return -1;
    }
    if (n == 0) {  // beyond the end: allocated, not yet written
      if (self(f)->device->read_only) return -1;
      std::memset(p, 0, size);
      return 0;
    }
    p += n;
    at += static_cast<haddr_t>(n);
    size -= static_cast<size_t>(n);
  }
  return 0;
}

herr_t write_bytes(H5FD_t* f, H5FD_mem_t, hid_t, haddr_t at, size_t size, const void* data) {
  Hdf5Device& d = *self(f)->device;
  const char* p = static_cast<const char*>(data);
  while (size > 0 && !d.error && !d.discard) {
    const ssize_t n = ::pwrite(d.fd, p, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      d.error = n < 0 ? errno : EIO;
      break;
    }
    p += n;
    at += static_cast<haddr_t>(n);
    size -= static_cast<size_t>(n);
    self(f)->eof = std::max(self(f)->eof, at);
  }
  return 0;  // errors are looked up in the device: HDF5 itself must stay able to close
}

herr_t truncate(H5FD_t* f, hid_t, hbool_t) {
  Hdf5Device& d = *self(f)->device;
  if (self(f)->eoa == self(f)->eof || d.error || d.discard) return 0;
  if (::ftruncate(d.fd, static_cast<off_t>(self(f)->eoa)) != 0) d.error = errno;
  self(f)->eof = self(f)->eoa;
  return 0;
}

const H5FD_class_t& driver_class() {
  static const H5FD_class_t c = [] {
    H5FD_class_t k{};
    k.name = "dl_descriptor";
    k.maxaddr = (haddr_t{1} << 62) - 1;
    k.fc_degree = H5F_CLOSE_STRONG;
    k.fapl_size = sizeof(Settings);
    k.open = open_file;
    k.close = close_file;
    k.cmp = compare;
    k.query = query;
    k.get_eoa = get_eoa;
    k.set_eoa = set_eoa;
    k.get_eof = get_eof;
    k.read = read_bytes;
    k.write = write_bytes;
    k.truncate = truncate;
    constexpr H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(map), std::end(map), k.fl_map);
    return k;
  }();
  return c;
}

hid_t driver() {
  static const hid_t id = H5FDregister(&driver_class());
  return id;
}

}  // namespace

Hdf5Lock::Hdf5Lock() {
  static std::recursive_mutex mutex;
  lock_ = std::unique_lock(mutex);
  thread_local const bool silent = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)silent;
}

Hid hdf5_access(Hdf5Device* device) {
  Hid access = H5Pcreate(H5P_FILE_ACCESS);
  const Settings settings{device};
  H5Pset_driver(access, driver(), &settings);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  return access;
}

hid_t hdf5_type(DType type) {
  switch (type) {
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::f64:
      return H5T_IEEE_F64LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::i64:
      return H5T_STD_I64LE;
    case DType::u8:
      return H5T_STD_U8LE;
    case DType::bf16:
    case DType::f16:
      break;  // live on devices alone
  }
  return -1;
}

bool parse_hdf5_type(hid_t type, DType& out) {
  for (DType t : {DType::f32, DType::f64, DType::i32, DType::i64, DType::u8})
    if (H5Tequal(type, hdf5_type(t)) > 0) {
      out = t;
      return true;
    }
  return false;
}

}  // namespace dl
