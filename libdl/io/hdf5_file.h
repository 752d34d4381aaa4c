#pragma once
// What the artifact writer and reader share of HDF5: handles, the lock, and a file driver over an open
// descriptor. The driver needs no path (so nameless files work), remembers why a write failed, and once a
// write has failed or the file is discarded lets HDF5 close without touching the disk.
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

#include "tensor/tensor.h"

namespace dl {

// Held around every call into HDF5, which keeps global state; also silences its error printing for this
// thread.
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Owns an HDF5 id of any kind.
class Hid {
 public:
  Hid(hid_t id = -1) : id_(id) {}
  Hid(Hid&& o) noexcept : id_(std::exchange(o.id_, -1)) {}
  Hid& operator=(Hid&& o) noexcept {
    std::swap(id_, o.id_);
    return *this;
  }
  ~Hid() { reset(); }
  void reset() { (void)close(); }
  bool close() { return id_ < 0 || H5Idec_ref(std::exchange(id_, -1)) >= 0; }
  operator hid_t() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
};

struct Hdf5Device {
  int fd = -1;
  bool read_only = false;
  int error = 0;         // errno of the first failed read or write
  bool discard = false;  // ignore all further writes
};

// File access properties for `device`, which must outlive the file. The format is that of HDF5 1.10,
// whichever library version runs.
Hid hdf5_access(Hdf5Device* device);

hid_t hdf5_type(DType type);  // a predefined id: do not close
bool parse_hdf5_type(hid_t type, DType& out);

}  // namespace dl
