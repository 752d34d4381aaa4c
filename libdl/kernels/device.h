#pragma once
// What a library of device kernels offers (libdl_cuda): its kernel table, and the memory, streams and graphs of the
// devices that it drives. exec/device.h loads one and is the only user. All functions that give a text give null for
// success, else what went wrong; the text stays valid until the next call of the thread.
#include <cstddef>
#include <cstdint>

#include "kernels/kernel.h"

namespace dl {

struct DeviceInfo {
  char name[256];
  int64_t memory;  // bytes in all
  int processors;
  int major, minor;  // compute capability
};

// One device in use: a stream for computing, one for copies.
struct DeviceContext;
enum class DeviceStream : int { compute, copy };

struct DeviceTable {
  static constexpr int kVersion = 1;
  int version;
  const Kernel* const* kernels;  // in the order of ops.def

  const char* (*count)(int* n);
  const char* (*describe)(int device, DeviceInfo* info);
  const char* (*open)(int device, DeviceContext** context);
  void (*close)(DeviceContext*);
  void (*allow_tf32)(DeviceContext*, bool allowed);  // for products of f32 enqueued from now on
  void* (*queue)(DeviceContext*);                    // Call::queue of kernels that run on the compute stream

  const char* (*free_memory)(DeviceContext*, int64_t* bytes);
  // Sets *p to null, and gives null, when the memory does not suffice.
  const char* (*allocate)(DeviceContext*, size_t bytes, void** p);
  void (*release)(DeviceContext*, void* p);
  const char* (*allocate_host)(DeviceContext*, size_t bytes, void** p);  // pinned
  void (*release_host)(DeviceContext*, void* p);

  // Enqueued; host memory must be pinned to be copied behind the caller's back.
  const char* (*copy)(DeviceContext*, DeviceStream, void* to, const void* from, size_t bytes);
  // What is enqueued on `then` from now on waits for what is on `first` by now.
  const char* (*order)(DeviceContext*, DeviceStream first, DeviceStream then);
  const char* (*wait)(DeviceContext*, DeviceStream);  // also gives errors of what ran
  const char* (*error)(DeviceContext*);               // of launches since the last question

  // Work of the compute stream recorded instead of done, to be launched as a whole any number of times.
  const char* (*begin_graph)(DeviceContext*);
  const char* (*end_graph)(DeviceContext*, void** graph);
  const char* (*launch_graph)(DeviceContext*, void* graph);
  void (*release_graph)(DeviceContext*, void* graph);

  // Points in time on the compute stream; elapsed() waits for `to`.
  const char* (*mark)(DeviceContext*, int slot);
  const char* (*elapsed)(DeviceContext*, int from, int to, float* seconds);
};

// The one function of such a library.
using DeviceTableFn = const DeviceTable* (*)();
constexpr const char* kDeviceTableFn = "dl_device_table";

}  // namespace dl
